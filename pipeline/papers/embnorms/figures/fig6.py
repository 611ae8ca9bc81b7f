"""Figure 6 of Draganov 2025: the field of the cosine loss without and with GradScale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row, axis_values
from pipeline.ranges import Inches, Positive, Real, Some

_CAPTION = (
    "Arrows: the step direction under GradScale with power p for embeddings that are drawn north; their lengths "
    "are those of the field, on one scale in both panels, and are also the colour. p = 0: sin(phi) / r. p = 1: "
    "sin(phi) on every circle. c (ours): the angle by which one step turns an embedding, which is what "
    "training sees: it falls as r^(p - 2), so that p = 1 removes one of the two powers of the norm and p = 2 "
    "both."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.6,
    shown: Some[Real] = [0.0, 1.0],  # noqa: B006 - params are literals
    shortened: Positive = 0.4,
) -> Drawing:
    """One field per power, and how far a step turns.

    Args:
        rows: The artifact's rows; ``power`` is one of its axes.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
        shown: Powers whose fields are drawn.
        shortened: Length of an arrow in the figure over its own.
    """
    figure = Figure(figsize=(width, height))
    fields = [f"field {power:g}" for power in shown]
    layout: list[Any] = [fields, ["turn"] * len(shown)]
    mosaic = figure.subplot_mosaic(layout, height_ratios=[1.0, 0.75])
    panels = [mosaic[name] for name in (*fields, "turn")]
    points = curves["points"].reshape(-1, 2)
    top = max(float(np.linalg.norm(curves[f"field {power:g}"], axis=-1).max()) for power in shown)
    records: list[dict[str, Any]] = []
    for axes, power in zip(panels, shown, strict=False):
        arrows = curves[f"field {power:g}"].reshape(-1, 2)
        drawn = _field(axes, points, arrows, curves["radii"], top, shortened)
        letter = "abcdefgh"[list(shown).index(power)]
        axes.set_title(f"{letter}  $p={power:g}$" + (": the gradient" if power == 0 else ": GradScale"), loc="left")
        for index, (place, arrow) in enumerate(zip(points, arrows, strict=True)):
            at = {"panel": "field", "power": power, "index": index}
            numbers = {"x": place[0], "y": place[1], "arrow x": arrow[0], "arrow y": arrow[1]}
            records += [{**at, "quantity": name, "value": float(number)} for name, number in numbers.items()]
    bar = figure.colorbar(drawn, ax=list(panels[:-1]), location="bottom", shrink=0.4, aspect=35, pad=0.03)
    bar.set_label("length of an arrow")
    bar.outline.set_visible(False)
    records += _turns(panels[-1], curves, axis_values(rows, "power"))
    return Drawing(figure, ["panel", "power", "index"], records, _CAPTION)


def _field(axes: Axes, points: Any, arrows: Any, radii: Any, top: float, shortened: float) -> Any:
    """Arrows on circles."""
    angles = np.linspace(0.0, 2.0 * np.pi, 181)
    for radius in radii:
        axes.plot(radius * np.cos(angles), radius * np.sin(angles), color="0.85", linewidth=0.5, zorder=0)
    reach = 1.22 * float(max(radii))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, 1.2 * reach)
    axes.annotate(
        "", (0, reach), (0, 0), zorder=4,
        arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    axes.text(0, 1.02 * reach, "target", ha="center", va="bottom", fontsize=style.SMALL)
    drawn = axes.quiver(
        *points.T, *arrows.T, np.linalg.norm(arrows, axis=1), cmap=style.RANKS, clim=(0.0, top),
        angles="xy", scale_units="xy", scale=1 / shortened, width=0.009, headwidth=3.6, zorder=2,
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.axis("off")
    return drawn


def _turns(axes: Axes, curves: Mapping[str, Any], powers: Sequence[float]) -> list[dict[str, Any]]:
    """Angle of a step against the norm."""
    records, ends = [], []
    for number, power in enumerate(powers):
        turned, norms = curves[f"turn {power:g}"], curves["norms"]
        axes.plot(norms, turned, color=style.COLOURS[number])
        ends.append((float(norms[-1]), float(np.log(turned[-1])), power, style.COLOURS[number]))
        records += [
            {"panel": "turn", "power": power, "index": index, "quantity": name, "value": float(value)}
            for index, pair in enumerate(zip(norms, turned, strict=True))
            for name, value in zip(("norm", "degrees per step"), pair, strict=True)
        ]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = [0.25, 0.5, 1.0, 2.0, 4.0]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("norm $r$")
    axes.set_title("c  turn per step", loc="left")
    axes.set_ylabel("degrees")
    # labels stand to the right of the lines, whatever the limits of the axis
    places = drawing.apart([end[1] for end in ends], 0.5)
    for (x, _, power, colour), place in zip(ends, places, strict=True):
        axes.annotate(
            f"$p={power:g}$", (x, float(np.exp(place))), xytext=(4, 0), textcoords="offset points",
            color=colour, fontsize=style.SMALL, va="center", annotation_clip=False,
        )  # fmt: skip
    return records
