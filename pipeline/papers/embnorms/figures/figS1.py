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
    "Cosine of the angle between a point of the plane and the direction north, as a surface (a) and from above (b). "
    "It is constant along every ray from the origin, so that on larger circles (norms 0.5, 1, 2) the same range of "
    "values is stretched over a longer way. c (ours): the slope along these circles."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.9,
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
    grid = figure.add_gridspec(2, 2, height_ratios=[1.0, 0.75])
    solid = figure.add_subplot(grid[0, 0], projection="3d", computed_zorder=False)
    above, slopes = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, :])
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
    rim = float(np.hypot(x, y).min())  # the hole that the surface has at the origin, in the colours around it
    solid.scatter(
        rim * np.sin(angles), rim * np.cos(angles), np.cos(angles), c=np.cos(angles), cmap=style.RANKS, vmin=-1, vmax=1,
        s=2, linewidths=0, depthshade=False, zorder=4,
    )  # fmt: skip
    solid.view_init(elev=32, azim=-150)
    solid.set_box_aspect((1, 1, 0.55), zoom=1.25)
    solid.set_zticks([-1, 0, 1])
    solid.set_xticks([-2, 0, 2])
    solid.set_yticks([-2, 0, 2])
    solid.tick_params(pad=-3)
    solid.set_title("a  surface", loc="left")
    drawn = above.pcolormesh(x, y, z, cmap=style.RANKS, vmin=-1, vmax=1, shading="gouraud", rasterized=True, zorder=0)
    limit = float(np.abs(x).max()) * 1.02
    above.set_xlim(-limit, limit)
    above.set_ylim(-limit, 1.5 * limit)
    above.annotate(
        "", (0, 1.25 * limit), (0, 0), zorder=4,
        arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    above.text(0, 1.27 * limit, "target", ha="center", va="bottom", fontsize=style.SMALL)
    solid.plot([0, 0], [0, limit], [1.03, 1.03], color="black", linewidth=1.0, zorder=6)
    solid.text(0, 1.15 * limit, 1.1, "target", ha="center", fontsize=style.SMALL, zorder=7)
    above.set_aspect("equal")
    above.axis("off")
    above.set_title("b  from above", loc="left")
    bar = figure.colorbar(drawn, ax=above, location="bottom", shrink=0.7, aspect=25, pad=0.03)
    bar.set_label(r"cosine similarity $\cos\varphi$")
    bar.set_ticks([-1, 0, 1])
    bar.outline.set_visible(False)
    slopes.set_xlim(0, 180)
    slopes.set_xticks([0, 90, 180])
    slopes.set_ylim(0, 1.15 * float(curves["slopes"].max()))
    slopes.set_xlabel(r"angle $\varphi$ (degrees)")
    slopes.set_title(r"c  slope per unit length, $\sin(\varphi)/r$", loc="left")
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
