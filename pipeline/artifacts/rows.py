"""Rows of an artifact: one per declared cell and per baseline, with the values of its seeds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pipeline.artifacts import derive, lost, settings
from pipeline.artifacts.lost import DIVERGED, UNDEFINED
from pipeline.errors import UserError
from pipeline.work import Work

CELL = "cell"
"""Role of a row that the paper's table has; other roles are baselines."""

HIGHER, LOWER, NEITHER = "higher", "lower", "neither"
"""Which values of a measure are better: what it declares as ``better``."""

_PRINTED = ("value", "std", "unit", "source", "note")
"""Columns of a file of published numbers that are not axes."""

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")

Item = TypeVar("Item")


def same(first: Any, second: Any) -> bool:
    """Whether two values of an axis are the same: as numbers where both are, else as text (0.10 is 0.1)."""
    return _normal(first) == _normal(second)


def _normal(value: Any) -> str | float:
    text = str(value).strip()
    return float(text) if _NUMBER.fullmatch(text) else text


@dataclass(frozen=True)
class Printed:
    """A number of the paper, with the digits in which it is printed."""

    mean: str
    std: str
    note: str


@dataclass
class Row:
    """One cell or baseline of an artifact.

    Attributes:
        axes: Axis -> value as the paper has it; a baseline has only its data set.
        role: ``cell`` or the name of a baseline.
        dataset: Data set that was used.
        paper_dataset: Data set of the paper.
        trained_epochs: Epochs that were trained.
        trained_steps: Steps that were taken, of a milestone between epochs; else 0.
        unit: Of its values.
        seeds: Seed -> value, or why there is none (:mod:`pipeline.artifacts.lost`). A value is a number for tables,
            and whatever the measure returns for figures.
        better: Which values are better.
        nodes: Seed -> measurement from which the value is read; of a derived value the last of those that it follows
            from.
        instead: Param -> its value in the paper and the one that the scale uses for it.
        derived: How the value follows from others, in words; empty for one that is read.
        missing: Why nothing was measured, if nothing was.
        exact: Whether its one number has no error but rounding: that of a theory.
        collapsed: Seeds whose training or features have collapsed.
        calibrated: Whether the network was never trained, so that its BatchNorm statistics were collected for it.
        best: Whether its mean is the best of its column, of those on the same data set.
        published: The paper's own number.
        setting: What it shows in place of numbers: a setting of a run, beside the printed one.
    """

    axes: dict[str, Any]
    role: str
    dataset: str
    paper_dataset: str
    trained_epochs: int
    seeds: dict[int, Any] = field(default_factory=dict)
    nodes: dict[int, str] = field(default_factory=dict)
    missing: str | None = None
    published: Printed | None = None
    exact: bool = False
    collapsed: list[int] = field(default_factory=list)
    calibrated: bool = False
    best: bool = False
    derived: str = ""
    instead: dict[str, list[Any]] = field(default_factory=dict)
    trained_steps: int = 0
    unit: str = ""
    better: str = HIGHER
    setting: settings.Shown | None = None

    @property
    def standing(self) -> str | None:
        """How a setting stands to the printed one; None where there is none."""
        return self.setting.standing(same) if self.setting else None

    @property
    def numbers(self) -> dict[int, float]:
        """Seed -> number, for the seeds that have one."""
        return {seed: value for seed, value in self.seeds.items() if isinstance(value, int | float)}

    @property
    def values(self) -> list[float]:
        """Numbers of the seeds that have one."""
        return list(self.numbers.values())

    @property
    def n(self) -> int:
        """How many seeds have a number."""
        return len(self.values)

    @property
    def lost(self) -> dict[str, int]:
        """Why seeds have none, and how many."""
        return lost.counts(self.seeds)

    @property
    def mean(self) -> float | None:
        """Mean over the seeds that have a number."""
        return math.fsum(self.values) / self.n if self.n else None

    @property
    def std(self) -> float | None:
        """Standard deviation over these seeds, ddof = 1; None for fewer than two."""
        values, mean = self.values, self.mean
        if len(values) < 2 or mean is None:
            return None
        return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))

    @property
    def note(self) -> str:
        """What a reader must know about this row."""
        parts = [self.missing or ""]
        if self.lost:
            parts.append(lost.words(self.lost, len(self.seeds)))
        if self.collapsed:
            parts.append(f"{len(self.collapsed)} of {len(self.seeds)} seeds collapsed")
        if self.calibrated:
            parts.append("never trained: BatchNorm has the statistics of the training images")
        if self.derived:
            parts.append(self.derived)
        if self.setting:
            parts.append(self.setting.words)
        if self.published and self.published.note:
            parts.append(f"published: {self.published.note}")
        return "; ".join(part for part in parts if part)


