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
    "Above: losses of a mode over sbar; grey: A in all panels. The formula of C is lost in print: this is a reading "
    "of it. Below, not in the paper: gradient descent on each of them at the same learning rate, twice the largest at "
    "which the fast mode of A is stable. B raises the slow mode without delay, C and D let the fast one settle at this "
    "rate."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, NDArray[Any]],
    *,
    width: Inches = 7.0,
    height: Inches = 3.4,
) -> Drawing:
    """Four losses, and below each what descent on it does.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: ``place``, ``step``, ``gamma``, and per panel ``loss``, ``fast`` and ``slow``.
        width: Inches.
        height: Inches.
    """
    place, step, gamma = curves["place"], curves["step"], curves["gamma"]
    figure = Figure(figsize=(width, height))
    above, below = figure.subplots(2, len(_TITLES), sharex="row", sharey="row")
    records: list[dict[str, Any]] = []
    for axes, lower, (panel, title) in zip(above, below, _TITLES.items(), strict=True):
        loss = curves[f"{panel} loss"]
        if panel != "A":
            axes.plot(place, curves["A loss"], color="0.75", linewidth=1.0)
        axes.plot(place, loss, color=style.COLOURS[0], linewidth=1.5)
        axes.set_title(title)
        axes.annotate(_REMARKS[panel], (0.5, 0.9), xycoords="axes fraction", ha="center", color=style.MUTED,
                      fontsize=style.SMALL)  # fmt: skip
        axes.set_xlabel(r"$\bar s_j$")
        lower.axhline(1, color=style.MUTED, linewidth=0.5, zorder=0)
        for speed, colour in (("fast", style.COLOURS[1]), ("slow", style.COLOURS[2])):
            line = curves[f"{panel} {speed}"]
            lower.plot(step, line, color=colour, linewidth=0.9, marker="o", markersize=1.4)
            records += [_record(panel, speed, x, "sbar", y) for x, y in zip(step, line, strict=True)]
        lower.set_xlabel("step")
        records += [_record(panel, "", x, "loss", y) for x, y in zip(place, loss, strict=True)]
    above[0].set(ylim=(-0.08, 1.9), xlim=(place[0], place[-1]), ylabel="loss $L_j$")
    below[0].set(ylim=(-1.6, 1.75), ylabel=r"$\bar s_j$")
    below[1].annotate(rf"$\gamma = {gamma[0]:g}$", (step[-1] * 0.6, 1.15), color=style.COLOURS[1], fontsize=style.SMALL)
    below[1].annotate(rf"$\gamma = {gamma[1]:g}$", (step[-1] * 0.6, 0.25), color=style.COLOURS[2], fontsize=style.SMALL)
    return Drawing(figure, ["panel", "mode", "x"], records, _CAPTION)


def _record(panel: str, mode: str, x: float, quantity: str, value: float) -> dict[str, Any]:
    return {"panel": panel, "mode": mode, "x": float(x), "quantity": quantity, "value": float(value)}
