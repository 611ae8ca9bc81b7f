"""What a simulation component returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Simulation:
    """Numbers for the cells of a table or the claims of a figure, and curves for a figure.

    Attributes:
        records: One per number: ``{axis: value, ..., "value": number}``; axes are those of the artifact. A list of
            numbers stands for replications: random repetitions, of which mean and standard deviation are told. A
            single number is exact: it has no error but rounding.
        curves: Arrays by name, of any shape; float64, int64 or bool; 0-d arrays
            come back with one element.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, value: float | list[float], **axes: Any) -> None:
        """Add one number, or the replications of one."""
        self.records.append({**axes, "value": np.asarray(value, dtype=np.float64).tolist()})
