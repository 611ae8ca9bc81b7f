"""What is known of trainings along their epochs: losses, signs of collapse, and what was measured at milestones.

Reads files; changes none. Of a training that goes on it reads the progress that is saved, so its curves are as long as
what would survive a crash. A file that is broken, half-written or gone says nothing.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pipeline import files
from pipeline.engine.state import States
from pipeline.ledger.workspace import Milestone, Node, checkpoint, measurement
from pipeline.monitor.saver import PROGRESS
from pipeline.provenance.live import Status
from pipeline.provenance.runs import KnownRun, labels_of

HISTORY = ("loss", "embedding_std", "effective_rank")
"""What every training writes down after each epoch, as ``history.csv`` calls it."""

Point = tuple[float, float]
"""Epochs, whole or not, and a number, which may be NaN."""

_Read = TypeVar("_Read")
_DIGEST = 32
"""Bytes of the checksum before the tensors of saved progress."""
_HEADER = 1 << 26
"""Bytes of a list of tensors beyond which it is taken for broken."""


@dataclass
class Curves:
    """One training with one seed, along its epochs.

    Attributes:
        numbers: Name -> points in the order of their epochs; names of measurements are ``MEASURE.VALUE``.
        lists: Name -> epochs and eigenvalues, the largest first.
        time: When its history was written; 0 of none.
    """

    numbers: dict[str, list[Point]] = field(default_factory=dict)
    lists: dict[str, list[tuple[float, list[float]]]] = field(default_factory=dict)
    time: float = 0.0

    @property
    def epoch(self) -> float:
        """The last epoch that anything is known of; 0 where nothing is."""
        ends = [points[-1][0] for points in self.numbers.values() if points]
        ends += [found[-1][0] for found in self.lists.values() if found]
        return max(ends, default=0.0)

    def add(self, label: str, kind: str, epoch: float, scores: Mapping[str, Any]) -> None:
        """Add what was measured at a milestone: numbers that are no count of something, and lists of eigenvalues.

        Args:
            label: What its names begin with.
            kind: Of the measure.
            epoch: Epochs of the milestone.
            scores: What it has told.
        """
        for name, value in scores.items():
            if isinstance(value, float):
                self.numbers.setdefault(f"{label}.{name}", []).append((epoch, value))
        for name, values in eigenvalues(kind, scores):
            self.lists.setdefault(f"{label}.{name}", []).append((epoch, values))

    def sort(self) -> None:
        """Bring points into the order of their epochs."""
        for points in self.numbers.values():
            points.sort(key=_place)
        for found in self.lists.values():
            found.sort(key=_place)


def history(text: str) -> dict[str, list[Point]]:
    """Columns of a ``history.csv`` by name; a row without an epoch is left out, what is no number is NaN."""
    found: dict[str, list[Point]] = {}
    for row in csv.DictReader(io.StringIO(text.replace("\0", ""))):
        epoch = number(row.get("epoch"))
        if math.isfinite(epoch):
            for name in HISTORY:
                if isinstance(row.get(name), str):
                    found.setdefault(name, []).append((epoch, number(row[name])))
    return found


def number(text: Any) -> float:
    """Read a number; NaN of what is none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def saved_history(path: Path) -> str:
    """Text of the history in the saved progress of a training; empty where there is none.

    Only that one tensor of the file (a checksum, then safetensors) is read.
    """
    try:
        with path.open("rb") as file:
            file.seek(_DIGEST)
            length = int.from_bytes(file.read(8), "little")
            header = files.parse(file.read(length)) if length < _HEADER else None
            place = header.get("run.history") if isinstance(header, dict) else None
            begin, end = place["data_offsets"] if isinstance(place, dict) else (0, 0)
            file.seek(_DIGEST + 8 + length + begin)
            return file.read(max(end - begin, 0)).decode("utf-8", "replace")
    except (OSError, KeyError, TypeError, ValueError):
        return ""


