"""Figure S2 of Draganov 2025: classes on the sphere in three dimensions, and what a network makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Degrees, Inches, Some

_CAPTIONS = {
    "latent": (
        "Latent samples of eight classes on the unit sphere (colour and shape of a mark: class) and, dashed, the rays "
        "to the means of the classes. The same from two sides."
    ),
    "learned": (
        "Embeddings of the same samples by the trained network, not normalised (colour and shape of a mark: class); "
        "dashed: rays along the classes, as long as their mean norm. The same from two sides."
    ),
}
_MARKS = "osv^D<>P"
_SYMBOLS = {"latent": "x", "learned": "z"}
_RAYS = {"latent": "ray to a class", "learned": "ray along a class"}


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 2.4,
    space: Literal["latent", "learned"] = "latent",
    elevations: Some[Degrees] = [18.0, 18.0],  # noqa: B006 - params are literals
    azimuths: Some[Degrees] = [30.0, 120.0],  # noqa: B006 - params are literals
) -> Drawing:
    """One space from several sides.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
        space: ``latent`` or ``learned``.
        elevations: Of the eye, degrees, per view.
        azimuths: Of the eye, degrees, per view.
    """
    figure = Figure(figsize=(width, height))
    points, rays = curves[space], curves[f"{space} rays"]
    limit = 1.02 * float(np.abs(points).max())
    for number, (elevation, azimuth) in enumerate(zip(elevations, azimuths, strict=True)):
        axes = figure.add_subplot(1, len(azimuths), number + 1, projection="3d")
        for k, own in enumerate(points):
            axes.plot(
                *own.T,
                _MARKS[k % len(_MARKS)],
                color=_colour(k),
                markersize=1.9,
                markeredgewidth=0,
                alpha=0.6,
                rasterized=True,
            )
            axes.plot(*np.stack([0 * rays[k], rays[k]]).T, "--", color="black", linewidth=0.9, zorder=10)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), zlim=(-limit, limit))
        axes.set_box_aspect((1, 1, 1), zoom=0.95)
        axes.view_init(elev=elevation, azim=azimuth)
        axes.tick_params(pad=-3)
        axes.locator_params(nbins=3)
        for place, name in enumerate((axes.set_xlabel, axes.set_ylabel), 1):
            name(f"${_SYMBOLS[space]}_{place}$", labelpad=-8)
        axes.plot([0, 0], [0, 0], [0, limit], color="0.6", linewidth=0.7, zorder=1)
        axes.text(0, 0, 1.05 * limit, f"${_SYMBOLS[space]}_3$", ha="center", zorder=11)
        axes.set_title(f"{'abcdefgh'[number]}  from {azimuth:g}°", loc="left")
    handles = [
        Line2D([], [], linestyle="", marker=_MARKS[k % len(_MARKS)], color=_colour(k), label=str(k + 1))
        for k in range(len(points))
    ]
    handles.append(Line2D([], [], linestyle="--", color="black", linewidth=0.9, label=_RAYS[space]))
    figure.legend(
        handles=handles, title="class", loc="outside lower center", ncols=len(handles), handletextpad=0.2,
        columnspacing=0.8,
    )  # fmt: skip
    records = [
        {"class": k + 1, "index": index, "quantity": name, "value": float(value)}
        for k, own in enumerate(points)
        for index, point in enumerate(own)
        for name, value in zip("xyz", point, strict=True)
    ]
    records += [
        {"class": k + 1, "index": "", "quantity": f"ray {name}", "value": float(value)}
        for k, ray in enumerate(rays)
        for name, value in zip("xyz", ray, strict=True)
    ]
    return Drawing(figure, ["class", "index"], records, _CAPTIONS[space])


def _colour(k: int) -> str:
    """Of a class: Okabe and Ito's palette has a colour less than there are classes."""
    return style.COLOURS[k] if k < len(style.COLOURS) else "0.55"
