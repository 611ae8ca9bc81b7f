"""A comparison in words, for a terminal."""

from __future__ import annotations

from collections import Counter

from pipeline.artifacts import formats
from pipeline.artifacts.rows import Row
from pipeline.comparing.artifacts import Comparison
from pipeline.comparing.cells import IDENTICAL, VERDICTS, ComparedCell


def text(found: Comparison) -> str:
    """The whole comparison: changed cells, the values of a figure, causes, notes."""
    parts = [f"{found.stem}\n  A: {found.old.title}\n  B: {found.new.title}"]
    changed = [cell for cell in found.cells if cell.changed]
    if changed:
        rows = [[cell.title, *numbers(cell, found.unit), cell.verdict] for cell in changed]
        parts.append(formats.grid(["cell", "A", "B", "B - A", "verdict"], rows))
    if found.cells:
        parts.append(summary(found.cells))
    for quantity in found.quantities:
        line = f"{quantity.name}: {quantity.changed} of {quantity.values} values differ"
        if quantity.changed:
            line += f", at most by {100 * quantity.largest:.3g} % ({quantity.at})"
        only = [f"{count} only in {side}" for count, side in zip(quantity.only, "AB", strict=True) if count]
        parts.append("; ".join([line, *only]))
    if found.causes:
        parts.append("what differs in what they were made from:")
        parts[-1] += "".join(f"\n  {cause.sentence()}" for cause in found.causes)
    parts += [f"note: {note}" for note in found.notes]
    return "\n\n".join(parts)


def summary(cells: list[ComparedCell]) -> str:
    """``8 cells: 2 beyond seed noise, 6 identical``."""
    counts = Counter(cell.verdict for cell in cells)
    if set(counts) == {IDENTICAL}:
        return f"{len(cells)} cells, all identical"
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    return f"{len(cells)} cell{'s' * (len(cells) != 1)}: {told}"


def numbers(cell: ComparedCell, unit: str) -> list[str]:
    """A, B and their difference with its standard error."""
    change = ""
    if cell.value is not None and cell.changed:
        change = f"{'+' if cell.value > 0 else ''}{formats.number(cell.value, unit)}"
        change += "" if cell.error is None else f" ± {formats.number(cell.error, unit)}"
    return [level(cell.old, unit), level(cell.new, unit), change]


def level(row: Row | None, unit: str) -> str:
    """``47.12 ± 0.80 (3)``; what is the matter where there is no number."""
    if row is None:
        return "-"
    if row.setting:
        return row.setting.value or "no such setting"
    if row.mean is None:
        return row.note or "no number"
    spread = "" if row.std is None else f" ± {formats.number(row.std, unit)}"
    return f"{formats.number(row.mean, unit)}{spread} ({row.n})" + (f" {row.note}" if row.lost else "")
