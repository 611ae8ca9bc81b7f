"""Bars: how far something is, in one line of a terminal of any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.durations import clock

WIDE, NARROW = (12, 28), (6, 14)
"""Columns of a bar and of the words behind it, in a window of at least 60 columns and in a narrower one."""


@dataclass(frozen=True)
class Row:
    """What is told of one job, or of all of them.

    Attributes:
        label: What it is called.
        share: How much of it is done, from 0 to 1.
        words: What else there is to say, the most important first; what does not fit is left out.
        left: Seconds until it ends, which is told after the first of these; None where that is unknown.
        kind: What is done with it; left out where there is no room for it.
    """

    label: str
    share: float
    words: Sequence[str] = ()
    left: float | None = None
    kind: str = ""


def draw(rows: Sequence[Row], width: int, *, plain: bool = False) -> list[str]:
    """Draw rows below each other.

    Args:
        rows: The rows.
        width: Columns of the terminal; no line is as long.
        plain: Whether the terminal has no other letters than those of ASCII.
    """
    width = max(width - 1, 1)
    bar, room = WIDE if width >= 59 else NARROW
    names = _names(rows, max(width - 1 - bar - room, 6), "~" if plain else "…")
    widest = max(map(len, names), default=0)
    return [_line(row, f"{name:<{widest}}", bar, width, plain) for row, name in zip(rows, names, strict=True)]


def _line(row: Row, name: str, bar: int, width: int, plain: bool) -> str:
    full, empty = "#-" if plain else "━─"
    done = min(int(bar * row.share), bar)
    line = f"{name} {full * done}{empty * (bar - done)}"
    left = "" if row.left is None else f"ETA {clock(row.left)}"
    first, *others = row.words or [""]
    room = width - len(line)
    chosen: list[str] = []
    for word in filter(None, (first, left, *others)):
        room -= len(word) + 2
        if room < 0:
            break
        chosen.append(word)
    if left in chosen:  # where the eye looks for it
        chosen.remove(left)
        chosen.append(left)
    return "  ".join([line, *chosen])[:width]


def _names(rows: Sequence[Row], most: int, gap: str) -> list[str]:
    """Names of rows that are no longer than so many letters, and as far as possible no two alike.

    What a run differs in stands at the end of its name, or its method in front.
    """
    whole = [f"{row.kind} {row.label}".strip() for row in rows]
    texts = [text if len(text) <= most else row.label for text, row in zip(whole, rows, strict=True)]
    heads = [text if len(text) <= most else text[: most - 1] + gap for text in texts]
    tail = most // 2
    cut = [text if len(text) <= most else text[: most - 1 - tail] + gap + text[-tail:] for text in texts]
    return [middle if heads.count(head) > 1 else head for head, middle in zip(heads, cut, strict=True)]
