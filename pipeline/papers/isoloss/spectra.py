"""How the eigenvalues s of W W^T move in a linear network z = W x with white inputs and W_P = (W W^T)^alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import lambertw

from pipeline.errors import UserError
from pipeline.papers.isoloss.checks import choice, eigenvalues
from pipeline.papers.isoloss.gaussian import cosine_drift

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def euclidean_drift(
    s: Float64[Array, "*shape"], variant: str, *, alpha: float = 1.0, sigma: float = 0.0, both_views: bool = False
) -> Float64[Array, "*shape"]:
    """ds/dt in units of the learning rate for the Euclidean losses; modes do not see each other.

    Args:
        s: Eigenvalues, any shape.
        variant: ``plain``, ``iso``, ``nopred`` or ``nosg``.
        alpha: W_P = (W W^T)^alpha.
        sigma: Standard deviation of the noise on the inputs.
        both_views: Noise on view 1 too; if not, its input is clean.
    """
    choice("variant", variant, ("plain", "iso", "nopred", "nosg"))
    p = s**alpha
    noise = sigma**2
    inside = 1.0 + noise if both_views else 1.0
    if variant == "plain":
        return 2.0 * p * (1.0 - inside * p) * s
    if variant == "iso":
        return 2.0 * (1.0 - inside * p) * s
    if variant == "nopred":
        return 2.0 * (1.0 - inside) * s
    return -2.0 * ((1.0 - p) ** 2 + noise + (noise * p**2 if both_views else 0.0)) * s


def euclidean_exact(s0: Float64[Array, " M"], variant: str, time: Float64[Array, " T"]) -> Float64[Array, "T M"]:
    """Noise-free solution for alpha = 1; shape time x modes.

    plain: 1/s + ln|(1-s)/s| falls by 2 t; iso: logistic; nopred: constant; nosg: ln|s/(1-s)| + 1/(1-s) falls by 2 t,
    so that a mode that starts above 1 stops at 1 and only those below collapse. The implicit ones are solved with
    Lambert's W.

    Args:
        s0: Eigenvalues at time 0 (M,), above 0.
        variant: As in :func:`euclidean_drift`.
        time: Flow time, learning rate times steps (T,), at least 0.

    Raises:
        UserError: An eigenvalue that is not above 0, or a time below 0.
    """
    choice("variant", variant, ("plain", "iso", "nopred", "nosg"))
    s0, t = eigenvalues("s0", s0)[None, :], np.asarray(time, dtype=np.float64)[:, None]
    if (s0 == 0).any() or (t < 0).any():
        raise UserError("isoloss: euclidean_exact: expected eigenvalues above 0 and times of at least 0")
    if variant == "nopred":
        return np.repeat(s0, len(t), axis=0)
    if variant == "iso":
        return s0 / (s0 + (1.0 - s0) * np.exp(-2.0 * t))
    # y e^y = x: y is 1/s - 1 for plain, and s/(1-s) for nosg, with rates of -2 t
    y0 = (1.0 / s0 - 1.0) if variant == "plain" else s0 / np.where(s0 == 1.0, np.nan, 1.0 - s0)
    y = np.where(np.isnan(y0), 0.0, _product_log(np.broadcast_to(y0, (len(t), s0.shape[1])), 2.0 * t))
    if variant == "plain":
        return 1.0 / (1.0 + y)
    return np.where(np.isnan(y0), 1.0, y / (1.0 + y))


def _product_log(y0: Array, by: Array) -> Array:
    """y with y e^y = y0 e^(y0 - by), on y0's branch, without overflow for large y0."""
    log = np.log(np.abs(np.where(y0 == 0, 1.0, y0))) + y0 - by
    small = np.exp(np.minimum(log, 300.0))
    branch = y0 < -1.0
    direct = np.where(
        branch, lambertw(np.where(branch, -np.minimum(small, np.exp(-1.0)), -0.1), -1).real,
        lambertw(np.where(branch, 0.1, np.sign(y0) * small)).real,
    )  # fmt: skip
    deep = branch & (log < -300.0)
    far = np.where(deep, log - np.log(np.maximum(-log, 1.0)), np.where(log > 300.0, log, 0.0))
    y = np.where(deep | (log > 300.0), far, direct)
    for _ in range(3):  # y + ln|y| = log, by Newton: what lambertw has lost to exp(log)
        step = (y + np.log(np.abs(np.where(y == 0, 1.0, y))) - log) / (1.0 + 1.0 / np.where(y == 0, 1.0, y))
        safe = (np.abs(y + 1.0) > 1e-3) & (np.abs(y) > 1e-12)
        y = y - np.where(safe, step, 0.0)
    return np.where(y0 == 0, 0.0, y)


