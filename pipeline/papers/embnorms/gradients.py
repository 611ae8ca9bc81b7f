"""Gradients of losses that see only directions of embeddings (Draganov 2025, Props. 3.1 and 3.2, Listing 2).

Every one of them is tangent to its embedding and falls as one over its norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Floats = NDArray[np.float64]


def unit(z: ArrayLike) -> Float64[Floats, "... d"]:
    """Vectors along the last axis, divided by their norms.

    Raises:
        UserError: A vector is zero or not finite: it has no direction.
    """
    vectors = np.asarray(z, dtype=np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.all(np.isfinite(norms)) or np.any(norms == 0.0):
        raise UserError("an embedding is zero or not finite and has no direction; give finite vectors of norm above 0")
    return vectors / norms


def tangent(z: ArrayLike, toward: ArrayLike) -> Float64[Floats, "... d"]:
    """The part of ``toward`` that is orthogonal to ``z``; (..., d) each."""
    direction = unit(z)
    other = np.asarray(toward, dtype=np.float64)
    return other - direction * np.sum(direction * other, axis=-1, keepdims=True)


def cosine_gradient(z: ArrayLike, target: ArrayLike) -> Float64[Floats, "... d"]:
    """Gradient with respect to ``z`` of minus the cosine of ``z`` and ``target`` (Prop. 3.1).

    Its length is the sine of the angle over the norm of ``z``; the norm of ``target`` has no part in it.

    Args:
        z: Embeddings, shape (..., d).
        target: Held constant, broadcast against ``z``.

    Returns:
        Shape (..., d).

    Raises:
        UserError: A vector is zero.
    """
    norms = np.linalg.norm(np.asarray(z, dtype=np.float64), axis=-1, keepdims=True)
    return -tangent(z, unit(target)) / norms


def gradscale(gradient: ArrayLike, z: ArrayLike, power: float) -> Float64[Floats, "... d"]:
    """Pass on what the layer GradScale does: every row of a gradient times a power of its embedding's norm.

    With ``power`` 0 it is the gradient itself; any other power is no gradient of a function (Prop. D.1).
    """
    norms = np.linalg.norm(np.asarray(z, dtype=np.float64), axis=-1, keepdims=True)
    if power < 0.0 and np.any(norms == 0.0):
        raise UserError("GradScale: a negative power of the norm of a zero vector; give a power of 0 or more")
    return np.asarray(gradient, dtype=np.float64) * norms**power


def infonce(z: ArrayLike, anchor: int, positive: int, temperature: float = 1.0) -> tuple[float, Float64[Floats, " d"]]:
    """InfoNCE of one pair in a set of embeddings, and its gradient with respect to the anchor (Eq. 1, Prop. 3.2).

    The sum runs over all but the anchor, the positive included. The supplement prints a minus before the repulsive
    part; differentiating gives a plus, as in Eq. 2. Nor is the repulsion always the weaker part, as is said there:
    the attraction vanishes for aligned positives, the repulsion does not.

    Args:
        z: Shape (n, d).
        anchor: Row that is moved.
        positive: Row that it is drawn to.
        temperature: Divides the cosines; the text has none, which is 1.

    Returns:
        The loss, and the gradient of shape (d,).

    Raises:
        UserError: Anchor and positive are the same row or no rows, or the temperature is not positive.
    """
    points = np.asarray(z, dtype=np.float64)
    rows = range(len(points))
    if anchor == positive or anchor not in rows or positive not in rows:
        raise UserError(f"InfoNCE: rows {anchor} and {positive} of {len(points)} embeddings; give two different rows")
    if not temperature > 0.0:
        raise UserError(f"InfoNCE: temperature {temperature}; expected a number above 0")
    directions = unit(points)
    others = np.delete(directions, anchor, axis=0)
    cosines = others @ directions[anchor] / temperature
    top = cosines.max()
    shares = np.exp(cosines - top)
    total = shares.sum()
    attracted = directions[positive] @ directions[anchor] / temperature
    pull = (shares / total) @ others - directions[positive]
    norm = np.linalg.norm(points[anchor])
    return float(top + np.log(total) - attracted), tangent(points[anchor], pull) / (norm * temperature)
