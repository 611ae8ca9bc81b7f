"""What becomes of W without stop-gradient, and without a predictor (Tian 2021, Theorem 2 and Eq. 57)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.papers.directpred.checks import Array, covariance, nonnegative
from pipeline.papers.directpred.flow import Inputs

if TYPE_CHECKING:
    from jaxtyping import Float64


def hessian(wp: Float64[Array, "n2 n2"], inputs: Inputs, eta: float) -> Float64[Array, "size size"]:
    """H in d vec(W)/dt = -H vec(W) without stop-gradient and with Wa = W; vec stacks columns.

    H = X' (x) (Wp^T Wp + I) + X (x) (Wp - I)^T (Wp - I) + eta I (Tian 2021, Eq. 6). The supplement's statement (Eq. 51)
    omits eta I. H is positive definite if X' is, or eta > 0; with a singular X' and eta = 0 W need not vanish.

    Args:
        wp: n2 x n2.
        inputs: Covariances, n1 x n1.
        eta: Weight decay.

    Returns:
        (n1 n2) x (n1 n2), symmetric.
    """
    nonnegative("eta", eta)
    unit = np.eye(len(wp))
    away = wp - unit
    size = len(wp) * len(inputs.mean)
    return (
        np.kron(inputs.spread, wp.T @ wp + unit) + np.kron(inputs.mean, away.T @ away) + eta * np.eye(size)
    )  # fmt: skip


def without_predictor(
    w: Float64[Array, "n2 n1"], spread: Float64[Array, "n1 n1"], eta: float, times: Any
) -> Float64[Array, "t n2 n1"]:
    """W(t) = W(0) exp(-(X' + eta I) t): stop-gradient, Wp = I, Wa = W.

    Tian 2021, Eq. 57 with the matrix on the right: on the left, as printed, it does not fit W.

    Returns:
        Shape (t, n2, n1).
    """
    nonnegative("eta", eta)
    values, vectors = np.linalg.eigh(covariance("X'", spread))
    decays = np.exp(-np.multiply.outer(np.asarray(times, dtype=float), values + eta))
    return np.einsum("ij,jk,tk,lk->til", w, vectors, decays, vectors)
