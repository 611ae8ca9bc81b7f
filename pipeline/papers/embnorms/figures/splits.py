"""Norms of the splits of two data sets, over the mean norm of the training split (Draganov 2025, Figs. 3, S5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.papers.embnorms.figures import _marks
from pipeline.ranges import Inches

QUANTILES = "quantiles of "
"""The measure of a split that is this and the split's name is the list of its quantiles, from 0 to 100 %."""

_HALF = 0.42
"""Half the width of the widest violin, and of every bar, where two neighbours are 1 apart."""
_GAP = 0.25
"""Between two data sets."""
_CAPTION = (
    "Embedding norms of four splits over the mean norm of the split that the network was trained on (bold; its mean is "
    "1 by construction, dotted line), one panel per method and training set. "
)
_SHAPES = {
    "violins": "Violins of equal area: density of the norms of the first seed, the slope of the distribution function "
    "between its percentiles, lightly smoothed, from the smallest to the largest norm. Black bars and numbers: mean, "
    "over all seeds.",
    "bars": "Black bars and numbers: mean, over all seeds. Whiskers: from the 10th to the 90th percentile of the norms "
    "of the first seed.",
}


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    shape: Literal["violins", "bars"] = "violins",
    width: Inches = 3.3,
    panel: Inches = 1.25,
) -> Drawing:
    """One panel per data set that was trained on (line) and method (column), one mark per split.

    Args:
        rows: The artifact's rows, with the axes method, dataset and measure: for each split, called ``DATA SET SPLIT``,
            the measure of its name (mean norm over that of the training split) and its quantiles.
        params: The artifact's params.
        shape: Violins show the distribution, bars begin at 0.
        width: Inches.
        panel: Height of one line of panels, inches.
    """
    cells = [row for row in rows if row.role == CELL]
    methods, datasets = axis_values(cells, "method"), axis_values(cells, "dataset")
    measures = [str(name) for name in axis_values(cells, "measure")]
    splits = [name.removeprefix(QUANTILES) for name in measures if name.startswith(QUANTILES)]
    figure = Figure(figsize=(width, 0.2 + panel * max(len(datasets), 1)))
    grid = figure.subplots(max(len(datasets), 1), max(len(methods), 1), sharex=True, sharey=True, squeeze=False)
    records: list[dict[str, Any]] = []
    tops: list[float] = []
    for line, dataset in enumerate(datasets):
        for column, method in enumerate(methods):
            axes = grid[line, column]
            axes.set_title(f"{method}, trained on {_marks.title(dataset)}")
            own = [row for row in cells if same(row.axes["method"], method) and same(row.axes["dataset"], dataset)]
            by_name = {str(row.axes["measure"]): row for row in own}
            means = {name: row for name in splits if (row := by_name.get(name)) and row.mean is not None}
            found = {name: _marks.first(by_name.get(f"{QUANTILES}{name}"), list) for name in splits}
            quantiles = {name: one for name, one in found.items() if one}
            tops.append(_panel(axes, shape, splits, f"{_marks.title(dataset)} train", means, quantiles))
            at = {"dataset": dataset, "method": method}
            records += _records(at, shape, splits, means, quantiles)
    grid[0, 0].set_ylim(0.0, 1.2 * max(tops, default=1.0))  # all panels share it; the numbers stand below the top
    for axes in grid[:, 0]:
        axes.set_ylabel("norm / training mean")
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["dataset", "method", "split", "seed", "percent"], records, _CAPTION + _SHAPES[shape])


def _places(splits: Sequence[str]) -> list[float]:
    """Where the splits stand: 1 apart, those of another data set a little more."""
    found: list[float] = []
    sets = [split.rpartition(" ")[0] for split in splits]
    for k in range(len(splits)):
        new = k > 0 and sets[k] != sets[k - 1]
        found.append(found[-1] + 1 + _GAP * new if found else 0.0)
    return found


