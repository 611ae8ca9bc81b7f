"""Cells of two versions of an artifact: how far apart, and whether that is more than seed noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts import settings
from pipeline.artifacts.evidence import welch
from pipeline.artifacts.rows import CELL, Row
from pipeline.provenance.causes import identity

IDENTICAL = "identical"
WITHIN = "within seed noise"
BEYOND = "beyond seed noise"
UNKNOWN = "no error known"
FIRST, SECOND = "only in A", "only in B"
NONE = "no number"
OTHER = "another setting"
VERDICTS = (BEYOND, OTHER, UNKNOWN, WITHIN, NONE, FIRST, SECOND, IDENTICAL)
"""What a difference may be, the most telling first."""


ERRORS = 2.0
"""How many standard errors a difference must have to be beyond seed noise."""


@dataclass
class ComparedCell:
    """One cell on both sides.

    Attributes:
        title: Its role, and its place on the axes on which cells differ.
        old: The cell of side A, if it has it.
        new: The cell of side B.
        verdict: One of :data:`VERDICTS`.
        value: Mean of B minus mean of A.
        error: Its standard error (Welch, ddof = 1); None for want of seeds.
    """

    title: str
    old: Row | None
    new: Row | None
    verdict: str
    value: float | None = None
    error: float | None = None

    @property
    def changed(self) -> bool:
        """Say whether there is anything to tell."""
        return self.verdict != IDENTICAL

    def data(self) -> dict[str, Any]:
        """The cell for machines."""
        row = self.new or self.old
        assert row is not None
        sides = {name: None if side is None else _numbers(side) for name, side in (("a", self.old), ("b", self.new))}
        found = {"axes": row.axes, "role": row.role, **sides, "difference": self.value, "standard_error": self.error}
        return found | {"verdict": self.verdict}


def _numbers(row: Row) -> dict[str, Any]:
    seeds = {str(seed): value for seed, value in row.seeds.items()}
    return {"mean": row.mean, "std": row.std, "n": row.n, "seeds": seeds, "missing": row.missing}


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[ComparedCell]:
    """All cells and baselines of two reports, in the order of the second.

    Args:
        old: Content of the JSON file of side A.
        new: The same of side B.
    """
    before = {identity(cell): _row(cell) for cell in old.get("cells", [])}
    after = {identity(cell): _row(cell) for cell in new.get("cells", [])}
    order = [*after, *(name for name in before if name not in after)]
    told = _telling([row.axes for row in (*before.values(), *after.values())])
    return [_compare(before.get(name), after.get(name), told) for name in order]


def _telling(places: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names that tell places apart; all of them where none does."""
    names = list(dict.fromkeys(name for place in places for name in place))
    return [name for name in names if len({str(place.get(name)) for place in places}) > 1] or names


def _row(cell: Mapping[str, Any]) -> Row:
    return Row(
        axes=dict(cell["axes"]),
        role=cell["role"],
        dataset=cell["dataset"],
        paper_dataset=cell["paper_dataset"],
        trained_epochs=cell["trained_epochs"] or 0,
        trained_steps=cell.get("trained_steps") or 0,
        unit=cell.get("unit", ""),
        seeds={int(seed): value for seed, value in cell["seeds"].items()},
        nodes={int(seed): node for seed, node in cell["nodes"].items()},
        missing=cell["missing"],
        setting=_setting(cell.get("setting")),
    )


def _setting(found: Mapping[str, Any] | None) -> settings.Shown | None:
    names = ("of", "value", "declared", "absent", "printed", "note")
    return None if found is None else settings.Shown(*(found[name] for name in names))


def _compare(old: Row | None, new: Row | None, told: Sequence[str]) -> ComparedCell:
    row = new or old
    assert row is not None
    axes = ", ".join(f"{name} {value}" for name, value in row.axes.items() if name in told)
    title = axes if row.role == CELL else f"{row.role} ({axes})"
    if old is None or (old.missing and new is not None and not new.missing):
        return ComparedCell(title, old, new, SECOND)
    if new is None or (new.missing and not old.missing):
        return ComparedCell(title, old, new, FIRST)
    if old.setting and new.setting:
        return ComparedCell(title, old, new, IDENTICAL if old.setting == new.setting else OTHER)
    if old.seeds == new.seeds:
        return ComparedCell(title, old, new, IDENTICAL, 0.0 if old.n else None)
    found = welch(new, old)
    if found.value is None:
        return ComparedCell(title, old, new, NONE)
    return ComparedCell(title, old, new, judge(found.value, found.error), found.value, found.error)


def judge(value: float, error: float | None) -> str:
    """Verdict on a difference: beyond seed noise from two standard errors on."""
    if error is None:
        return UNKNOWN
    return BEYOND if abs(value) > ERRORS * error else WITHIN
