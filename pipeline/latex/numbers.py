r"""Single numbers of an artifact by name, each a file that ``\input`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.artifacts.rows import CELL
from pipeline.latex.escape import slug
from pipeline.latex.table import value

Cell = Mapping[str, Any]


def numbers(report: Mapping[str, Any]) -> dict[str, str]:
    r"""Name -> ``\num{51.2 \pm 0.4}``, for each cell that has a number.

    A name is made of the cell's values on the axes that are not the same for all, ``directpred-stl10-100``; where two
    would have one name, of the axes as well, ``method-directpred-dataset-stl10-epochs-100``.
    """
    cells = [cell for cell in report["cells"] if cell["mean"] is not None]
    told = [*report["rows"], *report["columns"]]

    def plain(cell: Cell) -> str:
        return "-".join([*_role(cell), *(slug(cell["axes"][axis]) for axis in told if axis in cell["axes"])])

    def full(cell: Cell) -> str:
        pairs = [f"{slug(axis)}-{slug(found)}" for axis, found in cell["axes"].items()]
        return "-".join([*_role(cell), *pairs])

    def counted(cell: Cell) -> str:
        return f"{full(cell)}-{cells.index(cell) + 1}"

    naming: Callable[[Cell], str] = next(
        (one for one in (plain, full) if len({one(cell).casefold() for cell in cells}) == len(cells)), counted
    )
    return {naming(cell) or "value": rf"\num[separate-uncertainty=true]{{{value(cell)}}}" for cell in cells}


def _role(cell: Cell) -> list[str]:
    return [] if cell["role"] == CELL else [slug(cell["role"])]
