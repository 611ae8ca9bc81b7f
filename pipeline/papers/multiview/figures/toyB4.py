"""Two rows in two dimensions under weak and strong orthogonalisation (demonstration beside Ghosh 2024, B.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import drawing, style
from pipeline.artifacts.animation import Animation
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_WEAK, _STRONG = style.COLOURS[0], style.COLOURS[1]
_COLOUR = {"weak": _WEAK, "strong": _STRONG}
_ROWS = (style.COLOURS[2], style.COLOURS[4])
_BETAS = (style.COLOURS[1], style.COLOURS[3], style.COLOURS[2], style.COLOURS[0], style.COLOURS[6])

_CORRELATION = r"$|C_{12}|\,/\,\sqrt{C_{11} C_{22}}$"
_FRAMES, _MOVING = 40, 6.0
"""Of the animation: frames, and the time up to which it runs; then all rows have come to rest."""

_CAPTION = (
    "A, B: the two rows of W in the eigenbasis of Gamma (one colour each), from six initialisations, with a "
    "mark where they end; on the grey ellipse C_ii = 1. C: correlation of the two rows, and D: what Eq. 38 conserves, "
    "ln|z_k/z_k(0)|/lambda_k of the second mode against the first, for both weights; grey: the law. E: effective rank "
    "of C, median of eight initialisations; ticks: time constant of the escape from collapse, 1/r with "
    "r = 4 lambda_2 beta d / (1 + beta (d - 1)). F: share of rows that end on the second mode at beta = 0; "
    "lines: closed form, crosses: rule for small initialisations."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 5.0,
) -> Drawing:
    """Three lines of two panels.

    Args:
        rows: The artifact's rows; not drawn.
        params: The artifact's params.
        curves: Those of the simulation.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(3, 2)
    records: list[dict[str, Any]] = []
    _paths(grid[0][0], curves, "weak", records)
    _paths(grid[0][1], curves, "strong", records)
    for axes in grid[0]:
        axes.legend(
            handles=[
                Line2D([], [], color=_ROWS[row], marker="o^"[row], markeredgecolor="black", markeredgewidth=0.4)
                for row in range(2)
            ],
            labels=["row 1", "row 2"], loc="upper left", handlelength=1.2, borderpad=0.0,
        )  # fmt: skip
    _correlation(grid[1][0], curves, records)
    _conserved(grid[1][1], curves, records)
    _rank(grid[2][0], curves, records)
    _selection(grid[2][1], curves, records)
    for axes, letter in zip(grid.flat, "ABCDEF", strict=True):
        text = axes.get_title()
        axes.set_title("")
        axes.set_title(f"{letter}  {text}", loc="left")
    return Drawing(figure, ["panel", "line", "x"], records, _CAPTION, _motion(curves, width))


def _motion(curves: Mapping[str, Any], width: float) -> Animation:
    """Both flows at once: rows race along the first mode, and strong orthogonalisation alone turns them apart."""
    figure = Figure(figsize=(width, 0.39 * width))
    panels = figure.subplots(1, 3)
    times = curves["time"]
    shown = np.linspace(0, np.searchsorted(times, _MOVING), _FRAMES).astype(int)
    moving: list[tuple[Line2D, Any, Any]] = []  # a line, and what it has come through
    for axes, (name, colour) in zip(panels, _COLOUR.items(), strict=False):
        _plane(axes, curves["rates"])
        axes.set_title(f"{name} orthogonalisation")
        z, found = curves[f"{name}_z"], curves[f"{name}_correlation"]
        for run, row in np.ndindex(*z.shape[1:3]):
            head = {"marker": "o^"[row], "markevery": [-1], "markeredgecolor": "black", "markeredgewidth": 0.4}
            line = axes.plot([], [], color=_ROWS[row], linewidth=0.9, markersize=5, **head)[0]
            moving.append((line, z[:, run, row, 0], z[:, run, row, 1]))
        for run in range(found.shape[1]):
            line = panels[2].plot([], [], color=colour, linewidth=0.9, marker="o", markevery=[-1], markersize=3)[0]
            moving.append((line, times, found[:, run]))
        panels[2].annotate(name, (0.97, float(found[shown[-1]].mean())), (0, 5 if name == "strong" else -11),
                           xycoords=("axes fraction", "data"), textcoords="offset points", color=colour,
                           ha="right", fontsize=style.SMALL)  # fmt: skip
    panels[2].set(xlim=(0, _MOVING), ylim=(-0.03, 1.03), xlabel="time", ylabel=_CORRELATION)
    panels[2].set_title("correlation of the two rows")
    clock = panels[0].annotate("", (0.03, 0.03), xycoords="axes fraction", fontsize=style.SMALL)

    def draw(number: int) -> list[Artist]:
        until = shown[number] + 1
        for line, x, y in moving:
            line.set_data(x[:until], y[:until])
        clock.set_text(f"time {times[until - 1]:.1f}")
        return [*(line for line, _, _ in moving), clock]

    return Animation(figure, draw, _FRAMES)


