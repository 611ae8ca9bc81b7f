"""Figure 1 of Halvagal 2023: the asymmetric network, and how each loss acts on large and small modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_CAPTION = (
    "a: two views of one input, one network; the predictor acts on the first view, and no gradient goes through the "
    "second. b: two modes under the Euclidean loss, ellipses of one standard deviation of the embedding; large "
    "modes shrink and small ones grow, each for itself, to the unit circle. c: density of the direction of the "
    "embedding under the cosine loss, against the angle to the large mode; it becomes flat, at whatever common "
    "length. Light to dark: evenly spaced moments of the exact mean flow of a linear network, the first is the start."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.5,
) -> Drawing:
    """A sketch and two computed panels.

    Args:
        rows: The artifact's rows; the figure is drawn from the curves.
        params: The artifact's params.
        curves: ``euclidean/s`` (stages x 2: small and large mode), ``cosine/s``, ``cosine/density`` and ``angle``.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    panels = figure.subplot_mosaic([["a", "b"], ["c", "c"]], height_ratios=[1.0, 0.95])
    network, plane, directions = (panels[letter] for letter in "abc")
    _network(network)
    s = curves["euclidean/s"]
    shades = style.RANKS.reversed()(np.linspace(0.0, 1.0, len(s)))
    records = []
    for number, ((small, large), colour) in enumerate(zip(s, shades, strict=True)):
        plane.add_patch(Ellipse((0, 0), 2 * large**0.5, 2 * small**0.5, fill=False, edgecolor=colour, linewidth=1.2))
        for mode, value in (("small", small), ("large", large)):
            records.append({"loss": "euclidean", "stage": number, "at": mode, "quantity": "s", "value": float(value)})
    plane.add_patch(Ellipse((0, 0), 2, 2, fill=False, edgecolor="black", linewidth=0.8, linestyle=(0, (4, 3))))
    for tail, head in (((1.72, 0.16), (1.28, 0.16)), ((0.16, 0.42), (0.16, 0.86))):
        plane.add_patch(_arrow(tail, head))
    plane.text(0.7, 0.85, "unit circle", fontsize=style.SMALL)
    plane.set_xlim(-1.75, 1.75)
    plane.set_ylim(-1.3, 1.3)
    plane.set_aspect("equal")
    plane.set_xlabel("large mode $\\hat{z}_1$")
    plane.set_ylabel("small mode $\\hat{z}_2$")
    plane.set_title("b  Euclidean: each mode to $\\lambda=1$", loc="left", x=-0.15)

    degrees = np.degrees(curves["angle"])
    for number, (density, colour) in enumerate(zip(curves["cosine/density"], shades, strict=True)):
        directions.plot(degrees, 2 * np.pi * density, color=colour)
        records += [
            {"loss": "cosine", "stage": number, "at": f"{angle:g}", "quantity": "density", "value": float(value)}
            for angle, value in zip(degrees[::10], 2 * np.pi * density[::10], strict=True)
        ]
    directions.axhline(1.0, color="black", linewidth=0.8, dashes=(4, 3), zorder=0)
    peak = 2 * np.pi * curves["cosine/density"][0].max()
    directions.add_patch(_arrow((0, peak * 0.93), (0, peak * 0.55)))
    directions.text(42, 1.1, "uniform", fontsize=style.SMALL)
    directions.set_xticks([-90, -45, 0, 45, 90])
    directions.set_xlim(-90, 90)
    directions.set_ylim(0, None)
    directions.set_xlabel("angle to the large mode (degrees)")
    directions.set_ylabel("density $\\times\\ 2\\pi$")
    directions.set_title("c  cosine: all modes to one level", loc="left")
    return Drawing(figure, ["loss", "stage", "at"], records, _CAPTION)


def _arrow(tail: tuple[float, float], head: tuple[float, float], colour: str = style.COLOURS[1]) -> FancyArrowPatch:
    return FancyArrowPatch(tail, head, arrowstyle="-|>", mutation_scale=7, color=colour, linewidth=1.0, zorder=5)


def _network(axes: Axes) -> None:
    """Boxes and arrows: x1 -> f -> W_P -> loss <- stop-gradient <- f <- x2."""
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 7)
    for y, view, colour in ((5.4, "$x^{(1)}$", style.COLOURS[0]), (1.6, "$x^{(2)}$", style.MUTED)):
        axes.text(0.5, y, view, ha="center", va="center")
        axes.add_patch(_arrow((1.05, y), (1.95, y), "black"))
        _box(axes, 2.0, y, 1.6, "$f_\\theta$", colour)
    axes.add_patch(_arrow((3.7, 5.4), (5.45, 5.4), "black"))
    axes.text(4.55, 5.75, "$z^{(1)}$", ha="center", fontsize=style.SMALL)
    _box(axes, 5.5, 5.4, 1.8, "$W_P$", style.COLOURS[0])
    axes.add_patch(_arrow((6.4, 4.8), (6.4, 4.0), "black"))
    axes.add_patch(_arrow((3.7, 1.6), (5.15, 1.6), "black"))
    axes.text(4.45, 1.95, "$z^{(2)}$", ha="center", fontsize=style.SMALL)
    axes.plot([5.3, 5.3], [1.15, 2.05], color=style.COLOURS[1], linewidth=1.4)
    axes.plot([5.5, 5.5], [1.15, 2.05], color=style.COLOURS[1], linewidth=1.4)
    axes.text(5.4, 0.55, "stop-gradient", color=style.COLOURS[1], ha="center", fontsize=style.SMALL)
    axes.plot([5.65, 6.4], [1.6, 1.6], color="black", linewidth=1.0)
    axes.add_patch(_arrow((6.4, 1.6), (6.4, 2.95), "black"))
    axes.text(6.4, 3.45, "$L$", ha="center", va="center", fontsize="large")
    axes.text(2.8, 3.5, "shared", ha="center", va="center", fontsize=style.SMALL, color=style.MUTED)
    axes.plot([2.8, 2.8], [3.9, 4.7], color=style.MUTED, linewidth=0.7, linestyle=":")
    axes.plot([2.8, 2.8], [2.3, 3.1], color=style.MUTED, linewidth=0.7, linestyle=":")
    axes.text(7.6, 5.4, "predictor:\neigenvalues $\\lambda_m$\nof $E[zz^\\top]$", va="center", fontsize=style.SMALL)
    axes.set_title("a  online and target", loc="left")


def _box(axes: Axes, left: float, y: float, width: float, text: str, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch((left, y - 0.6), width, 1.2, boxstyle="round,pad=0.05", facecolor="white", edgecolor=colour)
    )
    axes.text(left + width / 2, y, text, ha="center", va="center")
