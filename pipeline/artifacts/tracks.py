"""What changes along training: loss and eigenvalues against steps or epochs, as figures of several papers draw it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.epochs_axis import log_epochs
from pipeline.artifacts.rows import CELL, Row, axis_values, same

_CAPTION = (
    "Of the first seed, against the {time}, on a logarithmic axis (the time of gradient flow is step times learning "
    "rate). Loss: means of as many steps. Eigenvalues, one line each, the largest darkest; dashed: the threshold above "
    "which they are counted. Dotted, where there are two panels of eigenvalues: when the upper ones cross it."
)


def by_method(axes: Mapping[str, Any]) -> tuple[str, str]:
    """One column of panels per method, whose name ends at the first comma."""
    return str(axes["method"]).partition(",")[0], ""


def draw_tracks(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    place: Callable[[Mapping[str, Any]], tuple[str, str]] = by_method,
    loss: str = "loss",
    spectra: Mapping[str, str],
    numbers: Mapping[str, str] | None = None,
    threshold: float = 0.0,
    modes: int = 50,
    decades: int = 6,
    width: float = 3.3,
    panel: float = 1.05,
) -> Drawing:
    """Panels in columns and groups: the loss where it was measured, then each kind of eigenvalues.

    Args:
        rows: The artifact's rows, with the axes measure and steps (or epochs), and what ``place`` reads.
        params: The artifact's params.
        place: Column and group of a row, from its axes; groups stand below each other.
        loss: Name of the measure whose last value is a curve of the loss; none of this name, no panel.
        spectra: Name of each measure that is a list of eigenvalues -> what they are.
        numbers: Likewise of measures that are numbers: a line of means over seeds, beside those of the other columns.
        threshold: Where the dashed line lies; 0: none.
        modes: Most eigenvalues that are drawn.
        decades: How far below the largest eigenvalue of its time one may lie; what is less is rounding.
        width: Inches.
        panel: Height of one panel, inches.
    """
    cells = [row for row in rows if row.role == CELL]
    time = "steps" if any("steps" in row.axes for row in rows) else "epochs"
    measured = axis_values(rows, "measure")
    numbers = numbers or {}
    names = [name for name in (loss, *spectra, *numbers) if any(same(name, other) for other in measured)]
    columns = list(dict.fromkeys(place(row.axes)[0] for row in cells))
    groups = list(dict.fromkeys(place(row.axes)[1] for row in cells))
    lines = [(group, name) for group in groups for name in names]
    figure = Figure(figsize=(width, 0.35 + panel * len(lines)))
    grid = figure.subplots(len(lines), len(columns), sharex="col", sharey="row", squeeze=False)
    records: list[dict[str, Any]] = []
    words = {**spectra, **numbers, loss: "loss"}
    for column, head in enumerate(columns):
        crossings: list[float] = []
        for line, (group, name) in enumerate(lines):
            axes = grid[line, column]
            here = [row for row in cells if place(row.axes) == (head, group) and not row.missing]
            chosen = [row for row in here if same(row.axes["measure"], name)]
            at = {"column": head, "group": group, "panel": name}
            if name == names[0]:
                crossings = []
            if name == loss:
                records += _loss(axes, chosen, at)
                continue
            if name in numbers:
                of_group = [row for row in cells if place(row.axes)[1] == group and same(row.axes["measure"], name)]
                for other in columns:
                    points = _means([row for row in of_group if place(row.axes)[0] == other], time)
                    own = other == head
                    colour, layer = (style.COLOURS[0], 3) if own else ("0.75", 2)
                    axes.plot([x for x, _ in points], [y for _, y in points], color=colour, zorder=layer)
                    records += [{**at, time: x, "quantity": "mean", "value": y} for x, y in points if own]
                continue
            found = _lines(chosen, time, modes, decades)
            _eigenvalues(axes, found, threshold, modes)
            if not found:
                _say_why(axes, chosen)
            for crossed in crossings:
                axes.axvline(crossed, color=style.MUTED, linewidth=0.5, linestyle=":")
            crossings = [x for mode in found if (x := _crossing(found[mode], threshold)) is not None]
            records += [
                {**at, time: x, "mode": mode, "quantity": "eigenvalue", "value": y}
                for mode, points in found.items()
                for x, y in points
            ]
        grid[0, column].set_title(head)
        if time == "steps":
            grid[-1, column].set_xscale("log")
            grid[-1, column].set_xlabel("step")
        else:
            log_epochs(grid[-1, column], max((row.trained_epochs for row in cells), default=1))
    for line, (group, name) in enumerate(lines):
        grid[line, 0].set_ylabel(f"{group}\n{words[name]}" if group else words[name])
    drawing.remark(figure, params, rows)
    caption = _CAPTION.format(time="step" if time == "steps" else "epoch")
    return Drawing(figure, ["column", "group", "panel", time, "mode"], records, caption)


def _first(row: Row) -> Any:
    return row.seeds[min(row.seeds)] if row.seeds else None


def _loss(axes: Axes, rows: Sequence[Row], at: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The curve of the last milestone that has one; it reaches back to the start."""
    curves = [value for row in rows if isinstance(value := _first(row), dict)]
    if not curves:
        _say_why(axes, rows)
        return []
    last = max(curves, key=lambda curve: curve["step"][-1])
    axes.plot(last["step"], last["loss"], color=style.COLOURS[0])
    return [
        {**at, "steps": step, "quantity": "loss", "value": value}
        for step, value in zip(last["step"], last["loss"], strict=True)
    ]


def _lines(rows: Sequence[Row], time: str, modes: int, decades: int) -> dict[int, list[tuple[float, float]]]:
    """Mode -> points; what is nothing but rounding beside the largest at that time is left out."""
    found: dict[int, list[tuple[float, float]]] = {}
    known = {}
    for row in rows:
        if isinstance(values := _first(row), list):
            known[row.trained_steps if time == "steps" else row.trained_epochs] = values
    for x in sorted(known):
        for mode, value in enumerate(known[x][:modes], 1):
            if value > known[x][0] * 10**-decades:
                found.setdefault(mode, []).append((x, value))
    return found


def _say_why(axes: Axes, rows: Sequence[Row]) -> None:
    """Tell in a panel why nothing is drawn in it."""
    reasons = dict.fromkeys(value for row in rows if isinstance(value := _first(row), str))
    axes.text(
        0.5, 0.5, ", ".join(reasons) or "not measured", transform=axes.transAxes, ha="center", va="center",
        color=style.MUTED,
    )  # fmt: skip


def _means(rows: Sequence[Row], time: str) -> list[tuple[float, float]]:
    """Points of a line: means over the seeds that have a number."""
    found = {row.trained_steps if time == "steps" else row.trained_epochs: row.mean for row in rows}
    return sorted((x, y) for x, y in found.items() if y is not None)


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
