"""How near to each other two random directions lie (Draganov 2025, Prop. C.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc

from pipeline.errors import UserError
from pipeline.papers.embnorms.gradients import Floats

if TYPE_CHECKING:
    from jaxtyping import Float64


def chebyshev(dimension: ArrayLike, cosine: ArrayLike) -> Floats:
    """Upper bound 1 / (2 d t^2) of P[cos >= t] for two standard normal vectors in R^d (Prop. C.1, t = 1 - eps).

    Chebyshev's inequality with Var cos = 1 / d, halved by symmetry. It says nothing where it is 1/2 or more.

    Raises:
        UserError: A dimension is below 1 or a cosine not in (0, 1].
    """
    d, t = _checked(dimension, cosine)
    return 1.0 / (2.0 * d * t**2)


def probability(dimension: ArrayLike, cosine: ArrayLike) -> Floats:
    """P[cos >= t] itself: half the regularised incomplete beta function at 1 - t^2 with (d - 1) / 2 and 1/2.

    Raises:
        UserError: A dimension is below 2 or a cosine not in (0, 1].
    """
    d, t = _checked(dimension, cosine)
    if np.any(d < 2.0):
        raise UserError(f"random directions in R^{d.min():g}; expected 2 dimensions or more")
    return 0.5 * betainc((d - 1.0) / 2.0, 0.5, 1.0 - t**2)


def sampled_cosines(dimension: int, samples: int, rng: np.random.Generator) -> Float64[Floats, " samples"]:
    """Cosines of pairs of standard normal vectors, shape (samples,)."""
    products = np.empty(samples)
    for start in range(0, samples, 4096):
        x, y = rng.standard_normal((2, min(4096, samples - start), dimension))
        lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        products[start : start + len(x)] = np.sum(x * y, axis=1) / lengths
    return products


def _checked(dimension: ArrayLike, cosine: ArrayLike) -> tuple[Floats, Floats]:
    d, t = np.asarray(dimension, dtype=np.float64), np.asarray(cosine, dtype=np.float64)
    if np.any(d < 1.0):
        raise UserError(f"random directions in R^{d.min():g}; expected 1 dimension or more")
    if np.any(t <= 0.0) or np.any(t > 1.0):
        raise UserError("random directions: expected cosines above 0 and up to 1")
    return d, t
