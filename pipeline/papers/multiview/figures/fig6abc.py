"""Figure 6 of Ghosh 2024: four instances (A), probabilities of their augmentations (B), the augmentation graph (C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_PLACES = ((0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.0))
_MARKERS = ("o", "o", "s", "s")
_LOOKS = (style.COLOURS[0], style.COLOURS[4], style.COLOURS[0], style.COLOURS[4])
_GREEK = (r"\rho", r"\mu", r"\nu", r"\delta")
_RELATION = ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))
_MODE_NAMES = ("constant", "class", "pixels", "neither")

_CAPTION = (
    "A: two classes (circles, squares; left and right) and two looks (colours; above and below); shaded, where the "
    "augmentations of an instance fall. B: probability that an augmentation of x1 is taken for each instance "
    "(Eq. 45). C: edge weights E[p(a|x) p(b|x)] computed from B, x 4 so that rows sum to 1, and their four kinds "
    "(Eq. 46). D: eigenvectors, which are the same for all probabilities, and eigenvalues of the weights x 4. The "
    "text does not preserve the probabilities; these are chosen so that class is kept more often than look."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.3,
) -> Drawing:
    """Four panels.

    Args:
        rows: The artifact's rows; not drawn.
        params: The artifact's params.
        curves: Those of the simulation.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(2, 2).ravel()
    _clusters(panels[0])
    _arrows(panels[1], curves["probabilities"])
    _matrix(panels[2], 4.0 * curves["edges"])
    _modes(panels[3], curves["modes"], curves["eigenvalues"])
    for axes, letter in zip(panels, "ABCD", strict=True):
        axes.set_title(f"{letter}  {axes.get_title()}", loc="left", pad=5)
        axes.set_title("")
    columns, records = ["panel", "from", "to"], []
    for panel, name, matrix in (
        ("B", "probability", curves["transitions"]),
        ("C", "edge weight", curves["edges"]),
        ("D", "eigenvector", curves["modes"]),
    ):
        for i, j in np.ndindex(4, 4):
            at = {"panel": panel, "from": _MODE_NAMES[i] if panel == "D" else f"x{i + 1}", "to": f"x{j + 1}"}
            records.append({**at, "quantity": name, "value": float(matrix[i, j])})
    for name, value in zip(_MODE_NAMES, curves["eigenvalues"], strict=True):
        records.append({"panel": "D", "from": name, "quantity": "eigenvalue", "value": float(value)})
    return Drawing(figure, columns, records, _CAPTION)


def _instances(axes: Axes, names: Sequence[str]) -> None:
    for place, marker, look, name in zip(_PLACES, _MARKERS, _LOOKS, names, strict=True):
        axes.plot(*place, marker, color=look, markersize=13, zorder=3, markeredgecolor="black", markeredgewidth=0.6)
        axes.annotate(
            name,
            place,
            ha="center",
            va="center",
            fontsize=style.SMALL,
            zorder=4,
            fontweight="bold",
            color="white" if look == style.COLOURS[0] else "black",
        )
    axes.set_axis_off()
    axes.set_aspect("equal")


def _clusters(axes: Axes) -> None:
    axes.set_title("instances")
    for place, look in zip(_PLACES, _LOOKS, strict=True):
        axes.add_patch(Ellipse(place, 1.12, 1.36, color=look, alpha=0.16, linewidth=0))
    _instances(axes, ("x1", "x2", "x3", "x4"))
    for x, name in ((0.0, "class 1"), (1.0, "class 2")):
        axes.annotate(name, (x, -0.78), ha="center", va="top", fontsize=style.SMALL)
    for y, name in ((1.0, "look 1"), (0.0, "look 2")):
        axes.annotate(name, (-0.62, y), ha="right", va="center", fontsize=style.SMALL, rotation=90)
    axes.set_xlim(-0.85, 1.85)
    axes.set_ylim(-1.0, 1.7)


def _arrows(axes: Axes, probabilities: Any) -> None:
    axes.set_title("augmentations of x1")
    _instances(axes, ("x1", "x2", "x3", "x4"))
    labels = [f"${greek}'={value:.2g}$" for greek, value in zip(_GREEK, probabilities, strict=True)]
    ways = ((_PLACES[1], (-0.08, 0.5), "right"), (_PLACES[2], (0.5, 1.1), "center"), (_PLACES[3], (0.6, 0.5), "left"))
    for (end, at, side), label, value in zip(ways, labels[1:], probabilities[1:], strict=True):
        axes.add_patch(
            FancyArrowPatch(
                _PLACES[0],
                end,
                arrowstyle="-|>",
                mutation_scale=8,
                shrinkA=8,
                shrinkB=8,
                linewidth=0.6 + 3.0 * value,
                color=style.MUTED,
                zorder=1,
            )
        )
        axes.annotate(label, at, ha=side, va="bottom" if side == "center" else "center", fontsize=style.SMALL)
    axes.add_patch(
        FancyArrowPatch(
            (-0.12, 1.1),
            (0.12, 1.1),
            connectionstyle="arc3,rad=-1.9",
            arrowstyle="-|>",
            mutation_scale=8,
            linewidth=0.6 + 3.0 * probabilities[0],
            color=style.MUTED,
            zorder=1,
        )
    )
    axes.annotate(labels[0], (0.0, 1.47), ha="center", va="bottom", fontsize=style.SMALL)
    axes.set_xlim(-0.7, 1.7)
    axes.set_ylim(-0.6, 1.8)


def _matrix(axes: Axes, weights: Any) -> None:
    axes.set_title("graph, $4A$")
    axes.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.25 * weights.max())
    for i, j in np.ndindex(4, 4):
        dark = weights[i, j] > 0.75 * weights.max()
        text = f"${_GREEK[_RELATION[i][j]]}$\n{weights[i, j]:.3g}"
        axes.annotate(text, (j, i), ha="center", va="center", fontsize=style.SMALL, color="white" if dark else "black")
    names = ["x1", "x2", "x3", "x4"]
    axes.set_xticks(range(4), names)
    axes.set_yticks(range(4), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _modes(axes: Axes, modes: Any, eigenvalues: Any) -> None:
    axes.set_title("eigenvectors")
    axes.imshow(np.sign(modes), cmap="PuOr", vmin=-2.2, vmax=2.2)
    for i, j in np.ndindex(4, 4):
        axes.annotate("+" if modes[i, j] > 0 else "−", (j, i), ha="center", va="center")
    axes.set_xticks(range(4), ["x1", "x2", "x3", "x4"])
    named = zip(_MODE_NAMES, eigenvalues, strict=True)
    axes.set_yticks(range(4), [f"{name}\n$\\lambda={abs(value):.2g}$" for name, value in named])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
