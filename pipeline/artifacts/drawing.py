"""What a figure component returns, and what several of them need."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.artifacts import page, style
from pipeline.artifacts.animation import Animation
from pipeline.artifacts.rows import Row


@dataclass
class Drawing:
    """A figure and the data in it.

    Attributes:
        figure: Ready to be saved.
        columns: Columns of ``records`` that say where a mark stands (axes, seed, mode, ...).
        records: One per mark that is drawn: these columns, ``quantity`` and ``value``.
        caption: What the marks are.
        animation: Shown beside the figure, where motion explains more than a still.
    """

    figure: Figure
    columns: list[str]
    records: list[dict[str, Any]]
    caption: str
    animation: Animation | None = None


_CHARACTERS = 23.0
"""Of the smallest size that fit into an inch."""


def remark(figure: Figure, params: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write above a figure on stand-ins what they are, so that it is never taken for the paper's."""
    instead = page.stand_ins(rows, "for")
    if instead:
        width = int(_CHARACTERS * figure.get_size_inches()[0])
        text = textwrap.fill(f"scale {params['scale']['key']}: {instead}", width)
        figure.suptitle(text, x=0.01, ha="left", fontsize=style.SMALL, color=style.MUTED)


def apart(values: Sequence[float], gap: float) -> list[float]:
    """Positions near ``values`` of which no two are closer than ``gap``, in the same order."""
    order = sorted(range(len(values)), key=values.__getitem__)
    places = [float(values[k]) for k in order]
    for _ in range(200):
        close = [k for k in range(len(places) - 1) if places[k + 1] - places[k] < gap * 0.999]
        if not close:
            break
        for k in close:
            push = (gap - (places[k + 1] - places[k])) / 2
            places[k], places[k + 1] = places[k] - push, places[k + 1] + push
    found = [0.0] * len(values)
    for k, place in zip(order, places, strict=True):
        found[k] = place
    return found


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]], lines: int = 1) -> None:
    """Write each line's name beside its end, in its colour, none on top of another.

    Args:
        axes: With its final limits on the y axis.
        ends: x, y, text and colour of each line's end.
        lines: Lines of text per label.
    """
    if not ends:
        return
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    height = axes.get_position().height * figure.get_size_inches()[1] * 72
    gap = (high - low) * (1.25 * lines + 0.3) * style.SMALL / height
    for (x, _, text, colour), place in zip(ends, apart([end[1] for end in ends], gap), strict=True):
        axes.annotate(
            text,
            (x, place),
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            fontsize=style.SMALL,
            va="center",
            annotation_clip=False,
        )
