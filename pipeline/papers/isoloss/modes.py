"""Dynamics of single embeddings in the eigenbasis of the predictor: -gradient, in units of the learning rate.

All functions take eigenvalues and embeddings of shape (M,) or (M, B) and return that of the embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def _norms(lam: Array, zh1: Array, zh2: Array) -> tuple[Array, Array]:
    return np.sqrt(((lam * zh1) ** 2).sum(0)), np.sqrt((zh2**2).sum(0))


def euclidean(
    lam: Float64[Array, "M *#B"], zh1: Float64[Array, " M *B"], zh2: Float64[Array, " M *B"]
) -> Float64[Array, " M *B"]:
    """Eq. 8: lambda_m (zh2_m - lambda_m zh1_m)."""
    return lam * (zh2 - lam * zh1)


def euclidean_mean(lam: Float64[Array, "M *#B"], zh: Float64[Array, " M *B"]) -> Float64[Array, " M *B"]:
    """Eq. 9: lambda_m (1 - lambda_m) zh_m, the mean over augmentations."""
    return lam * (1.0 - lam) * zh


def euclidean_nosg(lam: Float64[Array, "M *#B"], zh: Float64[Array, " M *B"]) -> Float64[Array, " M *B"]:
    """C.1 without stop-gradient: -(1 - lambda_m)^2 zh_m. lambda = 1 is reached from above and stays: half-stable."""
    return -((1.0 - lam) ** 2) * zh


def euclidean_iso(lam: Float64[Array, "M *#B"], zh: Float64[Array, " M *B"]) -> Float64[Array, " M *B"]:
    """C.4: (1 - lambda_m) zh_m."""
    return (1.0 - lam) * zh


def cosine(
    lam: Float64[Array, "M *#B"], zh1: Float64[Array, " M *B"], zh2: Float64[Array, " M *B"]
) -> Float64[Array, " M *B"]:
    """Eq. 10, the sum over k != m without the term k = m, which is zero."""
    return lam * cosine_iso(lam, zh1, zh2)


def cosine_iso(
    lam: Float64[Array, "M *#B"], zh1: Float64[Array, " M *B"], zh2: Float64[Array, " M *B"]
) -> Float64[Array, " M *B"]:
    """C.4 for the cosine; lambda_m times it is Eq. 10. |D zh1|^2 = sum_k (lambda_k zh1_k)^2, printed with index m."""
    n1, n2 = _norms(lam, zh1, zh2)
    return zh2 / (n1 * n2) - (lam * zh1 * zh2).sum(0) * lam * zh1 / (n1**3 * n2)


def cosine_view2(
    lam: Float64[Array, "M *#B"], zh1: Float64[Array, " M *B"], zh2: Float64[Array, " M *B"]
) -> Float64[Array, " M *B"]:
    """-dL/dzh2 of Eq. 2 without stop-gradient; orthogonal to zh2, so that it changes no norm."""
    n1, n2 = _norms(lam, zh1, zh2)
    q = lam * zh1
    return (q * (zh2**2).sum(0) - zh2 * (q * zh2).sum(0)) / (n1 * n2**3)


def cosine_nosg(
    lam: Float64[Array, "M *#B"], zh1: Float64[Array, " M *B"], zh2: Float64[Array, " M *B"]
) -> Float64[Array, " M *B"]:
    """C.2, the true -(dL/dzh1 + dL/dzh2)."""
    return cosine(lam, zh1, zh2) + cosine_view2(lam, zh1, zh2)


def cosine_nosg_printed(
    lam: Float64[Array, "M *#B"], zh1: Float64[Array, " M *B"], zh2: Float64[Array, " M *B"]
) -> Float64[Array, " M *B"]:
    """C.2 as printed, with its three slips; it is no gradient.

    In the part of z2 the factor lambda_m in front is too much, zh1_k^3 should be zh1_k^2 zh1_m, and the terms with
    zh2_m zh2_k lack the factor |D zh1|^2 / |zh2|^2.
    """
    n1, n2 = _norms(lam, zh1, zh2)
    square = (lam**2 * zh1**2).sum(0)
    first = (square - lam**2 * zh1**2) * zh2 - lam * zh1 * ((lam * zh1 * zh2).sum(0) - lam * zh1 * zh2)
    cubes = lam * ((lam**2 * zh1**3).sum(0) - lam**2 * zh1**3) + lam**3 * zh1**3
    mixed = zh2 * ((lam * zh2 * zh1).sum(0) - lam * zh2 * zh1) + lam * zh2**2 * zh1
    return lam / (n1**3 * n2) * (first + cubes - mixed)


def near_uniform(lam: Float64[Array, " M"], zh: Float64[Array, "M B"]) -> Float64[Array, " M"]:
    """Eq. 11 with expectations over the samples in ``zh`` (M, B): one rate per mode, shape (M,).

    An approximation for spectra that are nearly uniform; its sign is that of sum_k lambda_k (lambda_k - lambda_m).
    """
    norm = np.sqrt(((lam[:, None] * zh) ** 2).sum(0))
    first = (zh**2 / norm**3).mean(-1)
    second = (np.abs(zh) / np.sqrt((zh**2).sum(0))).mean(-1)
    return lam * first * second * balance(lam)


def balance(lam: Float64[Array, " M"]) -> Float64[Array, " M"]:
    """sum_{k != m} lambda_k (lambda_k - lambda_m), shape (M,): above 0 where a mode grows near uniformity."""
    return (lam**2).sum() - lam * lam.sum()
