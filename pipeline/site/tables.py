"""A table as a paper prints it, from an artifact's JSON file: our cells beside the published ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.artifacts import formats, lost, page, scorecard, words
from pipeline.artifacts.rows import CELL, baseline_lines, same


@dataclass
class ShownCell:
    """One cell, ready to be written.

    Attributes:
        anchor: Where its seeds stand on the page.
        text: ``39.0 ± 9.9``, or why there is no number.
        n: Seeds behind it.
        published: ``77.86 ± 0.16``, empty where none is printed.
        difference: Ours minus theirs, signed.
        word: How it stands to the published number; see :func:`pipeline.artifacts.scorecard.stand`; of a setting, see
            :data:`pipeline.artifacts.settings.STANDINGS`.
        band: By how much the two may differ.
        measured: Whether there is a number.
        note: What a reader must know about it.
        marks: † where seeds have no number, ‡ where some collapsed.
        best: Whether it is the best of its column.
    """

    anchor: str
    text: str
    n: int
    published: str = ""
    difference: str = ""
    word: str = ""
    band: str = ""
    measured: bool = True
    note: str = ""
    marks: str = ""
    best: bool = False


@dataclass
class Head:
    """A head over one column or several."""

    text: str
    more: str
    span: int


@dataclass
class Grid:
    """A table: heads above, names at the side, cells.

    Attributes:
        corner: Names of the axes at the side.
        heads: Lines of heads, the widest first.
        lines: Names at the side, and cells (None where the paper has none).
        baselines: The same, for what the paper's table does not have.
    """

    corner: list[str]
    heads: list[list[Head]]
    lines: list[tuple[list[str], list[ShownCell | None]]]
    baselines: list[tuple[list[str], list[ShownCell | None]]] = field(default_factory=list)


def grid(report: Mapping[str, Any]) -> Grid | None:
    """The table of an artifact; None for one without numbers (spectra)."""
    cells = report["cells"]
    shown = any(cell["mean"] is not None or cell["published_mean"] or cell.get("setting") for cell in cells)
    if not shown:
        return None
    unit = report["measure"]["unit"]
    own = [(number, cell) for number, cell in enumerate(cells) if cell["role"] == CELL]
    rows, columns = list(report["rows"]), list(report["columns"])
    sides, places = _product(own, rows), _filled_first(own, columns, _product(own, columns))
    lines = []
    for side in sides:
        wanted = [dict(zip([*rows, *columns], [*side, *at], strict=True)) for at in places]
        lines.append((list(map(str, side)) or [report["artifact"]], [_find(own, axes, unit) for axes in wanted]))
    found = Grid(rows or [""], _heads(own, columns, places, report["measure"]["title"]), lines)
    others = [
        (one["role"], one["axes"], cell(number, one, unit)) for number, one in enumerate(cells) if one["role"] != CELL
    ]
    blank = [""] * (len(rows) - 1)
    found.baselines = [([name, *blank], line) for name, line in baseline_lines(others, columns, places)]
    return found


def cell(number: int, found: Mapping[str, Any], unit: str) -> ShownCell:
    """One cell of an artifact's JSON file."""
    unit = found.get("unit", unit)
    made = ShownCell(f"cell-{number}", "", found["n"], note=found["note"])
    if found.get("setting"):
        return _setting(made, found)
    if found["mean"] is None:
        made.text, made.measured = lost.word(found["seeds"], "–"), False
    else:
        made.text = formats.spread(found["mean"], found["std"], unit)
    made.best = found.get("best", False)
    made.marks = page.marks(lost.counts(found["seeds"]) if made.measured else (), found.get("collapsed", ()))
    standing = scorecard.stand(found)
    if standing is not None:
        made.published = words.printed(found, " ± ")
        made.word = standing.word
        if standing.difference is not None:
            made.difference = signed(standing.difference, unit)
        made.band = formats.short(standing.band, unit)
    return made


def _setting(made: ShownCell, found: Mapping[str, Any]) -> ShownCell:
    """A cell that shows a setting: text, beside what is printed."""
    setting = found["setting"]
    made.text, made.measured = setting["value"] or "–", setting["value"] is not None
    made.published = setting["printed"] or ""
    made.word = setting["standing"] or ""
    return made


@dataclass
class Preview:
    """A corner of a table, for a card.

    Attributes:
        corner: What all its columns have in common.
        heads: What tells them apart.
        lines: Names at the side, and numbers.
    """

    corner: str
    heads: list[str]
    lines: list[tuple[str, list[str]]]


_WIDE, _NAME = 37, 17
"""Letters of a line that a card has room for, and of these for a name."""


