"""Numbers against a parameter that is swept: one line per setting of the other axes, one panel per measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.artifacts import bands, drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.errors import UserError
from pipeline.ranges import Inches

_CAPTION = "Mean over seeds with its standard deviation against {x}.{lost}{baselines}"
_LOST = " A cross: no seed has a number."
_BASELINES = " Dotted: what is not trained."
_DECADE = 10.0
"""Values that spread over more than this stand on a logarithmic axis."""


def draw(
    rows: Sequence[Row], params: Mapping[str, Any], *, x: str = "", width: Inches = 3.3, panel: Inches = 1.7
) -> Drawing:
    """Lines with a band of one standard deviation.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        x: The axis along which lines run; the first with several numbers where nothing is said, else the first with
            several values.
        width: Inches.
        panel: Height of one panel, inches.

    Raises:
        UserError: The artifact has no such axis.
    """
    cells = [row for row in rows if row.role == CELL]
    known = {axis: axis_values(cells, axis) for axis in [*params["rows"], *params["columns"]]}
    along = x or _first(known)
    if along not in known:
        raise UserError(f"figure sweep: x: there is no axis {along!r}; the axes are: {', '.join(known)}")
    places = known[along]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in places)
    at = {str(value): float(value) if numbers else k for k, value in enumerate(places)}
    titles = {name: about["title"] for name, about in params.get("measures", {}).items()}
    panels = known.get("measure", [None]) if along != "measure" else [None]
    others = [axis for axis in known if axis not in (along, "measure")]
    figure = Figure(figsize=(width, panel * len(panels)))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    records: list[dict[str, Any]] = []
    lost = False
    for axes, measure in zip(grid, panels, strict=True):
        own = [row for row in cells if measure is None or same(row.axes["measure"], measure)]
        for number, place in enumerate(_lines(own, others)):
            line = [row for row in own if all(same(row.axes[axis], value) for axis, value in place.items())]
            colour = style.COLOURS[number % len(style.COLOURS)]
            look = {"marker": "o", "markersize": 2.5, "linestyle": ("-", "--", ":")[number // len(style.COLOURS) % 3]}
            name = ", ".join(_line_name(axis, value) for axis, value in place.items() if len(known[axis]) > 1)
            told = {**place, **({} if measure is None else {"measure": measure})}
            points = sorted((at[str(row.axes[along])], row.mean, row.std) for row in line if row.mean is not None)
            records += bands.draw_band(axes, points, told, along, colour, label=name or None, **look)
            gone = [at[str(row.axes[along])] for row in line if row.lost and row.mean is None]
            axes.plot(gone, [0.04] * len(gone), "x", color=colour, transform=axes.get_xaxis_transform(), clip_on=False)
            lost = lost or bool(gone)
        if measure == panels[0]:
            _baselines(axes, rows)
        unit = next((row.unit for row in own if row.unit), "")
        title = params["measure"]["title"] if measure is None else titles[str(measure)]
        axes.set_ylabel(f"{title} in {unit}" if unit else title)
        _ticks(axes, at, numbers)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(ncols=2)
    grid[-1].set_xlabel(along)
    drawing.remark(figure, params, rows)
    also = _BASELINES if any(row.role != CELL and row.mean is not None for row in rows) else ""
    columns = [*others, *(["measure"] if panels != [None] else []), along]
    return Drawing(figure, columns, records, _CAPTION.format(x=along, lost=_LOST if lost else "", baselines=also))


def _line_name(axis: str, value: Any) -> str:
    """What a line is called by one of its axes: methods and data sets speak for themselves."""
    return str(value) if axis in ("method", "dataset") else f"{axis} {value}"


def _first(known: Mapping[str, Sequence[Any]]) -> str:
    several = [axis for axis, values in known.items() if len(values) > 1 and axis != "measure"]
    numbers = [axis for axis in several if all(isinstance(value, int | float) for value in known[axis])]
    return next(iter([*numbers, *several, *known]), "")


def _lines(rows: Sequence[Row], others: Sequence[str]) -> list[dict[str, Any]]:
    """Places of lines among the other axes, in order of appearance."""
    found: list[dict[str, Any]] = []
    for row in rows:
        place = {axis: row.axes[axis] for axis in others}
        if place not in found:
            found.append(place)
    return found


def _baselines(axes: Axes, rows: Sequence[Row]) -> None:
    """Levels of what is not trained, each with its name on it."""
    for row in rows:
        if row.role != CELL and row.mean is not None:
            axes.axhline(row.mean, color=style.MUTED, linewidth=0.6, linestyle=":")
            axes.annotate(
                row.role,
                (1, row.mean),
                xytext=(0, 1),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                fontsize=style.SMALL,
                color=style.MUTED,
                ha="right",
                va="bottom",
            )


def _ticks(axes: Axes, at: Mapping[str, float], numbers: bool) -> None:
    """A logarithmic axis where positive values spread over more than a decade; words get a tick each."""
    places = list(at.values())
    if not numbers:
        axes.set_xticks(places, list(at))
    elif min(places) > 0 and max(places) / min(places) > _DECADE and not math.isinf(max(places)):
        axes.set_xscale("log")
