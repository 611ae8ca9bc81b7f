"""Accuracy, agreement of people and their doubt in buckets of the embedding norm (Draganov 2025, Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, Literal

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.papers.embnorms.figures import _marks
from pipeline.ranges import Inches

PANELS = {
    "accuracy by norm": "$k$-nn accuracy",
    "agreement by norm": "human labels\nthat are right",
    "entropy by norm": "entropy of\nhuman labels",
}
"""The measures that are drawn, from left to right; behind a comma may stand of which data set."""

_AREA = 60.0
"""Of a marker that stands for all images, square points; others have the share of it that they stand for."""
_LOOKS: tuple[tuple[str, Literal["-", "--", ":"], bool], ...] = (("o", "-", True), ("s", "--", False), ("^", ":", True))
"""Marker, line, and whether the marker is filled, of the methods in turn."""
_CAPTION = (
    "In buckets of the norm over the largest norm, of the first seed: left, accuracy of nearest neighbours; middle, "
    "share of images whose most frequent label by people is right; right, mean entropy of the labels that people gave "
    "to an image. Area of a marker: share of the images that are in the bucket; buckets of few images are left out."
)


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 1.95) -> Drawing:
    """One panel per measure, one line per method and data set.

    Args:
        rows: The artifact's rows, with the axes method, dataset and measure, whose names may go on behind a comma. A
            value that is drawn is a dictionary of lists, one entry per bucket: ``norm`` (centre, over the largest
            norm), ``count`` and ``value`` (or null).
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    cells = [row for row in rows if row.role == CELL]
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(1, len(PANELS), sharex=True)
    records: list[dict[str, Any]] = []
    for axes, (measure, title) in zip(grid, PANELS.items(), strict=True):
        own = [row for row in cells if str(row.axes["measure"]).partition(",")[0] == measure]
        unit = next((row.unit for row in own if row.unit), "")
        axes.set_title(f"{title} in {unit}" if unit else title)
        drawn = 0
        for number, method in enumerate(axis_values(cells, "method")):
            for row in (row for row in own if same(row.axes["method"], method)):
                if (found := _marks.first(row, dict)) is None:
                    continue
                seed, value = found
                whole = sum(value["count"])
                points = [
                    (norm, count, height)
                    for norm, count, height in zip(value["norm"], value["count"], value["value"], strict=True)
                    if height is not None
                ]
                colour = _marks.colour(row.axes["dataset"])
                marker, line, full = _LOOKS[number % len(_LOOKS)]
                x, y = [norm for norm, _, _ in points], [height for _, _, height in points]
                axes.plot(x, y, color=colour, linestyle=line, linewidth=0.7)
                axes.scatter(
                    x, y, [_AREA * count / whole for _, count, _ in points], marker=marker, linewidth=0.6, zorder=3,
                    edgecolor=colour, facecolor=colour if full else "white",
                )  # fmt: skip
                at = {"measure": measure, "method": method, "dataset": row.axes["dataset"], "seed": seed}
                for norm, count, height in points:
                    records.append({**at, "norm": norm, "quantity": "value", "value": height})
                    records.append({**at, "norm": norm, "quantity": "count", "value": count})
                drawn += len(points)
        if not drawn:
            _marks.empty(axes)
        axes.set_xlim(0.0, 1.0)
        axes.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
    grid[1].set_xlabel("norm / largest norm")
    _legend(figure, cells)
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["measure", "method", "dataset", "seed", "norm"], records, _CAPTION)


def _legend(figure: Figure, cells: Sequence[Row]) -> None:
    """Below the panels: colours of data sets, looks of methods, sizes of markers, a column for each."""
    colours = [
        (Line2D([], [], color=_marks.colour(dataset)), _marks.title(dataset))
        for dataset in axis_values(cells, "dataset")
    ]
    looks = [
        (Line2D([], [], color=style.MUTED, linestyle=line, linewidth=0.7, marker=marker,
                markerfacecolor=style.MUTED if full else "white", markeredgewidth=0.6), str(method))
        for method, (marker, line, full) in zip(axis_values(cells, "method"), _LOOKS, strict=False)
    ]  # fmt: skip
    sizes = [
        (Line2D([], [], color=style.MUTED, linestyle="none", marker="o", markeredgewidth=0.0,
                markersize=(_AREA * share) ** 0.5), f"{share:.0%} of the images")
        for share in (0.02, 0.1, 0.3)
    ]  # fmt: skip
    nothing = (Line2D([], [], linestyle="none"), "")
    longest = zip(*zip_longest(colours, looks, sizes, fillvalue=nothing), strict=True)
    handles, names = zip(*chain.from_iterable(longest), strict=True)
    figure.legend(handles, names, loc="outside lower center", ncols=3)
