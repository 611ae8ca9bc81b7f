"""Figure S1 of Draganov 2025: the landscape of the cosine similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_CAPTION = (
    "Cosine of the angle between a point of the plane and the direction north, as a surface and from above. It is"
    " constant along every ray from the origin, so that on larger circles (norms 0.5, 1, 2) the same range of "
    "values is stretched over a longer way. Right (ours): the slope along these circles."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 7.0,
    height: Inches = 2.6,
) -> Drawing:
    """Surface, top view, and slopes along the circles.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(1, 3, width_ratios=[1.1, 1.0, 0.85])
    solid = figure.add_subplot(grid[0], projection="3d", computed_zorder=False)
    above, slopes = figure.add_subplot(grid[1]), figure.add_subplot(grid[2])
    x, y, z = curves["surface"][..., 0], curves["surface"][..., 1], curves["similarity"]
    radii, angles = curves["radii"], curves["angles"]
    colours = style.COLOURS
    solid.plot_surface(
        x, y, z, cmap=style.RANKS, vmin=-1, vmax=1, rcount=len(x), ccount=x.shape[1], linewidth=0, antialiased=False
    )
    for number, radius in enumerate(radii):
        circle = radius * np.sin(angles), radius * np.cos(angles)
        solid.plot(*circle, np.cos(angles) + 0.02, color=colours[number + 1], linewidth=1.2, zorder=5)
        above.plot(*circle, color=colours[number + 1], linewidth=1.4)
        ring = above.annotate(
            f"{radius:g}", (0, -radius), color=colours[number + 1], ha="center", va="center", fontsize=style.SMALL
        )
        ring.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})
        slopes.plot(np.degrees(angles), curves["slopes"][number], color=colours[number + 1])
    solid.view_init(elev=32, azim=-150)
    solid.set_box_aspect((1, 1, 0.55), zoom=1.25)
    solid.set_zticks([-1, 0, 1])
    solid.set_xticks([-2, 0, 2])
    solid.set_yticks([-2, 0, 2])
    solid.tick_params(pad=-3)
    solid.set_title("surface", y=1.04)
    drawn = above.pcolormesh(x, y, z, cmap=style.RANKS, vmin=-1, vmax=1, shading="gouraud", rasterized=True, zorder=0)
    limit = float(np.abs(x).max()) * 1.02
    above.annotate(
        "", (0, limit), (0, 0), arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.0, "shrinkA": 0}
    )
    above.set_aspect("equal")
    above.axis("off")
    above.set_title("from above")
    bar = figure.colorbar(drawn, ax=above, location="bottom", shrink=0.7, aspect=25, pad=0.03)
    bar.set_label(r"cosine similarity $\cos\varphi$")
    bar.set_ticks([-1, 0, 1])
    bar.outline.set_visible(False)
    slopes.set_xlim(0, 180)
    slopes.set_xticks([0, 90, 180])
    slopes.set_ylim(0, 1.15 * float(curves["slopes"].max()))
    slopes.set_xlabel(r"angle $\varphi$ (degrees)")
    slopes.set_title(r"slope per unit length, $\sin(\varphi)/r$")
    middle = len(angles) * 3 // 4
    ends = [
        (90.0, float(curves["slopes"][k, middle]) + 0.03, f"$r={radius:g}$", colours[k + 1])
        for k, radius in enumerate(radii)
    ]
    for place, (px, py, text, colour) in zip(drawing.apart([end[1] for end in ends], 0.12), ends, strict=True):
        slopes.text(px, max(place, py), text, color=colour, fontsize=style.SMALL, ha="center", va="bottom")
    records = [
        {"panel": "surface", "index": index, "quantity": name, "value": float(value)}
        for index, point in enumerate(zip(x.ravel(), y.ravel(), z.ravel(), strict=True))
        for name, value in zip(("x", "y", "similarity"), point, strict=True)
    ]
    records += [
        {"panel": f"slope at norm {radius:g}", "index": index, "quantity": name, "value": float(value)}
        for k, radius in enumerate(radii)
        for index, pair in enumerate(zip(np.degrees(angles), curves["slopes"][k], strict=True))
        for name, value in zip(("angle", "slope"), pair, strict=True)
    ]
    return Drawing(figure, ["panel", "index"], records, _CAPTION)
