"""Figure 6 of Tian 2021: accuracy against the predictor's relative learning rate, symmetric Wp, no EMA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.ranges import Inches


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 2.4,
    along: str = "alpha_p",
    label: str = r"relative learning rate of the predictor, $\alpha_p$",
) -> Drawing:
    """One line per data set: mean over the seeds, band of one standard deviation, a dot per seed.

    The paper's own points, where it prints any, are open diamonds.

    Args:
        rows: The artifact's rows; ``along`` and ``dataset`` are two of its axes.
        params: The artifact's params.
        width: Inches.
        height: Inches.
        along: Axis on the abscissa; its values are positive.
        label: Its name in the figure.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    records: list[dict[str, Any]] = []
    ends = []
    for number, dataset in enumerate(axis_values(rows, "dataset")):
        colour = style.COLOURS[number]
        line = [row for row in rows if row.role == CELL and same(row.axes["dataset"], dataset) and not row.missing]
        line.sort(key=lambda row: float(row.axes[along]))
        drawn = [row for row in line if row.mean is not None]
        x = [float(row.axes[along]) for row in drawn]
        mean = [row.mean for row in drawn if row.mean is not None]
        axes.plot(x, mean, color=colour, marker="o", zorder=3)
        spread = [row.std or 0.0 for row in drawn]
        low = [m - s for m, s in zip(mean, spread, strict=True)]
        high = [m + s for m, s in zip(mean, spread, strict=True)]
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        for row, place in zip(drawn, x, strict=True):
            axes.plot(
                [place] * row.n,
                row.values,
                ".",
                color=colour,
                markersize=3.5,
                markeredgewidth=0,
                alpha=0.55,
                zorder=2,
            )
        printed = [row for row in line if row.published]
        axes.plot(
            [float(row.axes[along]) for row in printed],
            [float(row.published.mean) for row in printed if row.published],
            "D",
            color=colour,
            markerfacecolor="white",
            zorder=2,
        )
        records += _records(line, along)
        if drawn:
            used = drawn[0].dataset
            name = str(dataset) if used == str(dataset) else f"{dataset}\n({used})"
            ends.append((x[-1], mean[-1], name, colour))
    places = sorted(float(value) for value in axis_values(rows, along))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.set_xlabel(label)
    measure = params["measure"]
    axes.set_ylabel(measure["title"] + (f" ({measure['unit']})" if measure["unit"] else ""))
    drawing.remark(figure, params, rows)
    axes.margins(x=0.04, y=0.08)
    drawing.label_ends(axes, ends, max((end[2].count("\n") + 1 for end in ends), default=1))
    caption = "Lines: means over the seeds. Bands: one standard deviation. Dots: single seeds."
    if any(row.published for row in rows):
        caption += " Open diamonds: the paper's means."
    return Drawing(figure, ["dataset", "paper_dataset", along, "trained_epochs", "seed"], records, caption)


def _records(line: Sequence[Row], along: str) -> list[dict[str, Any]]:
    found = []
    for row in line:
        at = {
            "dataset": row.dataset,
            "paper_dataset": row.paper_dataset,
            along: row.axes[along],
            "trained_epochs": row.trained_epochs,
        }
        marks: list[tuple[str, int | str, float | None]] = [("mean", "", row.mean), ("std", "", row.std)]
        marks += [("seed", seed, value) for seed, value in row.seeds.items() if isinstance(value, int | float)]
        if row.published:
            marks.append(("published", "", float(row.published.mean)))
        found += [{**at, "seed": seed, "quantity": name, "value": v} for name, seed, v in marks if v is not None]
    return found
