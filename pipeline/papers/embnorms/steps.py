"""One gradient step on a cosine loss: how far embeddings turn and how much they grow (Draganov 2025, Section 3).

Two points of norm rho at angle phi with c = cos(phi), s = sin(phi) and step size gamma have a = gamma / rho^2 as the
only dimensionless number; under GradScale it is gamma rho^(p - 2). Both turn by arctan(a s) toward each other, so

    cos' - cos = 2 a s^2 (1 - a c) / (1 + a^2 s^2),        rho'^2 = rho^2 (1 + a^2 s^2).

Of the text: below Corollary 3.3 a descent step is written with a plus before the gradient, and in Theorem 3.4 and A.3
the tangent part is that of z_j where it must be that of z_j / |z_j|: without it the law would go as one over rho.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError
from pipeline.papers.embnorms.gradients import Floats, cosine_gradient, gradscale

if TYPE_CHECKING:
    from jaxtyping import Float64


def ratio(rate: float, norm: ArrayLike, power: float = 0.0) -> Floats:
    """The number a = rate * norm^(power - 2) on which a step depends.

    Raises:
        UserError: The rate is negative, or a norm is not positive.
    """
    norms = np.asarray(norm, dtype=np.float64)
    if not rate >= 0.0:
        raise UserError(f"learning rate {rate}; expected 0 or more")
    if not np.all(norms > 0.0):
        raise UserError(f"embedding norm {norms.min()}; expected a number above 0")
    return rate * norms ** (power - 2.0)


def step(z: ArrayLike, target: ArrayLike, rate: float, power: float = 0.0) -> Float64[Floats, "..."]:
    """Embeddings after one step of descent on minus the cosine to ``target``; shape of ``z``."""
    points = np.asarray(z, dtype=np.float64)
    return points - rate * gradscale(cosine_gradient(points, target), points, power)


def turn(angle: ArrayLike, a: ArrayLike) -> Floats:
    """By how much one moving point turns toward its partner in a step, in radians."""
    return np.arctan(np.asarray(a, dtype=np.float64) * np.sin(angle))


def growth(angle: ArrayLike, a: ArrayLike) -> Floats:
    """Factor by which a step multiplies a norm (Corollary 3.3): never below 1."""
    return np.sqrt(1.0 + (np.asarray(a, dtype=np.float64) * np.sin(angle)) ** 2)


def gain(angle: ArrayLike, a: ArrayLike) -> Floats:
    """Exact change of the cosine when both points of a pair of equal norms take a step."""
    c, s, a = np.cos(angle), np.sin(angle), np.asarray(a, dtype=np.float64)
    return 2.0 * a * s**2 * (1.0 - a * c) / (1.0 + (a * s) ** 2)


def printed_bound(angle: ArrayLike, a: ArrayLike) -> Floats:
    """Upper bound of the gain in Theorem 3.4: 2 a s^2; it holds where :func:`printed_holds` says."""
    return 2.0 * np.asarray(a, dtype=np.float64) * np.sin(angle) ** 2


def refined_bound(angle: ArrayLike, a: ArrayLike) -> Floats:
    """Upper bound of the gain in Appendix A.4: a s^2 (2 - a c); it holds where :func:`refined_holds` says.

    Its second order is not that of the gain, which is 2 a s^2 (1 - a c) + O(a^3).
    """
    a = np.asarray(a, dtype=np.float64)
    return a * np.sin(angle) ** 2 * (2.0 - a * np.cos(angle))


def sound_bound(angle: ArrayLike, a: ArrayLike) -> Floats:
    """Upper bound of the gain at every angle and step size: a s (1 + s), ours.

    For obtuse angles (1 - a c) / (1 + a^2 s^2) is largest at a = (1 - s) / (|c| s), where it is (1 + s) / (2 s).
    """
    s = np.sin(angle)
    return np.asarray(a, dtype=np.float64) * s * (1.0 + s)


def printed_holds(angle: ArrayLike, a: ArrayLike) -> NDArray[np.bool_]:
    """Where the gain does not exceed the bound of Theorem 3.4: a s^2 + c >= 0.

    The theorem is stated for all angles; its proof divides a negative product by a smaller norm and drops a term that
    is positive for obtuse angles. It holds up to a right angle, and beyond for large steps only.
    """
    return np.asarray(a, dtype=np.float64) * np.sin(angle) ** 2 + np.cos(angle) >= 0.0


def refined_holds(angle: ArrayLike, a: ArrayLike) -> NDArray[np.bool_]:
    """Where the gain does not exceed the bound of Appendix A.4: c + 2 a s^2 - a^2 c s^2 >= 0.

    This is the sign of the product of the two points after the step, which the proof takes to be positive.
    """
    c, s, a = np.cos(angle), np.sin(angle), np.asarray(a, dtype=np.float64)
    return c + 2.0 * a * s**2 - a**2 * c * s**2 >= 0.0
