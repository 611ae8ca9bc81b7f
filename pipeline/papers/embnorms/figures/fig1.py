"""Figure 1 of Draganov 2025: embeddings off the sphere, the field of the cosine loss, growth of the norm in a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches, Positive

_REACH = 2.6
"""Of the first two panels, to every side."""

_CAPTION = (
    "a, schematic: embeddings lie off the sphere (colour: norm), the loss sees their projections on it. "
    "b: arrows are minus the gradient of -cos to the direction north, shortened alike; orange: at one angle "
    "on circles of norm 0.5, 1 and 2, where the arrow halves as the norm doubles; blue: a gradient descent, which"
    " only goes outward. c: the gradient is tangent, so a step is the side of a right triangle whose "
    "hypotenuse is the new, larger norm."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.5,
    shortened: Positive = 0.32,
) -> Drawing:
    """Three panels of the plane.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
        shortened: Length of an arrow of the field in the figure over its own.
    """
    figure = Figure(figsize=(width, height))
    mosaic = figure.subplot_mosaic([["a", "b"], ["c", "c"]])
    panels = [mosaic[letter] for letter in "abc"]
    _projections(panels[0], curves["embeddings"])
    _field(panels[1], curves, shortened)
    _triangle(panels[2], curves["tangent"])
    for axes in panels[:2]:
        axes.set_xlim(-_REACH, _REACH)
        axes.set_ylim(-_REACH, _REACH)
    titles = ("a  outputs and projections", "b  gradient field, a descent", "c  one step")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(title, loc="left")
    return Drawing(figure, ["panel", "index"], _records(curves), _CAPTION)


def _circle(axes: Axes, radius: float, **look: Any) -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 181)
    usual: dict[str, Any] = {"color": "0.75", "linewidth": 0.7, "zorder": 0}
    axes.plot(radius * np.cos(angles), radius * np.sin(angles), **usual | look)


def _projections(axes: Axes, z: Any) -> None:
    """Embeddings shaded by their norm, joined with their projections."""
    norms = np.linalg.norm(z, axis=1)
    on = z / norms[:, None]
    _circle(axes, 1.0, color="black", linewidth=0.9)
    axes.plot([z[:, 0], on[:, 0]], [z[:, 1], on[:, 1]], color="0.8", linewidth=0.4, zorder=1)
    drawn = axes.scatter(z[:, 0], z[:, 1], c=norms, cmap=style.RANKS, s=11, linewidths=0, zorder=3)
    axes.plot(on[:, 0], on[:, 1], ".", color="black", markersize=2.2, zorder=2)
    axes.plot(0, 0, "+", color="black", markersize=4, markeredgewidth=0.6)
    bar = axes.figure.colorbar(drawn, cax=axes.inset_axes((0.06, 0.06, 0.3, 0.03)), orientation="horizontal")
    bar.ax.set_title("norm $|z|$", fontsize=style.SMALL, pad=2)
    bar.outline.set_visible(False)


def _field(axes: Axes, curves: Mapping[str, Any], shortened: float) -> None:
    """The field, arrows of one angle at three norms, and a descent."""
    mesh, arrows = curves["mesh"], curves["arrows"]
    straight: dict[str, Any] = {"angles": "xy", "scale_units": "xy"}
    axes.quiver(*mesh.T, *arrows.T, scale=1 / shortened, color="0.62", width=0.006, headwidth=3.6, zorder=1, **straight)
    for radius in curves["radii"]:
        _circle(axes, radius, linestyle=(0, (3, 2)))
        place = -0.74 * radius, -0.67 * radius
        label = axes.text(
            *place, f"{radius:g}", ha="center", va="center", color=style.MUTED, fontsize=style.SMALL, zorder=5
        )
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    axes.quiver(
        *curves["special"].T, *curves["special_arrows"].T,
        scale=1 / shortened, color=style.COLOURS[1], width=0.009, headwidth=2.6, headlength=3, headaxislength=2.8,
        zorder=3, **straight,
    )  # fmt: skip
    path = curves["descent"]
    axes.plot(*path.T, color=style.COLOURS[0], marker=".", markersize=3.0, linewidth=0.8, zorder=4)
    axes.plot(*path[0], "o", color=style.COLOURS[0], markersize=4.5, zorder=4)
    top = 1.27 * float(curves["radii"].max())
    axes.annotate(
        "",
        (0, top),
        (0, 0),
        arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.0, "shrinkA": 0},
        zorder=2,
    )
    axes.text(0.2, top, r"$\hat z_j$", va="top", ha="left")


def _triangle(axes: Axes, tangent: Any) -> None:
    """A right triangle: the embedding, the step, the embedding after it."""
    z, after = tangent
    norm = float(np.linalg.norm(z))
    _circle(axes, norm, linestyle=(0, (3, 2)))
    drawn = {"arrowstyle": "-|>", "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0}
    for start, end, colour in ((0 * z, z, "black"), (z, after, style.COLOURS[1]), (0 * z, after, style.COLOURS[0])):
        axes.annotate("", end, start, arrowprops=drawn | {"color": colour})
    u, v = -z / norm, (after - z) / np.linalg.norm(after - z)
    corner = np.stack([z + 0.11 * u, z + 0.11 * (u + v), z + 0.11 * v])
    axes.plot(*corner.T, color="black", linewidth=0.7)
    x, y = 0.6 * z + [0.03, -0.07]
    axes.text(x, y, "$z_i$", ha="center", va="top")
    x, y = 0.5 * (z + after) + [0.06, 0.0]
    axes.text(x, y, r"$-\gamma\,\nabla_i\mathcal{L}$", color=style.COLOURS[1], va="center")
    x, y = 0.62 * after + [-0.05, 0.05]
    axes.text(x, y, r"$z_i'$", color=style.COLOURS[0], ha="right", va="bottom")
    axes.annotate("", (0, 1.5 * norm), (0, 0), arrowprops=drawn | {"color": "0.5", "linewidth": 0.9})
    axes.text(-0.06, 1.5 * norm, r"$\hat z_j$", ha="right", va="top", color=style.MUTED)
    axes.text(
        0.5, 0.0, r"$|z_i'|^2=|z_i|^2+\gamma^2|\nabla_i\mathcal{L}|^2\geq|z_i|^2$",
        transform=axes.transAxes, ha="center", va="bottom",
    )  # fmt: skip
    axes.set_xlim(-0.45 * norm, 1.45 * norm)
    axes.set_ylim(-0.3 * norm, 1.6 * norm)


def _records(curves: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both coordinates of every point and arrow."""
    names = {
        "embeddings": ("left", "embedding"),
        "mesh": ("middle", "place"),
        "arrows": ("middle", "arrow"),
        "special": ("middle", "highlighted place"),
        "special_arrows": ("middle", "highlighted arrow"),
        "descent": ("middle", "descent"),
        "tangent": ("right", "before and after"),
    }
    return [
        {"panel": panel, "index": index, "quantity": f"{name} {axis}", "value": float(number)}
        for key, (panel, name) in names.items()
        for index, point in enumerate(curves[key])
        for axis, number in zip("xy", point, strict=True)
    ]
