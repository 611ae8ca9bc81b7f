"""A list of runs as people want it: filtered, sorted, and as wide as the terminal."""

from __future__ import annotations

import csv
import io
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import yaml

from pipeline.artifacts import formats
from pipeline.artifacts.rows import same
from pipeline.errors import UserError, nearest
from pipeline.planning.names import most_telling
from pipeline.provenance.differences import dumped
from pipeline.provenance.runs import KnownRun

OWN = ("state", "config", "seed", "epochs", "name")
"""Columns that every list has; the name is cut where the terminal is narrow."""
_WIDE = 160
"""Letters of a line of text, and of a table where no terminal says how wide it is; ``--csv`` cuts nothing."""
_SHORTEST = 24
"""Letters of a name that are shown in any case."""


class Listing:
    """Runs and the columns that they have.

    Args:
        runs: All runs that were asked for.
    """

    def __init__(self, runs: Sequence[KnownRun]) -> None:
        self.runs = list(runs)
        nothing = "no runs: nothing is trained for this; type: python -m pipeline plan"
        self.empty = "no run fits" if self.runs else nothing
        self.params = list(dict.fromkeys(name for run in runs for name in run.params))
        self.scores = sorted({name for run in runs for name in run.scores})
        self.told = sorted({name for run in runs for name in run.told})
        self.by: str | None = None  # the column that runs are sorted by

    def where(self, conditions: Sequence[str]) -> None:
        """Keep the runs that fit ``key=value`` conditions, all of them.

        Raises:
            UserError: A condition is no ``key=value``, or no run has such a column.
        """
        for condition in conditions:
            name, equals, text = condition.partition("=")
            if not equals:
                raise UserError(f"--where {condition}: expected KEY=VALUE, such as optimizer.lr=0.1 or state=running")
            column = self.column(name, "--where")
            try:
                value = yaml.safe_load(text)
            except yaml.YAMLError:
                raise UserError(
                    f"--where {condition}: {text} is no value; expected one such as 0.1 or running"
                ) from None
            self.runs = [run for run in self.runs if _fits(self.value(run, column), value)]

    def sort(self, given: str) -> None:
        """Order by a column: measurements from high to low, others from low to high; a ``-`` turns it round.

        Raises:
            UserError: No run has such a column.
        """
        column = self.by = self.column(given.removeprefix("-"), "--sort")
        descending = (column in self.scores) != given.startswith("-")
        known = [run for run in self.runs if self.value(run, column) is not None]
        numbers = all(isinstance(self.value(run, column), int | float) for run in known)

        def place(run: KnownRun) -> Any:
            value = self.value(run, column)
            return value if numbers else str(value)

        self.runs = sorted(known, key=place, reverse=descending) + [run for run in self.runs if run not in known]

    def column(self, name: str, option: str) -> str:
        """The column that a user means: its name, or its last part where only one ends so.

        Raises:
            UserError: There is none.
        """
        names = [*OWN, *self.params, *self.scores]
        if name in names:
            return name
        ending = [known for known in names if known.endswith(f".{name}")]
        if len(ending) == 1:
            return ending[0]
        raise UserError(f"{option} {name}: no run has such a param or measurement; {nearest(name, names)}")

    def _short(self, name: str) -> str:
        """The last part of a column's name, where that is enough to ask for it."""
        last = name.rpartition(".")[2]
        alike = [known for known in (*OWN, *self.params, *self.scores) if known.rpartition(".")[2] == last]
        return last if len(alike) == 1 else name

    def value(self, run: KnownRun, column: str) -> Any:
        """What a run has in a column; None where it has nothing."""
        if column == "epochs":
            return run.present[-1] if run.present else 0
        if column in OWN:
            return getattr(run, column)
        return run.scores[column] if column in run.scores else run.params.get(column)

    # -- forms

    def csv(self) -> str:
        """All params and all measurements, one line per run."""
        out = io.StringIO()
        columns = [*OWN, "wanted_epochs", "detail", *self.params, *self.scores]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for run in self.runs:
            also = {"wanted_epochs": run.wanted[-1], "detail": run.detail}
            writer.writerow([formats.cell(text(also.get(name, self.value(run, name)))) for name in columns])
        return out.getvalue()

    def data(self) -> list[dict[str, Any]]:
        """Everything, for machines."""
        return [run.data() for run in self.runs]

    def text(self) -> str:
        """A table of what tells the runs apart and of what was measured; then what there is to say about some."""
        if not self.runs:
            return self.empty
        width = shutil.get_terminal_size((_WIDE, 24)).columns
        varying, constant = self._varying()
        own = [[run.state, run.short, str(run.seed), _epochs(run)] for run in self.runs]
        told = [name for name in self.told if any(name in run.scores for run in self.runs)]
        shown = [*varying, *told]
        shown += [self.by] if self.by is not None and self.by not in (*shown, *OWN) else []
        heads = {name: self._short(name) for name in shown}
        blocks = {
            name: [heads[name], *(_cell(run, name, self.value(run, name)) for run in self.runs)] for name in shown
        }
        space = width - _width([list(OWN[:-1]), *own]) - 2
        longest = max(len(run.name) for run in self.runs)
        first = sorted([*told, *(name for name in shown if name not in told)], key=lambda name: name != self.by)
        chosen = _fitting(blocks, first, space - min(longest, max(_SHORTEST, width // 3)))
        columns = [name for name in shown if name in chosen]
        room = max(space - sum(2 + _wide(blocks[name]) for name in columns), _SHORTEST)
        for cells, run in zip(own, self.runs, strict=True):
            cells.append(_without_middle(run.name, room))
        rows = [[*cells, *(blocks[name][i] for name in columns)] for i, cells in enumerate([[*OWN], *own])]
        parts = [_aligned(rows)]
        details = self._details()
        parts += ["\n".join(details)] if details else []
        left = [name for name in blocks if name not in chosen]
        if left:
            parts.append(_cut(f"left out for want of width ({len(left)}): ", left, width))
        if constant:
            parts.append(_cut("the same in all: ", constant, width))
        return "\n\n".join(parts)

    def _details(self) -> list[str]:
        """What there is to say about runs, once for those of which the same is to be said."""
        groups: dict[tuple[str, str], list[str]] = {}
        for run in self.runs:
            if run.detail and (run.state not in ("done", "restorable") or "failed" in run.detail):
                groups.setdefault((run.state, run.detail), []).append(f"{run.short} seed {run.seed}")
        found = []
        for (state, detail), names in groups.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            found.append(f"{state}: {names[0]}{more}: {detail}")
        return found

    def _varying(self) -> tuple[list[str], list[str]]:
        """Params that tell the runs apart, the most telling first; and the others with their values, kinds first."""
        params = [name for name in self.params if any(name in run.params for run in self.runs)]
        params.sort(key=lambda name: not (name == "dataset" or name.endswith(".kind")))
        groups = {name: [dumped(run.params.get(name)) for run in self.runs] for name in params}
        constant = [
            f"{name} {text(self.runs[0].params.get(name)) or 'null'}" for name in params if len(set(groups[name])) == 1
        ]
        rest = [name for name in params if len(set(groups[name])) > 1]
        return [name for name, _ in most_telling({name: groups[name] for name in rest})], constant


def _fits(found: Any, value: Any) -> bool:
    return found is not None and same(found, value) if value is not None else found is None


def _epochs(run: KnownRun) -> str:
    present = run.present[-1] if run.present else 0
    if run.state == "running" and run.live and "epoch" in run.live:
        present = max(present, int(run.live["epoch"]) - 1)
    return f"{present}/{run.wanted[-1]}"


def text(value: Any) -> str:
    """A value as a table shows it; nothing of what is not there."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumped(value)


def _cell(run: KnownRun, name: str, value: Any) -> str:
    if name in run.scores and isinstance(value, float):
        label = name.rpartition(".")[0]
        mark = "" if run.measured.get(label) == run.wanted[-1] else f" @{run.measured.get(label)}"
        return f"{value:.5g}{mark}"
    return text(value)


def _fitting(blocks: dict[str, list[str]], order: Sequence[str], width: int) -> set[str]:
    """The columns that fit, in the order of what they tell."""
    chosen: set[str] = set()
    for name in order:
        needed = 2 + _wide(blocks[name])
        if needed <= width:
            width -= needed
            chosen.add(name)
    return chosen


def _wide(cells: Sequence[str]) -> int:
    return max(map(len, cells))


def _width(rows: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) for column in zip(*rows, strict=True)) + 2 * (len(rows[0]) - 1)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _without_middle(name: str, room: int) -> str:
    """A name, cut in the middle where it is too long: method and data stand at its ends."""
    if len(name) <= room:
        return name
    end = room // 3
    return f"{name[: room - 1 - end]}…{name[-end:]}"


def _cut(head: str, items: Sequence[str], width: int) -> str:
    """As many items as fit into two lines, and how many more there are."""
    for shown in range(len(items), 0, -1):
        left = len(items) - shown
        text = _wrapped(head, [*items[:shown], *([f"and {left} more (--csv has all)"] if left else [])], width)
        if text.count("\n") < 2:
            break
    return text


def _wrapped(head: str, items: Sequence[str], width: int) -> str:
    text = head + ", ".join(items)
    return textwrap.fill(text, min(width, _WIDE), subsequent_indent="  ", break_long_words=False)
