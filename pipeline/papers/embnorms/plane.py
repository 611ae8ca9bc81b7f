"""Embeddings in the plane that are drawn north: fields, landscape, descents (Draganov 2025, Figs. 1, 6, S1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import UserError
from pipeline.papers.embnorms.gradients import Floats, cosine_gradient, gradscale, unit
from pipeline.papers.embnorms.steps import step

if TYPE_CHECKING:
    from jaxtyping import Float64

NORTH = (0.0, 1.0)
"""The direction to which embeddings are drawn."""


def polar(radius: ArrayLike, angle: ArrayLike) -> Float64[Floats, "... 2"]:
    """Points at an angle from north, clockwise; shape (..., 2)."""
    r, phi = np.broadcast_arrays(np.asarray(radius, dtype=np.float64), np.asarray(angle, dtype=np.float64))
    return np.stack([r * np.sin(phi), r * np.cos(phi)], axis=-1)


def similarity(points: ArrayLike) -> Floats:
    """Cosine of the angle to north; shape (...,) for points (..., 2)."""
    return unit(points)[..., 1]


def field(points: ArrayLike, power: float = 0.0) -> Float64[Floats, "... 2"]:
    """Minus the gradient of the loss -cos, times |z|^power as GradScale makes it; shape (..., 2)."""
    return -gradscale(cosine_gradient(points, NORTH), points, power)


def trajectory(start: ArrayLike, rate: float, steps: int, power: float = 0.0) -> Float64[Floats, "steps ... 2"]:
    """Positions of a point under gradient descent, shape (steps + 1, ..., 2).

    Raises:
        UserError: The rate is negative.
    """
    if not rate >= 0.0:
        raise UserError(f"trajectory: learning rate {rate}; expected 0 or more")
    path = [np.asarray(start, dtype=np.float64)]
    for _ in range(steps):
        path.append(step(path[-1], NORTH, rate, power))
    return np.stack(path)


def circulation(power: float, inner: float = 1.0, outer: float = 2.0, points: int = 4001) -> float:
    """Integral of the field of GradScale along a closed curve: down one half circle, out, up another, in (Prop. D.1).

    It is 2 (outer^power - inner^power), and zero for a field that is the gradient of something: for power 0 only.
    Away from the target a half circle contributes -2 radius^power; the printed proof has it positive for both circles,
    which leaves their difference as it is. Its larger circle has radius 2 and is not on the unit sphere. In one
    dimension there is no tangent and no statement.

    Args:
        power: Of GradScale.
        inner: Radius of the half circle toward north.
        outer: Radius of the half circle away from it.
        points: Per piece, for the midpoint rule.
    """
    down, up = np.linspace(np.pi, 0.0, points), np.linspace(0.0, np.pi, points)
    out, back = np.linspace(inner, outer, points), np.linspace(outer, inner, points)
    pieces = [polar(outer, down), polar(back, 0.0), polar(inner, up), polar(out, np.pi)]
    total = 0.0
    for path in pieces:
        middle = 0.5 * (path[1:] + path[:-1])
        total += float(np.sum(field(middle, power) * np.diff(path, axis=0)))
    return total


def slope(
    function: Callable[[Floats], Floats | float], point: ArrayLike, direction: ArrayLike, h: float = 1e-5
) -> float:
    """Derivative of a function of the plane along a direction, by central differences."""
    z, u = np.asarray(point, dtype=np.float64), np.asarray(direction, dtype=np.float64)
    return float((function(z + h * u) - function(z - h * u)) / (2.0 * h))
