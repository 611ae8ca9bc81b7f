"""Figure 2c of Draganov 2025: mean norms of classes that are drawn more and less often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_CAPTION = (
    "Mean norm of four classes over training, of which the first is drawn most often. Upper line of panels: "
    "latent variance 0.1 (text); lower: 1 (released code). Left: norms as they are. Right: over those before "
    "training, whose differences are chance. Lines: means over {draws} draws of data and network, in "
    "each of which all classes take turns in every frequency (right: geometric). Bands: two standard errors."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 3.6,
) -> Drawing:
    """One line per class.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
    """
    variances = curves["variances"]
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(len(variances), 2, sharex=True, squeeze=False)
    records: list[dict[str, Any]] = []
    letters = iter("abcdefgh")
    handles: list[tuple[str, str]] = []
    for line, variance in zip(grid, variances, strict=True):
        means = curves[f"means {variance:g}"]
        logs = np.log(means / means[0])
        panels = (("norm", means), ("growth", logs))
        for axes, (quantity, values) in zip(line, panels, strict=True):
            middle, error = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            shown = np.exp if quantity == "growth" else np.asarray
            epochs, ends = np.arange(len(middle)), []
            for k, chance in enumerate(curves["chances"]):
                colour = style.COLOURS[k]
                low, high = shown(middle[:, k] - 2 * error[:, k]), shown(middle[:, k] + 2 * error[:, k])
                axes.plot(epochs, shown(middle[:, k]), color=colour)
                axes.fill_between(epochs, low, high, color=colour, alpha=0.13, linewidth=0)
                ends.append((float(epochs[-1]), float(shown(middle[-1, k])), f"{chance:.2f}", colour))
                at = {"variance": float(variance), "class": k + 1, "probability": float(chance)}
                marks = {quantity: shown(middle[:, k]), f"{quantity} low": low, f"{quantity} high": high}
                records += [
                    {**at, "epoch": int(epoch), "quantity": name, "value": float(mark[epoch])}
                    for epoch in epochs
                    for name, mark in marks.items()
                ]
            axes.set_title(f"{next(letters)}  variance {variance:g}", loc="left")
            axes.set_ylabel("mean norm" if quantity == "norm" else "mean norm / before training")
            axes.margins(x=0.0)
            handles += [(colour, text) for *_, text, colour in ends] if not handles else []
            if axes in grid[-1]:
                axes.set_xlabel("epoch")
    figure.legend(
        [Line2D([], [], color=colour) for colour, _ in handles], [text for _, text in handles],
        title="probability of a class", loc="outside lower center", ncols=len(handles),
    )  # fmt: skip
    draws = curves[f"means {variances[0]:g}"].shape[1]
    columns = ["variance", "class", "probability", "epoch"]
    return Drawing(figure, columns, records, _CAPTION.format(draws=draws))
