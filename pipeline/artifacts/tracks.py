"""What changes along training: loss and eigenvalues against steps or epochs, as figures of several papers draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same

_CAPTION = (
    "Of the first seed, against the {time}, on a logarithmic axis (the time of gradient flow is step times learning "
    "rate). Loss: means of as many steps. Eigenvalues, one line each, the largest darkest; dashed: the threshold above "
    "which they are counted. Dotted, where there are two panels of eigenvalues: when the upper ones cross it."
)


def draw_tracks(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    across: str = "method",
    loss: str = "loss",
    spectra: Mapping[str, str],
    threshold: float = 0.0,
    modes: int = 50,
    decades: int = 6,
    width: float = 3.3,
    panel: float = 1.05,
) -> Drawing:
    """One column of panels per value of an axis: the loss where it was measured, then each kind of eigenvalues.

    Args:
        rows: The artifact's rows, with the axes measure and steps (or epochs), and ``across``.
        params: The artifact's params.
        across: Axis whose values are the columns.
        loss: Name of the measure whose last value is a curve of the loss; none of this name, no panel.
        spectra: Name of each measure that is a list of eigenvalues -> what they are.
        threshold: Where the dashed line lies; 0: none.
        modes: Most eigenvalues that are drawn.
        decades: Of the logarithmic axis, below the largest eigenvalue.
        width: Inches.
        panel: Height of one panel, inches.
    """
    methods = axis_values(rows, across)
    time = "steps" if any("steps" in row.axes for row in rows) else "epochs"
    measured = axis_values(rows, "measure")
    names = [name for name in (loss, *spectra) if any(same(name, other) for other in measured)]
    figure = Figure(figsize=(width, 0.35 + panel * len(names)))
    grid = figure.subplots(len(names), len(methods), sharex="col", sharey="row", squeeze=False)
    records: list[dict[str, Any]] = []
    for column, method in enumerate(methods):
        own = [row for row in rows if row.role == CELL and same(row.axes[across], method) and not row.missing]
        crossings: list[float] = []
        for line, name in enumerate(names):
            axes = grid[line, column]
            chosen = [row for row in own if same(row.axes["measure"], name)]
            if name == loss:
                records += _loss(axes, chosen, {across: method, "panel": name})
                continue
            found = _lines(chosen, time, modes, decades)
            _eigenvalues(axes, found, threshold, modes)
            for crossed in crossings:
                axes.axvline(crossed, color=style.MUTED, linewidth=0.5, linestyle=":")
            crossings = [at for mode in found if (at := _crossing(found[mode], threshold)) is not None]
            records += [
                {across: method, "panel": name, time: x, "mode": mode, "quantity": "eigenvalue", "value": y}
                for mode, points in found.items()
                for x, y in points
            ]
        grid[0, column].set_title(str(method).partition(",")[0])
        grid[-1, column].set_xlabel("step" if time == "steps" else "epoch")
        if time == "steps":
            grid[-1, column].set_xscale("log")
        else:  # from epoch 0 on
            grid[-1, column].set_xscale("symlog", linthresh=1, linscale=0.4)
    words = {**spectra, loss: "loss"}
    for line, name in enumerate(names):
        grid[line, 0].set_ylabel(words[name])
    drawing.remark(figure, params, rows)
    caption = _CAPTION.format(time="step" if time == "steps" else "epoch")
    return Drawing(figure, [across, "panel", time, "mode"], records, caption)


def _first(row: Row) -> Any:
    return row.seeds[min(row.seeds)] if row.seeds else None


def _loss(axes: Axes, rows: Sequence[Row], at: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The curve of the last milestone that has one; it reaches back to the start."""
    curves = [value for row in rows if isinstance(value := _first(row), dict)]
    if not curves:
        return []
    last = max(curves, key=lambda curve: curve["step"][-1])
    axes.plot(last["step"], last["loss"], color=style.COLOURS[0])
    return [
        {**at, "steps": step, "quantity": "loss", "value": value}
        for step, value in zip(last["step"], last["loss"], strict=True)
    ]


def _lines(rows: Sequence[Row], time: str, modes: int, decades: int) -> dict[int, list[tuple[float, float]]]:
    """Mode -> points; what rounding has brought to zero or below has no place on a logarithmic axis."""
    found: dict[int, list[tuple[float, float]]] = {}
    known = {}
    for row in rows:
        if isinstance(values := _first(row), list):
            known[row.trained_steps if time == "steps" else row.trained_epochs] = values
    top = max((values[0] for values in known.values()), default=1.0)
    for x in sorted(known):
        for mode, value in enumerate(known[x][:modes], 1):
            if value > top * 10**-decades:
                found.setdefault(mode, []).append((x, value))
    return found


def _crossing(points: Sequence[tuple[float, float]], threshold: float) -> float | None:
    """When a line first lies above the threshold, if it lay below it before."""
    above = [x for x, y in points if y > threshold]
    return above[0] if threshold and above and above[0] > points[0][0] else None


def _eigenvalues(axes: Axes, lines: Mapping[int, Sequence[tuple[float, float]]], threshold: float, modes: int) -> None:
    colour = ScalarMappable(LogNorm(1, max(modes, 2)), style.RANKS)
    order = sorted(lines, reverse=True)
    axes.add_collection(
        LineCollection([list(lines[mode]) for mode in order], colors=colour.to_rgba(np.asarray(order)), linewidths=0.8)
    )
    axes.set_yscale("log")
    axes.autoscale_view()
    if threshold:
        axes.axhline(threshold, color=style.MUTED, linewidth=0.6, linestyle="--")
