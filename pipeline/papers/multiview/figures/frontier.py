"""Error against time of training, for several views and shares of the images (Ghosh 2024, Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.papers.multiview.figures.curves import MINUTES, NOT_DRAWN
from pipeline.ranges import Inches

_CAPTION = (
    "Error of a linear probe against minutes of training on this machine, mean over seeds with its standard deviation. "
    "Triangles: two views; circles: more. The line joins what nothing else beats in both."
)


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 2.3) -> Drawing:
    """One point per setting, and the frontier.

    Args:
        rows: The artifact's rows, with the axes setting and measure.
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    cells = [row for row in rows if row.role == CELL]
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    points: list[tuple[float, float]] = []
    records: list[dict[str, Any]] = []
    labels: list[tuple[float, float, str, str]] = []
    for setting in axis_values(cells, "setting"):
        own = [row for row in cells if same(row.axes["setting"], setting)]
        cost = next((r.mean for r in own if same(r.axes["measure"], MINUTES) and r.mean is not None), None)
        probe = next((r for r in own if str(r.axes["measure"]) not in NOT_DRAWN and r.mean is not None), None)
        if cost is None or probe is None or probe.mean is None:
            continue
        x, y = cost * probe.trained_epochs, 100 - probe.mean
        points.append((x, y))
        two = str(setting).startswith("2 ")
        colour = style.COLOURS[0 if two else 1]
        axes.errorbar(
            x, y, probe.std or 0.0, color=colour, marker="^" if two else "o", elinewidth=0.6, linestyle="none"
        )
        labels.append((x, y, str(setting), colour))
        records.append({"setting": setting, "minutes": x, "quantity": "error", "value": y})
    best = frontier(points)
    axes.plot([x for x, _ in best], [y for _, y in best], color=style.MUTED, linewidth=0.6, linestyle=":")
    axes.margins(x=0.3, y=0.15)
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("error in %")
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= high])  # the margin on the left is for names
    axes.set_xlim(low, high)
    _name(axes, labels, set(best[1:]), 72 * height)
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["setting", "minutes"], records, _CAPTION)


def _name(
    axes: Axes, labels: Sequence[tuple[float, float, str, str]], best: Set[tuple[float, float]], points: float
) -> None:
    """Write each point's name beside it: of the best to the left and below, where no other point can be.

    Args:
        axes: With its limits.
        labels: x, y, text and colour of each.
        best: The points of the frontier, but for its first, which has the axis there.
        points: Height of the figure, of which the panel is seven tenths or more.
    """
    low, high = axes.get_ylim()
    point = (high - low) / (0.7 * points)
    for left in (False, True):
        side = [label for label in labels if (label[:2] in best) == left]
        places = drawing.apart([y + (-7 if left else 2) * point for _, y, _, _ in side], 1.3 * style.SMALL * point)
        for (x, y, text, colour), place in zip(side, places, strict=True):
            axes.annotate(
                text,
                (x, y),
                xytext=(-4 if left else 4, (place - y) / point),
                textcoords="offset points",
                horizontalalignment="right" if left else "left",
                fontsize=style.SMALL,
                color=colour,
            )


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats or equals in both coordinates, from left to right."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(set(points)):
        if not found or y < found[-1][1]:
            found.append((x, y))
    return found
