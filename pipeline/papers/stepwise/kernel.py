"""The kernel form: Gamma's spectrum and the learnt functions from inner products alone (Simon 2023, Section 5).

K is the (2n, 2n) kernel of all first views followed by all second views, P the permutation that swaps the two views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError
from pipeline.papers.stepwise.aligned import positive_modes
from pipeline.papers.stepwise.correlation import symmetric
from pipeline.papers.stepwise.start import align

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

TOLERANCE = 1e-11
"""Eigenvalues of K below this share of the largest count as zero: powers of K are those of its range."""


def _checked(kernel: ArrayLike) -> Array:
    k = symmetric(kernel, "kernel")
    if len(k) % 2 or not len(k):
        raise UserError(f"kernel: expected 2n rows, n first views and then their n partners, found {len(k)}")
    return k


def joint(first: ArrayLike, cross: ArrayLike, second: ArrayLike) -> Float64[Array, "both both"]:
    """K from its blocks (Simon 2023, Eq. 22): ``[[K_XX, K_XX'], [K_XX'^T, K_X'X']]``.

    Two networks without shared parameters, one for each view, have a ``cross`` of zeros (Section 5.2): their modes come
    in pairs of opposite sign, the singular values of ``K_XX^1/2 K_X'X'^1/2`` over 2n.

    Args:
        first: K_XX of the first views, (n, n).
        cross: K_XX' of first with second views, (n, n).
        second: K_X'X' of the second views, (n, n).

    Returns:
        (2n, 2n).

    Raises:
        UserError: The blocks differ in shape.
    """
    blocks = [np.asarray(block, dtype=np.float64) for block in (first, cross, second)]
    if len({block.shape for block in blocks}) != 1 or blocks[0].ndim != 2:
        raise UserError(f"kernel: expected three (n, n) blocks, found {', '.join(str(b.shape) for b in blocks)}")
    return np.block([[blocks[0], blocks[1]], [blocks[1].T, blocks[2]]])


def power(kernel: ArrayLike, exponent: float, tolerance: float = TOLERANCE) -> Float64[Array, "both both"]:
    """K to a power on its range: for a singular K and a negative exponent this is the pseudo-inverse's.

    Args:
        kernel: K, (2n, 2n).
        exponent: Of its eigenvalues.
        tolerance: Eigenvalues up to this share of the largest count as zero; a kernel that was computed in single
            precision has none that is better known than 1e-6.

    Raises:
        UserError: K is not symmetric, or has an eigenvalue below zero by more than rounding.
    """
    values, vectors = np.linalg.eigh(_checked(kernel))
    floor = tolerance * max(values[-1], 0.0)
    if values[0] < -floor or values[-1] <= 0:
        raise UserError(
            f"kernel: expected no negative eigenvalue and one above 0, found {values[0]:g} to {values[-1]:g}; "
            "this is no kernel of inner products"
        )
    kept = values > floor
    return (vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T


def swap(matrix: ArrayLike) -> Float64[Array, "both ..."]:
    """P M: rows of the first views and of the second views exchanged."""
    m = np.asarray(matrix, dtype=np.float64)
    return np.roll(m, len(m) // 2, axis=0)


def z_matrix(kernel: ArrayLike) -> Float64[Array, "both both"]:
    """Z = K P K / 2n, what the four blocks of Eq. 23 amount to. The factor 1 / 2n stands before both of its terms."""
    k = _checked(kernel)
    return k @ swap(k) / len(k)


def k_gamma(kernel: ArrayLike, tolerance: float = TOLERANCE) -> Float64[Array, "both both"]:
    """K_Gamma = K^-1/2 Z K^-1/2 = K^1/2 P K^1/2 / 2n, without an inverse (Simon 2023, Section 5.2).

    Its nonzero eigenvalues are those of Gamma. For identical views it is K / 2n; the text leaves out the 1 / 2n.
    """
    return _k_gamma(power(kernel, 0.5, tolerance))


def _k_gamma(root: Array) -> Array:
    found = root @ swap(root) / len(root)
    return (found + found.T) / 2


def rotation(
    outputs: ArrayLike, kernel: ArrayLike, vectors: ArrayLike, tolerance: float = TOLERANCE
) -> Float64[Array, "d d"]:
    """U S(0) = A(f_0(data) K^-1/2 [b_1 ... b_d]) from the initial outputs (Simon 2023, Eq. 42).

    Args:
        outputs: f_0 on the 2n inputs, (d, 2n).
        kernel: K, (2n, 2n).
        vectors: b_1 ... b_d as rows, (d, 2n).
        tolerance: See :func:`power`.

    Returns:
        (d, d): column norms are the effective s*_j(0), columns their directions.
    """
    inverse = power(kernel, -0.5, tolerance)
    return align(np.asarray(outputs, dtype=np.float64) @ inverse @ np.asarray(vectors, dtype=np.float64).T)


@dataclass(frozen=True)
class KernelSolution:
    """Leading modes of K_Gamma and the functions that they stand for.

    Attributes:
        gamma: gamma_1 ... gamma_d, all positive, (d,).
        vectors: b_1 ... b_d as rows, (d, 2n).
        modes: Rows that give the modes of f on K, (d, 2n): b_j^T K^-1/2 up to what K takes to zero.
    """

    gamma: Float64[Array, " d"]
    vectors: Float64[Array, "d both"]
    modes: Float64[Array, "d both"]

    def outputs(
        self, cross: ArrayLike, scales: ArrayLike | None = None, turn: ArrayLike | None = None
    ) -> Float64[Array, "d N"]:
        """f(x) = U S [b_1 ... b_d]^T K^-1/2 [K_xX K_xX']^T, (d, N) (Simon 2023, Eqs. 24 and 40).

        Args:
            cross: Kernel of N new inputs with the 2n of the solution, (N, 2n).
            scales: Singular values s_j, (d,); those of the end of training, gamma_j^-1/2, where none are given.
            turn: U, (d, d); the identity where none is given.
        """
        s = self.gamma**-0.5 if scales is None else np.asarray(scales, dtype=np.float64)
        found = s[:, None] * (self.modes @ np.asarray(cross, dtype=np.float64).T)
        return found if turn is None else np.asarray(turn, dtype=np.float64) @ found


def solve(kernel: ArrayLike, dimensions: int, tolerance: float = TOLERANCE) -> KernelSolution:
    """The d leading modes of K_Gamma (Simon 2023, Prop. 5.1).

    Args:
        kernel: K, (2n, 2n).
        dimensions: d.
        tolerance: See :func:`power`.

    Raises:
        UserError: K is no kernel of pairs, or fewer than d of its modes are positive (at most n are).
    """
    found = leading(kernel, dimensions, tolerance)
    positive_modes(np.append(found.gamma, np.zeros(max(dimensions - len(found.gamma), 0))), dimensions)
    return found


def leading(kernel: ArrayLike, at_most: int, tolerance: float = TOLERANCE) -> KernelSolution:
    """The leading modes of K_Gamma as far as they are positive: a mode that is not is never learnt (Eq. 13).

    Args:
        kernel: K, (2n, 2n).
        at_most: How many.
        tolerance: See :func:`power`; a gamma counts as positive from the same share of the largest on.

    Raises:
        UserError: K is no kernel of pairs.
    """
    k = _checked(kernel)
    root = power(k, 0.5, tolerance)
    values, columns = np.linalg.eigh(_k_gamma(root))
    count = min(at_most, int((values > max(tolerance, 1e-12) * np.abs(values).max()).sum()))
    gamma = values[::-1][:count]
    vectors = columns[:, ::-1][:, :count].T
    # K_Gamma b = gamma b, hence K^-1/2 b = P K^1/2 b / (2n gamma): again without an inverse
    modes = swap(root @ vectors.T).T / (len(k) * gamma[:, None])
    return KernelSolution(gamma, vectors, modes)


def pair_correlation(outputs: ArrayLike) -> Float64[Array, "d d"]:
    """C from the outputs (d, 2n) on all first and then all second views (Simon 2023, Eq. 2), (d, d)."""
    f = np.asarray(outputs, dtype=np.float64)
    return f @ swap(f.T) / f.shape[1]