def preview(report: Mapping[str, Any]) -> Preview | None:
    """The first lines and columns of a table that have numbers, as many as a card has room for; None without any."""
    found = grid(report)
    if found is None:
        return None
    filled = [k for k, column in enumerate(zip(*(cells for _, cells in found.lines), strict=True)) if _some(column)]
    lines = [(", ".join(names), cells) for names, cells in found.lines if _some(cells[k] for k in filled)][:4]
    numbers = {k: [_number(cells[k]) for _, cells in lines] for k in filled}
    heads, chosen = [_spread(line) for line in found.heads], list[int]()
    room = _WIDE - min(max((len(name) for name, _ in lines), default=0), _NAME)
    for k in filled[:3]:
        shown = [*numbers[k], *heads[-1][k].split()]
        room -= max(map(len, shown)) + 2
        if chosen and room < 0:
            break
        chosen.append(k)
    if not (lines and chosen):
        return None
    told = [[line[k] for line in heads] for k in chosen]
    shared = [level for level in range(len(heads)) if len(chosen) > 1 and len({one[level] for one in told}) == 1]
    corner = ", ".join(told[0][level] for level in shared)
    apart = [", ".join(text for level, text in enumerate(one) if level not in shared) for one in told]
    return Preview(corner, apart, [(name, [numbers[k][at] for k in chosen]) for at, (name, _) in enumerate(lines)])


def _number(found: ShownCell | None) -> str:
    """A cell without its deviation."""
    return found.text.split(" ")[0] if found is not None else ""


def _spread(line: Iterable[Head]) -> list[str]:
    """A line of heads with one text per column."""
    return [head.text for head in line for _ in range(head.span)]


def _some(cells: Iterable[ShownCell | None]) -> bool:
    """Whether there is a number in one of these."""
    return any(one is not None and one.measured for one in cells)


def footnotes(report: Mapping[str, Any]) -> list[str]:
    """What the marks behind numbers say, with the cells that have them."""
    cells, found = report["cells"], []
    for text, chosen in (
        (page.LEFT_OUT, [one for one in cells if lost.counts(one["seeds"])]),
        (page.COLLAPSED, [one for one in cells if one.get("collapsed")]),
        (page.UNTRAINED, [one for one in cells if one.get("calibrated")]),
    ):
        names = list(dict.fromkeys(where(report, one) for one in chosen))
        if names:
            found.append(f"{text} {'; '.join(names)}.")
    return found


def where(report: Mapping[str, Any], found: Mapping[str, Any], known: Collection[str] = ()) -> str:
    """The place of a cell, without what is the same for all, and without the axes in ``known``."""
    left = {axis: value for axis, value in found["axes"].items() if axis not in report["fixed"] and axis not in known}
    text = ", ".join(words.place(*item) for item in left.items())
    return text if found["role"] == CELL else ", ".join(part for part in (found["role"], text) if part)


def signed(value: float, unit: str = "") -> str:
    """``+2.8``, ``−38.9``: with a true minus sign."""
    text = formats.short(abs(value), unit)
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"


def _values(cells: Sequence[tuple[int, Mapping[str, Any]]], axis: str) -> list[Any]:
    found: list[Any] = []
    for _, entry in cells:
        if axis in entry["axes"] and not any(same(entry["axes"][axis], value) for value in found):
            found.append(entry["axes"][axis])
    return found


def _product(cells: Sequence[tuple[int, Mapping[str, Any]]], axes: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(itertools.product(*(_values(cells, axis) for axis in axes)))


def _filled_first(
    cells: Sequence[tuple[int, Mapping[str, Any]]], columns: Sequence[str], places: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Columns with those of the leading axis last that have no number at all: a narrow window shows the first."""
    if not columns:
        return places
    filled = [entry["axes"].get(columns[0]) for _, entry in cells if _has_value(entry)]

    def empty(place: tuple[Any, ...]) -> bool:
        return not any(same(place[0], value) for value in filled)

    return sorted(places, key=empty)


def _has_value(entry: Mapping[str, Any]) -> bool:
    return entry["mean"] is not None or bool(entry.get("setting") and entry["setting"]["value"] is not None)


def _find(cells: Sequence[tuple[int, Mapping[str, Any]]], axes: Mapping[str, Any], unit: str) -> ShownCell | None:
    for number, entry in cells:
        if all(same(entry["axes"].get(axis), value) for axis, value in axes.items()):
            return cell(number, entry, unit)
    return None


def _heads(
    cells: Sequence[tuple[int, Mapping[str, Any]]],
    columns: Sequence[str],
    places: Sequence[tuple[Any, ...]],
    title: str,
) -> list[list[Head]]:
    if not columns:
        return [[Head(title, "", 1)]]
    lines = []
    for level, axis in enumerate(columns):
        line: list[Head] = []
        for group, found in itertools.groupby(places, key=_upto(level + 1)):
            line.append(Head(words.place(axis, group[-1]), _stands(cells, axis, group[-1]), len(list(found))))
        lines.append(line)
    return lines


def _upto(length: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    def start(place: tuple[Any, ...]) -> tuple[Any, ...]:
        return place[:length]

    return start


def _stands(cells: Sequence[tuple[int, Mapping[str, Any]]], axis: str, value: Any) -> str:
    """Say what stands for a head's data set or number of epochs, if anything does."""
    at = [entry for _, entry in cells if same(entry["axes"].get(axis), value) and entry["trained_epochs"] is not None]
    if axis == "dataset":
        found = {entry["dataset"] for entry in at if entry["dataset"] != str(value)}
    elif axis == "epochs":
        found = {str(entry["trained_epochs"]) for entry in at if not same(entry["trained_epochs"], value)}
    else:
        found = set()
    return f"here: {', '.join(sorted(found))}" if found else ""
