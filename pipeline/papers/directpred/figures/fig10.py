"""Figure 10 of Tian 2021: flows of the model of one weight each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row, axis_values
from pipeline.papers.directpred.figures import _equilibria
from pipeline.ranges import Inches

_AXES = {"held target": ("$w$", "$w_p$"), "tied weights": ("$w = w_p$", "$w_a$"), "no predictor": ("$w$", "$w_a$")}
_GREEN, _BLUE, _RED = style.COLOURS[2], style.COLOURS[0], style.COLOURS[1]


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 1.75,
) -> Drawing:
    """One panel per system: directions, nullclines, equilibria, and a run from small positive weights.

    Args:
        rows: The artifact's rows; ``system`` is an axis.
        params: The artifact's params.
        curves: Of the simulation directpred_fig10.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    systems = axis_values(rows, "system")
    grid = figure.subplots(1, len(systems), squeeze=False)[0]
    same, different, target = map(float, curves["parameters"])
    records: list[dict[str, Any]] = []
    for axes, system in zip(grid, systems, strict=True):
        axis, field = curves[f"{system}.axis"], curves[f"{system}.field"]
        length = np.hypot(*field)
        unit = np.divide(field, length, out=np.zeros_like(field), where=length > 1e-12)
        # the axis' spacing is the longest an arrow may be
        scale = 1.25 / (axis[1] - axis[0])
        axes.quiver(
            axis, axis, *unit, angles="xy", scale_units="xy", scale=scale, color="0.55", width=0.004, pivot="mid"
        )  # fmt: skip
        for name, x, y in _nullclines(axes, system, axis, same, different, target):
            at = {"system": system, "line": name}
            records += [{**at, "x": float(a), "quantity": "y", "value": float(b)} for a, b in zip(x, y, strict=True)]
        path = curves[f"{system}.path"][:, :, 1]
        axes.plot(*path, color=style.COLOURS[6], linewidth=1.0, zorder=4)
        at = {"system": system, "line": "run"}
        records += [{**at, "x": float(a), "quantity": "y", "value": float(b)} for a, b in path.T]
        for x, y, stability in _points(system, different / same):
            _equilibria.mark(axes, x, y, stability)
            at = {"system": system, "line": f"equilibrium, {stability}"}
            records.append({**at, "x": x, "quantity": "y", "value": y})
        for i, b in enumerate(axis):
            for j, a in enumerate(axis):
                at = {"system": system, "line": f"arrow at y = {b:.4g}", "x": float(a)}
                records.append({**at, "quantity": "direction x", "value": float(unit[0, i, j])})
                records.append({**at, "quantity": "direction y", "value": float(unit[1, i, j])})
        axes.set_title({"held target": rf"target held, $w_a = {target:g}$"}.get(system, system))
        axes.set_xlabel(_AXES[system][0])
        axes.set_ylabel(_AXES[system][1])
        axes.set_aspect("equal")
        axes.set_xlim(axis[0], axis[-1])
        axes.set_ylim(axis[0], axis[-1])
    handles, labels = _equilibria.keys("stable", "unstable", "half-stable")
    handles += [Line2D([], [], color=colour) for colour in (_RED, _BLUE, _GREEN, style.COLOURS[6])]
    labels += [r"$w_p w = w_a\lambda_d/\lambda_s$", r"$\dot w = 0$", r"$\dot w_a = 0$", "a run"]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, borderpad=0.1, handletextpad=0.4)
    text = (
        f"Directions of the flow (Eqs. 104 to 106) at lambda_s = {same:g}, lambda_d = {different:g}. Left: all points "
        "of the hyperbola are stable, the origin is a saddle. Middle: w = wp; the origin is unstable to second order: "
        "it repels w > 0, attracts w < 0. "
        "Right: without a predictor the origin alone is left. Coloured lines: nullclines. Black: runs from small "
        "positive weights."
    )
    return Drawing(figure, ["system", "line", "x"], records, text)


def _points(system: str, goal: float) -> list[tuple[float, float, str]]:
    return {
        "held target": [(0.0, 0.0, "unstable")],
        "tied weights": [(0.0, 0.0, "half-stable"), (goal, goal, "stable")],
        "no predictor": [(0.0, 0.0, "stable")],
    }[system]


def _nullclines(
    axes: Axes, system: str, axis: Any, same: float, different: float, target: float
) -> list[tuple[str, Any, Any]]:
    """Draw the lines on which one of the two weights stands still."""
    fine = np.linspace(axis[0], axis[-1], 121)
    top = float(axis[-1])
    if system == "held target":
        found = []
        for sign, side in ((1, "right"), (-1, "left")):
            x = sign * np.geomspace(different * target / same / top, top, 60)
            y = different * target / same / x
            axes.plot(x, y, color=_RED, linewidth=2.0, zorder=3)
            found.append((f"equilibria, {side}", x, y))
        return found
    still = same * fine**2 / different if system == "tied weights" else same * fine / different
    axes.plot(fine, fine, color=_GREEN, zorder=3)
    axes.plot(fine, still, color=_BLUE, zorder=3)
    return [("wa stands still", fine, fine), ("w stands still", fine, still)]
