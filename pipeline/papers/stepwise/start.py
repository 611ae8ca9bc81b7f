"""Small generic initialisation: the aligned start that it amounts to (Simon 2023, Section 4.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def signed_qr(matrix: ArrayLike) -> tuple[Float64[Array, "d least"], Float64[Array, "least k"]]:
    """M = Q R with no negative number on R's diagonal, which libraries do not promise (Simon 2023, Def. 4.4).

    Args:
        matrix: (d, k), k >= d or k <= d.

    Returns:
        Q (d, min(d, k)) and R (min(d, k), k).
    """
    q, r = np.linalg.qr(np.asarray(matrix, dtype=np.float64))
    signs = np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return q * signs, r * signs[:, None]


def align(matrix: ArrayLike) -> Float64[Array, "d k"]:
    """A(M) = Q R~, R~ being R without what stands off its diagonal (Simon 2023, Def. 4.5)."""
    q, r = signed_qr(matrix)
    diagonal = np.zeros_like(r)
    np.fill_diagonal(diagonal, np.diagonal(r))
    return q @ diagonal


def effective_starts(weights: ArrayLike, rows: ArrayLike) -> Float64[Array, " d"]:
    """s*_j(0): what is left of W(0) v_j beside the modes that are learnt before it (Simon 2023, Eq. 19).

    The sum in Eq. 19 runs over the orthogonalised vectors, so this is the diagonal of R in W(0) V^T = Q R. With the
    vectors W(0) v_k themselves, as the text can be read, it is wrong from the third mode on.

    Args:
        weights: W(0), (d, m).
        rows: The d leading eigenvectors of Gamma as rows, (d, m).

    Raises:
        UserError: Shapes do not fit, or a mode has nothing left to grow from.
    """
    w, v = np.asarray(weights, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    if w.ndim != 2 or v.ndim != 2 or w.shape[1] != v.shape[1] or len(v) > len(w):
        raise UserError(f"W(0), eigenvectors: expected (d, m) and at most d rows of m, found {w.shape} and {v.shape}")
    found = np.diagonal(signed_qr(w @ v.T)[1]).copy()
    if (found <= 1e-14 * np.abs(found).max(initial=0.0)).any():
        mode = int(found.argmin()) + 1
        raise UserError(f"W(0): mode {mode} has no weight of its own and is never learnt; draw W(0) at random")
    return found


def gaussian_starts(dimensions: int, alpha: float) -> Float64[Array, " d"]:
    """alpha sqrt(d - j + 1), about what s*_j(0) is for entries N(0, alpha^2) (Simon 2023, Eq. 21), (d,)."""
    _check(dimensions, alpha)
    return alpha * np.sqrt(np.arange(dimensions, 0, -1))


def mean_gaussian_starts(dimensions: int, alpha: float) -> Float64[Array, " d"]:
    """Mean of s*_j(0) for entries N(0, alpha^2): alpha times a chi variable with d - j + 1 degrees of freedom, (d,)."""
    _check(dimensions, alpha)
    freedom = range(dimensions, 0, -1)
    return np.array([alpha * math.sqrt(2) * math.exp(math.lgamma((k + 1) / 2) - math.lgamma(k / 2)) for k in freedom])


def _check(dimensions: int, alpha: float) -> None:
    if dimensions < 1 or alpha <= 0:
        raise UserError(f"dimensions, alpha: expected 1 or more and above 0, found {dimensions} and {alpha:g}")