def _panel(
    axes: Axes,
    shape: str,
    splits: Sequence[str],
    trained: str,
    means: Mapping[str, Row],
    quantiles: Mapping[str, tuple[int, Sequence[float]]],
) -> float:
    """Marks of all splits, and the names of splits and data sets below them; returns how high the marks reach."""
    places = dict(zip(splits, _places(splits), strict=True))
    axes.axhline(1.0, color=style.MUTED, linewidth=0.5, linestyle=":", zorder=0)
    if not means and not quantiles:
        _marks.empty(axes)
    violins = {name: density(np.asarray(q)) for name, (_, q) in quantiles.items()} if shape == "violins" else {}
    widest = max((float(heights.max()) for _, heights in violins.values()), default=1.0)
    reached = 1.0
    for name, place in places.items():
        colour = _marks.colour(name.rpartition(" ")[0])
        highest = mean = means[name].mean if name in means else None
        if name in violins:
            norms, heights = violins[name]
            half = _HALF * heights / widest
            axes.fill_betweenx(
                norms, place - half, place + half, facecolor=_light(colour), edgecolor=colour, linewidth=0.4
            )
            highest = float(norms[-1])
        elif shape == "bars" and name in quantiles:
            low, highest = (float(np.interp(percent, *_levels(quantiles[name][1]))) for percent in (10, 90))
            axes.plot([place, place], [low, highest], color="black", linewidth=0.7, zorder=3)
        reached = max(reached, mean or 0.0, highest or 0.0)
        if mean is None or highest is None:
            continue
        if shape == "bars":
            axes.bar(place, mean, 2 * _HALF, color=_light(colour), linewidth=0)
        axes.plot([place - _HALF, place + _HALF], [mean, mean], color="black", linewidth=1.0, solid_capstyle="butt")
        axes.annotate(
            f"{mean:.3f}", (place, max(mean, highest)), xytext=(0, 1.5), textcoords="offset points",
            ha="center", va="bottom", fontsize=style.SMALL, fontweight="bold" if name == trained else "normal",
        )  # fmt: skip
    axes.set_xticks(list(places.values()), [name.rpartition(" ")[2] for name in places])
    sets = list(dict.fromkeys(name.rpartition(" ")[0] for name in places))
    middles = [float(np.mean([x for name, x in places.items() if name.rpartition(" ")[0] == one])) for one in sets]
    axes.set_xticks(middles, sets, minor=True)
    axes.tick_params(axis="x", which="both", length=0)
    axes.tick_params(axis="x", which="minor", pad=10)  # the line below the splits
    return reached


def _light(colour: str) -> tuple[float, ...]:
    """The colour as an area behind black marks."""
    return tuple(0.45 * part + 0.55 for part in to_rgb(colour))


def _levels(quantiles: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.linspace(0.0, 100.0, len(quantiles)), np.asarray(quantiles)


def density(quantiles: NDArray[np.float64], points: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values from the smallest to the largest quantile, and the density there.

    The distribution function is straight between quantiles; its slope is smoothed with a Gaussian of half the width
    of Silverman's rule for as many numbers as there are quantiles, and what that would bring beyond an end is reflected
    there: the area is 1.

    Args:
        quantiles: At equal steps from 0 to 100 %.
        points: How many values.
    """
    levels = np.linspace(0.0, 1.0, len(quantiles))
    sample = np.interp((np.arange(1000) + 0.5) / 1000, levels, quantiles)
    width = 0.5 * 1.06 * sample.std() * len(quantiles) ** -0.2
    values = np.linspace(quantiles[0], quantiles[-1], points)
    if width <= 0:  # all the same: a line
        return values, np.ones(points)
    reflected = np.concatenate([sample, 2 * quantiles[0] - sample, 2 * quantiles[-1] - sample])
    apart = (values[:, None] - reflected) / width
    return values, np.exp(-(apart**2) / 2).sum(axis=1) / (len(sample) * width * np.sqrt(2 * np.pi))


def _records(
    at: Mapping[str, Any],
    shape: str,
    splits: Sequence[str],
    means: Mapping[str, Row],
    quantiles: Mapping[str, tuple[int, Sequence[float]]],
) -> list[dict[str, Any]]:
    """Mean and deviation over seeds, and the quantiles that are drawn, of the one seed."""
    found: list[dict[str, Any]] = []
    for name in splits:
        here = {**at, "split": name}
        if name in means:
            found += [{**here, "quantity": "mean", "value": means[name].mean}]
            found += [{**here, "quantity": "std", "value": means[name].std}] if means[name].std is not None else []
        if name in quantiles:
            seed, values = quantiles[name]
            percents, numbers = _levels(values)
            if shape == "bars":
                numbers = np.interp([10.0, 90.0], percents, numbers)
                percents = np.asarray([10.0, 90.0])
            found += [
                {**here, "seed": seed, "percent": float(percent), "quantity": "quantile", "value": float(value)}
                for percent, value in zip(percents, numbers, strict=True)
            ]
    return found
