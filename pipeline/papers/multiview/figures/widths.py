"""Accuracy against the width of the projector, with a fixed and with a tuned weight (Ghosh 2024, Figs. 2, D.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.papers.multiview.figures import _panels
from pipeline.ranges import Inches

_CAPTION = (
    "Top-1 of a linear probe against the width of the projector, mean over seeds with its standard deviation: with one "
    "weight for all widths, and with the weight that is best for each on training images held out of the probe."
)


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 1.75) -> Drawing:
    """One panel per data set, one line per choice of the weight.

    Args:
        rows: The artifact's rows, with the axes choice, dataset and pdim.
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    datasets, choices = axis_values(rows, "dataset"), axis_values(rows, "choice")
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(1, len(datasets), sharex=True, squeeze=False)[0]
    records: list[dict[str, Any]] = []
    losses = list(dict.fromkeys(str(choice).rpartition(", ")[0] for choice in choices))
    for axes, dataset in zip(grid, datasets, strict=True):
        for choice in choices:
            loss, _, kind = str(choice).rpartition(", ")
            own = [
                row
                for row in rows
                if row.role == CELL and same(row.axes["dataset"], dataset) and same(row.axes["choice"], choice)
            ]
            points = [(int(row.axes["pdim"]), row.mean, row.std or 0.0) for row in own if row.mean is not None]
            if not points:
                continue
            x, mean, error = zip(*sorted(points), strict=True)
            colour = style.COLOURS[losses.index(loss)]
            axes.errorbar(
                x, mean, error, color=colour, linestyle="-" if kind == "optimal" else "--", marker="o", markersize=2.0,
                elinewidth=0.6, label=str(choice),
            )  # fmt: skip
            at = {"dataset": dataset, "choice": choice}
            for place, m, e in zip(x, mean, error, strict=True):
                records.append({**at, "pdim": place, "quantity": "mean", "value": m})
                records.append({**at, "pdim": place, "quantity": "std", "value": e})
        axes.set_xscale("log", base=2)
        axes.set_title(str(dataset))
        axes.set_xlabel("projector width")
    grid[0].set_ylabel("top-1 in %")
    _panels.finish(figure, grid)
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["dataset", "choice", "pdim"], records, _CAPTION)
