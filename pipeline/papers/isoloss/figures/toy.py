"""Figures 2 and 5 of Halvagal 2023: paths of embeddings and eigenvalues of toy networks under all losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches, Positive

_LINES = (
    ("nosg", "no stop-\ngradient"),
    ("nosg, published", "the same,\nas published"),
    ("nopred", "no\npredictor"),
    ("", "with\npredictor"),
    ("iso", "IsoLoss"),
)

_THIN = 3
"""Paths are drawn with each so many of the recorded steps, which at their size makes no difference."""

_CAPTION = (
    "First and third column: paths of {shown} samples in the plane of two pre-activations (W x)_1 and (W x)_2, from "
    "light grey to a dot at the end, under the Euclidean and the cosine loss. Second and fourth: eigenvalues of "
    "W W^T of ten neurons, dark to light by their rank at the start. {theory} The "
    "cosine loss without stop-gradient stands twice. With its exact gradient rank is lost, and the eigenvalues "
    "{exact}. The published panel comes from an update whose second norm has a wrong exponent, as the printed gradient "
    "of Appendix C.2 has: with it the largest modes run away. {stopped}"
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 4.6,
    relu: bool = False,
    bottom: Positive = 1e-2,
    top: Positive = 10.0,
    reach: Positive = 3.9,
    cosine_reach: Positive = 2.9,
) -> Drawing:
    """A line per variant; Euclidean paths and eigenvalues, then those under the cosine loss.

    Args:
        rows: The artifact's rows; the figure is drawn from the curves.
        params: The artifact's params.
        curves: Per setting ``step``, ``trained`` at ``trained_step``, ``theory``, ``path``, ``path_theory``, and at
            which steps eigenvalues and paths ran away, ``stopped``, 0 if they did not.
        width: Inches.
        height: Inches.
        relu: Whether embeddings are relu(W x): the dashed lines are then another network's.
        bottom: Lower end of the axes of eigenvalues.
        top: Their upper end.
        reach: Half the side of the planes of W x under the Euclidean loss.
        cosine_reach: The same under the cosine loss.
    """
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(len(_LINES), 4, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    records: list[dict[str, Any]] = []
    stopped = []
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for line, (variant, title) in zip(grid, _LINES, strict=True):
        for number, metric in enumerate(("euclidean", "cosine")):
            name = f"{metric} {variant}".strip()
            paths, values = line[2 * number : 2 * number + 2]
            if f"{name}/trained" not in curves:
                values.set_axis_off()
                _key(paths, relu)
                continue
            half = reach if metric == "euclidean" else cosine_reach
            _paths(paths, curves, name, half, theory=not relu and variant != "nosg, published")
            _values(values, curves, name, bottom, top)
            for axes, what in ((paths, "paths"), (values, "eigenvalues")):
                head = f"{next(letters)}  {what}"
                above = f"{metric.capitalize()} loss\n" if what == "paths" and variant == _LINES[0][0] else ""
                axes.set_title(above + head, loc="left", pad=2)
            ends = zip(("eigenvalues", "paths"), curves[f"{name}/stopped"], strict=True)
            ended = " and ".join(f"{what} in step {step}" for what, step in ends if step)
            if ended:
                stopped.append(f"{name!r} runs away (cross): {ended}.")
            records += _records(curves, name)
        line[0].set_ylabel(title, fontweight="bold")
    for axes, label in zip(grid[-1], ("$(W x)_1$", "step", "$(W x)_1$", "step"), strict=True):
        axes.set_xlabel(label)
    for line in grid[:-1]:
        for axes in line:
            axes.tick_params(labelbottom=False)
    for line in grid:
        line[0].tick_params(labelleft=False)  # the plane's two axes are alike
        line[2].tick_params(labelleft=False)
    theory = "Dashed: the theory of the network without ReLU." if relu else "Dashed: theory, with the same start."
    exact = "grow in sum only by finite steps at embeddings near zero" if relu else "keep their sum"
    shown = curves["euclidean/path"].shape[1]
    caption = _CAPTION.format(shown=shown, theory=theory, exact=exact, stopped=" ".join(stopped))
    return Drawing(figure, ["setting", "step", "index"], records, caption.strip())


def _paths(axes: Axes, curves: Mapping[str, Any], name: str, reach: float, theory: bool) -> None:
    path = curves[f"{name}/path"]
    curve = path[::_THIN]
    segments = np.stack([curve[:-1], curve[1:]], axis=2).reshape(-1, 2, 2)
    greys = matplotlib.colormaps["Greys"](np.linspace(0.25, 0.85, len(curve) - 1))  # colour is rank, in other panels
    colours = np.repeat(greys, path.shape[1], axis=0)
    axes.add_collection(LineCollection(list(segments), colors=colours, linewidths=0.7))
    axes.plot(*path[0].T, ".", color="0.6", markersize=2)
    (_, ran_away) = curves[f"{name}/stopped"]
    axes.plot(*path[-1].T, "x" if ran_away else "o", color=style.COLOURS[1], markersize=4 if ran_away else 1.8)
    if ran_away:  # its last points are outside: the panel says so
        axes.plot(0.92, 0.92, "x", color=style.COLOURS[1], transform=axes.transAxes)
    if theory:
        axes.plot(
            *curves[f"{name}/path_theory"][::_THIN].transpose(2, 0, 1), color="black", linewidth=0.4, dashes=(3, 3)
        )
    axes.axhline(0, color="0.8", linewidth=0.4, zorder=0)
    axes.axvline(0, color="0.8", linewidth=0.4, zorder=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xticks([-2, 0, 2])
    axes.set_yticks([-2, 0, 2])


def _values(axes: Axes, curves: Mapping[str, Any], name: str, bottom: float, top: float) -> None:
    step, trained, at = (curves[f"{name}/{what}"] for what in ("step", "trained", "trained_step"))
    (ran_away, _) = curves[f"{name}/stopped"]
    colours = style.RANKS(np.linspace(0, 1, trained.shape[1]))
    for mode in range(trained.shape[1]):
        axes.plot(at, np.maximum(trained[:, mode], 1e-30), color=colours[mode], linewidth=1.1)
        if ran_away:
            end = min(max(trained[-1, mode], bottom), top)
            axes.plot(at[-1], end, "x", color=colours[mode], clip_on=False, zorder=3)
        theory = np.maximum(curves[f"{name}/theory"][:, mode], 1e-30)
        axes.plot(step, theory, color="black", linewidth=0.5, dashes=(4, 3))
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.set_yticks([bottom, 1.0])
    axes.set_xlim(0, step[-1])
    axes.set_xticks([0, step[-1]], labels=[_short(s) for s in (0, step[-1])])


def _short(step: int) -> str:
    return f"{step // 1000}k" if step >= 10000 else str(step)


def _key(axes: Axes, relu: bool) -> None:
    """The place of a panel that the Euclidean loss does not have holds the key."""
    axes.set_axis_off()
    key = axes.legend(
        handles=[
            Line2D([], [], color="0.4", label="path, in time"),
            Line2D([], [], color=style.RANKS(0.3), label="eigenvalue, by rank"),
            Line2D([], [], color="0.6", marker=".", markersize=4, linestyle="none", label="start"),
            Line2D([], [], color=style.COLOURS[1], marker="o", linestyle="none", label="end"),
            Line2D([], [], color="0.3", marker="x", linestyle="none", label="runs away"),
            Line2D([], [], color="black", linewidth=0.6, dashes=(4, 3), label="linear theory" if relu else "theory"),
        ],
        loc="center",
        bbox_to_anchor=(1.1, 0.5),  # across both places
        handlelength=1.8,
    )
    key.set_in_layout(False)


def _records(curves: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Every tenth recorded step of what is drawn."""
    found = []
    for quantity, steps in (("trained", "trained_step"), ("theory", "step")):
        for step, values in list(zip(curves[f"{name}/{steps}"], curves[f"{name}/{quantity}"], strict=True))[::10]:
            for index, value in enumerate(values, 1):
                at = {"setting": name, "step": int(step), "index": index}
                found.append({**at, "quantity": f"eigenvalue, {quantity}", "value": float(value)})
    path = curves[f"{name}/path"]
    for number in range(0, len(path), 10):
        for index, point in enumerate(path[number], 1):
            for axis, value in enumerate(point, 1):
                at = {"setting": name, "step": 10 * number, "index": index}
                found.append({**at, "quantity": f"path, coordinate {axis}", "value": float(value)})
    return found
