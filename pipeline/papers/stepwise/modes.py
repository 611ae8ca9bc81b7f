"""One mode at a time: why self-supervised learning starts slowly, and losses that would not (Simon 2023, Apps. F, G).

Everything is in the rescaled singular value sbar = gamma^1/2 s, so that sbar^2 is the eigenvalue of C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]
Mode = Callable[[Array], Array]


def _rates(gamma: ArrayLike) -> Array:
    g = np.asarray(gamma, dtype=np.float64)
    if not (g > 0).all():
        raise UserError(f"gamma: expected rates above 0, found {g.min():g}; only such modes are learnt")
    return g


def barlow(sbar: ArrayLike) -> Array:
    """L = (1 - sbar^2)^2, the loss of a mode (Simon 2023, Eq. 50): minima at -1 and 1, a maximum between."""
    return (1 - np.square(np.asarray(sbar, dtype=np.float64))) ** 2


def supervised(cbar: ArrayLike) -> Array:
    """L = (1 - cbar)^2, the loss of a mode of kernel regression whose target is 1: a parabola."""
    return (1 - np.asarray(cbar, dtype=np.float64)) ** 2


def sharp(sbar: ArrayLike) -> Array:
    """L = (1 - |sbar|)^2, of the square root of C's eigenvalues (Simon 2023, App. G.2).

    The square of the norm is lost in print; without it the modes would not decouple.
    """
    return (1 - np.abs(np.asarray(sbar, dtype=np.float64))) ** 2


def flat(sbar: ArrayLike) -> Array:
    """L = (1 - min(sbar^2, 1))^2, flat beyond the minimum (Simon 2023, App. G.3, g_smooth)."""
    return (1 - np.minimum(np.square(np.asarray(sbar, dtype=np.float64)), 1.0)) ** 2


def softened(sbar: ArrayLike, slope: float = 0.1) -> Array:
    """L = (1 - min(sbar^2, 1 - slope + slope sbar^2))^2, nearly flat beyond the minimum (Simon 2023, App. G.3)."""
    square = np.square(np.asarray(sbar, dtype=np.float64))
    return (1 - np.minimum(square, 1 - slope + slope * square)) ** 2


def barlow_gradient(sbar: ArrayLike) -> Array:
    """dL/dsbar of :func:`barlow`."""
    s = np.asarray(sbar, dtype=np.float64)
    return -4 * s * (1 - s**2)


def sharp_gradient(sbar: ArrayLike) -> Array:
    """dL/dsbar of :func:`sharp`; 0 at the kink."""
    s = np.asarray(sbar, dtype=np.float64)
    return -2 * np.sign(s) * (1 - np.abs(s))


def flat_gradient(sbar: ArrayLike) -> Array:
    """dL/dsbar of :func:`flat`."""
    s = np.asarray(sbar, dtype=np.float64)
    return np.where(np.abs(s) < 1, barlow_gradient(s), 0.0)


def softened_gradient(sbar: ArrayLike, slope: float = 0.1) -> Array:
    """dL/dsbar of :func:`softened`."""
    s = np.asarray(sbar, dtype=np.float64)
    return np.where(np.abs(s) < 1, 1.0, slope**2) * barlow_gradient(s)


def barlow_path(time: ArrayLike, gamma: ArrayLike, start: ArrayLike) -> Array:
    """sbar(t) of dsbar/dt = 4 gamma sbar (1 - sbar^2), of either sign (Simon 2023, Eq. 51 in sbar), (T, ...).

    Eq. 51 is the flow of s; in sbar it has one more factor gamma.
    """
    t, g = np.asarray(time, dtype=np.float64), _rates(gamma)
    s = np.asarray(start, dtype=np.float64)
    decay = np.exp(-8 * g * t[(...,) + (None,) * np.broadcast(g, s).ndim])
    moving = np.where(s == 0, 1.0, s)  # what starts on the maximum stays there
    return np.where(s == 0, 0.0, moving / np.sqrt(moving**2 + (1 - moving**2) * decay))


def supervised_path(time: ArrayLike, gamma: ArrayLike, start: ArrayLike) -> Array:
    """cbar(t) = 1 - (1 - cbar(0)) exp(-2 gamma t), gradient flow in function space, (T, ...).

    The paper does not say in which coordinate the flow is; in the coefficient c it is the same with gamma^2.
    """
    t, g = np.asarray(time, dtype=np.float64), _rates(gamma)
    c = np.asarray(start, dtype=np.float64)
    return 1 - (1 - c) * np.exp(-2 * g * t[(...,) + (None,) * np.broadcast(g, c).ndim])


def barlow_half_time(gamma: ArrayLike, start: ArrayLike) -> Array:
    """When |sbar| passes 1/2 on :func:`barlow_path`: log((1 - s^2) / 3 s^2) / (8 gamma) for s = |sbar(0)| < 1/2."""
    square = np.square(np.asarray(start, dtype=np.float64))
    return np.log((1 - square) / (3 * square)) / (8 * _rates(gamma))


def supervised_half_time(gamma: ArrayLike, start: ArrayLike) -> Array:
    """When cbar passes 1/2 on :func:`supervised_path`, for cbar(0) < 1/2."""
    return np.log(2 * (1 - np.asarray(start, dtype=np.float64))) / (2 * _rates(gamma))


def sharp_path(time: ArrayLike, gamma: ArrayLike, start: ArrayLike) -> Array:
    """sbar(t) of :func:`sharp` from sbar(0) != 0: dsbar/dt = 2 gamma (1 - sbar), and its mirror image below 0."""
    s = np.asarray(start, dtype=np.float64)
    return np.sign(s) * supervised_path(time, gamma, np.abs(s))


def escape_time(gamma: ArrayLike, start: ArrayLike) -> Array:
    """-log|sbar(0)| / (4 gamma), when a mode leaves the maximum (Simon 2023, App. F); Eq. 16 in sbar."""
    return -np.log(np.abs(np.asarray(start, dtype=np.float64))) / (4 * _rates(gamma))


def approach_time(gamma: ArrayLike) -> Array:
    """1 / (8 gamma), within which the distance to the minimum falls by e.

    The paper's 1 / (4 gamma) is the time within which sbar grows by e at the maximum.
    """
    return 1 / (8 * _rates(gamma))


def descend(gradient: Mode, start: float, rate: float, steps: int) -> Float64[Array, " times"]:
    """sbar by gradient descent on one mode's loss, (steps + 1,); stops growing at 1e6.

    Raises:
        UserError: A rate that is not positive.
    """
    if rate <= 0:
        raise UserError(f"rate: expected a learning rate above 0, found {rate:g}")
    path = np.empty(steps + 1)
    path[0] = start
    for step in range(steps):
        path[step + 1] = np.clip(path[step] - rate * gradient(path[step]), -1e6, 1e6)
    return path
