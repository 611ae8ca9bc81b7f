"""Figure 5 of Tian 2021: a mode in time, by weight decay and by the rate of the moving average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Count, Inches, NonNegative

_PANELS = (
    ("k", "eigenvalue of $K$"),
    ("p", "$p_j$ of $W_p$"),
    ("s", "$s_j$ of $F$"),
    ("tau", r"$\tau_j$, target / online"),
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 4.9,
    beta: NonNegative = 0.4,
    eta: NonNegative = 0.04,
    last: Count = 8000,
) -> Drawing:
    """Left: several weight decays at one beta. Right: several betas at one weight decay.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation directpred_fig5.
        width: Inches.
        height: Inches.
        beta: Of the left panels.
        eta: Of the right panels.
        last: Step at which the abscissa ends.
    """
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(len(_PANELS), 2, sharex=True, sharey="row")
    steps = curves["step"]
    shown = (steps <= last) & (steps >= 10)
    i, j = int(np.argmin(abs(curves["eta"] - eta))), int(np.argmin(abs(curves["beta"] - beta)))
    betas = [rf"$\beta = {value:g}$" if value >= 0 else "no EMA" for value in curves["beta"]]
    lines = [
        [(n, j, rf"$\eta = {value:g}$") for n, value in enumerate(curves["eta"])],
        [(i, n, name) for n, name in enumerate(betas)],
    ]
    records: list[dict[str, Any]] = []
    names = (rf"$\beta = {beta:g}$", rf"$\eta = {eta:g}$")
    for number, (panels, line, fixed) in enumerate(zip(grid.T, lines, names, strict=True)):
        colours = style.RANKS(np.linspace(0, 1, len(line)))
        for axes, (name, title) in zip(panels, _PANELS, strict=True):
            axes.axhline(0, color=style.MUTED, linewidth=0.5, zorder=0)
            for (a, b, label), colour in zip(line, colours, strict=True):
                dashed = "--" if label == "no EMA" else "-"
                axes.plot(steps[shown], curves[name][shown, a, b], dashed, color=colour, label=label)
            if number == 0:
                axes.set_ylabel(title)
        panels[-1].set_xlabel("step")
        panels[-1].set_xscale("log")
        panels[-1].set_xlim(10, last)
        panels[0].set_title(f"{'ab'[number]}  {fixed}", loc="left")
        panels[-1].legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.32), ncols=2, handlelength=1.2, borderpad=0.2, labelspacing=0.3
        )
        for a, b, _ in line:
            for name, *_ in _PANELS:
                at: dict[str, Any] = {
                    "panel": ("eta", "beta")[number],
                    "eta": float(curves["eta"][a]),
                    "beta": float(curves["beta"][b]),
                }
                at["beta"] = at["beta"] if at["beta"] >= 0 else "no EMA"
                track = zip(steps[shown], curves[name][shown, a, b], strict=True)
                records += [{**at, "step": int(x), "quantity": name, "value": float(y)} for x, y in track]
    text = (
        "One mode under Eqs. 11 to 13 by gradient descent from a start on the parabola. Left: weight decay varies at "
        f"beta = {beta:g}; right: the rate of the moving average varies at eta = {eta:g}. Eigenvectors align while the "
        "eigenvalue of K is positive. While a mode collapses tau passes 1, to beta / (beta - eta)."
    )
    return Drawing(figure, ["panel", "eta", "beta", "step"], records, text)
