"""Figure 8 of Simon 2023: losses and trajectories of a mode, self-supervised and supervised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_CAPTION = (
    "A: loss of a mode of self-supervised learning, (1 - sbar^2)^2, with a maximum at 0 between two minima. B: loss of "
    "a mode of supervised kernel regression with target 1, (1 - cbar)^2. C, D: exact flows on them, for several "
    "gamma_j, from two distances to 0 on either side: solid from the larger, dotted from the smaller. In D the flow is "
    "in function space, at rate 2 gamma_j; the four starts of a gamma_j cannot be told apart."
)
_MODELS = ("self-supervised", "supervised")
_SYMBOLS = (r"\bar s", r"\bar c")


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, NDArray[Any]],
    *,
    width: Inches = 3.3,
    height: Inches = 3.3,
) -> Drawing:
    """Losses above, trajectories below; self-supervised on the left.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Losses over ``place``, paths over ``time`` (time, gamma, sign, start), ``gamma``, ``starts``.
        width: Inches.
        height: Inches.
    """
    place, time, gamma, starts = curves["place"], curves["time"], curves["gamma"], curves["starts"]
    figure = Figure(figsize=(width, height))
    above, below = figure.subplots(2, 2, gridspec_kw={"height_ratios": [1, 1.3]})
    records: list[dict[str, Any]] = []
    for column, (model, symbol) in enumerate(zip(_MODELS, _SYMBOLS, strict=True)):
        top, bottom = above[column], below[column]
        loss, paths = curves[f"{model} loss"], curves[f"{model} paths"]
        top.plot(place, loss, color="black")
        top.set(xlim=(place[0], place[-1]), ylim=(-0.1, 2.6), xlabel=f"${symbol}_j$", ylabel="loss $L_j$")
        top.set_title(f"{'AB'[column]}  {model}: $L_j = (1-{symbol}_j{'^2' if column == 0 else ''})^2$")
        top.plot([-1, 1] if column == 0 else [1], [0, 0] if column == 0 else [0], "o", color=style.COLOURS[2])
        if column == 0:
            top.plot([0], [1], "o", markerfacecolor="white", color=style.COLOURS[1])
            _note(top, "start: unstable", (0, 1), (0, 6), style.COLOURS[1])
        else:
            top.plot([0], [1], "o", color=style.COLOURS[1])
            _note(top, "start: full slope", (0, 1), (32, 3), style.COLOURS[1])
        records += [_record(model, "", "", x, "loss", y) for x, y in zip(place, loss, strict=True)]
        for mode, rate in enumerate(gamma):
            for sign in (0, 1):
                for start, size in enumerate(starts):
                    line = paths[:, mode, sign, start]
                    bottom.plot(time, line, color=style.COLOURS[mode], linestyle=("-", ":")[start])
                    begin = size if sign == 0 else -size
                    records += [
                        _record(model, rate, begin, x, "value", y) for x, y in zip(time[::5], line[::5], strict=True)
                    ]
        bottom.axhline(0, color=style.MUTED, linewidth=0.5, zorder=0)
        bottom.set(xlim=(0, time[-1]), ylim=(-1.15, 1.15), xlabel="$t$", ylabel=f"${symbol}_j(t)$")
        bottom.set_title(f"{'CD'[column]}  {model}: trajectories")
    for mode, rate in enumerate(gamma):
        below[1].plot([], [], color=style.COLOURS[mode], label=rf"$\gamma_j = {rate:g}$")
    for start, size in enumerate(starts):
        below[1].plot([], [], color="black", linestyle=("-", ":")[start], label=f"from ±{size:g}")
    handles, labels = below[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), handlelength=1.2, columnspacing=0.8)
    return Drawing(figure, ["model", "gamma", "start", "x"], records, _CAPTION)


def _note(axes: Any, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str) -> None:
    axes.annotate(text, at, offset, textcoords="offset points", ha="center", fontsize=style.SMALL, color=colour)


def _record(model: str, gamma: Any, start: Any, x: float, quantity: str, value: float) -> dict[str, Any]:
    return {"model": model, "gamma": gamma, "start": start, "x": float(x), "quantity": quantity, "value": float(value)}
