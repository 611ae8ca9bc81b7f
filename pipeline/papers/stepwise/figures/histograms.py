"""Histograms of eigenvalues at several times (Simon 2023, Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.ranges import Count, Inches

_CAPTION = (
    "How many eigenvalues of the embeddings have which size, one line of panels per method, of all seeds together. "
    "Dashed: the emptiest place between the two highest bars of the last panel, the threshold of the method. "
    "Eigenvalues below the axis, those that rounding has brought to zero included, are counted in its first bar."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    eigenvalues: str = "eigenvalues",
    bins: Count = 16,
    decades: Count = 6,
    width: Inches = 3.3,
    panel: Inches = 0.75,
) -> Drawing:
    """One panel per method and time.

    Args:
        rows: The artifact's rows, with the axes method, epochs and measure.
        params: The artifact's params.
        eigenvalues: Name of the measure that is a list of eigenvalues.
        bins: Bars of a histogram.
        decades: Of the logarithmic axis, below the largest eigenvalue of the method.
        width: Inches.
        panel: Height of one panel, inches.
    """
    methods, times = axis_values(rows, "method"), axis_values(rows, "epochs")
    figure = Figure(figsize=(width, 0.5 + panel * len(methods)))
    grid = figure.subplots(len(methods), len(times), sharex="row", sharey="row", squeeze=False)
    records: list[dict[str, Any]] = []
    for line, method in enumerate(methods):
        own = [
            row
            for row in rows
            if row.role == CELL and same(row.axes["method"], method) and same(row.axes["measure"], eigenvalues)
        ]
        found = {time: _values([row for row in own if same(row.axes["epochs"], time)]) for time in times}
        top = max((max(values) for values in found.values() if values), default=1.0)
        edges = np.linspace(math.log10(top) - decades, math.log10(top), bins + 1)
        counts = {time: _histogram(values, edges) for time, values in found.items()}
        at = valley(counts[times[-1]])
        for column, time in enumerate(times):
            axes = grid[line, column]
            axes.stairs(counts[time], edges, fill=True, color=style.COLOURS[line % len(style.COLOURS)])
            if at is not None:
                axes.axvline((edges[at] + edges[at + 1]) / 2, color=style.MUTED, linewidth=0.6, linestyle="--")
            at_time = {"method": method, "epochs": time, "quantity": "count"}
            for edge, count in zip(edges, counts[time], strict=False):
                records.append({**at_time, "eigenvalue": float(10**edge), "value": int(count)})
            if line == 0:
                trained = next((row.trained_epochs for row in own if same(row.axes["epochs"], time)), time)
                axes.set_title(f"epoch {trained}")
        grid[line, 0].set_ylabel(str(method).partition(",")[0])
    figure.supxlabel(r"$\log_{10}$ of the eigenvalue", fontsize="medium")
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["method", "epochs", "eigenvalue"], records, _CAPTION)


def _values(rows: Sequence[Row]) -> list[float]:
    return [value for row in rows for seed in row.seeds.values() if isinstance(seed, list) for value in seed]


def _histogram(values: Sequence[float], edges: Any) -> Any:
    """Counts; what lies below the first edge is counted in the first bar."""
    logs = [max(math.log10(value), edges[0]) if value > 0 else edges[0] for value in values]
    return np.histogram(logs, bins=edges)[0]


def valley(counts: Any) -> int | None:
    """The emptiest bar between the two highest that are not beside each other, the middle of equals; None without."""
    order = sorted(range(len(counts)), key=lambda k: (-counts[k], k))
    for other in order[1:]:
        low, high = sorted((order[0], other))
        between = [k for k in range(low + 1, high) if counts[k] < min(counts[low], counts[high])]
        if counts[other] and between:
            least = min(counts[k] for k in between)
            lowest = [k for k in between if counts[k] == least]
            return lowest[(len(lowest) - 1) // 2]
    return None
