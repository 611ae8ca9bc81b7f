"""The linear model f(x) = W x on pairs of views: Gamma, C, the loss and its gradient (Simon 2023, Section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

_ASYMMETRY = 1e-10
"""Relative asymmetry that rounding may leave in a symmetric matrix."""


def symmetric(matrix: ArrayLike, name: str) -> Float64[Array, "m m"]:
    """A square matrix in float64, exactly symmetric.

    Raises:
        UserError: Not square, not finite, or further from symmetric than rounding explains.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise UserError(f"{name}: expected a square matrix, found shape {found.shape}; give one row per column")
    if not np.isfinite(found).all():
        raise UserError(f"{name}: expected finite numbers, found nan or inf; correct the data")
    if np.abs(found - found.T).max(initial=0.0) > _ASYMMETRY * np.abs(found).max(initial=0.0):
        raise UserError(f"{name}: expected a symmetric matrix; use its symmetric part (A + A^T) / 2 if that is meant")
    return (found + found.T) / 2


def gamma_matrix(first: ArrayLike, second: ArrayLike) -> Float64[Array, "m m"]:
    """Gamma = (X^T X' + X'^T X) / 2n, the symmetrised cross-correlation of two views (Simon 2023, Eq. 4).

    It is not centred. Directions in which views differ more than they agree have negative eigenvalues.

    Args:
        first: First views, (n, m), samples as rows. (Appendix B indexes them to d; they are n.)
        second: Second views of the same samples, (n, m).

    Raises:
        UserError: The two do not have one shape.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise UserError(f"views: expected two arrays of shape (n, m), found {x.shape} and {y.shape}; pair them by row")
    half = x.T @ y / (2 * len(x))
    return half + half.T


def descending(gamma: ArrayLike) -> tuple[Float64[Array, " m"], Float64[Array, "m m"]]:
    """Eigenvalues of Gamma in descending order, (m,), and eigenvectors as rows, (m, m).

    The largest entry of each eigenvector is positive, so that the same Gamma gives the same signs.
    """
    values, vectors = np.linalg.eigh(symmetric(gamma, "Gamma"))
    rows = vectors[:, ::-1].T
    signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
    return values[::-1].copy(), rows * signs[:, None]


def correlation(weights: ArrayLike, gamma: ArrayLike) -> Float64[Array, "d d"]:
    """C = W Gamma W^T, (d, d) (Simon 2023, Eq. 4)."""
    w = np.asarray(weights, dtype=np.float64)
    return w @ np.asarray(gamma, dtype=np.float64) @ w.T


def loss(weights: ArrayLike, gamma: ArrayLike) -> float:
    """L = |C - I|_F^2 (Simon 2023, Eq. 5), with no factor 1/d."""
    c = correlation(weights, gamma)
    return float(((c - np.eye(len(c))) ** 2).sum())


def velocity(weights: ArrayLike, gamma: ArrayLike) -> Float64[Array, "d m"]:
    """dW/dt = -grad L = 4 (I - W Gamma W^T) W Gamma (Simon 2023, Eq. 6), of the shape of W."""
    w = np.asarray(weights, dtype=np.float64)
    projected = w @ np.asarray(gamma, dtype=np.float64)
    return 4 * (projected - (projected @ w.T) @ projected)
