"""Figure 3 of Tian 2021: the flow of one mode in the plane of its eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.animation import Animation
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row, axis_values
from pipeline.papers.directpred.figures import _equilibria
from pipeline.ranges import Inches

_CAPTION = (
    "Flow of an eigenvalue p of Wp and the eigenvalue s of F of the same eigenvector (Eqs. 11 and 12, "
    "tau = {tau:g}, alpha_p = {alpha_p:g}, sigma^2 = {variance:g}). Filled points and solid lines: stable equilibria; "
    "open points and dotted lines: unstable ones; half filled: attracts p < 0, repels p > 0. Without decay the lines "
    "s = 0 and p = tau / (1 + sigma^2) are equilibria. Dashed: s = p^2 / alpha_p, which the flow keeps, and with decay "
    "approaches."
)

_TAIL = 2
"""Moments behind a point that its tail shows."""
_BOX = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"}
_HEAD: dict[str, Any] = {"markersize": 3.2, "markeredgecolor": "black", "markeredgewidth": 0.3, "zorder": 8}


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 2.1,
) -> Drawing:
    """One panel per weight decay.

    Args:
        rows: The artifact's rows; ``eta`` is an axis.
        params: The artifact's params.
        curves: Of the simulation directpred_fig3.
        width: Inches.
        height: Inches.
    """
    etas = axis_values(rows, "eta")
    records: list[dict[str, Any]] = []
    figure = _portrait(etas, curves, width, height, records)
    tau, alpha_p, variance = map(float, curves["parameters"])
    text = _CAPTION.format(tau=tau, alpha_p=alpha_p, variance=variance)
    moving = _moving(_portrait(etas, curves, width, height, []), curves)
    return Drawing(figure, ["eta", "orbit", "point"], records, text, moving)


def _portrait(
    etas: Sequence[Any], curves: Mapping[str, Any], width: float, height: float, records: list[dict[str, Any]]
) -> Figure:
    """Orbits and equilibria, and what is drawn as records."""
    p, s = np.split(curves["box"], 2)
    tau, alpha_p, variance = map(float, curves["parameters"])
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(1, len(etas), sharex=True, sharey=True, squeeze=False)[0]
    fine = np.linspace(p[0], p[-1], 201)
    for number, (axes, eta) in enumerate(zip(grid, etas, strict=True)):
        for line, orbit in enumerate(curves[f"orbits{number}"]):
            _orbit(axes, orbit)
            for step, (x, y) in enumerate(orbit):
                at = {"eta": eta, "orbit": line, "point": step}
                records.append({**at, "quantity": "p", "value": float(x)})
                records.append({**at, "quantity": "s", "value": float(y)})
        axes.plot(fine, fine**2 / alpha_p, "--", color=style.MUTED, linewidth=0.9, zorder=3)
        if float(eta) == 0:
            _lines(axes, p, s, tau / (1 + variance))
        points = curves[f"points{number}"]
        for point, (x, y, sign) in enumerate(points):
            stability = _equilibria.name(sign)
            _equilibria.mark(axes, x, y, stability)
            at = {"eta": eta, "orbit": f"{stability} equilibrium", "point": point}
            records.append({**at, "quantity": "p", "value": float(x)})
            records.append({**at, "quantity": "s", "value": float(y)})
        if len(points) == 3:
            _near_zero(axes, points[:2])
        kind = "no" if float(eta) == 0 else "weak" if len(points) > 1 else "strong"
        axes.set_title(f"{kind} decay\n$\\eta = {float(eta):g}$")
        axes.set_xlabel("$p_j$ of $W_p$")
        axes.set_xlim(p[0], p[-1])
        axes.set_xticks([-1, 0, 1])
        axes.set_ylim(s[0], s[-1])
    grid[0].set_ylabel("$s_j$ of $F$")
    handles, labels = _equilibria.keys("stable", "unstable", "half-stable")
    handles += [Line2D([], [], linestyle="--", color=style.MUTED, linewidth=0.9)]
    labels += [r"$s_j = p_j^2 / \alpha_p$"]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, borderpad=0.1, handletextpad=0.4)
    return figure


def _moving(figure: Figure, curves: Mapping[str, Any]) -> Animation:
    """Points that drift with the flow, each with a tail of its last moments."""
    moments = curves["moments"]
    tails, heads = [], []
    for number, axes in enumerate(figure.axes):
        for line in axes.lines:
            if line.get_color() == style.COLOURS[0]:
                line.set_alpha(0.25)
        for text in list(axes.texts):  # arrow heads, and what would lie below the points
            text.remove()
        cloud = curves[f"cloud{number}"]
        heads.append((axes.plot([], [], "o", color=style.COLOURS[4], **_HEAD)[0], cloud))
        tails.append((axes.plot([], [], color=style.COLOURS[4], linewidth=1.0, zorder=7)[0], cloud))
    place: dict[str, Any] = {
        "xycoords": "axes fraction",
        "ha": "right",
        "fontsize": style.SMALL,
        "bbox": _BOX,
        "zorder": 9,
    }
    clock = figure.axes[0].annotate("", (0.985, 0.93), **place)

    def draw(number: int) -> list[Artist]:
        for head, cloud in heads:
            head.set_data(*cloud[number].T)
        for tail, cloud in tails:
            courses = np.pad(
                cloud[max(0, number - _TAIL) : number + 1], ((0, 1), (0, 0), (0, 0)), constant_values=np.nan
            )
            tail.set_data(*courses.swapaxes(0, 1).reshape(-1, 2).T)  # one line, broken between points
        clock.set_text(f"$t = {moments[number]:.2g}$" if moments[number] < 100 else f"$t = {moments[number]:.0f}$")
        return [line for line, _ in (*tails, *heads)] + [clock]

    return Animation(figure, draw, len(moments), seconds=7.0)


def _orbit(axes: Axes, orbit: Any) -> None:
    """A line with an arrow head in its middle, where it is long enough."""
    axes.plot(orbit[:, 0], orbit[:, 1], color=style.COLOURS[0], linewidth=0.7, zorder=2)
    if abs(orbit[-1] - orbit[0]).max() < 0.3:
        return
    middle = len(orbit) // 2
    axes.annotate(
        "", orbit[middle + 1], orbit[middle], zorder=3,
        arrowprops={"arrowstyle": "-|>", "color": style.COLOURS[0], "mutation_scale": 6, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _near_zero(axes: Axes, points: Any) -> None:
    """The two equilibria that lie too close together for the panel, magnified in a corner of it."""
    inset = axes.inset_axes((0.14, 0.6, 0.66, 0.24), zorder=9)
    inset.set_facecolor("white")
    for x, y, sign in points:
        _equilibria.mark(inset, x, y, _equilibria.name(sign))
    far = float(points[1][0])
    inset.set_xlim(-far, 2 * far)
    inset.set_ylim(-1, 2)
    inset.set_xticks([0, far], ["0", f"{far:.3f}"])
    inset.set_yticks([])
    inset.spines[:].set(visible=True, color=style.MUTED, linewidth=0.5)
    for label in inset.get_xticklabels():
        label.set_bbox(_BOX)
    inset.text(0.5, 0.78, "near 0", transform=inset.transAxes, ha="center", va="center", fontsize=style.SMALL)


def _lines(axes: Axes, p: Any, s: Any, goal: float) -> None:
    """The two lines of equilibria that there are without weight decay."""
    kept: dict[str, Any] = {"linewidth": 2.2, "zorder": 5, "clip_on": False, "solid_capstyle": "butt"}
    axes.plot([goal, goal], [s[0], s[-1]], color=_equilibria.colour("stable"), **kept)
    for ends in ([p[0], 0.0], [goal, p[-1]]):
        axes.plot(ends, [0, 0], color=_equilibria.colour("stable"), **kept)
    axes.plot([0, goal], [0, 0], color=_equilibria.colour("unstable"), **{**kept, "linestyle": (0, (1, 0.7))})
