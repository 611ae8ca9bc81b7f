"""Norms and accuracy along training, for several weight decays or cut constants (Draganov 2025, Figs. 5, S3, S4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pipeline.artifacts import bands, drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.epochs_axis import log_epochs
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.papers.embnorms.figures import _marks
from pipeline.ranges import Count, Inches

_CAPTION = (
    "One column of panels per method, one line per {line}, against the trained epoch on a logarithmic axis on which 0 "
    "(before training) stands at the left. Lines: means over seeds. Bands: one standard deviation. A line ends where a "
    "network did not stay finite."
)
_LOGARITHMIC = (
    " On a logarithmic vertical axis zero has no place, and what lies below the axis is more than {decades} decades "
    "below its upper end."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    line: str,
    panels: list[str],
    labels: list[str],
    log: list[str],
    legend: str = "",
    decades: Count = 6,
    width: Inches = 3.3,
    panel: Inches = 1.1,
) -> Drawing:
    """One column of panels per method, one line of panels per measure.

    Panels of percents share their vertical axis, and so do panels with a logarithmic one; others have each their own.

    Args:
        rows: The artifact's rows, with the axes method, measure, epochs, and the one that ``line`` names.
        params: The artifact's params.
        line: Axis of which each value is one line in a panel; methods need not have the same ones.
        panels: Names of the measures, from top to bottom.
        labels: What they are, one for each.
        log: Those with a logarithmic vertical axis.
        legend: What the values of ``line`` are; empty: the axis's name.
        decades: That a logarithmic vertical axis has at most: a norm that collapses leaves it.
        width: Inches.
        panel: Height of one panel, inches.
    """
    cells = [row for row in rows if row.role == CELL]
    methods, values = axis_values(cells, "method"), sorted(axis_values(cells, line), key=float)
    colours = [style.RANKS(k / max(len(values) - 1, 1)) for k in range(len(values))]
    figure = Figure(figsize=(width, 0.55 + panel * len(panels)))
    grid = figure.subplots(len(panels), max(len(methods), 1), sharex=True, squeeze=False)
    records: list[dict[str, Any]] = []
    for place, (name, label) in enumerate(zip(panels, labels, strict=True)):
        of_panel = [row for row in cells if same(row.axes["measure"], name)]
        shared = name in log or any(row.unit == "%" for row in of_panel)
        positive: list[float] = []
        for column, method in enumerate(methods):
            axes = grid[place, column]
            if shared and column:
                axes.sharey(grid[place, 0])
                axes.tick_params(labelleft=False)
            own = [row for row in of_panel if same(row.axes["method"], method)]
            drawn = 0
            for value, colour in zip(values, colours, strict=True):
                points = bands.by_epoch(row for row in own if same(row.axes.get(line, ""), value))
                if name in log:  # zero has no place on a logarithmic axis
                    points = [point for point in points if point[1] > 0]
                at = {"method": method, line: value, "measure": name}
                records += bands.draw_band(axes, points, at, "epochs", colour, marker="o", markersize=1.8)
                positive += [mean + (std or 0.0) for _, mean, std in points] + [mean for _, mean, _ in points]
                drawn += len(points)
            if not drawn:
                _marks.empty(axes)
        if name in log and positive:  # bands that reach down to zero do not stretch the axis
            high = 1.3 * max(positive)
            low = max(min(positive) / 1.3, high / 10**decades)
            for axes in grid[place]:
                axes.set_yscale("log")
                axes.set_ylim(low, high)
                axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 100 else (1.0, 2.0, 5.0)))
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
                axes.yaxis.set_minor_formatter(NullFormatter())
        grid[place, 0].set_ylabel(label)
    for axes, method in zip(grid[0], methods, strict=False):
        axes.set_title(str(method))
    last = max((row.trained_epochs for row in cells), default=1)
    for axes in grid[-1]:
        log_epochs(axes, last)
    words = legend or line.replace("_", " ")
    handles = [Line2D([], [], color=colour, marker="o", markersize=1.8) for colour in colours]
    names = [power(value) for value in values]
    figure.legend(handles, names, title=words, loc="outside lower center", ncols=max(len(values), 1), borderpad=0.2)
    figure.align_ylabels(list(grid[:, 0]))
    drawing.remark(figure, params, rows)
    caption = _CAPTION.format(line=words) + (_LOGARITHMIC.format(decades=decades) if log else "")
    return Drawing(figure, ["method", line, "measure", "epochs"], records, caption)


def power(value: Any) -> str:
    """A value as people write it: 0.05, 2, and 5 times a power of ten where that is shorter."""
    number = float(value)
    if number == 0 or 0.01 <= abs(number) < 10_000:
        return f"{number:g}"
    digits, _, exponent = f"{number:e}".partition("e")
    factor = "" if float(digits) == 1 else rf"{float(digits):g}\times"
    return f"${factor}10^{{{int(exponent)}}}$"
