"""Input that the functions of this package refuse, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64


def positive(name: str, value: float) -> float:
    """A number above zero.

    Raises:
        UserError: It is not.
    """
    if not np.isfinite(value) or value <= 0:
        raise UserError(f"isoloss: {name}: expected a number above 0, found {value!r}")
    return float(value)


def eigenvalues(name: str, values: Any) -> Float64[np.ndarray, "..."]:
    """Eigenvalues of a positive semi-definite matrix, as float64.

    Raises:
        UserError: A negative or infinite one, or none at all.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.size == 0 or not np.isfinite(found).all() or (found < 0).any():
        raise UserError(f"isoloss: {name}: expected eigenvalues of at least 0, found {found.tolist()!r}")
    return found


def symmetric(name: str, matrix: Any) -> Float64[np.ndarray, "M M"]:
    """A symmetric matrix, as float64.

    Raises:
        UserError: It is not square, or not symmetric to 1e-10 of its largest entry.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise UserError(f"isoloss: {name}: expected a square matrix, found shape {found.shape}")
    if not np.allclose(found, found.T, rtol=0.0, atol=1e-10 * max(1.0, float(np.abs(found).max(initial=0.0)))):
        raise UserError(f"isoloss: {name}: expected a symmetric matrix, found one that is not")
    return found


def choice(name: str, value: str, known: Any) -> str:
    """One of the known words.

    Raises:
        UserError: Another word.
    """
    if value not in known:
        raise UserError(f"isoloss: {name}: there is no {value!r}; choose one of: {', '.join(known)}")
    return value
