"""A mode with one weight decay for the predictor and another for the online network (Tian 2021, Table 5)."""

from __future__ import annotations

from typing import Any

from pipeline.papers.directpred.checks import nonnegative
from pipeline.papers.directpred.modes import Rates
from pipeline.papers.directpred.modes import velocity as one_decay


def velocity(p: Any, s: Any, tau: Any, rates: Rates, online: Any) -> tuple[Any, Any]:
    """(dp/dt, ds/dt) with decay ``rates.eta`` of the predictor and ``online`` of the rest.

    The offset c = s - p^2 / alpha_p then moves as 2 eta_p p^2 / alpha_p - 2 eta_s s: Theorem 1 needs one decay.
    """
    nonnegative("online", online)
    dp, ds = one_decay(p, s, tau, rates)
    return dp, ds + 2 * (rates.eta - online) * s


def drift(tau: Any, rates: Rates) -> Any:
    """Slope at which s grows for ever when the predictor alone decays, 2 eta_p tau^2 / (alpha_p (1 + sigma^2)^2).

    p then tends to tau / (1 + sigma^2) from below. There is no collapse and no equilibrium; a loss of normalised
    outputs does not feel the growth. Derived, not in the text.
    """
    return 2 * rates.eta * tau**2 / (rates.alpha_p * (1 + rates.variance) ** 2)
