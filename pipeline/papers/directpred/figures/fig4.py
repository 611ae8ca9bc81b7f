"""Figure 4 of Tian 2021: the equilibria of a mode on the parabola."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row, axis_values
from pipeline.papers.directpred.figures import _equilibria
from pipeline.ranges import Inches

_TITLES = {
    "none": r"(a) $\eta = 0$",
    "weak": r"(b) $0 < \eta < \tau^2 / 4(1 + \sigma^2)$",
    "strong": r"(c) $\eta > \tau^2 / 4(1 + \sigma^2)$",
}


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.7,
) -> Drawing:
    """One panel per weight decay; an arrow between equilibria says where p goes.

    Args:
        rows: The artifact's rows; ``decay`` is an axis.
        params: The artifact's params.
        curves: Of the simulation directpred_fig4.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    decays = axis_values(rows, "decay")
    grid = figure.subplots(len(decays), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    records: list[dict[str, Any]] = []
    p = curves["p"]
    for axes, decay in zip(grid, decays, strict=True):
        flow, caption = curves[f"{decay}.flow"], curves[f"{decay}.caption"]
        axes.axhline(0, color=style.MUTED, linewidth=0.5)
        axes.plot(p, caption, ":", color=style.COLOURS[3], zorder=2)
        axes.plot(p, flow, color=style.COLOURS[0], zorder=3)
        points = curves[f"{decay}.points"]
        edges = [float(p[0]), *(float(x) for x, _ in points), float(p[-1])]
        for left, right in itertools.pairwise(edges):
            if right - left > 0.08:
                middle = (left + right) / 2
                rising = flow[abs(p - middle).argmin()] > 0
                axes.plot(middle, 0, ">" if rising else "<", color=style.MUTED, markersize=4, zorder=4)
        for x, sign in points:
            _equilibria.mark(axes, x, 0, _equilibria.name(sign))
            stability = f"equilibrium, {_equilibria.name(sign)}"
            records.append({"decay": decay, "p": float(x), "quantity": stability, "value": 0.0})
        for x, y, z in zip(p, flow, caption, strict=True):
            records.append({"decay": decay, "p": float(x), "quantity": "dp/dt", "value": float(y)})
            records.append({"decay": decay, "p": float(x), "quantity": "dp/dt of the caption", "value": float(z)})
        axes.set_title(_TITLES.get(str(decay), str(decay)))
        axes.set_xlim(p[0], p[-1])
    grid[0].set_ylim(-0.16, 0.16)
    for axes in grid:
        axes.set_ylabel("$dp_j/dt$")
    grid[-1].set_xlabel("$p_j$")
    handles, labels = _equilibria.keys("stable", "unstable", "half-stable")
    handles += [Line2D([], [], color=style.COLOURS[0]), Line2D([], [], linestyle=":", color=style.COLOURS[3])]
    labels += ["Eq. 16", "the caption's formula"]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, borderpad=0.1, handletextpad=0.5)
    text = (
        "Speed of an eigenvalue p of Wp on the parabola s = p^2 / alpha_p (Eq. 16), whatever alpha_p. Filled: stable "
        "equilibria; open: unstable; half filled: attracts p < 0, repels p > 0. Dotted: what the paper's caption "
        "prints, Eq. 16 without its factor 1 + sigma^2: the same equilibria, another speed."
    )
    return Drawing(figure, ["decay", "p"], records, text)
