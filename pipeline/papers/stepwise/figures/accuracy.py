"""Accuracy along training, from a small and from the usual start (Simon 2023, Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts import drawing, style
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
            points = {row.trained_epochs: (row.mean, row.std or 0.0) for row in own if row.mean is not None}
            x = sorted(points)
            mean, error = ([points[at][k] for at in x] for k in (0, 1))
            colour = style.COLOURS[number]
            axes.plot(x, mean, color=colour, marker="o", markersize=2.5, label=method.partition(", ")[2] or method)
            low = [m - e for m, e in zip(mean, error, strict=True)]
            high = [m + e for m, e in zip(mean, error, strict=True)]
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            for place, m, e in zip(x, mean, error, strict=True):
                records.append({"method": method, "epochs": place, "quantity": "mean", "value": m})
                records.append({"method": method, "epochs": place, "quantity": "std", "value": e})
        axes.set_title(loss)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    grid[0].set_ylabel("top-1 in %")
    grid[-1].legend()
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["method", "epochs"], records, _CAPTION)