def _paths(axes: Axes, curves: Mapping[str, Any], name: str, records: list[dict[str, Any]]) -> None:
    axes.set_title(f"{name} orthogonalisation")
    z, times = curves[f"{name}_z"], curves["time"]
    _plane(axes, curves["rates"])
    for run, row in np.ndindex(*z.shape[1:3]):
        path = z[:, run, row]
        axes.plot(path[:, 0], path[:, 1], color=_ROWS[row], linewidth=0.9)
        axes.plot(*path[-1], "o^"[row], color=_ROWS[row], markeredgecolor="black", markeredgewidth=0.4, zorder=3)
        for t, point in zip(times[::16], path[::16], strict=True):
            line = f"run {run + 1}, row {row + 1}"
            panel = "A" if name == "weak" else "B"
            records += [
                {"panel": panel, "line": line, "x": float(t), "quantity": f"z{k + 1}", "value": float(point[k])}
                for k in range(2)
            ]


def _plane(axes: Axes, rates: Any) -> None:
    """The eigenbasis of Gamma, with the ellipse C_ii = 1."""
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle) / rates[0] ** 0.5, np.sin(angle) / rates[1] ** 0.5, color="0.75", linewidth=0.8, zorder=0)
    axes.set_aspect("equal")
    axes.set_xlim(-1.75, 1.75)
    axes.set_ylim(-1.75, 1.75)
    axes.set_xlabel(r"$z_{i1}$")
    axes.set_ylabel(r"$z_{i2}$")


def _correlation(axes: Axes, curves: Mapping[str, Any], records: list[dict[str, Any]]) -> None:
    axes.set_title("correlation of the rows")
    times, ends = curves["time"], []
    for name, colour in _COLOUR.items():
        found = curves[f"{name}_correlation"]
        axes.plot(times, found, color=colour, linewidth=0.8)
        ends.append((float(times[-1]), float(np.median(found[-1])), name, colour))
        for run in range(found.shape[1]):
            records += [
                {
                    "panel": "C",
                    "line": f"{name}, run {run + 1}",
                    "x": float(t),
                    "quantity": "correlation",
                    "value": float(v),
                }
                for t, v in zip(times[::8], found[::8, run], strict=True)
            ]
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlim(0, times[-1])
    axes.set_xlabel("time")
    axes.set_ylabel(_CORRELATION)
    drawing.label_ends(axes, ends)


