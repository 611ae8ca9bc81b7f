"""Pairs of free embeddings that are drawn to each other until their cosines are near 1 (Draganov 2025, Section 4.1).

A pair never leaves its plane, so that its angle and its two norms are all there is to follow. The simulation of vectors
gives the same numbers; the tests hold them against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import UserError
from pipeline.papers.embnorms.gradients import Floats, unit

if TYPE_CHECKING:
    from jaxtyping import Float64

CONVERGED = 0.999
"""Mean cosine at which the text calls pairs converged."""


def interpolated(
    first: ArrayLike, second: ArrayLike, alpha: ArrayLike, renormalize: bool = True
) -> tuple[Float64[Floats, "k pairs"], Float64[Floats, "k pairs"]]:
    """Cosines and norms when the second points are moved toward the first or away: x2 (1 - |alpha|) + x1 alpha.

    Args:
        first: Shape (pairs, d); only directions count.
        second: As ``first``.
        alpha: Shape (k,), each from -1 (opposite) to 1 (identical); 0 leaves the second points where they are.
        renormalize: Whether the interpolated points are put back on the sphere. The text does not say; it is what makes
            angle and norm independent of each other.

    Returns:
        Cosines, shape (k, pairs), and norms of the second points of the same shape.

    Raises:
        UserError: An alpha is outside of [-1, 1], or the shapes differ.
    """
    x1, x2, shares = unit(first), unit(second), np.asarray(alpha, dtype=np.float64)[:, None]
    if x1.shape != x2.shape or x1.ndim != 2:
        raise UserError(f"pairs: shapes {x1.shape} and {x2.shape}; expected two of (pairs, d)")
    if np.any(np.abs(shares) > 1.0):
        raise UserError(f"pairs: alpha {shares.ravel().tolist()}; expected numbers from -1 to 1")
    cosines = np.sum(x1 * x2, axis=1)
    kept = 1.0 - np.abs(shares)
    norms = np.sqrt(kept**2 + shares**2 + 2.0 * shares * kept * cosines)
    return (kept * cosines + shares) / norms, np.ones_like(norms) if renormalize else norms


def steps_to_converge(
    cosines: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    rate: float,
    *,
    moving: int = 2,
    power: float = 0.0,
    until: float = CONVERGED,
    limit: int = 100_000,
) -> tuple[Float64[Floats, " sets"], Float64[Floats, " sets"]]:
    """Gradient steps until the mean cosine of a set of pairs exceeds ``until``.

    Args:
        cosines: At the start, shape (sets, pairs).
        first: Norms of the first points, broadcast against ``cosines``.
        second: Norms of the second points, likewise.
        rate: Learning rate of a pair's own loss; that of the mean over n pairs divided by n.
        moving: 2 if both points of a pair are trained, 1 if the first is held.
        power: Of GradScale; 0 is plain gradient descent.
        until: Mean cosine to be exceeded.
        limit: Steps after which a set counts as not converging.

    Returns:
        Steps, shape (sets,), infinite where ``limit`` is reached; and the mean over pairs of the trained points' final
        norms over their initial ones.

    Raises:
        UserError: The rate is negative, a norm is not positive, or ``moving`` is neither 1 nor 2.
    """
    c = np.array(cosines, dtype=np.float64, ndmin=2)
    norms = [np.array(np.broadcast_to(np.asarray(norm, dtype=np.float64), c.shape)) for norm in (first, second)]
    if not rate >= 0.0:
        raise UserError(f"pairs: learning rate {rate}; expected 0 or more")
    if not all(np.all(norm > 0.0) for norm in norms):
        raise UserError("pairs: a norm is not positive; a point at the origin has no direction")
    if moving not in (1, 2):
        raise UserError(f"pairs: moving {moving}; expected 1 (the first points are held) or 2")
    steps, grown = np.full(len(c), np.inf), np.full(len(c), np.nan)
    # squares of the moving points' norms, the only ones that change; the second points are always among them; points of
    # equal norms stay so, and are followed once
    twins = moving == 2 and np.array_equal(norms[0], norms[1])
    squares = [norm**2 for norm in (norms[-1:] if twins else norms[-moving:])]
    before = [square.copy() for square in squares]
    sets = np.arange(len(c))
    for count in range(limit + 1):
        done = c.mean(axis=1) > until
        if np.any(done) or count == limit:
            steps[sets[done]] = count
            ended = done if count < limit else np.ones_like(done)
            ratios = [np.sqrt(new / old).mean(axis=1) for new, old in zip(squares, before, strict=True)]
            grown[sets[ended]] = np.mean(ratios, axis=0)[ended]
            sets, c = sets[~ended], c[~ended]
            squares, before = [x[~ended] for x in squares], [x[~ended] for x in before]
            if not len(sets):
                break
        s2 = np.maximum(1.0 - c * c, 0.0)
        # Turning by arctan(t) with t = a s: cos becomes (c + s t) / sqrt(1 + t^2). Two turns by arctan(t1), arctan(t2)
        # are one with tangent (t1 + t2) / (1 - t1 t2); with t = a s only s^2 is needed and no root of it.
        ratios = [rate * square ** (0.5 * power - 1.0) for square in squares]
        stretch = [1.0 + a * a * s2 for a in ratios]
        if twins:
            both = stretch[0] - 1.0
            c = (c * (1.0 - both) + 2.0 * ratios[0] * s2) / stretch[0]
        elif moving == 1:
            c = (c + ratios[0] * s2) / np.sqrt(stretch[0])
        else:
            both = ratios[0] * ratios[1] * s2
            c = (c * (1.0 - both) + (ratios[0] + ratios[1]) * s2) / np.sqrt(stretch[0] * stretch[1])
        squares = [square * factor for square, factor in zip(squares, stretch, strict=True)]
    return steps, grown


def time_to_converge(
    angle: ArrayLike,
    norm: ArrayLike,
    rate: float,
    *,
    moving: int = 2,
    power: float = 0.0,
    until: float = CONVERGED,
) -> Floats:
    """Steps from a common angle in the limit of small steps and constant norms.

    There dphi/dt = -moving a sin(phi), so that tan(phi / 2) decays exponentially: the steps go as norm^(2 - power), and
    only as the logarithm of tan(phi / 2), which is large near opposite points alone.

    Args:
        angle: In radians, from 0 to below pi.
        norm: Of both points.
        rate: As for :func:`steps_to_converge`.
        moving: As for :func:`steps_to_converge`.
        power: As for :func:`steps_to_converge`.
        until: Cosine to be reached.

    Returns:
        Steps, 0 where the angle is small enough from the start.

    Raises:
        UserError: The rate is not positive: nothing would converge.
    """
    if not rate > 0.0:
        raise UserError(f"pairs: learning rate {rate}; expected a number above 0")
    start, end = np.tan(np.asarray(angle, dtype=np.float64) / 2.0), np.tan(np.arccos(until) / 2.0)
    speed = moving * rate * np.asarray(norm, dtype=np.float64) ** (power - 2.0)
    return np.log(np.maximum(start, end) / end) / speed
