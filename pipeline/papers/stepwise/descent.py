"""Gradient descent on the linear model, step by step, as it is run in practice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def descend(
    weights: ArrayLike, gamma: ArrayLike, rows: ArrayLike, *, rate: float, times: ArrayLike
) -> tuple[Float64[Array, "T d d"], Float64[Array, "d m"]]:
    """Return C at the times and W at the last one: the first two of what :func:`follow` returns, arguments as there."""
    return follow(weights, gamma, rows, rate=rate, times=times)[:2]


def follow(
    weights: ArrayLike, gamma: ArrayLike, rows: ArrayLike, *, rate: float, times: ArrayLike
) -> tuple[Float64[Array, "T d d"], Float64[Array, "d m"], Float64[Array, "T d"]]:
    """Full-batch gradient descent W <- W + 4 rate (I - W Gamma W^T) W Gamma from W(0).

    The steps are made on W V^T, V orthogonal: the same iterates, with Gamma diagonal and a step of order d m instead
    of d m^2. What W(0) has in the null space of Gamma never changes.

    Args:
        weights: W(0), (d, m).
        gamma: Eigenvalues of Gamma, (m,).
        rows: Eigenvectors as rows, (m, m).
        rate: Learning rate; stable at the minimum below 1 / (4 gamma_1).
        times: Times rate * step in rising order at which C is kept, (T,); the nearest step is taken.

    Returns:
        C at those times, (T, d, d); W at the last one, (d, m); and how far each of the first d modes is learnt,
        gamma_j |W v_j|^2 at those times, (T, d).

    Raises:
        UserError: A rate that is not positive, or one that is unstable at the minimum.
    """
    g, v = np.asarray(gamma, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    if not 0 < rate < 1 / (4 * g.max()):
        raise UserError(f"rate: expected a learning rate above 0 and below 1 / (4 gamma_1) = {1 / (4 * g.max()):g}")
    a = np.asarray(weights, dtype=np.float64) @ v.T
    moving = np.abs(g) > 1e-15 * np.abs(g).max()
    part, own = a[:, moving].copy(), g[moving]
    speed, one = 4 * rate * own, np.eye(len(a))
    scaled, change = np.empty_like(part), np.empty_like(part)  # memory of a step
    steps = np.rint(np.asarray(times, dtype=np.float64) / rate).astype(np.int64)
    kept = np.empty((len(steps), len(a), len(a)))
    along = np.empty((len(steps), len(a)))
    step = 0
    for place, until in enumerate(steps):
        for _ in range(step, until):
            np.multiply(part, speed, out=scaled)
            part += np.matmul(one - (scaled @ part.T) / (4 * rate), scaled, out=change)
        step = max(step, int(until))
        kept[place] = (part * own) @ part.T
        along[place] = (own * (part**2).sum(axis=0))[: len(a)]
    a[:, moving] = part
    return kept, a @ v, along


def crossings(times: ArrayLike, curves: ArrayLike, level: float = 0.5) -> Float64[Array, " d"]:
    """When each curve first passes a level, linear between samples; nan where it never does.

    Args:
        times: (T,), rising.
        curves: (T, d).
        level: What to pass.
    """
    t, c = np.asarray(times, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    found = np.full(c.shape[1], np.nan)
    for mode, curve in enumerate(c.T):
        above = np.flatnonzero(curve >= level)
        if len(above) and above[0] > 0:
            k = above[0]
            share = (level - curve[k - 1]) / (curve[k] - curve[k - 1])
            found[mode] = t[k - 1] + share * (t[k] - t[k - 1])
    return found
