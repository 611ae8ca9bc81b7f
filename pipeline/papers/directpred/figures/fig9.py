"""Figure 9 of Tian 2021: the commutator of F and Wp in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches, Positive


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.0,
    lowest: Positive = 0.01,
) -> Drawing:
    """Panels by weight decay and tau, a line per random start.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation directpred_fig9.
        width: Inches.
        height: Inches.
        lowest: Where the ordinate begins.
    """
    figure = Figure(figsize=(width, height))
    etas, taus, time, share = curves["eta"], curves["tau"], curves["time"], curves["share"]
    grid = figure.subplots(len(taus), len(etas), sharex=True, sharey=True, squeeze=False)
    records: list[dict[str, Any]] = []
    for j, tau in enumerate(taus):
        for i, eta in enumerate(etas):
            axes = grid[j][i]
            grows = share[:, i, j].max(axis=0).mean() > 1.05
            colour = style.COLOURS[1] if grows else style.COLOURS[0]
            axes.axhline(1, color=style.MUTED, linewidth=0.5, zorder=0)
            for start in range(share.shape[-1]):
                line = share[:, i, j, start]
                axes.plot(time, line, color=colour, linewidth=0.7, alpha=0.8)
                at = {"eta": float(eta), "tau": float(tau), "start": start}
                drawn = [(t, y) for t, y in zip(time, line, strict=True) if y >= lowest / 3]
                records += [{**at, "time": float(t), "quantity": "share", "value": float(y)} for t, y in drawn]
            axes.text(
                0.04, 0.08, "grows" if grows else "decays", transform=axes.transAxes, color=colour,
                fontsize=style.SMALL,
            )  # fmt: skip
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlim(time[1], time[-1])
            axes.set_ylim(lowest, 1.4 * float(share.max()))
            if j == 0:
                axes.set_title(rf"$\eta = {eta:g}$")
            if j == len(taus) - 1:
                axes.set_xlabel("time $t$")
        grid[j][0].set_ylabel(rf"$\tau = {tau:g}$")
    figure.supylabel(r"$|[F, W_p]|_F$ relative to its start", fontsize="medium")
    text = (
        "Commutator of F and Wp relative to its start, under the symmetrised flow (Eq. 7) from small random matrices; "
        "a line per start. Orange: on average it exceeds its start by more than 5 % before it decays."
    )
    return Drawing(figure, ["eta", "tau", "start", "time"], records, text)
