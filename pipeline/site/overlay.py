"""Curves of several runs on common axes: which there are, and their charts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.provenance.curves import HISTORY, Curves
from pipeline.site.charts import TITLES, Chart, Line, ranks

_HASH = re.compile(r"-[0-9a-f]{8}(?=\.)")
RANKS = "ranks 1, 2, 4, 8, …; mean and deviation of logarithms"


@dataclass(frozen=True)
class Last:
    """Where a run is, over its seeds.

    Attributes:
        epoch: The last that all seeds have of which there is a history, but those that have diverged.
        seeds: How many these are.
        of: Seeds of the run.
        means: Over them, at that epoch, by the column of the history.
    """

    epoch: float
    seeds: int
    of: int
    means: Mapping[str, float]


@dataclass
class Shown:
    """A run with its seeds, for charts.

    Attributes:
        name: What a person calls it.
        curves: Seed -> what is known of it.
        place: Chooses its colour and dashes.
        live: Whether one of its seeds is being trained.
        to: Where its name leads; nowhere if empty.
    """

    name: str
    curves: Mapping[int, Curves] = field(default_factory=dict)
    place: int = 0
    live: bool = False
    to: str = ""

    def last(self) -> Last | None:
        """Its last numbers that are of one epoch; None where no seed has a history."""
        begun = [one.numbers for one in self.curves.values() if one.numbers.get(HISTORY[0])]
        # a seed that has diverged has no numbers any more, and does not hold the others back
        well = [found for found in begun if math.isfinite(found[HISTORY[0]][-1][1])] or begun
        if not well:
            return None
        epoch = min(found[HISTORY[0]][-1][0] for found in well)
        means = {}
        for name in HISTORY:
            values = [dict(found[name])[epoch] for found in well if epoch in dict(found.get(name, ()))]
            if values:
                means[name] = sum(values) / len(values)
        return Last(epoch, len(well), len(self.curves), means)


def available(shown: Iterable[Shown]) -> list[str]:
    """Quantities with curves: those of histories first, then what was measured at several milestones of one seed."""
    measured: set[str] = set()
    trained: set[str] = set()
    for run in shown:
        for one in run.curves.values():
            trained |= {name for name in HISTORY if one.numbers.get(name)}
            measured |= {name for name, points in one.numbers.items() if name not in HISTORY and len(points) > 1}
            measured |= {name for name, points in one.lists.items() if len(points) > 1}
    return [*(name for name in HISTORY if name in trained), *sorted(measured)]


def titles(quantities: Iterable[str]) -> dict[str, str]:
    """What people read of quantities; the hash of a measure is told where there is another of its kind."""
    short = {name: _HASH.sub("", name) for name in quantities}
    seen = list(short.values())
    told = {name: kept if seen.count(kept) == 1 else name for name, kept in short.items()}
    return {name: words.replace("_", " ").replace(".", ", ") for name, words in told.items()}


def unit(quantity: str) -> str:
    """In what a measured number is told: the shares that measures call ``top1`` or ``top5`` are percentages."""
    return "%" if quantity.rpartition(".")[2].startswith(("top1", "top5")) else ""


def chart(quantity: str, shown: Sequence[Shown], log: bool = False, words: str = "") -> Chart:
    """One quantity of all runs that have it.

    Args:
        quantity: One of :func:`available`.
        shown: The runs.
        log: Whether its axis is logarithmic; that of eigenvalues is in any case.
        words: What people read of it, if it was measured; see :func:`titles`.
    """
    title, remark = TITLES.get(quantity, (words or titles([quantity])[quantity], unit(quantity)))
    lines = []
    for run in shown:
        seeds = {seed: one.numbers[quantity] for seed, one in run.curves.items() if one.numbers.get(quantity)}
        lists = {seed: one.lists[quantity] for seed, one in run.curves.items() if one.lists.get(quantity)}
        if seeds or lists:
            lines.append(Line(run.name, seeds, run.place, run.live, ranks(lists), len(run.curves)))
    eigenvalues = any(line.ranks for line in lines)
    return Chart(title, RANKS if eigenvalues else remark, lines, log or eigenvalues)