def time_to_half(s0: float, variant: str) -> float:
    """Flow time in which a mode comes from s0 to 1/2, Euclidean, alpha = 1, without noise.

    About 1/(2 s0) for ``plain`` and ln(1/s0)/2 for ``iso``: small modes wait a long time only for the former.
    """
    choice("variant", variant, ("plain", "iso"))
    if variant == "iso":
        return 0.5 * float(np.log((1.0 - s0) / s0))
    return 0.5 * float(1.0 / s0 - 2.0 + np.log((1.0 - s0) / s0))


def flow(
    s0: Float64[Array, " M"],
    metric: str,
    variant: str,
    time: Float64[Array, " T"],
    *,
    alpha: float = 1.0,
    sigma: float = 0.1,
    rtol: float = 1e-8,
) -> Float64[Array, "T M"]:
    """Eigenvalues at the given flow times (T, M), by adaptive integration of ln s; view 1 clean, view 2 noised.

    Raises:
        UserError: Bad eigenvalues, or an integration that does not come to its end.
    """
    choice("metric", metric, ("euclidean", "cosine"))
    s0, time = eigenvalues("s0", s0), np.asarray(time, dtype=np.float64)
    if (s0 == 0).any():
        raise UserError("isoloss: flow: expected eigenvalues above 0: a mode of exactly 0 never moves")

    def rate(_: float, log: Array) -> Array:
        s = np.exp(log)
        if metric == "euclidean":
            return euclidean_drift(s, variant, alpha=alpha, sigma=sigma) / s
        return cosine_drift(s, variant, alpha=alpha, sigma=sigma) / s

    def gone(_: float, log: Array) -> float:
        return float(np.sort(log)[-2] + 100.0) if log.size > 1 else 1.0

    gone.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(
        rate, (time[0], time[-1]), np.log(s0), method="LSODA", t_eval=time, rtol=rtol, atol=rtol, events=gone
    )
    if not found.success:
        raise UserError(f"isoloss: flow of {metric} {variant} stopped at time {found.t[-1]:.3g}: {found.message}")
    reached = np.exp(found.y.T)
    return np.concatenate([reached, np.repeat(reached[-1:], len(time) - len(reached), axis=0)])


def limit(s0: Float64[Array, " M"], metric: str, variant: str, *, alpha: float = 1.0) -> float:
    """The common value at which all modes end: 1, or what is conserved shared out evenly.

    The cosine loss conserves sum s (its gradient is orthogonal to the weights), cosine IsoLoss sum s^(1+alpha): so the
    modes end at the mean and, for alpha = 1, at the root mean square of where they started. Neither is in the text.
    """
    choice("variant", variant, ("plain", "iso", "nopred"))
    s0 = eigenvalues("s0", s0)
    if metric == "euclidean":
        return 1.0
    power = 1.0 + alpha if variant == "iso" else 1.0
    return float((s0**power).mean() ** (1.0 / power))


def participation(s: Array) -> Array:
    """(sum s)^2 / sum s^2 over the last axis: how many modes share the variance."""
    return s.sum(-1) ** 2 / (s**2).sum(-1)
