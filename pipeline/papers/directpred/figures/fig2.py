"""Figure 2 of Tian 2021: spectra of F and Wp, their alignment, and the asymmetry of Wp during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.ranges import Inches, Interval, Width

_PANELS = (
    ("f_eigenvalue", "$s_j$, eigenvalues of $F$"),
    ("wp_eigenvalue", "$p_j$, of $W_p$"),
    ("alignment", r"$\cos(u_j, W_p u_j)$"),
    ("asymmetry", "symmetry of $W_p$"),
)

_CAPTION = (
    "From above: eigenvalues s_j of F = E[f f^T], f the input of the predictor; eigenvalues p_j of "
    "the symmetric part of Wp; cosine between Wp u_j and u_j, the {leading} leading eigenvectors of F, "
    "which is 1 for an eigenvector of positive eigenvalue; asymmetry |Wp - Wp^T| / |Wp + Wp^T| (Frobenius) "
    "and smallest eigenvalue of the symmetric part. Colour: rank j in descending order. One seed."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 4.9,
    regime: str = "wp",
    leading: Width = 10,
    decades: Annotated[float, Interval(gt=0, le=40)] = 9.0,
) -> Drawing:
    """One column of panels per regime, everything against the epoch.

    Eigenvalues are in descending order and coloured by their rank j; those of Wp are of its symmetric part,
    real for a regular Wp too. The alignment is signed. One seed is drawn, the first.

    Args:
        rows: The artifact's rows; a value is what the measure ``spectrum`` returns.
        params: The artifact's params.
        width: Inches.
        height: Inches.
        regime: Axis with a column of panels per value.
        leading: Eigenvectors whose alignment is drawn.
        decades: How far below its largest value the axis of the eigenvalues of F reaches.
    """
    regimes = axis_values(rows, regime)
    tracks = [_track(rows, regime, value) for value in regimes]
    records = [
        record
        for value, track in zip(regimes, tracks, strict=True)
        for row, spectrum in track
        for record in _records(row, spectrum, regime, value, leading)
    ]
    modes = max((record["mode"] for record in records if record["mode"] != ""), default=1)
    colour = ScalarMappable(LogNorm(1, max(modes, 2)), style.RANKS)

    figure = Figure(figsize=(width, height))
    grid = figure.subplots(len(_PANELS), len(regimes), sharex=True, squeeze=False).T
    for line, value in enumerate(regimes):
        for axes, (quantity, label) in zip(grid[line], _PANELS, strict=True):
            own = [record for record in records if record[regime] == value]
            if quantity == "asymmetry":
                _symmetry(axes, own)
            else:
                _modes(axes, [record for record in own if record["quantity"] == quantity], colour)
            if line == 0:
                axes.set_ylabel(label)
        grid[line][0].set_title(f"{value} $W_p$", fontweight="bold")
        grid[line][-1].set_xlabel("epoch")
    _limits(grid, records, decades)
    _keys(figure, grid, colour, modes)
    drawing.remark(figure, params, rows)
    columns = [regime, "dataset", "paper_dataset", "trained_epochs", "seed", "mode"]
    return Drawing(figure, columns, records, _CAPTION.format(leading=leading))


def _track(rows: Sequence[Row], regime: str, value: Any) -> list[tuple[Row, dict[str, Any]]]:
    """The spectra of one regime by epoch, of its first seed; epochs that share a milestone stand once."""
    found: dict[int, tuple[Row, dict[str, Any]]] = {}
    for row in rows:
        if row.role == CELL and same(row.axes[regime], value) and not row.missing:
            seed = min(row.seeds)
            if isinstance(row.seeds[seed], dict):
                found.setdefault(row.trained_epochs, (row, row.seeds[seed]))
    return [found[epoch] for epoch in sorted(found)]


def _records(row: Row, spectrum: Mapping[str, Any], regime: str, value: Any, leading: int) -> list[dict[str, Any]]:
    """The marks of one epoch."""
    at = {
        regime: value,
        "dataset": row.dataset,
        "paper_dataset": row.paper_dataset,
        "trained_epochs": row.trained_epochs,
        "seed": min(row.seeds),
    }
    found: list[tuple[str, int | str, Any]] = [
        ("f_eigenvalue", j, s) for j, s in enumerate(spectrum["f_eigenvalues"], 1)
    ]
    found += [("wp_eigenvalue", j, p) for j, p in enumerate(spectrum.get("wp_symmetric_eigenvalues", []), 1)]
    found += [("alignment", j, cosine) for j, cosine in enumerate(spectrum.get("alignment", [])[:leading], 1)]
    found += [(name, "", spectrum.get(name)) for name in ("asymmetry", "smallest_eigenvalue")]
    # What rounding has brought to zero or below has no place on a logarithmic axis; None has no direction.
    return [
        {**at, "mode": mode, "quantity": name, "value": number}
        for name, mode, number in found
        if number is not None and (name != "f_eigenvalue" or number > 0)
    ]


def _modes(axes: Axes, records: Sequence[Mapping[str, Any]], colour: ScalarMappable) -> None:
    """One line per mode, the leading ones on top."""
    lines: dict[int, list[tuple[float, float]]] = {}
    for record in records:
        lines.setdefault(record["mode"], []).append((record["trained_epochs"], record["value"]))
    order = sorted(lines, reverse=True)
    segments = [lines[mode] for mode in order]
    axes.add_collection(LineCollection(segments, colors=colour.to_rgba(np.asarray(order)), linewidths=0.8))


def _symmetry(axes: Axes, records: Sequence[Mapping[str, Any]]) -> None:
    """How far Wp is from symmetric and from positive semi-definite."""
    for number, quantity in enumerate(("asymmetry", "smallest_eigenvalue")):
        line = [(r["trained_epochs"], r["value"]) for r in records if r["quantity"] == quantity]
        x, y = [point[0] for point in line], [point[1] for point in line]
        axes.plot(x, y, color=style.COLOURS[number], marker="o", markersize=2)


def _limits(grid: Any, records: Sequence[Mapping[str, Any]], decades: float) -> None:
    """The same axes in all lines of panels, so that regimes can be compared by eye."""
    values: dict[str, list[float]] = {}
    for record in records:
        values.setdefault(record["quantity"], []).append(record["value"])
    top = max(values.get("f_eigenvalue", [1.0]))
    bottom = max(min(values.get("f_eigenvalue", [0.1])), top * 10**-decades)
    wp = values.get("wp_eigenvalue", [0.0, 1.0])
    both = values.get("asymmetry", [0.0, 1.0]) + values.get("smallest_eigenvalue", [])
    last = max((record["trained_epochs"] for record in records), default=1)
    for line in grid:
        line[0].set_yscale("log")
        line[0].set_ylim(bottom / 2, top * 2)
        line[2].set_ylim(-1.05, 1.05)
        for axes, found in ((line[1], wp), (line[3], both)):
            low, high = min(*found, 0.0), max(found)
            axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
        for axes in line[1:]:
            axes.axhline(0, color=style.MUTED, linewidth=0.5, zorder=0)
        for axes in line:
            axes.set_xlim(-0.03 * last, 1.03 * last)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _keys(figure: Figure, grid: Any, colour: ScalarMappable, modes: int) -> None:
    """Colour bar and legend below the panels that they explain."""
    bar = figure.colorbar(colour, ax=grid[:, :3], location="bottom", aspect=60, shrink=0.6, pad=0.02)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500) if tick <= 0.7 * modes]
    bar.set_ticks([*ticks, modes], labels=[*map(str, ticks), str(modes)])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.ax.text(-0.02, 0.5, "rank $j$", transform=bar.ax.transAxes, ha="right", va="center")
    names = ("asymmetry", "smallest eigenvalue")
    axes = grid[-1][3]
    axes.legend(axes.lines[:2], names, loc="best", handlelength=1.5, borderpad=0.2, labelspacing=0.3)