def axis_names(params: Mapping[str, Any]) -> list[str]:
    """All axes of an artifact: rows and columns as declared, then the fixed ones, which have no order."""
    return [*params["rows"], *params["columns"], *sorted(params["fixed"])]


def axis_values(rows: Sequence[Row], axis: str) -> list[Any]:
    """Values of an axis among the cells, in their order of appearance."""
    found: dict[str | float, Any] = {}
    for row in rows:
        if row.role == CELL and axis in row.axes:
            found.setdefault(_normal(row.axes[axis]), row.axes[axis])
    return list(found.values())


def baseline_lines(
    baselines: Sequence[tuple[str, Mapping[str, Any], Item]], columns: Sequence[str], places: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, list[Item | None]]]:
    """Yield the lines of a table's baselines: name, and what stands in each column.

    A baseline has few axes, a data set and where there are several a measure, and stands in every column that agrees
    with it. What it has beside the columns is a line of its own.

    Args:
        baselines: Role, axes and item of each.
        columns: Axes along which the columns lie.
        places: Values of these axes for each column.
    """
    groups: dict[str, dict[tuple[str, ...], list[tuple[Mapping[str, Any], Item]]]] = {}
    for role, axes, item in baselines:
        side = tuple(str(value) for axis, value in axes.items() if axis not in columns)
        groups.setdefault(role, {}).setdefault(side, []).append((axes, item))
    for role, lines in groups.items():
        told = [len(set(values)) > 1 for values in zip(*lines, strict=True)]
        for side, found in lines.items():
            name = ", ".join([role, *(value for value, tell in zip(side, told, strict=True) if tell)])
            heads = [dict(zip(columns, place, strict=True)) for place in places]
            yield name, [next((item for axes, item in found if _agree(axes, head)), None) for head in heads]


