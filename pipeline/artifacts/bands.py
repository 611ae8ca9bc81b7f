"""Lines of means over seeds with a band of one standard deviation, and the records of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pipeline.artifacts.rows import Row

Point = tuple[float, float, float | None]
"""Place along the line, mean, and standard deviation; None where there are fewer than two seeds."""


def by_epoch(rows: Iterable[Row]) -> list[Point]:
    """Points of a line along training, in the order of the trained epochs; rows without a number have none."""
    found = {row.trained_epochs: (row.mean, row.std) for row in rows if row.mean is not None}
    return [(epoch, mean, std) for epoch, (mean, std) in sorted(found.items()) if mean is not None]


def draw_band(
    axes: Axes, points: Sequence[Point], at: Mapping[str, Any], along: str, colour: Any, **look: Any
) -> list[dict[str, Any]]:
    """Draw the line and its band; returns a record for each mean, and for each deviation that there is.

    Args:
        axes: Where they are drawn.
        points: In the order of the line.
        at: What all records of the line say.
        along: What the place along the line is called in them.
        colour: Of both.
        look: Of the line, as matplotlib takes it.
    """
    x = [place for place, _, _ in points]
    axes.plot(x, [mean for _, mean, _ in points], color=colour, **look)
    low = [mean - (std or 0.0) for _, mean, std in points]
    high = [mean + (std or 0.0) for _, mean, std in points]
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    return [
        {**at, along: place, "quantity": name, "value": value}
        for place, mean, std in points
        for name, value in (("mean", mean), ("std", std))
        if value is not None
    ]
