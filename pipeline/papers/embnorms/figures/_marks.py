"""What the figures of trained networks share: names and colours of data sets, values of one seed, empty panels."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from pipeline.artifacts import style
from pipeline.artifacts.rows import Row

_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet100": "ImageNet-100"}


def title(dataset: Any) -> str:
    """A data set of the paper as the paper writes it."""
    return _TITLES.get(str(dataset), str(dataset))


def colour(dataset: Any) -> str:
    """The colour that a data set has in all figures."""
    names = list(_TITLES.values())
    return style.COLOURS[names.index(title(dataset)) if title(dataset) in names else len(names)]


def first(row: Row | None, kind: type) -> tuple[int, Any] | None:
    """Seed and value of the first seed that has a value of this kind; None where none has."""
    found = [] if row is None else [(seed, value) for seed, value in row.seeds.items() if isinstance(value, kind)]
    return min(found, key=lambda one: one[0], default=None)


def empty(axes: Axes) -> None:
    """Say in a panel that there is nothing to be drawn in it."""
    axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=style.MUTED)
