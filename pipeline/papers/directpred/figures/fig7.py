"""Figure 7 of Tian 2021: how parallel the target stays to the online network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 1.75,
) -> Drawing:
    """One panel per weight decay, one line per momentum.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation directpred_fig7.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    etas, momenta, steps = curves["eta"], curves["momentum"], curves["step"]
    grid = figure.subplots(1, len(etas), sharex=True, sharey=True, squeeze=False)[0]
    cosine = curves["cosine"]
    mean, std = cosine.mean(axis=-1), cosine.std(axis=-1, ddof=min(1, cosine.shape[-1] - 1))
    low = float((mean - std).min())
    records: list[dict[str, Any]] = []
    for i, (axes, eta) in enumerate(zip(grid, etas, strict=True)):
        for j, momentum in enumerate(momenta):
            colour = style.COLOURS[j]
            axes.plot(steps, mean[:, i, j], color=colour, label=rf"$\gamma_a = {momentum:g}$")
            band = (mean[:, i, j] - std[:, i, j], mean[:, i, j] + std[:, i, j])
            axes.fill_between(steps, *band, color=colour, alpha=0.18, linewidth=0)
            at = {"eta": float(eta), "momentum": float(momentum)}
            for step, value, error in zip(steps, mean[:, i, j], std[:, i, j], strict=True):
                records.append({**at, "step": int(step), "quantity": "mean", "value": float(value)})
                records.append({**at, "step": int(step), "quantity": "std", "value": float(error)})
        axes.set_xscale("log")
        axes.set_xlim(steps[0], steps[-1])
        axes.set_ylim(min(low - 0.002, 0.97), 1.001)
        axes.set_title(rf"$\eta = {eta:g}$")
        axes.set_xlabel("step")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, borderpad=0.1, labelspacing=0.2)
    grid[0].set_ylabel(r"$\cos(W, W_a)$")
    replications = int(np.shape(cosine)[-1])
    text = (
        "Cosine between the online weights W and the target Wa as vectors, under gradient descent on the linear model "
        f"(Eqs. 2 to 4) from Wa = 0. Lines: mean of {replications} random starts; bands: one standard deviation. "
        "The ordinate does not begin at 0."
    )
    return Drawing(figure, ["eta", "momentum", "step"], records, text)
