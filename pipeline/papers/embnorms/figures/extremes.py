"""The images of each class with the largest and with the smallest embedding norms (Draganov 2025, Fig. S6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipeline.artifacts import drawing
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.images import Images, grid
from pipeline.artifacts.rows import CELL, Row, same
from pipeline.papers.embnorms.figures import _marks
from pipeline.ranges import Inches

SIDES = ("largest norms", "smallest norms")
"""The measures that are drawn, from left to right: for each class, indices of its images."""
_COLUMNS = ["side", "seed", "row", "place", "index"]
_CAPTION = (
    "Images of each class with the largest (left) and with the smallest embedding norms (right), the most extreme "
    "first, of the first seed."
)


def draw(
    rows: Sequence[Row], params: Mapping[str, Any], images: Images, *, width: Inches = 3.3, height: Inches = 1.5
) -> Drawing:
    """Two grids of images side by side, one row per class in each.

    Args:
        rows: The artifact's rows, with the axis measure.
        params: The artifact's params.
        images: Those that the indices are of.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    sides = [_indices(rows, measure) for measure in SIDES]
    wide = max((len(line) for _, indices in sides for line in indices), default=0)
    if not wide:
        axes = figure.subplots()
        axes.set_axis_off()
        _marks.empty(axes)
        return Drawing(figure, _COLUMNS, [], _CAPTION)
    names = images.classes[: max(len(indices) for _, indices in sides)]
    lines: list[list[int | None]] = [[] for _ in names]
    for number, (_, indices) in enumerate(sides):
        for k, line in enumerate(lines):
            own = indices[k] if k < len(indices) else []
            line += [*([None] if number else []), *own, *[None] * (wide - len(own))]
    shown = grid(figure, images, lines, names)
    records: list[dict[str, Any]] = []
    for record in shown:
        number, place = divmod(record["place"] - 1, wide + 1)
        records.append({**record, "place": place + 1, "side": SIDES[number], "seed": sides[number][0]})
    for number, (measure, (_, indices)) in enumerate(zip(SIDES, sides, strict=True)):
        axes = figure.axes[number * (wide + 1) + wide // 2]
        axes.set_title(measure if indices else f"{measure}: not measured", x=0.0 if wide % 2 == 0 else 0.5)
    drawing.remark(figure, params, rows)
    return Drawing(figure, _COLUMNS, records, _CAPTION)


def _indices(rows: Sequence[Row], measure: str) -> tuple[int, list[list[int]]]:
    """The first seed that has them, and the indices of each class; of none, none."""
    cells = [row for row in rows if row.role == CELL and same(row.axes["measure"], measure)]
    return next((found for row in cells if (found := _marks.first(row, list))), (0, []))
