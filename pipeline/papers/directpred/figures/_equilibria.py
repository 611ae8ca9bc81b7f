"""How equilibria are marked: stable filled, unstable open, half-stable half filled; colour says nothing alone."""

from __future__ import annotations

from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.artifacts import style

_LOOKS: dict[str, dict[str, Any]] = {
    "stable": {"color": style.COLOURS[1], "markerfacecolor": style.COLOURS[1]},
    "unstable": {"color": style.COLOURS[2], "markerfacecolor": "white"},
    "half-stable": {"color": style.COLOURS[6], "markerfacecolor": style.COLOURS[6], "markerfacecoloralt": "white"},
}


def name(sign: float) -> str:
    """Stability from the number that curves hold: 1 stable, -1 unstable, 0 half-stable."""
    return {1: "stable", -1: "unstable"}.get(int(sign), "half-stable")


def colour(stability: str) -> str:
    """Of lines of equilibria."""
    return _LOOKS[stability]["color"]


def mark(axes: Axes, x: float, y: float, stability: str) -> None:
    """Draw one equilibrium."""
    axes.add_line(_line([x], [y], stability))


def keys(*stabilities: str) -> tuple[list[Line2D], list[str]]:
    """Handles and labels of a legend."""
    return [_line([], [], stability) for stability in stabilities], list(stabilities)


def _line(x: list[float], y: list[float], stability: str) -> Line2D:
    fill: Literal["left", "full"] = "left" if stability == "half-stable" else "full"
    return Line2D(
        x, y, linestyle="", marker="o", markersize=6, markeredgewidth=1.4, fillstyle=fill, zorder=6, clip_on=False,
        **_LOOKS[stability],
    )  # fmt: skip
