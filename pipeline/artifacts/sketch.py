"""Boxes and arrows of drawings."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from pipeline.artifacts import style

Point = tuple[float, float]


def canvas(axes: Axes, width: float, height: float) -> None:
    """Make axes a sheet of paper: no frame, one unit as long across as up."""
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")


def box(axes: Axes, centre: Point, size: Point, text: str, colour: str = "black", **more: Any) -> None:
    """Draw a box with rounded corners and text in it."""
    (x, y), (width, height) = centre, size
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.18",
        facecolor="white",
        edgecolor=colour,
        linewidth=0.9,
        zorder=3,
    )
    axes.add_patch(patch)
    axes.text(x, y, text, ha="center", va="center", zorder=4, **more)


def arrow(axes: Axes, tail: Point, head: Point, colour: str = "black", **more: Any) -> None:
    """Draw an arrow."""
    look: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 7,
        "linewidth": 0.9,
        "shrinkA": 0,
        "shrinkB": 0,
    } | more
    axes.add_patch(FancyArrowPatch(tail, head, color=colour, zorder=2, **look))


def stop(axes: Axes, at: Point, height: float, colour: str) -> None:
    """Draw the two strokes across a line through which no gradient goes."""
    x, y = at
    for shift in (-0.08, 0.08):
        axes.plot([x + shift] * 2, [y - height / 2, y + height / 2], color=colour, linewidth=1.3, zorder=4)


def small(axes: Axes, at: Point, text: str, **more: Any) -> None:
    """Write small text."""
    look: dict[str, Any] = {"fontsize": style.SMALL, "ha": "center", "va": "center"} | more
    axes.text(*at, text, **look)
