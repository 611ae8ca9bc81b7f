"""One artifact on two sides: its cells, the values of its figure, and what caused the differences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.comparing import cells, series
from pipeline.comparing.cells import ComparedCell
from pipeline.comparing.series import Quantity
from pipeline.comparing.sides import Side
from pipeline.ledger.outlines import Outlines
from pipeline.provenance.causes import BuildRecord, Lookup, NodeDiff
from pipeline.provenance.chain import Chain
from pipeline.provenance.differences import Reason, declared, dumped


@dataclass
class Cause:
    """One recorded difference, and the cells that it may have changed.

    Attributes:
        reason: What differs.
        cells: Titles of the changed cells that were made with it.
        idle: How many cells were made with it and are identical.
    """

    reason: Reason
    cells: list[str] = field(default_factory=list)
    idle: int = 0

    def sentence(self) -> str:
        """``param predictor.rho 0.3 -> 0.5: 6 cells``."""
        if not self.cells:
            text = f"{self.idle} cell{'s' * (self.idle != 1)}, all identical" if self.idle else "the artifact itself"
        else:
            text = f"{len(self.cells)} cell{'s' * (len(self.cells) != 1)}"
            text += f" (and {self.idle} that {'are' if self.idle > 1 else 'is'} identical)" if self.idle else ""
        return f"{self.reason.phrase()}: {text}"


@dataclass
class Comparison:
    """An artifact on two sides.

    Attributes:
        stem: Its name.
        old: Side A.
        new: Side B.
        cells: Its cells.
        quantities: What its figure shows, by quantity; empty for tables.
        causes: What differs in what both were made from.
        notes: What a reader should know.
    """

    stem: str
    old: Side
    new: Side
    cells: list[ComparedCell]
    quantities: list[Quantity]
    causes: list[Cause]
    notes: list[str]

    @property
    def unit(self) -> str:
        """Unit of its cells."""
        return self.new.report.get("measure", {}).get("unit") or ""

    @property
    def same(self) -> bool:
        """Say whether every number is the same on both sides."""
        moved = any(quantity.changed or any(quantity.only) for quantity in self.quantities)
        return not moved and not any(cell.changed for cell in self.cells)

    def data(self) -> dict[str, Any]:
        """The comparison for machines."""
        return {
            "artifact": self.stem,
            "a": self.old.title,
            "b": self.new.title,
            "identical": self.same,
            "cells": [cell.data() for cell in self.cells],
            "quantities": [asdict(quantity) for quantity in self.quantities],
            "causes": [{**c.reason.data(), "cells": c.cells, "identical_cells": c.idle} for c in self.causes],
            "notes": self.notes,
        }


def compare(stem: str, old: Side, new: Side, history: Outlines) -> Comparison:
    """Compare an artifact of two sides."""
    found = cells.compare(old.report, new.report)
    figure = "figure" in (old.report.get("kind"), new.report.get("kind"))
    quantities = series.compare(old.outputs.get("csv", b""), new.outputs.get("csv", b"")) if figure else []
    causes = _causes(old, new, found, history)
    notes = [*old.notes, *new.notes]
    told = {name for cause in causes for name in cause.cells}
    both = [cell for cell in found if cell.changed and cell.old is not None and cell.new is not None]
    lost = [cell for cell in both if cell.title not in told]
    if lost:
        notes.append(f"{len(lost)} changed cells differ in nothing that is recorded, {lost[0].title} for one")
    return Comparison(stem, old, new, found, quantities, causes, notes)


def _causes(old: Side, new: Side, found: Iterable[ComparedCell], history: Outlines) -> list[Cause]:
    """Differences between the closures of both sides, each with the cells that were made with it."""
    pairs = NodeDiff(_lookup(old.chain), _lookup(new.chain), history)
    before, after = old.link.receipt, new.link.receipt
    causes: dict[Reason, Cause] = {}
    own = declared(before, after, history)
    for cell in found:
        if cell.old is None or cell.new is None:
            continue
        reasons: set[Reason] = set()
        same = cell.old.nodes.keys() == cell.new.nodes.keys()
        if not same:
            reasons.add(Reason("param", "seeds", dumped(sorted(cell.old.nodes)), dumped(sorted(cell.new.nodes))))
        for seed in cell.old.nodes.keys() & cell.new.nodes.keys():
            first, second = cell.old.nodes[seed], cell.new.nodes[seed]
            contents = [
                side["inputs"].get(name, {}).get("content") for side, name in ((before, first), (after, second))
            ]
            if contents[0] is None or contents[0] != contents[1]:
                reasons |= pairs.between(first, second).keys()
                same = False
        if same and cell.changed:  # it was read from the same measurements
            reasons |= set(own)
        for reason in reasons:
            cause = causes.setdefault(reason, Cause(reason))
            if cell.changed:
                cause.cells.append(cell.title)
            else:
                cause.idle += 1
    for reason in own:
        causes.setdefault(reason, Cause(reason))
    return sorted(causes.values(), key=_weight)


def _weight(cause: Cause) -> tuple[int, int, str]:
    return -len(cause.cells), -cause.idle, cause.reason.phrase()


def _lookup(chain: Chain) -> Lookup:
    def lookup(name: str) -> BuildRecord | None:
        link = chain.links.get(name)
        return None if link is None else BuildRecord.of_receipt(link.receipt, link.execution)

    return lookup
