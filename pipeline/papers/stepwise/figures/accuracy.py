"""Accuracy along training, from a small and from the usual start (Simon 2023, Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts import bands, drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.ranges import Inches

_CAPTION = "Top-1 of a linear probe on frozen features against the epoch, mean over seeds with its standard deviation."


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 1.6) -> Drawing:
    """One panel per loss, one line per start: methods are called ``LOSS, START``.

    Args:
        rows: The artifact's rows, with the axes method and epochs.
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    panels: dict[str, list[str]] = {}
    for method in map(str, axis_values(rows, "method")):
        panels.setdefault(method.partition(", ")[0], []).append(method)
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    records: list[dict[str, Any]] = []
    for axes, (loss, methods) in zip(grid, panels.items(), strict=True):
        for number, method in enumerate(methods):
            own = [row for row in rows if row.role == CELL and same(row.axes["method"], method)]
            points = [(epoch, mean, std or 0.0) for epoch, mean, std in bands.by_epoch(own)]
            look = {"marker": "o", "markersize": 2.5, "label": method.partition(", ")[2] or method}
            records += bands.draw_band(axes, points, {"method": method}, "epochs", style.COLOURS[number], **look)
        axes.set_title(loss)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    grid[0].set_ylabel("top-1 in %")
    grid[-1].legend()
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["method", "epochs"], records, _CAPTION)
