"""The spectral contrastive loss and its three terms (Ghosh 2024, Eqs. 41 to 44)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.multiview.graph import Array

if TYPE_CHECKING:
    from jaxtyping import Float64


def loss(weights: Float64[Array, "a a"], embedding: Float64[Array, "a d"]) -> float:
    """||A - Z Z^T||_F^2 for the normalised graph A, square, and Z, shape (augmented images, d) (Eq. 41).

    Its minimum, the sum of the squared eigenvalues left out, is at Z = U_d Lambda_d^(1/2) Q for any rotation Q: the
    span of the leading eigenfunctions, with norms sqrt(lambda) instead of the 1 of Eq. 9.

    Raises:
        UserError: A is not symmetric.
    """
    _symmetric(weights)
    return float(((weights - embedding @ embedding.T) ** 2).sum())


def terms(weights: Float64[Array, "a a"], embedding: Float64[Array, "a d"]) -> dict[str, float]:
    """The same loss as covariance + variance + invariance + constant (Eq. 43).

    How the text splits the first two over its lines is not certain; their sum is exact.
    """
    _symmetric(weights)
    gram = embedding.T @ embedding
    diagonal = np.diag(gram)
    return {
        "covariance": float((gram**2).sum() - (diagonal**2).sum()),
        "variance": float(((diagonal - 1.0) ** 2).sum()),
        "invariance": float(2.0 * (np.trace(gram) - np.sum(embedding * (weights @ embedding)))),
        "constant": float((weights**2).sum() - embedding.shape[1]),
    }


def gradient(weights: Float64[Array, "a a"], embedding: Float64[Array, "a d"]) -> Float64[Array, "a d"]:
    """Gradient of :func:`loss` with respect to Z."""
    _symmetric(weights)
    return -4.0 * (weights - embedding @ embedding.T) @ embedding


def _symmetric(weights: Array) -> None:
    if weights.ndim != 2 or weights.shape != weights.T.shape or np.abs(weights - weights.T).max() > 1e-10:
        raise UserError("weights: expected a symmetric matrix, the normalised edge weights")
