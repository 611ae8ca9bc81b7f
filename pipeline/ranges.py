"""Ranges of parameters, by the names under which components declare them: ``momentum: Momentum = 0.9``.

A component writes its parameters' ranges where it declares them, as one of these names or as an
``Annotated[float, Interval(gt=0, le=2)]`` of its own. The plan checks them before anything runs, and the reference and
the editors' schemas are written from them. Upper ends that no equation asks for are far beyond what makes sense: they
stop a slip of the hand (``seeds: 100000000``), not a researcher.

Nothing here computes, so it is in no fingerprint: a range that is moved runs nothing again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union

_T = TypeVar("_T")


@dataclass(frozen=True)
class Interval:
    """Ends of a range, as ``annotated_types.Interval`` has them; pydantic takes it for one.

    It stands here because components are imported where there is neither that package nor pydantic (a kit's machine).
    """

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    __is_annotated_types_grouped_metadata__ = True

    def __iter__(self) -> Iterator[Any]:
        import annotated_types

        yield from annotated_types.Interval(gt=self.gt, ge=self.ge, lt=self.lt, le=self.le)


@dataclass(frozen=True)
class Len:
    """Fewest and most values of a list, likewise."""

    min_length: int = 0
    max_length: int | None = None

    __is_annotated_types_grouped_metadata__ = True

    def __iter__(self) -> Iterator[Any]:
        import annotated_types

        yield from annotated_types.Len(self.min_length, self.max_length)


@dataclass(frozen=True)
class OfTraining:
    """Mark of a parameter that counts epochs of the training: a scale maps it as it maps the epochs themselves."""


@dataclass(frozen=True)
class UserFile:
    """Mark of a parameter of type ``Path``: what it names is known by content (:mod:`pipeline.user_files`)."""


# -- real numbers

Real = Annotated[float, Interval(ge=-1e6, le=1e6)]
"""A coordinate, or a weight that may have either sign."""
NonNegative = Annotated[float, Interval(ge=0, le=1e6)]
"""A rate, a decay, a strength, a standard deviation that may be none."""
Positive = Annotated[float, Interval(gt=0, le=1e6)]
"""A temperature, an eigenvalue, a time."""
Fraction = Annotated[float, Interval(ge=0, le=1)]
"""A probability or a share."""
PositiveFraction = Annotated[float, Interval(gt=0, le=1)]
"""A share that is not nothing."""
Momentum = Annotated[float, Interval(ge=0, lt=1)]
"""A weight of the past that forgets."""
Cosine = Annotated[float, Interval(ge=-1, le=1)]
"""A cosine or a correlation."""
Degrees = Annotated[float, Interval(ge=-360, le=360)]
"""An angle."""
Imbalance = Annotated[float, Interval(ge=1, le=1_000)]
"""By how much each class is smaller than the one before it; 1 leaves all as they are."""
Inches = Annotated[float, Interval(ge=0.5, le=40)]
"""A side of a figure."""

# -- whole numbers

Count = Annotated[int, Interval(ge=1, le=10_000_000)]
"""How many: steps, samples, pairs."""
Natural = Annotated[int, Interval(ge=0, le=10_000_000)]
"""How many, and none will do."""
Width = Annotated[int, Interval(ge=1, le=65_536)]
"""Dimensions, channels, neurons."""
Side = Annotated[int, Interval(ge=1, le=4_096)]
"""Side of an image or a crop in pixels."""
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]
"""Seed of a generator."""
Replications = Annotated[int, Interval(ge=1, le=10_000)]
"""Independent draws of a random experiment."""
Seeds = Annotated[int, Interval(ge=1, le=1_000)]
"""How many seeds of a run: each is a training of its own."""
Steps = Annotated[int, Interval(ge=1, le=10**9)]
"""Optimiser steps."""
Epochs = Annotated[int, Interval(ge=0, le=100_000)]
"""Passes over the training set."""

# -- counted in epochs of the training

TrainingEpochs = Annotated[int, Interval(ge=1, le=100_000), OfTraining()]
"""An epoch of the training."""
TrainingTime = Annotated[float, Interval(ge=0, le=100_000), OfTraining()]
"""A time in epochs of the training, fractions too."""

# -- lists

Some = Annotated[list[_T], Len(1, 1_000)]
"""One or more: ``Some[Positive]``."""
Pair = Annotated[list[_T], Len(2, 2)]
"""Just two, as the ends of an axis: ``Pair[Real]``."""
PerView = Union[_T, Annotated[list[_T], Len(1, 64)]]  # noqa: UP007 - an alias with a variable
"""One for all views, or one per view or group of views: ``PerView[Fraction]``."""
Views = Annotated[int, Interval(ge=2, le=64)] | Annotated[list[Annotated[int, Interval(ge=1, le=64)]], Len(1, 64)]
"""How many views of an image, or how many in each group: nothing is learnt from one."""
