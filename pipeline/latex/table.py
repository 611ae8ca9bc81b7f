"""A table of an artifact as LaTeX: a tabular of booktabs with columns of siunitx."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts import lost, page, words
from pipeline.artifacts.rows import CELL, baseline_lines, same
from pipeline.latex.escape import comment, escape
from pipeline.latex.quantity import column, quantity

NEEDS = r"needs \usepackage{booktabs,siunitx} and \usepackage{textcomp}"
"""What a document must load; said in every file."""

_OURS, _PRINTED = "here", "printed"
_SETUP = r"\sisetup{separate-uncertainty=true, detect-weight=true}"

Cell = Mapping[str, Any]
Place = tuple[Any, ...]


def tabular(report: Mapping[str, Any], printed: bool = False) -> str:
    """The table, without the float around it and its caption.

    Args:
        report: Content of the artifact's JSON file.
        printed: Whether the paper's own numbers stand beside ours.
    """
    own = [cell for cell in report["cells"] if cell["role"] == CELL]
    rows, columns = list(report["rows"]), list(report["columns"])
    sides, heads = _product(own, rows), _product(own, columns)
    beside = [_OURS, _PRINTED] if printed else [_OURS]
    lines = []
    for side in sides:
        at = [_find(own, [*rows, *columns], [*side, *head]) for head in heads]
        lines.append(
            [*map(escape, side or (report["title"],)), *(_text(cell, which) for cell in at for which in beside)]
        )
    below = []
    baselines = [(cell["role"], cell["axes"], cell) for cell in report["cells"] if cell["role"] != CELL]
    for name, cells in baseline_lines(baselines, columns, heads):
        blank = [""] * (max(len(rows), 1) - 1)
        below.append([escape(name), *blank, *(_text(cell, which) for cell in cells for which in beside)])
    places = [(*head, which) for head in heads for which in beside] if printed else heads
    first = max(len(rows), 1)
    kinds = [_kind([line[k] for line in [*lines, *below]]) for k in range(first, first + len(places))]
    text = [
        rf"{{{_SETUP}%",
        rf"\begin{{tabular}}{{@{{}}{'l' * first} {' '.join(kinds)}@{{}}}}",
        r"\toprule",
        *_heads([*map(escape, rows or [""])], [*columns, *([""] if printed else [])], places, report),
        r"\midrule",
        *(_row(line) for line in lines),
        *([r"\midrule"] if below else []),
        *(_row(line) for line in below),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    return "\n".join([*about(report), *text, *_notes(report)]) + "\n"


def about(report: Mapping[str, Any]) -> list[str]:
    """What a reader of the file should know, as comments."""
    counts = sorted({cell["n"] for cell in report["cells"] if cell["mean"] is not None})
    most = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else "".join(map(str, counts))
    spread = f", mean and standard deviation, {most} seeds" if counts else ""
    unit = f" in {report['measure']['unit']}" if report["measure"]["unit"] else ""
    scale = report["scale"]
    instead = (
        f": {words.one_epoch(report['stand_ins'])}; no number can be compared with the paper's"
        if report["stand_ins"]
        else ""
    )
    return [
        comment(f"{report['title']}. {report['measure']['title']}{unit}{spread}"),
        comment(f"scale {scale['key']} ({scale['title']}){instead}"),
        comment(NEEDS),
    ]


def value(cell: Cell) -> str | None:
    """A cell's number as siunitx reads it; None where it has none."""
    return None if cell["mean"] is None else quantity(cell["mean"], cell["std"], cell["unit"])


def _text(cell: Cell | None, which: str) -> str:
    """A cell between two ampersands; what is no number stands in braces, which siunitx leaves alone."""
    if cell is None:
        return ""
    if cell.get("setting"):
        text = cell["setting"]["value" if which == _OURS else "printed"]
        return f"{{{escape('--' if text is None else text)}}}"
    if which == _PRINTED:
        # its digits are the paper's and not ours to round
        return words.printed(cell, r" \pm ") or "{--}"
    number = value(cell)
    if number is None:
        return f"{{{lost.word(cell['seeds'], '--')}}}"
    marks = page.marks(lost.counts(cell["seeds"]), cell["collapsed"])
    number = rf"\bfseries {number}" if cell["best"] else number
    return number + (f"{{{escape(marks)}}}" if marks else "")


def _kind(cells: Sequence[str]) -> str:
    """The type of a column: of numbers where it has some, else centred text."""
    numbers = [cell.removeprefix(r"\bfseries ").partition("{")[0] for cell in cells]
    found = [number for number in numbers if number]
    form = column(found) if found else None
    if form is None:
        return "c"
    after = r", table-space-text-post=\textdagger\textdaggerdbl" if any("textdagger" in cell for cell in cells) else ""
    return f"S[table-format={form}{after}]"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heads(corner: Sequence[str], axes: Sequence[str], places: Sequence[Place], report: Mapping[str, Any]) -> list[str]:
    """Lines of heads, one per axis of the columns, each over the columns that it is for."""
    blank, first = [""] * len(corner), len(corner) + 1
    if not axes:
        return [_row([*corner, f"{{{escape(report['measure']['title'])}}}"])]
    lines = []
    for level, axis in enumerate(axes):
        last = level == len(axes) - 1
        leading = [at[: level + 1] for at in places]
        groups = [(key, len(list(group))) for key, group in itertools.groupby(leading)]
        names = [_name(axis, key[-1]) for key, _ in groups]
        if last:
            lines.append(_row([*corner, *(f"{{{name}}}" for name in names)]))
            continue
        spans = [rf"\multicolumn{{{span}}}{{c}}{{{name}}}" for name, (_, span) in zip(names, groups, strict=True)]
        lines.append(_row([*blank, *spans]))
        starts = itertools.accumulate((span for _, span in groups), initial=first)
        rules = [rf"\cmidrule(lr){{{at}-{at + span - 1}}}" for at, (_, span) in zip(starts, groups, strict=False)]
        lines.append(" ".join(rules))
    return lines


def _name(axis: str, found: Any) -> str:
    return escape(words.place(axis, found)) if axis not in ("", "measure") else escape(found)


def _notes(report: Mapping[str, Any]) -> list[str]:
    """What the marks say, as comments for the caption."""
    cells = report["cells"]
    found = []
    if any(lost.counts(cell["seeds"]) and cell["mean"] is not None for cell in cells):
        found.append(comment("dagger: some seeds have no number and are left out of the mean"))
    if any(cell["collapsed"] for cell in cells):
        found.append(comment("double dagger: some seeds collapsed"))
    bold = words.bold(report)
    if bold:
        found.append(comment(f"bold: {bold}"))
    return found


def _product(cells: Sequence[Cell], axes: Sequence[str]) -> list[Place]:
    return list(itertools.product(*(_values(cells, axis) for axis in axes)))


def _values(cells: Sequence[Cell], axis: str) -> list[Any]:
    found: list[Any] = []
    for cell in cells:
        if axis in cell["axes"] and not any(same(cell["axes"][axis], known) for known in found):
            found.append(cell["axes"][axis])
    return found


def _find(cells: Sequence[Cell], axes: Sequence[str], place: Sequence[Any]) -> Cell | None:
    wanted = list(zip(axes, place, strict=True))
    return next((cell for cell in cells if all(same(cell["axes"].get(axis), found) for axis, found in wanted)), None)
