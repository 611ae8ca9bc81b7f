"""Symmetry and alignment of Wp with F: the reduced matrix flows and Theorem 3 (Tian 2021, Eqs. 7-10 and 61-75).

F is n2 x n2, symmetric and positive semi-definite; the target is tau W with a constant tau, X = I, X' = sigma^2 I.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import cumulative_simpson, solve_ivp

from pipeline.errors import UserError
from pipeline.papers.directpred.checks import Array, covariance
from pipeline.papers.directpred.flow import transposed
from pipeline.papers.directpred.modes import Rates

if TYPE_CHECKING:
    from jaxtyping import Float64


def _anti(first: Array, second: Array) -> Array:
    return first @ second + second @ first


def symmetrised_velocity(
    wp: Float64[Array, "*batch n2 n2"], f: Float64[Array, "*batch n2 n2"], tau: Any, rates: Rates
) -> tuple[Float64[Array, "*batch n2 n2"], Float64[Array, "*batch n2 n2"]]:
    """(dWp, dF) / dt for a symmetric Wp and a symmetrised flow (Tian 2021, Eq. 7).

    Args:
        wp: (..., n2, n2), symmetric.
        f: (..., n2, n2), symmetric.
        tau: Broadcasts against (..., 1, 1), as do the rates.
        rates: Parameters.
    """
    both = _anti(wp, f)
    dwp = -rates.alpha_p / 2 * (1 + rates.variance) * both + rates.alpha_p * tau * f - rates.eta * wp
    return dwp, -(1 + rates.variance) * _anti(wp @ wp, f) + tau * both - 2 * rates.eta * f


def predictor_velocity(
    wp: Float64[Array, "*batch n2 n2"], f: Float64[Array, "*batch n2 n2"], tau: Any, rates: Rates
) -> Float64[Array, "*batch n2 n2"]:
    """dWp / dt for a Wp that need not be symmetric (Tian 2021, Eq. 62)."""
    return -rates.alpha_p * (1 + rates.variance) * wp @ f + rates.alpha_p * tau * f - rates.eta * wp


def correlation_velocity(
    wp: Float64[Array, "*batch n2 n2"], f: Float64[Array, "*batch n2 n2"], tau: Any, rates: Rates
) -> Float64[Array, "*batch n2 n2"]:
    """dF / dt for a Wp that need not be symmetric (Tian 2021, Eq. 63)."""
    decay = _anti(transposed(wp) @ wp, f)
    return -(1 + rates.variance) * decay + tau * (transposed(wp) @ f + f @ wp) - 2 * rates.eta * f


def balanced_velocity(wp: Float64[Array, "*batch n2 n2"], tau: Any, rates: Rates) -> Float64[Array, "*batch n2 n2"]:
    """dWp / dt of Eq. 62 with F = Wp^T Wp / alpha_p, which is Theorem 1 with C = 0."""
    return predictor_velocity(wp, transposed(wp) @ wp / rates.alpha_p, tau, rates)


def resting_predictor(f: Float64[Array, "*batch n2 n2"], tau: float, rates: Rates) -> Float64[Array, "*batch n2 n2"]:
    """Wp at which Eq. 62 stands still for a given F: tau F [(1 + sigma^2) F + eta / alpha_p I]^-1, a ridge solution.

    It is symmetric: Wp has the eigenvectors of F. Without decay a singular F leaves it open; this is the solution of
    least norm.

    Raises:
        UserError: F is not symmetric and positive semi-definite.
    """
    values, vectors = np.linalg.eigh(covariance("F", f))
    values = np.maximum(values, 0.0)
    below = (1 + rates.variance) * values + rates.eta / rates.alpha_p
    # relative to the largest: what rounding makes of a zero eigenvalue has no direction
    known = values > len(values) * np.finfo(float).eps * values.max(initial=0.0)
    gains = np.divide(tau * values, below, out=np.zeros_like(values), where=known)
    return (vectors * gains) @ vectors.T


def commutator(f: Float64[Array, "*batch n2 n2"], wp: Float64[Array, "*batch n2 n2"]) -> Float64[Array, "*batch n2 n2"]:
    """[F, Wp], zero iff they share eigenvectors."""
    return f @ wp - wp @ f


def alignment_matrix(
    f: Float64[Array, "*batch n2 n2"], wp: Float64[Array, "*batch n2 n2"], tau: Any, rates: Rates
) -> Float64[Array, "*batch n2 n2"]:
    """K in d[F, Wp]/dt = -[F, Wp] K - K [F, Wp] under Eq. 7 (Tian 2021, Theorem 3).

    If lambda_min(K) >= lambda_0 > 0 at all times, |[F, Wp]| decays at least as exp(-2 lambda_0 t). The supplement's
    condition has a maximum over time where it needs the infimum.
    """
    unit = np.eye(f.shape[-1])
    return (
        rates.alpha_p * (1 + rates.variance) / 2 * f
        + (1 + rates.variance) * wp @ wp
        - tau * wp
        + 1.5 * rates.eta * unit
    )


def near_alignment(times: Any, s: Float64[Array, "t n"], rates: Rates) -> Float64[Array, "t n n"]:
    """|[F, Wp]_ij| at ``times`` relative to the start, while the commutator is small and Eq. 7 holds.

    sqrt(s_i s_j / s_i(0) s_j(0)) exp(-1/2 int [alpha_p (1 + sigma^2) (s_i + s_j) + 2 eta] dt): growing modes make the
    commutator shoot up before it decays. Derived, not in the text.

    Args:
        times: Shape (t,), even or not, close enough for Simpson's rule.
        s: The aligned modes' s at these times, > 0; shape (t, n).
        rates: Parameters, numbers.

    Returns:
        Shape (t, n, n).
    """
    pair = s[:, :, None] * s[:, None, :]
    rate = rates.alpha_p * (1 + rates.variance) * (s[:, :, None] + s[:, None, :]) + 2 * rates.eta
    past = cumulative_simpson(rate, x=np.asarray(times, dtype=float), axis=0, initial=0)
    return np.sqrt(pair / pair[0]) * np.exp(-past / 2)


def integrate(
    rhs: Callable[..., tuple[Float64[Array, "..."], ...]],
    start: tuple[Float64[Array, "..."], ...],
    times: Any,
    rtol: float = 1e-10,
) -> list[Float64[Array, "t ..."]]:
    """Matrices (..., n, n) under ``rhs(*matrices) -> velocities`` at ``times``; each of shape (t, ..., n, n)."""
    grid, shape = np.asarray(times, dtype=float), start[0].shape

    def flat(_: float, state: Array) -> Array:
        return np.stack(rhs(*state.reshape(len(start), *shape))).ravel()

    done = solve_ivp(
        flat, (grid[0], grid[-1]), np.stack(start).ravel(), method="DOP853", t_eval=grid, rtol=rtol, atol=rtol * 1e-2
    )  # fmt: skip
    if not done.success:
        raise UserError(f"alignment: the flow cannot be integrated to t = {grid[-1]:g}: {done.message}")
    return list(np.moveaxis(done.y.reshape(len(start), *shape, len(grid)), -1, 1))
