"""Where a mode comes to rest, and which starts collapse (Tian 2021, Eq. 16, Figs. 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from pipeline.papers.directpred.modes import Rates, offset

STABLE, UNSTABLE, HALF_STABLE = "stable", "unstable", "half-stable"


@dataclass(frozen=True)
class Equilibrium:
    """A point on the parabola s = p^2 / alpha_p at which the flow stands still."""

    p: float
    s: float
    stability: str


def threshold(tau: float, variance: float) -> float:
    """The weight decay above which every mode collapses, tau^2 / (4 (1 + sigma^2))."""
    return tau**2 / (4 * (1 + variance))


def parabola_velocity(p: Any, tau: Any, rates: Rates) -> Any:
    """dp/dt on s = p^2 / alpha_p (Tian 2021, Eq. 16); alpha_p drops out."""
    return p**2 * (tau - (1 + rates.variance) * p) - rates.eta * p


def caption_velocity(p: Any, tau: Any, rates: Rates) -> Any:
    """-p (p - p_-)(p - p_+), as the caption of Fig. 4 prints dp/dt.

    It is Eq. 16 divided by 1 + sigma^2: the same roots, another speed. Without real roots p_-, p_+ their product and
    sum are still real.
    """
    factor = 1 + rates.variance
    return -p * (p**2 - tau / factor * p + rates.eta / factor)


def roots(tau: Any, rates: Rates) -> tuple[Any, Any]:
    """(p_-, p_+), the equilibria other than 0; nan where eta is above the threshold."""
    factor = 1 + rates.variance
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.asarray(tau, dtype=float) ** 2 - 4 * rates.eta * factor)
    high = (tau + root) / (2 * factor)
    with np.errstate(invalid="ignore", divide="ignore"):
        # from the product of the roots: no cancellation for a small weight decay
        low = np.where(high == 0, 0.0, rates.eta / factor / high)
    return low[()], high[()]


def on_parabola(tau: float, rates: Rates) -> list[Equilibrium]:
    """All equilibria on the parabola in rising order, with their stability along it.

    At eta = 0 the origin attracts p < 0 and repels p > 0; at the threshold p_- and p_+ are one half-stable point, so
    that the three points of the text need eta strictly below it.
    """
    at = 1 / rates.alpha_p
    low, high = roots(tau, rates)
    if rates.eta == 0:
        found = [(0.0, HALF_STABLE), (high, STABLE)]
    elif math.isnan(high):
        found = [(0.0, STABLE)]
    elif math.isclose(low, high, rel_tol=1e-7):
        found = [(0.0, STABLE), (high, HALF_STABLE)]
    else:
        found = [(0.0, STABLE), (low, UNSTABLE), (high, STABLE)]
    return [Equilibrium(float(p), float(p**2 * at), stability) for p, stability in found]


def on_line(velocity: Callable[[Any], Any], span: Sequence[float], nodes: int = 4001) -> list[tuple[float, str]]:
    """Equilibria of a flow on a line and their stability, from the signs of the flow alone.

    Nothing is known of the flow but its values: a change of sign is an equilibrium, and so is a place at which it comes
    down to zero and turns back, which attracts on one side and repels on the other.

    Args:
        velocity: dp/dt at an array of p, continuous.
        span: First and last p that are looked at.
        nodes: Values that are looked at; equilibria closer than their distance may be missed.

    Returns:
        p and stability, in rising order of p.
    """
    # no node at a round number: there the flow would be zero and have no sign
    low, high = span
    p = low + (high - low) * (np.arange(nodes) + 0.38) / nodes
    flow = velocity(p)
    sign, size = np.sign(flow), np.abs(flow)
    found = [
        float(brentq(velocity, p[i], p[i + 1], xtol=1e-15, maxiter=1000))
        for i in np.flatnonzero(sign[1:] * sign[:-1] < 0)
    ]
    turns = (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]) & (sign[:-2] == sign[1:-1]) & (sign[1:-1] == sign[2:])
    for i in np.flatnonzero(turns) + 1:
        least = minimize_scalar(
            lambda x: abs(velocity(x)), bounds=(p[i - 1], p[i + 1]), method="bounded", options={"xatol": 1e-14}
        )
        if least.fun < 1e-12 * size.max():
            found.append(float(least.x))
    labels = {(1, -1): STABLE, (-1, 1): UNSTABLE}
    beside = (p[1] - p[0]) / 2
    return [
        (
            place,
            labels.get((int(np.sign(velocity(place - beside))), int(np.sign(velocity(place + beside)))), HALF_STABLE),
        )
        for place in sorted(found)
    ]


def collapses_without_decay(p: Any, s: Any, tau: Any, rates: Rates) -> Any:
    """Say whether s ends at 0 at eta = 0 and constant tau > 0, from a start with s > 0.

    Orbits are pieces of s = p^2 / alpha_p + c. Below the parabola (c < 0) the orbit of p >= 0 meets s = 0 at
    sqrt(-alpha_p c); the mode survives iff this is left of tau / (1 + sigma^2) and p > 0. The text's s > p^2 / alpha_p
    is sufficient for survival, not necessary.
    """
    c = offset(p, s, rates)
    # on the parabola itself (c = 0) an orbit of p <= 0 ends in the origin
    edge = np.sqrt(np.maximum(-rates.alpha_p * c, 0.0))
    return (c <= 0) & ((p <= 0) | (edge >= tau / (1 + rates.variance)))


def end_without_decay(p: Any, s: Any, tau: Any, rates: Rates) -> tuple[Any, Any]:
    """(p, s) at the end of time at eta = 0 and constant tau > 0; s gains (p_end^2 - p^2) / alpha_p."""
    c = offset(p, s, rates)
    dead = collapses_without_decay(p, s, tau, rates)
    goal = tau / (1 + rates.variance)
    edge = np.sqrt(np.maximum(-rates.alpha_p * c, 0.0))
    end = np.where(dead, np.where(p > 0, edge, -edge), goal)
    return end[()], np.where(dead, 0.0, c + goal**2 / rates.alpha_p)[()]
