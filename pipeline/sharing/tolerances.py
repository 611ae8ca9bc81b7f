"""How far a repeated stage may be from the recorded one, where its bytes differ.

On the same processor and the same version of torch every stage gives the same bytes. Elsewhere sums are rounded in
another order, and three things follow, of very different size:

- Prepared images are drawn or decoded in integers and a few float32 operations: a pixel may fall on the other side of
  a rounding, none further.
- A measurement of *given* weights is a convex fit. Its scores move by images that lie on the border of two classes:
  of 500 test images, one is 0.2 points.
- A training amplifies rounding from step to step; after long enough it is another draw from the same distribution,
  like another seed. A measurement of weights that were trained again can be compared with the recorded one only up
  to the spread between seeds.

Measured at scale quick, 20 epochs of four methods on one thread and on two: the last losses differ by at most 0.003
(0.3 %), effective ranks by 1 %, scores of the weights trained again by 1.1 points, scores of the same weights not at
all. Between three seeds the last loss ranges over 6 %, the rank over 85 %.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIXEL, PIXELS = 1, 1e-3
"""Levels by which a pixel may differ, and the share of pixels that may."""

POINTS = 1.0
"""Percentage points by which a score of the same weights may differ: five of 500 test images."""

RELATIVE = 0.02
"""Of other numbers that are measured on the same weights: float32 has seven digits, an eigenvalue fewer."""

LOSS, LOSS_FLOOR = 0.03, 0.01
"""By how much the last epoch's loss may differ, relative and at least: half of what another seed does, ten times what
rounding did."""

SHAPE = 0.10
"""Relative, of the effective rank and the spread of embeddings in the last epoch: ten times what rounding did."""

SEEDS, SEEDS_FLOOR = 2.0, 3.0
"""How many standard deviations between recorded seeds a score of weights trained again may be off, and how many points
at least, where seeds happen to agree."""

THEORY = 1e-6
"""Relative, of what a simulation says: float64 throughout, integrators at 1e-9."""

STATED = (
    f"pixels within {PIXEL} level in {PIXELS:.1%}; scores of the same weights within {POINTS:g} points, other numbers "
    f"within {RELATIVE:.0%}; a training's last loss within {LOSS:.0%} or {LOSS_FLOOR:g}, rank and spread within "
    f"{SHAPE:.0%}; scores of weights trained again within {SEEDS:g} standard deviations between seeds, or "
    f"{SEEDS_FLOOR:g} points; numbers of a simulation within {THEORY:g}"
)


@dataclass(frozen=True)
class Difference:
    """A number that is further off than it may be."""

    name: str
    recorded: Any
    found: Any
    allowed: float

    def text(self) -> str:
        """In words."""
        return f"{self.name} is {self.found}, recorded {self.recorded}, tolerance {self.allowed:.3g}"


def arrays(recorded: Path, found: Path) -> Iterator[Difference]:
    """Compare prepared data sets."""
    import numpy
    from safetensors.numpy import load_file

    ours, theirs = load_file(found), load_file(recorded)
    if {name: array.shape for name, array in ours.items()} != {name: array.shape for name, array in theirs.items()}:
        yield Difference("the list of arrays", sorted(theirs), sorted(ours), 0)
        return
    for name, array in ours.items():
        off = numpy.abs(array.astype("int64") - theirs[name].astype("int64"))
        images = array.dtype == numpy.uint8 and array.ndim > 1
        if off.max(initial=0) > (PIXEL if images else 0):
            yield Difference(f"{name}: largest difference", 0, int(off.max()), PIXEL if images else 0)
        elif (off > 0).mean() > PIXELS:
            yield Difference(f"{name}: share of pixels that differ", 0, float((off > 0).mean()), PIXELS)


def training(recorded: str, found: str) -> Iterator[Difference]:
    """Compare the last epochs of two histories."""
    theirs, ours = list(csv.DictReader(recorded.splitlines())), list(csv.DictReader(found.splitlines()))
    if len(theirs) != len(ours):
        yield Difference("the number of epochs", len(theirs), len(ours), 0)
        return
    for name in ours[-1] if ours else ():
        first, second = _number(theirs[-1].get(name)), _number(ours[-1][name])
        share = {"epoch": 0.0, "loss": LOSS}.get(name, SHAPE)
        allowed = max(share * abs(first), LOSS_FLOOR if name == "loss" else 0.0)
        if not abs(first - second) <= allowed:
            yield Difference(f"{name} of the last epoch", first, second, allowed)


def scores(recorded: Any, found: Any, seeds: Sequence[Any] | None, name: str = "") -> Iterator[Difference]:
    """Compare measurements, number by number.

    Args:
        recorded: What the bundle has.
        found: What was measured.
        seeds: The same scores of all recorded seeds, where the weights were trained again and came out otherwise;
            None where the weights are the same.
        name: Where in the scores.
    """
    kinds = (dict, list)
    if isinstance(recorded, kinds) or isinstance(found, kinds):
        parts, others = _parts(recorded), _parts(found)
        if parts.keys() != others.keys():
            yield Difference(name or "the scores' names", sorted(parts), sorted(others), 0)
            return
        for part, value in parts.items():
            below = None if seeds is None else [_parts(seed).get(part) for seed in seeds]
            yield from scores(value, others[part], below, f"{name}.{part}".lstrip("."))
        return
    if isinstance(recorded, bool | str | None) or isinstance(found, bool | str | None):
        if recorded != found:
            yield Difference(name, recorded, found, 0)
        return
    if seeds is not None and name.rsplit(".", 1)[-1].startswith(("best_", "argm")):
        return  # where a maximum lies says nothing
    allowed = _allowed(name, float(recorded), seeds)
    if not abs(recorded - found) <= allowed:
        yield Difference(name, recorded, found, allowed)


def records(recorded: Any, found: Any, name: str = "") -> Iterator[Difference]:
    """Compare what two simulations say, number by number."""
    if isinstance(recorded, dict | list) or isinstance(found, dict | list):
        parts, others = _parts(recorded), _parts(found)
        if parts.keys() != others.keys():
            yield Difference(name or "the records", sorted(parts), sorted(others), 0)
            return
        for part, value in parts.items():
            yield from records(value, others[part], f"{name}.{part}".lstrip("."))
    elif isinstance(recorded, bool | str | None) or isinstance(found, bool | str | None):
        if recorded != found:
            yield Difference(name, recorded, found, 0)
    elif not abs(recorded - found) <= THEORY * max(abs(recorded), THEORY):
        yield Difference(name, recorded, found, THEORY * max(abs(recorded), THEORY))


def _allowed(name: str, recorded: float, seeds: Sequence[Any] | None) -> float:
    percent = name.rsplit(".", 1)[-1].startswith("top")
    if seeds is None:
        if name.startswith("best_epoch"):
            return math.inf
        return POINTS if percent else max(RELATIVE * abs(recorded), 1e-6)
    known = [float(seed) for seed in seeds if isinstance(seed, int | float) and not isinstance(seed, bool)]
    spread = statistics.stdev(known) if len(known) > 1 else 0.0
    return max(SEEDS * spread, SEEDS_FLOOR if percent else SHAPE * abs(recorded))


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value)}
    return value if isinstance(value, dict) else {}


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
