"""What the theory's functions demand of their input, each broken demand one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

_ROUNDING = 1e-10
"""Relative, of what counts as symmetric or as not negative."""


def nonnegative(name: str, value: ArrayLike) -> Any:
    """``value`` as it is; it must be finite and not negative.

    Raises:
        UserError: It is not.
    """
    found = np.asarray(value, dtype=float)
    if not np.all(np.isfinite(found)) or np.any(found < 0):
        raise UserError(f"{name}: expected finite numbers >= 0, found {_least(found)}")
    return value


def positive(name: str, value: ArrayLike) -> Any:
    """``value`` as it is; it must be finite and above zero.

    Raises:
        UserError: It is not.
    """
    found = np.asarray(value, dtype=float)
    if not np.all(np.isfinite(found)) or np.any(found <= 0):
        raise UserError(f"{name}: expected finite numbers > 0, found {_least(found)}")
    return value


def symmetric(name: str, matrix: ArrayLike) -> Float64[Array, "*batch n n"]:
    """``matrix`` (..., n, n) as float64; it must be square and symmetric to rounding.

    Raises:
        UserError: It is not.
    """
    found = np.asarray(matrix, dtype=float)
    if found.ndim < 2 or found.shape[-1] != found.shape[-2]:
        raise UserError(f"{name}: expected a square matrix, found shape {found.shape}")
    asymmetry = float(np.max(np.abs(found - np.swapaxes(found, -1, -2)), initial=0.0))
    if not asymmetry <= _ROUNDING * float(np.max(np.abs(found), initial=1.0)):
        raise UserError(f"{name}: expected a symmetric matrix, found an asymmetry of {asymmetry:.3g}")
    return found


def covariance(name: str, matrix: ArrayLike) -> Float64[Array, "*batch n n"]:
    """``matrix`` as float64; it must be symmetric and positive semi-definite to rounding.

    Raises:
        UserError: It is not.
    """
    found = symmetric(name, matrix)
    least = float(np.min(np.linalg.eigvalsh(found)))
    if least < -_ROUNDING * float(np.max(np.abs(found), initial=1.0)):
        raise UserError(f"{name}: expected a positive semi-definite matrix, found an eigenvalue of {least:.3g}")
    return found


def _least(found: Array) -> str:
    return "a number that is not finite" if not np.all(np.isfinite(found)) else f"{float(np.min(found)):.3g}"