def _conserved(axes: Axes, curves: Mapping[str, Any], records: list[dict[str, Any]]) -> None:
    axes.set_title("growth, Eq. 38")
    top = 0.0
    for name, colour in _COLOUR.items():
        growth = curves[f"{name}_growth"]
        for run, row in np.ndindex(*growth.shape[1:3]):
            x, y = growth[:, run, row, 0], growth[:, run, row, 1]
            axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.9, zorder=3 if name == "weak" else 2)
            line = f"{name}, run {run + 1}, row {row + 1}"
            records += [
                {"panel": "D", "line": line, "x": float(a), "quantity": "growth of mode 2", "value": float(b)}
                for a, b in zip(x[::16], y[::16], strict=True)
            ]
        top = max(top, float(growth.max()))
    low, high = -2.0, 1.08 * top
    axes.plot([low, high], [low, high], color="0.6", linewidth=3.0, alpha=0.5, zorder=1)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel(r"$\ln|z_{i1}/z_{i1}(0)|\,/\,\lambda_1$")
    axes.set_ylabel(r"$\ln|z_{i2}/z_{i2}(0)|\,/\,\lambda_2$")
    for number, (name, colour) in enumerate(_COLOUR.items()):
        axes.annotate(
            name, (0.97, 0.05 + 0.1 * number), xycoords="axes fraction", color=colour, ha="right", fontsize=style.SMALL
        )


def _rank(axes: Axes, curves: Mapping[str, Any], records: list[dict[str, Any]]) -> None:
    axes.set_title("collapse lasts a finite time")
    times, betas = curves["long_time"], curves["betas"]
    for beta, colour, rank in zip(betas, _BETAS, curves["ranks"], strict=True):
        axes.plot(times, rank, color=colour)
        records += [
            {"panel": "E", "line": f"beta {beta:g}", "x": float(t), "quantity": "effective rank", "value": float(v)}
            for t, v in zip(times[::4], rank[::4], strict=True)
        ]
    for beta, colour, escape in zip(betas, _BETAS, curves["escape_time"], strict=False):
        axes.plot([escape, escape], [0.94, 0.99], color=colour, linewidth=1.4)
        records.append({"panel": "E", "line": f"beta {beta:g}", "quantity": "1/escape rate", "value": float(escape)})
    for beta, colour, rank in zip(betas, _BETAS, curves["ranks"], strict=True):
        reached = np.flatnonzero(rank > 1.75)
        reached = reached[reached > np.flatnonzero(rank < 1.2)[0]] if (rank < 1.2).any() else reached
        text = rf"$\beta={beta:g}$" if beta in (0, max(betas)) else f"{beta:g}"
        x, y = (float(times[reached[0]]), 2.03) if len(reached) else (float(times[-1]), 1.03)
        side = "right" if beta in (0, max(betas)) else "center"
        axes.annotate(text, (x, y), color=colour, fontsize=style.SMALL, ha=side, va="bottom")
    axes.set_xscale("log")
    axes.set_ylim(0.93, 2.15)
    axes.set_xlabel("time")
    axes.set_ylabel("effective rank of $C$")


def _selection(axes: Axes, curves: Mapping[str, Any], records: list[dict[str, Any]]) -> None:
    axes.set_title("second mode selected")
    scales, ends = curves["scales"], []
    colours = (style.COLOURS[0], style.COLOURS[2], style.COLOURS[3])
    both = zip(curves["seconds"], colours, curves["second_wins"], curves["second_wins_rule"], strict=True)
    for second, colour, exact, rule in both:
        axes.plot(scales, exact, color=colour)
        axes.plot(scales, rule, "x", color=colour, markersize=3)
        ends.append((float(scales[-1]), float(exact[-1]), f"{second:g}", colour))
        for name, line in (("closed form", exact), ("rule", rule)):
            records += [
                {"panel": "F", "line": f"lambda_2 {second:g}", "x": float(s), "quantity": name, "value": float(v)}
                for s, v in zip(scales, line, strict=True)
            ]
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 0.56)
    axes.set_xlabel("scale of the initialisation")
    axes.set_ylabel("share of rows")
    drawing.label_ends(axes, ends)
    axes.annotate(
        r"$\lambda_2/\lambda_1$", (1.02, 0.985), xycoords="axes fraction", fontsize=style.SMALL, color=style.MUTED
    )
