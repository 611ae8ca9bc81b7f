"""The moving average of a mode: tau as a function of the mode's past (Tian 2021, Eq. 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import CubicSpline

from pipeline.papers.directpred.checks import Array, nonnegative

if TYPE_CHECKING:
    from jaxtyping import Float64


def ratio_from_path(times: Any, s: Any, beta: float, start: float = 0.0) -> Float64[Array, " t"]:
    """tau(t) of one mode from its s(t).

    tau = exp(-beta t) [tau_0 sqrt(s_0) + beta int_0^t sqrt(s(u)) exp(beta u) du] / sqrt(s(t)). Tian 2021 prints p in
    place of sqrt(s) and tau_0 = 0, which is exact on the parabola alone. The ratio depends on the mode: one tau for
    all of them (the text's first assumption) is exact only where all sqrt(s) are proportional in time.

    Args:
        times: Shape (t,), from 0 on; close enough that a cubic spline through them is exact enough.
        s: s at these times, > 0.
        beta: Rate of the moving average.
        start: tau at time 0.
    """
    nonnegative("beta", beta)
    time, root = np.asarray(times, dtype=float), np.sqrt(np.asarray(s, dtype=float))
    # relative to the end of time, so that the exponential does not overflow
    weight = np.exp(beta * (time - time[-1]))
    past = CubicSpline(time, root * weight).antiderivative()(time)
    return (start * root[0] * weight[0] + beta * past) / (root * weight)


def slow_ratio(time: Any, beta: float, start: float = 0.0) -> Any:
    """tau for a slow moving average at eta = 0: 1 - (1 - tau_0) exp(-beta t / 2), half the rate of the average itself.

    The mode follows its goal p = tau / (1 + sigma^2) and s is proportional to tau^2, so that Eq. 13 reads
    tau' = beta (1 - tau) - tau'. Derived, not in the text.
    """
    return 1 - (1 - start) * np.exp(-beta * np.asarray(time) / 2)


def collapsing_ratio(eta: float, beta: float) -> float:
    """Where tau goes while a mode collapses at rate eta: beta / (beta - eta), infinite for eta >= beta.

    So tau may pass 1; the text bounds it by 1.
    """
    nonnegative("eta", eta)
    return beta / (beta - eta) if eta < beta else float("inf")
