"""Decoupled modes: the flow of one eigenvalue p of Wp, its eigenvalue s of F, and its ratio tau (Eqs. 11-17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import solve_ivp

from pipeline.errors import UserError
from pipeline.papers.directpred.checks import Array, nonnegative, positive

if TYPE_CHECKING:
    from jaxtyping import Float64


@dataclass(frozen=True)
class Rates:
    """Parameters of the modes; numbers, or arrays that broadcast against the modes.

    Attributes:
        alpha_p: Rate of the predictor relative to that of the online network, > 0.
        eta: Weight decay of both in flow units, >= 0 (a step alpha multiplies it).
        variance: Variance sigma^2 of the augmentation, >= 0.
    """

    alpha_p: Any = 1.0
    eta: Any = 0.0
    variance: Any = 0.0

    def __post_init__(self) -> None:
        positive("alpha_p", self.alpha_p)
        nonnegative("eta", self.eta)
        nonnegative("variance", self.variance)


def growth(p: Any, tau: Any, rates: Rates) -> Any:
    """Delta = p [tau - (1 + sigma^2) p] - eta, half the rate at which ln s grows.

    Tian 2021 defines it on the parabola, where p' = p Delta; s' = 2 s Delta holds everywhere.
    """
    return p * (tau - (1 + rates.variance) * p) - rates.eta


def velocity(p: Any, s: Any, tau: Any, rates: Rates) -> tuple[Any, Any]:
    """(dp/dt, ds/dt) at a given tau (Tian 2021, Eqs. 11 and 12)."""
    pull = tau - (1 + rates.variance) * p
    return rates.alpha_p * s * pull - rates.eta * p, 2 * p * s * pull - 2 * rates.eta * s


def target_velocity(p: Any, tau: Any, beta: Any, rates: Rates) -> Any:
    """dtau/dt = beta (1 - tau) - tau Delta (Tian 2021, Eq. 13 divided by s, so that s = 0 is no exception)."""
    return beta * (1 - tau) - tau * growth(p, tau, rates)


def offset(p: Any, s: Any, rates: Rates) -> Any:
    """c = s - p^2 / alpha_p, which decays as exp(-2 eta t).

    Tian 2021, Eq. 14 with the sign that the flow has: the text prints c = p^2 / alpha_p - s beside
    s = p^2 / alpha_p + c exp(-2 eta t).
    """
    return s - p**2 / rates.alpha_p


def alignment_rate(p: Any, s: Any, tau: Any, rates: Rates) -> Any:
    """Eigenvalue k of K for this mode: eigenvectors of Wp and F align while k > 0 (Tian 2021, Eq. 17)."""
    return (rates.alpha_p * (1 + rates.variance) * s + rates.eta) / 2 - growth(p, tau, rates)


def integrate(
    p: Any, s: Any, tau: Any, times: Any, rates: Rates, beta: Any = None, rtol: float = 1e-11
) -> tuple[Float64[Array, "t ..."], Float64[Array, "t ..."], Float64[Array, "t ..."]]:
    """The modes at ``times``, by an adaptive Runge-Kutta method of order 8.

    Args:
        p: Start; ``p``, ``s``, ``tau``, ``beta`` and the rates broadcast to one shape.
        s: Start, >= 0.
        tau: Start, or the constant value where ``beta`` is None.
        times: Rising, from the start on; shape (t,).
        rates: Parameters.
        beta: Rate of the moving average; None: tau is constant (1: no moving average).
        rtol: Relative tolerance; the absolute one is a thousandth of it.

    Returns:
        p, s and tau of shape (t, ...).
    """
    nonnegative("s", s)
    if beta is not None:
        nonnegative("beta", beta)
    p, s, tau = _together(p, s, tau, beta, rates)
    shape, grid = p.shape, np.asarray(times, dtype=float)

    def rhs(_: float, state: Array) -> Array:
        p, s, tau = state.reshape(3, *shape)
        dp, ds = velocity(p, s, tau, rates)
        dtau = np.zeros(shape) if beta is None else target_velocity(p, tau, beta, rates)
        return np.concatenate([np.ravel(dp), np.ravel(ds), np.ravel(dtau)])

    start = np.concatenate([p.ravel(), s.ravel(), tau.ravel()])
    done = solve_ivp(
        rhs, (grid[0], grid[-1]), start, method="DOP853", t_eval=grid, rtol=rtol, atol=rtol * 1e-3
    )  # fmt: skip
    if not done.success:
        raise UserError(f"modes: the flow cannot be integrated to t = {grid[-1]:g}: {done.message}")
    found = np.moveaxis(done.y.reshape(3, *shape, len(grid)), -1, 1)
    return found[0], found[1], found[2]


def euler(
    p: Any, s: Any, tau: Any, steps: int, alpha: float, rates: Rates, beta: Any = None
) -> tuple[Float64[Array, "t ..."], Float64[Array, "t ..."], Float64[Array, "t ..."]]:
    """The modes after 0, 1, ..., ``steps`` steps of size ``alpha``, as gradient descent takes them.

    Args as :func:`integrate`; ``beta`` may be infinite in places: no moving average there, tau stays 1.

    Returns:
        p, s and tau of shape (steps + 1, ...).
    """
    positive("alpha", alpha)
    nonnegative("s", s)
    p, s, tau = _together(p, s, tau, beta, rates)
    path = np.empty((3, steps + 1, *p.shape))
    online, rate = (None, None) if beta is None else (np.isinf(beta), np.where(np.isinf(beta), 0.0, beta))
    if online is not None:
        tau = np.where(online, 1.0, tau)
    for step in range(steps + 1):
        path[:, step] = p, s, tau
        dp, ds = velocity(p, s, tau, rates)
        if online is not None:
            tau = np.where(online, 1.0, tau + alpha * target_velocity(p, tau, rate, rates))
        p, s = p + alpha * dp, s + alpha * ds
    return path[0], path[1], path[2]


def _together(p: Any, s: Any, tau: Any, beta: Any, rates: Rates) -> list[Array]:
    """Starts of the shape to which everything broadcasts."""
    more = [rates.alpha_p, rates.eta, rates.variance, 0.0 if beta is None else beta]
    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (p, s, tau, *more)))
    return [np.array(array) for array in arrays[:3]]
