"""Figure 1 of Ghosh 2024: the augmentation graph as the target (A), a loss that costs less and has the same one (B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from pipeline.artifacts import sketch, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.papers.multiview import four, graph
from pipeline.ranges import Count, Fraction, Inches

_PLACES = np.array([(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.0)])
_CAPTION = (
    "A: four instances, their clusters of augmentations (shaded) and the augmentation graph: a line is as thick as the "
    "weight E[p(a|x) p(b|x)] of its edge (Eqs. 45, 46; probabilities of Figure 6), colours are the signs of its "
    "eigenvector after the constant one, the class. B: the loss with the same eigenfunctions (Eq. 10): each of m "
    "views is compared with the mean of the embeddings of all, and features are kept orthonormal; a projector of few "
    "features is enough if orthogonality is enforced more strongly."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    rho: Fraction = 0.5,
    mu: Fraction = 0.25,
    nu: Fraction = 0.2,
    delta: Fraction = 0.05,
    views: Count = 4,
    width: Inches = 3.3,
    height: Inches = 1.9,
) -> Drawing:
    """Two panels.

    Args:
        rows: None: nothing is measured.
        params: The artifact's params.
        rho: Probability that an augmentation keeps the instance.
        mu: That it keeps the class only.
        nu: That it keeps the look only.
        delta: That it keeps neither.
        views: Views in B.
        width: Inches.
        height: Inches.

    Raises:
        UserError: The four are no probabilities that sum to 1.
    """
    law = four.transitions(rho, mu, nu, delta)
    edges, weights = graph.edges(law), graph.normalised(law)
    values, vectors = np.linalg.eigh(weights)
    second = vectors[:, np.argsort(values)[-2]]
    figure = Figure(figsize=(width, height))
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.42])
    _graph(left, edges, np.sign(second * second[0]))
    _loss(right, views)
    for axes in (left, right):
        axes.set_anchor("N")
    for axes, title in ((left, "A  the target"), (right, "B  the loss")):
        axes.set_title(title, loc="left")
    records = [
        {"from": f"x{i + 1}", "to": f"x{j + 1}", "quantity": "edge weight", "value": float(edges[i, j])}
        for i, j in np.ndindex(4, 4)
    ]
    for i, value in enumerate(second * np.sign(second[0])):
        records.append(
            {"from": f"x{i + 1}", "to": "", "quantity": "second eigenvector", "value": round(float(value), 9)}
        )
    return Drawing(figure, ["from", "to"], records, _CAPTION)


def _graph(axes: Axes, edges: np.ndarray, signs: np.ndarray) -> None:
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-0.62, 1.62)
    axes.set_ylim(-0.95, 1.7)
    thickest = max(edges[i, j] for i, j in combinations(range(4), 2))
    for (x, y), sign in zip(_PLACES, signs, strict=True):
        axes.add_patch(Ellipse((x, y), 1.1, 1.26, color=_colour(sign), alpha=0.16, linewidth=0))
    for i, j in combinations(range(4), 2):
        (x1, y1), (x2, y2) = _PLACES[i], _PLACES[j]
        axes.plot([x1, x2], [y1, y2], color=style.MUTED, linewidth=5.0 * edges[i, j] / thickest, zorder=1)
    for (x, y), sign, name in zip(_PLACES, signs, ("x1", "x2", "x3", "x4"), strict=True):
        axes.plot(x, y, "o", color=_colour(sign), markersize=13, zorder=3, markeredgecolor="black", markeredgewidth=0.6)
        axes.text(x, y, name, ha="center", va="center", fontsize=style.SMALL, color="white", zorder=4)
    for x, name in ((0.0, "class 1"), (1.0, "class 2")):
        sketch.small(axes, (x, -0.82), name)


def _colour(sign: float) -> str:
    return style.COLOURS[0] if sign > 0 else style.COLOURS[1]


def _loss(axes: Axes, views: int) -> None:
    sketch.canvas(axes, 10.6, 10.2)
    middle = 5.6
    places = np.linspace(8.6, 2.6, views)
    sketch.small(axes, (0.35, middle), "$x_0$", fontsize="medium")
    for number, y in enumerate(places):
        sketch.arrow(axes, (0.75, middle), (1.75, y), style.MUTED, linewidth=0.7, mutation_scale=5)
        sketch.small(axes, (2.25, y), f"$a_{{{number + 1}}}$")
        sketch.arrow(axes, (2.7, y), (3.25, y), style.MUTED, linewidth=0.7, mutation_scale=5)
        sketch.arrow(axes, (5.45, y), (6.15, y), style.MUTED, linewidth=0.7, mutation_scale=5)
        axes.plot(6.5, y, "o", color=style.COLOURS[2], markersize=4.5, zorder=3)
        axes.plot([6.5, 9.0], [y, middle], color=style.COLOURS[2], linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    sketch.box(axes, (4.35, middle), (2.2, 7.2), "encoder,\nnarrow\nprojector\n$f$", fontsize=style.SMALL)
    axes.plot(9.0, middle, "D", color=style.COLOURS[1], markersize=6, zorder=3)
    sketch.small(axes, (9.0, middle + 1.15), "$T_M f$", color=style.COLOURS[1])
    sketch.small(axes, (9.1, middle - 2.9), "mean of\nthe views", color=style.COLOURS[1])
    sketch.small(axes, (6.5, places[0] + 0.85), "$f(a)$", color=style.COLOURS[2])
    sketch.small(
        axes, (5.2, 0.85), "$\\sum_i \\Vert T_M f_i - f_i\\Vert^2,\\quad \\langle f_i, f_j\\rangle = \\delta_{ij}$"
    )
