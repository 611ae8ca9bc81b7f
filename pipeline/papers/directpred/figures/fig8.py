"""Figure 8 of Tian 2021: the symmetric and the skew part of Wp in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_PARTS = (("symmetric", r"symmetric part, $|A|_F$"), ("skew", r"skew part, $|B|_F$"))


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 2.7,
) -> Drawing:
    """A column of panels per weight decay, one line per tau.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation directpred_fig8.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    etas, taus, time = curves["eta"], curves["tau"], curves["time"]
    grid = figure.subplots(len(_PARTS), len(etas), sharex=True, sharey="row", squeeze=False)
    records: list[dict[str, Any]] = []
    for k, (part, label) in enumerate(_PARTS):
        norm = curves[part]
        mean, std = norm.mean(axis=-1), norm.std(axis=-1, ddof=min(1, norm.shape[-1] - 1))
        for i, eta in enumerate(etas):
            axes = grid[k][i]
            axes.axhline(0, color=style.MUTED, linewidth=0.5, zorder=0)
            ends = []
            for j, tau in enumerate(taus):
                colour = style.COLOURS[j]
                axes.plot(time, mean[:, i, j], color=colour)
                band = (mean[:, i, j] - std[:, i, j], mean[:, i, j] + std[:, i, j])
                axes.fill_between(time, *band, color=colour, alpha=0.18, linewidth=0)
                ends.append((float(time[-1]), float(mean[-1, i, j]), rf"$\tau = {tau:g}$", colour))
                at = {"part": part, "eta": float(eta), "tau": float(tau)}
                for t, value, error in zip(time, mean[:, i, j], std[:, i, j], strict=True):
                    records.append({**at, "time": float(t), "quantity": "mean", "value": float(value)})
                    records.append({**at, "time": float(t), "quantity": "std", "value": float(error)})
            axes.set_xscale("log")
            axes.set_xlim(time[1], time[-1])
            if k == 0:
                axes.set_title(rf"$\eta = {eta:g}$")
            else:
                axes.set_xlabel("time $t$")
            if i == len(etas) - 1 and k == 0:
                drawing.label_ends(axes, ends)
        grid[k][0].set_ylabel(label)
    text = (
        "Frobenius norms of A = (Wp + Wp^T) / 2 and B = (Wp - Wp^T) / 2 under Eq. 62 with F = Wp^T Wp and a constant "
        f"tau. Lines: mean of {norm.shape[-1]} random starts; bands: one standard deviation."
    )
    return Drawing(figure, ["part", "eta", "tau", "time"], records, text)