def _agree(axes: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return all(same(value, others[axis]) for axis, value in axes.items() if axis in others)


def measure_of(params: Mapping[str, Any], cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of the numbers of a cell: its measure's value, unit and title."""
    return params.get("measures", {}).get(str(cell["axes"].get("measure")), params["measure"])


def values_read(params: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Yield number of the cell, node and name of the value, of all that an artifact reads off measurements."""
    for number, cell in enumerate(params["cells"]):
        name = cell.get("value", measure_of(params, cell)["value"])
        derived = cell.get("derive") or {}
        yield from ((number, node, name) for node in derived.get("threshold", ()))
        for part in derived.get("parts", [{"nodes": cell["nodes"]}]):
            yield from ((number, node, name) for node in part["nodes"])
            for other in (derived[key] for key in ("by", "times") if key in derived):
                yield from ((number, node, derived[f"{other}.value"]) for node in part[other])


def read(work: Work) -> tuple[list[Row], list[dict[str, str]]]:
    """Rows of an artifact from its params and the scores below it.

    Args:
        work: ``spec`` holds the artifact's params, ``inputs`` the folder of each measurement by its node.

    Returns:
        The rows, and the published rows that belong to no cell.

    Raises:
        UserError: A measurement lacks the value, or two published rows fit one cell.
    """
    params = work.spec
    known: dict[Any, Any] = {}
    rows = []
    for cell in params["cells"]:
        measure = measure_of(params, cell)
        row = Row(
            axes={name: cell["axes"][name] for name in axis_names(params) if name in cell["axes"]},
            role=cell["role"],
            dataset=cell["dataset"],
            paper_dataset=cell["paper_dataset"],
            trained_epochs=cell["trained_epochs"],
            trained_steps=cell.get("trained_steps", 0),
            instead=cell.get("instead", {}),
            unit=measure["unit"],
            better=measure.get("better", HIGHER),
            missing=cell["missing"],
        )
        if "setting" in cell:
            row.setting = settings.shown(cell["setting"])
        elif not row.missing and cell["nodes"][0].startswith("simulations/"):
            _simulated(row, cell["nodes"][0], work, known)
        if row.missing or row.setting or row.seeds:
            rows.append(row)
            continue
        name = cell.get("value", measure["value"])

        def read_seeds(nodes: Sequence[str], name: str, row: Row = row) -> dict[int, tuple[Any, str]]:
            read: dict[int, tuple[Any, str]] = {}
            for number, node in enumerate(nodes):
                path = work.inputs[node] / "scores.json"
                if node not in known:
                    known[node] = _scores(path)
                found = re.search(r"/seed(\d+)/", node)
                seed = int(found[1]) if found else number
                read[seed] = _value(known[node], name, path), node
                row.collapsed += [seed] * bool(known[node].get("collapsed") and seed not in row.collapsed)
                row.calibrated |= known[node].get("batchnorm") == "calibrated"
            return read

        if cell.get("derive"):
            derived = derive.values(cell["derive"], name, row.better, read_seeds, f"{work.name}: {_shown(row.axes)}")
            row.derived, found = derived.words, derived.seeds
            if derived.unit is not None:
                row.unit, row.better = derived.unit, NEITHER
        else:
            found = read_seeds(cell["nodes"], name)
        for seed, (value, node) in found.items():
            row.seeds[seed], row.nodes[seed] = value, node
        rows.append(row)
    mark_best(rows, [*params["columns"], *(["measure"] if "measures" in params else [])])
    return rows, _match(rows, params, work.name)


def mark_best(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Mark what is best in each column, for each data set that has something to compare there.

    Args:
        rows: Of an artifact; baselines and what a theory says are not compared, nor are rows of which neither the
            higher nor the lower value is better.
        columns: Axes along which its columns lie.
    """
    groups: dict[tuple[Any, ...], list[tuple[float, Row]]] = {}
    for row in rows:
        compared = row.role == CELL and row.paper_dataset and row.better != NEITHER
        if compared and row.mean is not None and not row.exact:
            place = (row.paper_dataset, row.better, *(_normal(row.axes[axis]) for axis in columns))
            groups.setdefault(place, []).append((row.mean, row))
    for (_, better, *_), group in groups.items():
        means = [mean for mean, _ in group]
        winner = min(means) if better == LOWER else max(means)
        for mean, row in group:
            row.best = len(group) > 1 and mean == winner


def _simulated(row: Row, node: str, work: Work, known: dict[str, Any]) -> None:
    """Fill a row from the one record of a simulation that has its axes."""
    if node not in known:
        known[node] = read_records(work.inputs[node])
    wanted = row.axes.items()
    fitting = [entry for entry in known[node] if all(axis in entry and same(entry[axis], v) for axis, v in wanted)]
    if len(fitting) != 1:
        raise UserError(f"{work.name}: {_shown(row.axes)}: {len(fitting)} records of {node} fit; expected one")
    value = fitting[0]["value"]
    row.exact = not isinstance(value, list)
    values = [DIVERGED if number is None else number for number in (value if isinstance(value, list) else [value])]
    row.seeds, row.nodes = dict(enumerate(values)), dict.fromkeys(range(len(values)), node)


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Records of a simulation's payload."""
    return json.loads((folder / "records.json").read_text(encoding="utf-8"))


def _scores(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no readable scores ({error}); delete it and type: snakemake") from None


def _value(scores: Mapping[str, Any], name: str, path: Path) -> Any:
    """One value of a measurement's scores, or why the run has none."""
    if scores.get("outcome") == DIVERGED:
        return DIVERGED
    if name not in scores:
        raise UserError(
            f"{path}: there is no value called {name!r}; under measures, choose one of: {', '.join(scores)}"
        )
    value = scores[name]
    if value is None:
        return UNDEFINED
    if isinstance(value, dict) and value.get("outcome") == DIVERGED:
        return DIVERGED
    return DIVERGED if isinstance(value, float) and not math.isfinite(value) else value


def _match(rows: Sequence[Row], params: Mapping[str, Any], where: str) -> list[dict[str, str]]:
    """Put the published numbers beside the cells whose axes they name; the rest is returned."""
    left = []
    for entry in params["published"]:
        named = {name: value for name, value in entry.items() if name not in _PRINTED and value not in ("", None)}
        fitting = [
            row
            for row in rows
            if row.role == CELL and all(name in row.axes and same(row.axes[name], v) for name, v in named.items())
        ]
        if not fitting:
            left.append(dict(entry))
            continue
        for row in fitting:
            if row.setting is not None:
                if row.setting.printed is not None:
                    raise UserError(f"{where}: published: two rows fit {_shown(row.axes)}; choose with published.where")
                row.setting.printed, row.setting.note = str(entry["value"]), str(entry.get("note") or "")
                continue
            if row.missing and params["measure"]["value"] == settings.VALUE:
                continue
            if entry.get("unit") and row.unit and entry["unit"] != row.unit:
                raise UserError(f"{where}: published: {_shown(named)} is in {entry['unit']}, the measure in {row.unit}")
            if row.published is not None:
                raise UserError(f"{where}: published: two rows fit {_shown(row.axes)}; choose with published.where")
            row.published = Printed(*(str(entry.get(name) or "") for name in ("value", "std", "note")))
            for number in (row.published.mean, row.published.std or "0"):
                if not _NUMBER.fullmatch(number):
                    raise UserError(f"{where}: published: {_shown(named)}: expected a number, found {number!r}")
    return left


def _shown(axes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in axes.items())
