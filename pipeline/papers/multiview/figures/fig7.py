"""Figure 7 of Ghosh 2024: eigenvalues of sampled augmentation graphs beside those of the population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Count, Inches

_MODE_NAMES = ("const.", "class", "pixel", "neither")
_GRAPHS = (("four_instances", "four instances"), ("digits", "digits"), ("shapes", "shapes"))
_SHADES = ("#56B4E9", "#0072B2", "#004466", "#002233")
_TRUE = "#000000"
_ANSATZ = style.COLOURS[1]

_CAPTION = (
    "A, B: four instances. Black bars: population; open diamonds: the paper's ansatz (class and look kept equally "
    "often, both lost never); dots with bars: sampled graphs of m augmentations per image, mean and standard deviation "
    "over samples. A: eigenvalues of each sampled graph in descending order, whatever their vectors. B: the sampled "
    "graph's quadratic forms at the population's eigenvectors, whose mean is (1 - 1/m) lambda + 1/m exactly. C: how "
    "often the pixels' form beats the class's, ties half. D, E: leading eigenvalues of graphs of real images (ink in "
    "3 x 3 crops), bands of one standard deviation, without end (m) the population. F: share of the variance of the "
    "class indicators in the leading "
    "non-constant eigenvectors, one fewer than classes; broken lines: population."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 5.0,
    shown: Count = 4,
) -> Drawing:
    """Three lines of two panels.

    Args:
        rows: The artifact's rows; not drawn.
        params: The artifact's params.
        curves: Those of the simulation.
        width: Inches.
        height: Inches.
        shown: How many numbers of augmentations stand in A and B, from the fewest.
    """
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(3, 2)
    records: list[dict[str, Any]] = []
    draws = curves["augmentations"]
    for axes, kind, title in ((grid[0][0], "eigenvalues", "in descending order"), (grid[0][1], "forms", "matched")):
        _four(axes, curves, kind, draws[:shown], records)
        axes.set_title(f"4 instances, {title}")
    grid[0][0].set_ylabel("eigenvalue")
    grid[0][1].set_ylabel("quadratic form")
    _behind(grid[1][0], curves, draws, records)
    for axes, graph in ((grid[1][1], "digits"), (grid[2][0], "shapes")):
        _spectrum(axes, curves, graph, draws, records)
    _information(grid[2][1], curves, draws, records)
    for axes, letter in zip(grid.flat, "ABCDEF", strict=True):
        text = axes.get_title()
        axes.set_title("")
        axes.set_title(f"{letter}  {text}", loc="left")
    return Drawing(figure, ["panel", "graph", "augmentations", "mode"], records, _CAPTION)


def _four(axes: Axes, curves: Mapping[str, Any], kind: str, draws: Any, records: list[dict[str, Any]]) -> None:
    panel = "A" if kind == "eigenvalues" else "B"
    at = np.arange(4.0)
    truth = np.asarray(curves[f"four_instances_{kind}"])
    axes.hlines(truth, at - 0.4, at + 0.4, color=_TRUE, linewidth=1.4, zorder=2)
    ansatz = np.asarray(curves[f"ansatz_{kind}"])
    axes.plot(at - 0.3, ansatz, "D", color=_ANSATZ, markerfacecolor="white", zorder=4)
    mean, std = curves[f"four_instances_sampled_{kind}"]
    for k in range(len(draws)):
        places = at - 0.08 + 0.17 * k
        axes.errorbar(places, mean[k], std[k], fmt="o", color=_SHADES[k], elinewidth=0.9, markersize=3, zorder=3)
    if kind == "eigenvalues":
        named = [("population", _TRUE), ("ansatz", _ANSATZ)]
        named += [(f"$m={m}$", shade) for m, shade in zip(draws, _SHADES, strict=False)]
        for line, (text, colour) in enumerate(named):
            axes.annotate(text, (2.2, 1.1 - 0.1 * line), color=colour, fontsize=style.SMALL, va="top")
    names = ("1st", "2nd", "3rd", "4th") if kind == "eigenvalues" else _MODE_NAMES
    axes.set_xticks(at, names)
    axes.set_ylim(-0.08, 1.12)
    axes.axhline(0, color=style.MUTED, linewidth=0.5, zorder=0)
    for i, name in enumerate(names):
        records.append(_record(panel, "four instances", "population", name, "population", truth[i]))
        records.append(_record(panel, "four instances", "ansatz", name, "ansatz", abs(ansatz[i])))
        for k, m in enumerate(draws):
            records.append(_record(panel, "four instances", m, name, "mean", mean[k][i]))
            records.append(_record(panel, "four instances", m, name, "std", std[k][i]))


def _behind(axes: Axes, curves: Mapping[str, Any], draws: Any, records: list[dict[str, Any]]) -> None:
    axes.set_title("pixels rank above class")
    ends = []
    for slug, name, colour in (("four_instances", "population's\nlaw", _TRUE), ("ansatz", "ansatz'\nlaw", _ANSATZ)):
        chance = curves[f"{slug}_behind"]
        axes.plot(draws, chance, "o-", color=colour)
        ends.append((float(draws[-1]), float(chance[-1]), name, colour))
        records += [_record("C", slug.replace("_", " "), m, "", "share", c) for m, c in zip(draws, chance, strict=True)]
    _views(axes, draws)
    axes.set_ylim(0.0, 0.65)
    axes.set_ylabel("share of samples")
    drawing.label_ends(axes, ends, lines=2)


def _spectrum(axes: Axes, curves: Mapping[str, Any], graph: str, draws: Any, records: list[dict[str, Any]]) -> None:
    axes.set_title(graph)
    truth = curves[f"{graph}_eigenvalues"]
    modes = np.arange(1, len(truth) + 1)
    mean, std = curves[f"{graph}_sampled_eigenvalues"]
    ends = [(float(modes[-1]), float(truth[-1]), r"$m=\infty$", _TRUE)]
    axes.plot(modes, truth, color=_TRUE, zorder=4)
    for k, m in enumerate(draws):
        axes.plot(modes, mean[k], color=_SHADES[k], linewidth=1.0, marker="o", markersize=2)
        axes.fill_between(modes, mean[k] - std[k], mean[k] + std[k], color=_SHADES[k], alpha=0.25, linewidth=0)
        ends.append((float(modes[-1]), float(mean[k][-1]), f"$m={m}$", _SHADES[k]))
    panel = "D" if graph == "digits" else "E"
    for i, mode in enumerate(modes):
        records.append(_record(panel, graph, "population", mode, "population", truth[i]))
        for k, m in enumerate(draws):
            records.append(_record(panel, graph, m, mode, "mean", mean[k][i]))
            records.append(_record(panel, graph, m, mode, "std", std[k][i]))
    axes.set_ylim(0.0, 1.06)
    axes.set_xlim(0.5, modes[-1] + 0.5)
    axes.set_xticks([1, 4, 8, 12])
    axes.set_xlabel("mode")
    axes.set_ylabel("eigenvalue")
    drawing.label_ends(axes, ends)


def _information(axes: Axes, curves: Mapping[str, Any], draws: Any, records: list[dict[str, Any]]) -> None:
    axes.set_title("class information kept")
    ends = []
    for number, (slug, name) in enumerate(_GRAPHS):
        colour = (_TRUE, style.COLOURS[0], style.COLOURS[2])[number]
        mean, std = curves[f"{slug}_sampled_information"]
        truth = float(curves[f"{slug}_information"][0])
        axes.errorbar(draws, mean, std, fmt="o-", color=colour, elinewidth=0.9)
        axes.axhline(truth, color=colour, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        ends.append((float(draws[-1]), float(mean[-1]), name.replace(" ", "\n"), colour))
        records.append(_record("F", name, "population", "", "population", truth))
        for k, m in enumerate(draws):
            records.append(_record("F", name, m, "", "mean", mean[k]))
            records.append(_record("F", name, m, "", "std", std[k]))
    _views(axes, draws)
    axes.set_ylim(0.0, 1.1)
    axes.set_ylabel("share of class variance")
    drawing.label_ends(axes, ends, lines=2)


def _views(axes: Axes, draws: Any) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(draws))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(draws, [str(m) for m in draws])
    axes.set_xlabel("augmentations per image, m")


def _record(panel: str, graph: str, draws: Any, mode: Any, quantity: str, value: Any) -> dict[str, Any]:
    at = {"panel": panel, "graph": graph, "augmentations": str(draws), "mode": str(mode)}
    return {**at, "quantity": quantity, "value": float(value)}
