"""What a simulation component returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation import draws


@dataclass
class Simulation:
    """Numbers for the cells of a table or the claims of a figure, and curves for a figure.

    Attributes:
        records: One per number: ``{axis: value, ..., "value": number}``; axes are those of the artifact. A list of
            numbers stands for replications: random repetitions, of which mean and standard deviation are told; None
            stands for one that has no number. A single number is exact: it has no error but rounding.
        curves: Arrays by name, of any shape; float64, int64 or bool; 0-d arrays
            come back with one element.
        doubtful: Axes of single numbers that were added after a random generator had been asked for.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, NDArray[Any]] = field(default_factory=dict)
    doubtful: list[dict[str, Any]] = field(default_factory=list)

    def add(self, value: float | list[float] | None, **axes: Any) -> None:
        """Add one number, or the replications of one; None says that there is none.

        A single number counts as exact, so it has to be added before anything is drawn.
        """
        numbers = None if value is None else np.asarray(value, dtype=np.float64).tolist()
        if not isinstance(numbers, list) and draws.asked():
            self.doubtful.append(axes)
        self.records.append({**axes, "value": numbers})

    def replicate(self, one: Callable[[int], Simulation], seed: int, replications: int) -> None:
        """Add the numbers of a random experiment for each of some seeds, and the curves of the first.

        Args:
            one: The experiment with a seed.
            seed: The first; the others follow it one by one.
            replications: How many.
        """
        found: dict[tuple[tuple[str, Any], ...], list[float | None]] = {}
        for place in range(replications):
            part = one(seed + place)
            for record in part.records:
                axes = tuple((name, value) for name, value in record.items() if name != "value")
                found.setdefault(axes, [None] * replications)[place] = record["value"]
            if not place:
                self.curves = {**self.curves, **part.curves}
        self.records += [{**dict(axes), "value": values} for axes, values in found.items()]
