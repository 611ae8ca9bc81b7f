"""Losses of one pair of embeddings and their gradients with respect to them, the predictor being a constant.

Embeddings are columns: z1 and z2 have shape (M, B), the symmetric predictor (M, M). Values have shape (B,), gradients
(M, B); :func:`gradients` takes any axes in front. A variant says what is done to the loss of the metric ("euclidean",
Eq. 1, or "cosine", Eq. 2):

========== ==========================================================================================================
plain      as in Eqs. 1 and 2: predictor on z1, no gradient through z2
iso        IsoLoss, Eqs. 15 and 17
nopred     plain with W_P = 1
nosg       plain without stop-gradient: z2 has a gradient too
published  nosg for the cosine, with the gradient that the published figure was made with (see :func:`published_extra`)
========== ==========================================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.papers.isoloss.checks import choice, symmetric

if TYPE_CHECKING:
    from jaxtyping import Float64, Inexact

Array = NDArray[np.float64]

METRICS = ("euclidean", "cosine")
VARIANTS = ("plain", "iso", "nopred", "nosg", "published")

GUARD = 1e-8
"""Added to norms by :func:`gradients` where asked for: ReLU embeddings can be the zero vector."""


def value(
    metric: str,
    variant: str,
    z1: Inexact[np.ndarray, "M B"],
    z2: Inexact[np.ndarray, "M B"],
    predictor: Float64[Array, "M M"],
) -> Inexact[np.ndarray, " B"]:
    """Values of Eqs. 1 and 2 (shape (B,)); those of IsoLoss are :func:`iso_value`.

    Raises:
        UserError: Unknown metric or variant, or a predictor that is not symmetric.
    """
    choice("metric", metric, METRICS)
    choice("variant", variant, ("plain", "nopred", "nosg"))
    symmetric("predictor", predictor)
    p = z1 if variant == "nopred" else predictor @ z1
    if metric == "euclidean":
        return 0.5 * ((p - z2) ** 2).sum(0)
    return -(p * z2).sum(0) / np.sqrt((p**2).sum(0) * (z2**2).sum(0))


def iso_value(
    metric: str,
    z1: Inexact[np.ndarray, "M B"],
    z2: Inexact[np.ndarray, "M B"],
    predictor: Float64[Array, "M M"],
    fixed: tuple[Float64[Array, "M B"], Float64[Array, "M B"]] | None = None,
) -> Inexact[np.ndarray, " B"]:
    """Values of Eqs. 15 and 17.

    Args:
        metric: One of :data:`METRICS`.
        z1: What the gradient is taken of.
        z2: Target.
        predictor: Its eigenvalues are at least 0; the root in Eq. 17 need not be formed, |W^(1/2) z|^2 = z . W z.
        fixed: z1 and z2 inside the stop-gradients, if they are not to follow z1 and z2 (for finite differences).
    """
    choice("metric", metric, METRICS)
    c1, c2 = (z1, z2) if fixed is None else fixed
    p = predictor @ c1
    if metric == "euclidean":
        return 0.5 * ((z1 - (c2 + c1 - p)) ** 2).sum(0)
    n1, n2 = np.sqrt((p**2).sum(0)), np.sqrt((c2**2).sum(0))
    spread = (z1 * (predictor @ z1)).sum(0)
    return -(z1 * c2).sum(0) / (n1 * n2) + 0.5 * (p * c2).sum(0) / (n1**3 * n2) * spread


def iso_second_value(
    z1: Inexact[np.ndarray, "M B"],
    z2: Inexact[np.ndarray, "M B"],
    predictor: Float64[Array, "M M"],
    fixed: tuple[Float64[Array, "M B"], Float64[Array, "M B"]] | None = None,
) -> Inexact[np.ndarray, " B"]:
    """The other Euclidean IsoLoss, SG(W_P z1 - z2) . (z1 - SG(z2)): the same gradient, another value (any sign)."""
    c1, c2 = (z1, z2) if fixed is None else fixed
    return ((predictor @ c1 - c2) * (z1 - c2)).sum(0)


def gradients(
    metric: str,
    variant: str,
    z1: Float64[Array, "*first M B"],
    z2: Float64[Array, "*second M B"],
    predictor: Float64[Array, "*networks M M"],
    guard: float = 0.0,
) -> tuple[Float64[Array, "*both M B"], Float64[Array, "*both M B"] | None]:
    """Gradients with respect to z1 and, for ``nosg``, z2 (else None).

    For ``published`` it is the sum that the published figure applies to view 1. Axes in front of the embeddings are
    broadcast: networks, or second views of one first view.

    Raises:
        UserError: Unknown metric or variant, or ``published`` for the Euclidean loss, which has no such thing.
    """
    choice("metric", metric, METRICS)
    choice("variant", variant, VARIANTS if metric == "cosine" else VARIANTS[:-1])
    p = z1 if variant == "nopred" else predictor @ z1
    if metric == "euclidean":
        direction = p - z2
        g1 = direction if variant in ("nopred", "iso") else predictor @ direction
        return g1, (-direction if variant == "nosg" else None)
    n1 = np.sqrt((p * p).sum(-2, keepdims=True)) + guard
    n2 = np.sqrt((z2 * z2).sum(-2, keepdims=True)) + guard
    dot = (p * z2).sum(-2, keepdims=True)
    near = 1.0 / (n1 * n2)
    direction = p * (dot * near / (n1 * n1)) - z2 * near
    g1 = direction if variant in ("nopred", "iso") else predictor @ direction
    if variant == "nosg":
        return g1, z2 * (dot * near / (n2 * n2)) - p * near
    if variant == "published":
        return g1 + published_extra(p, z2, n1, n2, dot), None
    return g1, None


def published_extra(
    p: Float64[Array, "*first M B"],
    z2: Float64[Array, "*second M B"],
    n1: Float64[Array, "*first 1 B"],
    n2: Float64[Array, "*second 1 B"],
    dot: Float64[Array, "*both 1 B"],
) -> Float64[Array, "*both M B"]:
    """Compute what the published toy takes for the gradient of z2: -(p/(n1 n2) - (p.z2) z2/(n1^3 n2)).

    The true one divides the second term by n1 n2^3. The published one is not orthogonal to z2, so that it lets weights
    grow, and it is applied to the input of view 1.
    """
    near = 1.0 / (n1 * n2)
    return z2 * (dot * near / (n1 * n1)) - p * near
