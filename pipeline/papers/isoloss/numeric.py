"""Gradients and errors that check the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

_STEP = 1e-30


def gradient(function: Callable[[Array], Array], at: Float64[Array, "M B"]) -> Float64[Array, "M B"]:
    """Gradient of a function of columns (M, B) -> (B,) in each column, by complex steps: exact to rounding.

    The function must be analytic: sums, products, powers and square roots.
    """
    found = np.empty(at.shape)
    for mode in range(at.shape[0]):
        moved = at.astype(np.complex128)
        moved[mode] += 1j * _STEP
        found[mode] = function(moved).imag / _STEP  # type: ignore[arg-type]
    return found


def error(found: Float64[Array, "*shape"], wanted: Float64[Array, "*shape"]) -> float:
    """Largest difference relative to the largest number that is wanted."""
    scale = float(np.abs(wanted).max())
    return float(np.abs(found - wanted).max()) / (scale or 1.0)
