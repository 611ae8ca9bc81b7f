"""Figure 9 of Simon 2023: losses of a mode that are meant to speed up slow modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_TITLES = {
    "A": r"A  $(1-\bar s^2)^2$",
    "B": r"B  $(1-|\bar s|)^2$",
    "C": r"C  $(1-\min(\bar s^2, 1))^2$",
    "D": r"D  $(1-\min(\bar s^2, 0.9+0.1\bar s^2))^2$",
}
_REMARKS = {"A": "original", "B": "sharp at 0", "C": "flat beyond 1 (a reading)", "D": "softened beyond 1"}
_CAPTION = (
    "Left: losses of a mode over sbar; grey: A in all panels. The formula of C is lost in print: this is a reading "
    "of it. Right, not in the paper: gradient descent on each of them at the same learning rate, twice the largest at "
    "which the fast mode of A is stable. B raises the slow mode without delay, C and D let the fast one settle at this "
    "rate."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, NDArray[Any]],
    *,
    width: Inches = 3.3,
    height: Inches = 4.6,
) -> Drawing:
    """Four losses, and beside each what descent on it does.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: ``place``, ``step``, ``gamma``, and per panel ``loss``, ``fast`` and ``slow``.
        width: Inches.
        height: Inches.
    """
    place, step, gamma = curves["place"], curves["step"], curves["gamma"]
    figure = Figure(figsize=(width, height))
    above, below = figure.subplots(len(_TITLES), 2, sharex="col", sharey="col").T
    records: list[dict[str, Any]] = []
    for axes, lower, (panel, title) in zip(above, below, _TITLES.items(), strict=True):
        loss = curves[f"{panel} loss"]
        if panel != "A":
            axes.plot(place, curves["A loss"], color="0.75", linewidth=1.0)
        axes.plot(place, loss, color=style.COLOURS[0], linewidth=1.5)
        axes.set_title(title, loc="left")
        axes.set_ylabel("loss $L_j$")
        lower.set_ylabel(r"$\bar s_j$")
        lower.set_title(f"{panel}  {_REMARKS[panel]}", loc="left")
        lower.axhline(1, color=style.MUTED, linewidth=0.5, zorder=0)
        for speed, colour in (("fast", style.COLOURS[1]), ("slow", style.COLOURS[2])):
            line = curves[f"{panel} {speed}"]
            lower.plot(step, line, color=colour, linewidth=0.9, marker="o", markersize=1.4)
            records += [_record(panel, speed, x, "sbar", y) for x, y in zip(step, line, strict=True)]
        records += [_record(panel, "", x, "loss", y) for x, y in zip(place, loss, strict=True)]
    above[-1].set_xlabel(r"$\bar s_j$")
    below[-1].set_xlabel("step")
    above[0].set(ylim=(-0.08, 1.9), xlim=(place[0], place[-1]))
    below[0].set(ylim=(-1.6, 1.75))
    below[1].annotate(rf"$\gamma = {gamma[0]:g}$", (step[-1] * 0.6, 1.15), color=style.COLOURS[1], fontsize=style.SMALL)
    below[1].annotate(rf"$\gamma = {gamma[1]:g}$", (step[-1] * 0.6, 0.25), color=style.COLOURS[2], fontsize=style.SMALL)
    return Drawing(figure, ["panel", "mode", "x"], records, _CAPTION)


def _record(panel: str, mode: str, x: float, quantity: str, value: float) -> dict[str, Any]:
    return {"panel": panel, "mode": mode, "x": float(x), "quantity": quantity, "value": float(value)}
