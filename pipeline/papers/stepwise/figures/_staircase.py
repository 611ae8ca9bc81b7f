"""Loss and eigenvalues of C that rise one by one: what Figures 1 and 2 of Simon 2023 share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipeline.artifacts import style
from pipeline.artifacts.animation import Animation

_DASHED = (0, (3, 2))
_FRAMES = 40


def staircase(curves: Mapping[str, NDArray[Any]], width: float, height: float, data: str) -> Figure:
    """Loss with the predicted steps above, eigenvalues measured and predicted below.

    Args:
        curves: ``time``, ``loss``, ``measured``, ``predicted``, ``tau`` and, if there is one, ``estimated``.
        width: Inches.
        height: Inches.
        data: What stands above the figure where the crops are not of the paper's images.
    """
    time, tau = curves["time"], curves["tau"]
    modes = curves["measured"].shape[1]
    colours = style.RANKS(np.linspace(0, 1, modes))
    figure = Figure(figsize=(width, height))
    left, right = figure.subplots(2, 1, sharex=True)
    for mode, colour in enumerate(colours):
        right.plot(time, curves["measured"][:, mode], color=colour, linewidth=1.6, gid=f"measured{mode}")
        right.plot(time, curves["predicted"][:, mode], color="black", linestyle=_DASHED, linewidth=0.7)
        if tau[mode] <= time[-1]:
            left.axvline(tau[mode], color=colour, linestyle=(0, (4, 2)), linewidth=0.8)
            right.annotate(str(mode + 1), (tau[mode], 1.03), ha="center", color=colour, fontsize=style.SMALL)
    left.plot(time, curves["loss"], color="black", linewidth=1.4, gid="loss")
    left.set(ylim=(-0.3, modes + 0.9), ylabel="loss $L$", title=r"A  loss; dashed: predicted steps $\tau_j$")
    left.set_yticks(range(0, modes + 1, 2))
    right.set(ylim=(-0.03, 1.3), ylabel=r"eigenvalues $\lambda_j$ of $C$", title="B  eigenvalues of $C$")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlim(time[0], time[-1])
    right.set_xlabel("$t$ = learning rate × step")
    right.plot([], [], color=colours[0], linewidth=1.6, label="measured (colour: $j$)")
    right.plot([], [], color="black", linestyle=_DASHED, linewidth=0.7, label="predicted")
    right.legend(loc="upper left", ncols=2, handlelength=1.8)
    beside = {"textcoords": "offset points", "color": style.MUTED, "fontsize": style.SMALL}
    right.annotate("$j =$", (time[0], 1.03), (3, 0), **beside)
    if "estimated" in curves:
        for place, colour in zip(curves["estimated"], colours, strict=True):
            left.plot(place, modes + 0.55, marker="v", color=colour, markersize=4, linestyle="none")
        left.annotate("Eq. 21 ▾", (time[0], modes + 0.55), (3, 0), va="center", **beside)
    if data:
        figure.suptitle(data, x=0.01, ha="left", fontsize=style.SMALL, color=style.MUTED)
    return figure


def growing(curves: Mapping[str, NDArray[Any]], width: float, height: float, data: str) -> Animation:
    """The same in motion: the prediction stands from the start, what was measured follows it step by step.

    Args:
        curves: As for :func:`staircase`.
        width: Inches.
        height: Inches.
        data: As for :func:`staircase`.
    """
    figure = staircase(curves, width, height, data)
    named = {line.get_gid(): line for axes in figure.axes for line in axes.lines}
    lines = [(named["loss"], curves["loss"])]
    lines += [(named[f"measured{mode}"], values) for mode, values in enumerate(curves["measured"].T)]
    for line, _ in lines:
        line.set(marker="o", markevery=[-1], markersize=4, clip_on=False, zorder=4)
    time = curves["time"]
    shown = np.linspace(0, len(time) - 1, _FRAMES).astype(int)  # times are spaced as their axis is

    def draw(number: int) -> list[Line2D]:
        for line, values in lines:
            line.set_data(time[: shown[number] + 1], values[: shown[number] + 1])
        return [line for line, _ in lines]

    return Animation(figure, draw, _FRAMES)


def marks(curves: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """The data in the figure, with columns ``mode`` and ``t``."""
    found: list[dict[str, Any]] = []
    for name, quantity in (("tau", "tau_j"), ("estimated", "tau_j (Eq. 21)")):
        places = enumerate(curves.get(name, ()), 1)
        found += [{"mode": j, "t": "", "quantity": quantity, "value": float(v)} for j, v in places]
    time = curves["time"]
    lines: list[tuple[int | str, str, NDArray[Any]]] = [("", "loss", curves["loss"])]
    for name, quantity in (("measured", "eigenvalue"), ("predicted", "predicted eigenvalue")):
        lines += [(mode, quantity, line) for mode, line in enumerate(curves[name].T, 1)]
    for mode, quantity, line in lines:
        pairs = zip(time, line, strict=True)
        found += [{"mode": mode, "t": float(t), "quantity": quantity, "value": float(v)} for t, v in pairs]
    return found
