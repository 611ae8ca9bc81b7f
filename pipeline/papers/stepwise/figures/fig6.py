"""Figure 6 of Simon 2023: coefficients of W in the eigenbasis of Gamma, true and predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing, label_ends
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_DASHED = (0, (3, 2))
_KINDS = {"s": style.COLOURS[1], "above": style.COLOURS[0], "below": style.COLOURS[2]}
_FLOOR = 1e-14

_CAPTION = (
    "Above: magnitudes of the singular values s_j (orange), of the coefficients a_jk above the diagonal (blue) and "
    "below it (green) against t' = 4 t; solid: integration of Eq. 45; dashed, black: Eqs. 47 and 48, which are 0 below "
    "the diagonal. Below: true over predicted. Where k <= d, the approximation of a_jk ends once k is learnt: a_jk "
    "rises by a factor of order 1, and a_kj grows to -a_jk sqrt(gamma_k / gamma_j). Coefficients with k > d agree "
    "throughout."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, NDArray[Any]],
    *,
    width: Inches = 3.3,
    height: Inches = 3.9,
) -> Drawing:
    """The paper's panel, and below it the ratio that a logarithmic axis of twelve decades hides.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: ``time``, ``gamma``, ``true``, ``predicted`` of the smallest start.
        width: Inches.
        height: Inches.
    """
    time, true, predicted = curves["time"], np.abs(curves["true"]), np.abs(curves["predicted"])
    d, m = true.shape[1:]
    figure = Figure(figsize=(width, height))
    left, right = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.35, 1]})
    records: list[dict[str, Any]] = []
    ends: list[tuple[float, float, str, str]] = []
    for j, k in sorted(np.ndindex(d, m), key=_layer):
        kind = "s" if j == k else "above" if j < k else "below"
        name = f"s_{j + 1}" if j == k else f"a_{j + 1}{k + 1}"
        shown = true[:, j, k] > 0
        left.plot(time[shown], true[shown, j, k], color=_KINDS[kind], linewidth=1.6 if j == k else 1.1)
        records += _records(name, "true", time[shown], true[shown, j, k])
        if kind != "below":
            left.plot(time, predicted[:, j, k], color="black", linestyle=_DASHED, linewidth=0.7)
            records += _records(name, "predicted", time, predicted[:, j, k])
            ratio = true[:, j, k] / predicted[:, j, k]
            right.plot(time, ratio, color=_KINDS[kind], linewidth=1.6 if j == k else 1.1)
            if abs(np.log(ratio[-1])) > 0.05:
                ends.append((time[-1], ratio[-1], f"$a_{{{j + 1}{k + 1}}}$", _KINDS[kind]))
    left.set_yscale("log")
    left.set(ylim=(_FLOOR, 10), xlim=(0, time[-1]), ylabel="magnitude")
    left.set_title("true (colour) and predicted (dashed)")
    right.set(xlabel="$t' = 4t$", ylabel="true / predicted", title="their ratio")
    figure.draw_without_rendering()
    label_ends(right, [*ends, (time[-1], 1.0, "all others", style.MUTED)])
    _legend(left)
    _steps(left, time, true)
    return Drawing(figure, ["coefficient", "time"], records, _CAPTION)


def _layer(place: tuple[int, int]) -> tuple[bool, bool]:
    """Below the diagonal first, singular values last: on top."""
    j, k = place
    return j == k, j < k


def _records(name: str, quantity: str, time: NDArray[Any], line: NDArray[Any]) -> list[dict[str, Any]]:
    return [
        {"coefficient": name, "time": float(t), "quantity": quantity, "value": float(v)}
        for t, v in zip(time[::5], line[::5], strict=True)
    ]


def _legend(axes: Axes) -> None:
    names = {"s": "$|s_j|$", "above": "$|a_{jk}|$, $j<k$", "below": "$|a_{jk}|$, $j>k$"}
    for kind, text in names.items():
        axes.plot([], [], color=_KINDS[kind], label=text)
    axes.plot([], [], color="black", linestyle=_DASHED, linewidth=0.7, label="Eqs. 47, 48")
    axes.legend(loc="lower right", handlelength=1.6)


def _steps(axes: Axes, time: NDArray[Any], true: NDArray[Any]) -> None:
    """Name each s_j where it is about to be learnt."""
    for j in range(true.shape[1]):
        line = true[:, j, j]
        at = int(np.argmax(line > 0.02 * line[-1]))
        axes.annotate(f"$s_{j + 1}$", (time[at], line[at]), (-3, 2), textcoords="offset points", ha="right",
                      color=_KINDS["s"], fontsize=style.SMALL)  # fmt: skip