def eigenvalues(kind: str, scores: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Scores that are lists of eigenvalues, by their name alone.

    Args:
        kind: Of the measure: all lists of ``eigenvalues`` are such.
        scores: Of one milestone.
    """
    for name, value in scores.items():
        if isinstance(value, dict):
            yield from eigenvalues(kind, value)
        elif isinstance(value, list) and (kind == "eigenvalues" or name.endswith("eigenvalues")):
            found = [one for one in value if isinstance(one, int | float) and not isinstance(one, bool)]
            if len(found) == len(value) > 0:
                yield name, sorted(map(float, found), reverse=True)


class Reader:
    """Reads curves of planned runs, each file again only once it has changed.

    Args:
        states: Of all nodes of the plan.
    """

    def __init__(self, states: States) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], Any]] = {}
        self.use(states)

    def use(self, states: States) -> None:
        """Take a newer look at the same checkout; what is known of files is kept."""
        self.states = states
        self.plan = states.plan
        self.labels = labels_of(states.plan)

    def curves(self, run: KnownRun, status: Status | None = None) -> Curves:
        """Curves of one training.

        Args:
            run: Which one.
            status: Where it is, if it goes on or was interrupted.
        """
        found = Curves()
        for path, read in self._histories(run, status):
            rows = self._read(path, read) or {}
            if _length(rows) > _length(found.numbers):
                found.numbers, found.time = dict(rows), self._known[path][0][2] * 1e-9
        for measure, places in sorted(self.plan.runs[run.config].measures.items()):
            kind, label = self.plan.measures[measure]["kind"], self.labels[measure]
            for at in sorted(at for seed, at in places if seed == run.seed):
                scores = self._object(measurement(run.config, run.seed, at, measure), "scores.json")
                epoch = self._epoch(run, at) if scores else math.nan
                if math.isfinite(epoch):
                    found.add(label, kind, epoch, scores)
        found.sort()
        return found

    def _histories(
        self, run: KnownRun, status: Status | None
    ) -> Iterator[tuple[Path, Callable[[Path], dict[str, list[Point]]]]]:
        """Files with a history and how they are read: each reaches back to the start of the training."""
        for epoch in sorted(set(run.wanted) - {0}):
            path = self._path(checkpoint(run.config, run.seed, epoch), "history.csv")
            if path is not None:
                yield path, _written
        if status is not None:
            yield self.states.workspace.scratch / status.folder / "run" / PROGRESS, _saved

    def _epoch(self, run: KnownRun, at: Milestone) -> float:
        if not at.step:
            return float(at.epoch)
        steps = self._object(checkpoint(run.config, run.seed, at), "summary.json").get("steps_per_epoch")
        return at.step / steps if isinstance(steps, int) and steps > 0 else math.nan

    def _path(self, node: Node, name: str) -> Path | None:
        """Where a file of a node that is done lies: in place, else in the store."""
        state = self.states.by_name.get(node.name)
        if state is None or state.receipt is None:
            return None
        path = self.states.workspace.payload(node) / name
        entry = state.receipt["outputs"].get(name)
        return path if path.is_file() or entry is None else self.states.store.object(entry["md5"])

    def _object(self, node: Node, name: str) -> dict[str, Any]:
        path = self._path(node, name)
        return (self._read(path, files.read_object) or {}) if path is not None else {}

    def _read(self, path: Path, read: Callable[[Path], _Read]) -> _Read | None:
        """What a file holds; None where there is none."""
        try:
            seen = path.stat()
            is_as = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
            if path not in self._known or self._known[path][0] != is_as:
                self._known[path] = is_as, read(path)
        except OSError:
            return None
        return self._known[path][1]


def _written(path: Path) -> dict[str, list[Point]]:
    return history(path.read_text(encoding="utf-8", errors="replace"))


def _saved(path: Path) -> dict[str, list[Point]]:
    return history(saved_history(path))


def _place(point: tuple[float, Any]) -> float:
    return point[0]


def _length(found: Mapping[str, list[Point]]) -> int:
    return max(map(len, found.values()), default=0)
