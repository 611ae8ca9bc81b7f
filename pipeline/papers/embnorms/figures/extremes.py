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
_CAPTION = (
    "Images of each class with the largest (left) and with the smallest embedding norms (right), the most extreme "
    "first, of the first seed."
)


def draw(
    rows: Sequence[Row], params: Mapping[str, Any], images: Images, *, width: Inches = 3.3, height: Inches = 1.75
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
    records: list[dict[str, Any]] = []
    for number, (axes, measure) in enumerate(zip(figure.subplots(1, 2), SIDES, strict=True)):
        axes.set_title(measure)
        cells = [row for row in rows if row.role == CELL and same(row.axes["measure"], measure)]
        found = next((one for row in cells if (one := _marks.first(row, list))), None)
        if found is None or not any(found[1]):
            axes.set_axis_off()
            _marks.empty(axes)
            continue
        seed, indices = found
        names = images.classes[: len(indices)]
        shown = grid(axes, images, indices, names if number == 0 else [""] * len(indices))
        lengths = [len(line) for line in indices]
        of_row = [name for name, length in zip(names, lengths, strict=True) for _ in range(length)]
        records += [
            {**record, "side": measure, "seed": seed, "row": name} for record, name in zip(shown, of_row, strict=True)
        ]
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["side", "seed", "row", "place", "index"], records, _CAPTION)
