"""Figure 2b of Draganov 2025: norms of learned embeddings against how sparse the space around them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row, same
from pipeline.ranges import Count, Inches

_CAPTION = (
    "Norm of an embedding against the cosine distance to its 10th nearest neighbour, large where the space is "
    "sparse; one draw, one dot per embedding (colour: class). Small norms in dense places, the lower left corner, are "
    "missing. The untrained network (ours) is the control: much of the relation is there before training. Numbers: "
    "rank correlations, mean of the draws."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 2.3,
    every: Count = 2,
) -> Drawing:
    """Two scatters: before and after training.

    Args:
        rows: The artifact's rows; ``network`` and ``quantity`` are its axes.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
        every: How many embeddings stand behind a dot.
    """
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(1, 2, sharex=True)
    records = []
    for axes, network in zip(panels, ("untrained", "trained"), strict=True):
        norms, distances = curves[f"norms {network}"][::every], curves[f"distances {network}"][::every]
        for label in sorted(set(curves["labels"].tolist())):
            own = curves["labels"][::every] == label
            axes.plot(
                distances[own], norms[own], ".", color=style.COLOURS[label % len(style.COLOURS)],
                markersize=2.4, markeredgewidth=0, alpha=0.55, rasterized=True,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_ylim(0, None)
        axes.set_xlabel("distance to 10th neighbour")
        axes.set_title(f"{network}" + (": control" if network == "untrained" else ""))
        axes.text(
            0.98, 0.98, f"rank corr. ${_correlation(rows, network):.2f}$",
            transform=axes.transAxes, ha="right", va="top", color=style.MUTED, fontsize=style.SMALL,
        )  # fmt: skip
        axes.xaxis.set_major_locator(LogLocator())
        axes.xaxis.set_major_formatter(FuncFormatter("{:g}".format))
        for index, pair in enumerate(zip(distances, norms, strict=True)):
            at = {"network": network, "class": int(curves["labels"][::every][index]), "index": index * every}
            records += [
                {**at, "quantity": name, "value": float(value)}
                for name, value in zip(("distance", "norm"), pair, strict=True)
            ]
    panels[0].set_ylabel("norm $|z|$")
    classes = sorted(set(curves["labels"].tolist()))
    handles = [
        Line2D([], [], linestyle="", marker=".", color=style.COLOURS[label % len(style.COLOURS)]) for label in classes
    ]
    figure.legend(
        handles, [str(label + 1) for label in classes], title="class", loc="outside lower center",
        ncols=len(classes), handletextpad=0.1, columnspacing=0.8,
    )  # fmt: skip
    return Drawing(figure, ["network", "class", "index"], records, _CAPTION)


def _correlation(rows: Sequence[Row], network: str) -> float:
    wanted = {"network": network, "quantity": "rank correlation of norm and distance"}
    found = [row.mean for row in rows if all(same(row.axes[axis], value) for axis, value in wanted.items())]
    return float(found[0]) if found and found[0] is not None else float("nan")
