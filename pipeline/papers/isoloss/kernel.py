"""Lemmas 1 to 3: the neural tangent kernel of a linear network in the eigenbasis of its predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def jacobian(x: Float64[Array, " N"], rotation: Float64[Array, "M M"]) -> Float64[np.ndarray, "M MN"]:
    """Eq. 18: d(U^T W x)/d vec W (by rows) for one input; shape (M, M N).

    Args:
        x: Input (N,).
        rotation: U, orthogonal (M, M).
    """
    return np.kron(rotation.T, x[None, :])


def blocks(inputs: Float64[Array, "n N"], rotation: Float64[Array, "M M"]) -> Float64[Array, "n n M M"]:
    """Kernel blocks of all pairs of inputs (n, N): shape (n, n, M, M). By Eq. 19 each is (x_i . x_j) 1, for any U."""
    jacobians = np.stack([jacobian(x, rotation) for x in inputs])
    return np.einsum("iap,jbp->ijab", jacobians, jacobians)


def overlap(dimension: int, samples: int, rng: np.random.Generator) -> float:
    """Root mean square of x_i . x_j / |x_i| |x_j| over i < j for Gaussian inputs, times sqrt(N): near 1.

    The proof of Theorem 1 takes x_i . x_j for delta_ij; that asks for inputs of variance 1/N, not 1.
    """
    x = rng.standard_normal((samples, dimension))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    gram = x @ x.T
    return float(np.sqrt((gram[np.triu_indices(samples, 1)] ** 2).mean() * dimension))
