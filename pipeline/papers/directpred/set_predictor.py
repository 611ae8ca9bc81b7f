"""Modes whose predictor is not trained but set from F: DirectPred and the optimal predictor (Tian 2021, Sec. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.papers.directpred.checks import Array, nonnegative
from pipeline.papers.directpred.equilibria import roots
from pipeline.papers.directpred.modes import Rates, growth

if TYPE_CHECKING:
    from jaxtyping import Float64


def eigenvalues(s: Any, epsilon: float) -> Float64[Array, "... n"]:
    """p_j = sqrt(s_j) + eps sqrt(max s), DirectPred's eigenvalues of Wp.

    Tian 2021, Eq. 18 prints eps max s, of another unit than sqrt(s); this reading keeps the effect of eps when all
    features are scaled, and is the printed one at max s = 1.

    Args:
        s: Eigenvalues of F, >= 0, of shape (..., n).
        epsilon: eps >= 0.
    """
    nonnegative("epsilon", epsilon)
    found = np.sqrt(np.asarray(nonnegative("s", s), dtype=float))
    return found + epsilon * found.max(axis=-1, keepdims=True)


def velocity(s: Any, epsilon: float, tau: float, rates: Rates) -> Float64[Array, "... n"]:
    """ds/dt = 2 s Delta(p) with p from :func:`eigenvalues`; at eps = 0 this is Eq. 16 for p = sqrt(s)."""
    return 2 * np.asarray(s, dtype=float) * growth(eigenvalues(s, epsilon), tau, rates)


def rescue(tau: float, rates: Rates) -> float:
    """The eps from which on DirectPred lets a mode grow however small it is: p_- / (p_+ - p_-).

    The largest mode rests at p = p_+, so that eps sqrt(max s) = p_+ eps / (1 + eps); a small mode has this p and grows
    iff it is above p_-. Derived, not in the text. nan where decay leaves no p_+.
    """
    low, high = roots(tau, rates)
    return float(low / (high - low))


def optimal_velocity(s: Any, rates: Rates) -> Float64[Array, "..."]:
    """ds/dt = -2 eta s under the predictor that minimises the loss (Table 1), p = tau / (1 + sigma^2) for all modes.

    Such a predictor leaves no gradient to W: weight decay alone moves it. Derived, not in the text.
    """
    return -2 * rates.eta * np.asarray(s, dtype=float)
