"""Accuracy along training for several views, against epochs or minutes (Ghosh 2024, Figs. 3, 4, D.2, D.3, E.1-E.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.figure import Figure

from pipeline.artifacts import bands, drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.papers.multiview.figures import _panels
from pipeline.ranges import Inches

MINUTES = "minutes of an epoch"
"""The measure that tells how long an epoch takes."""
NOT_DRAWN = (MINUTES, "views of an epoch")

_CAPTION = (
    "Top-1 of a linear probe against {against}, mean over seeds with its standard deviation as a band. Dashed: VICReg "
    "where there are both losses."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    against: Literal["epochs", "minutes"] = "epochs",
    width: Inches = 3.3,
    panel: Inches = 1.5,
) -> Drawing:
    """One panel per data set and measure of accuracy, one line per setting.

    Args:
        rows: The artifact's rows, with the axes setting, dataset and epochs, and measure where there are several.
        params: The artifact's params.
        against: What lies along the x axis; minutes are epochs times the seconds that a step of the run takes here.
        width: Inches.
        panel: Height of one line of panels, inches.
    """
    cells = [row for row in rows if row.role == CELL]
    datasets, settings = axis_values(cells, "dataset"), axis_values(cells, "setting")
    measures = [name for name in axis_values(cells, "measure") if str(name) not in NOT_DRAWN] or [None]
    figure = Figure(figsize=(width, panel * len(measures) + 0.55))
    grid = figure.subplots(len(measures), len(datasets), squeeze=False)
    records: list[dict[str, Any]] = []
    plain = list(dict.fromkeys(str(setting).removeprefix("VICReg, ") for setting in settings))
    for line, measure in enumerate(measures):
        for column, dataset in enumerate(datasets):
            axes = grid[line, column]
            for setting in settings:
                own = [r for r in cells if same(r.axes["dataset"], dataset) and same(r.axes["setting"], setting)]
                cost = _minutes(own) if against == "minutes" else 1.0
                if cost is None:
                    continue
                shown = [r for r in own if measure is None or same(r.axes["measure"], measure)]
                points = [(epoch * cost, mean, std or 0.0) for epoch, mean, std in bands.by_epoch(shown)]
                colour = style.COLOURS[plain.index(str(setting).removeprefix("VICReg, ")) % len(style.COLOURS)]
                dashed = "--" if str(setting).startswith("VICReg") else "-"
                at = {"dataset": dataset, "measure": measure or params["measure"]["title"], "setting": setting}
                look = {"linestyle": dashed, "label": str(setting)}
                records += bands.draw_band(axes, points, at, against, colour, **look)
            axes.set_title(f"{dataset}" if measure is None or len(measures) == 1 else f"{dataset}, probe {measure}")
            axes.set_xlabel("epoch" if against == "epochs" else "minutes of training")
        grid[line, 0].set_ylabel("top-1 in %")
    _panels.finish(figure, grid.flat)
    drawing.remark(figure, params, rows)
    caption = _CAPTION.format(against="epochs" if against == "epochs" else "minutes of training on this machine")
    return Drawing(figure, ["dataset", "measure", "setting", against], records, caption)


def _minutes(rows: Sequence[Row]) -> float | None:
    """Mean minutes of an epoch, over seeds; None where it was not measured."""
    found = [row.mean for row in rows if same(row.axes.get("measure", ""), MINUTES) and row.mean is not None]
    return found[0] if found else None
