"""Table 4 of Tian 2021: the ten observations on alpha_p, eta and beta, as what simulated modes do."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from pipeline.papers.directpred.modes import Rates, alignment_rate, integrate, offset
from pipeline.ranges import Count, NonNegative, Positive, Some
from pipeline.simulation.records import Simulation


def simulate(
    *,
    alpha_ps: Some[Positive] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0],  # noqa: B006 (a literal that is read, never written)
    etas: Some[NonNegative] = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1],  # noqa: B006
    strong_etas: Some[NonNegative] = [0.05, 0.1, 0.2, 0.25, 0.3],  # noqa: B006
    betas: Some[NonNegative] = [0.1, 0.2, 0.4, 0.8, 1.6],  # noqa: B006
    eta: NonNegative = 0.04,
    variance: NonNegative = 0.1,
    until: Positive = 600.0,
    starts: Count = 400,
) -> Simulation:
    """The response of each observation to its factor: at the factor's ends, and its rank correlation with it.

    Args:
        alpha_ps: Relative rates of the predictor (#1, #2, #6).
        etas: Weight decays (#3, #4, #7).
        strong_etas: Weight decays around the threshold, .227 at tau = 1 (#5).
        betas: Rates of the moving average (#8, #9, #10).
        eta: Weight decay where another factor varies.
        variance: sigma^2 of the augmentation.
        until: Length of a run.
        starts: Of a search for the edge of the basin of collapse.
    """
    made = Simulation()

    def tell(name: str, factor: list, response: Any) -> None:
        # a mode that decays has no sign worth telling, only rounding
        values = [float(value) if abs(value) > 1e-12 else 0.0 for value in response]
        made.add(values[0], observation=name, quantity="at smallest")
        made.add(values[-1], observation=name, quantity="at largest")
        # what a factor leaves alone has no rank: rounding would make one up
        constant = max(values) - min(values) <= 1e-12 * max(1.0, *map(abs, values))
        made.add(
            0.0 if constant else spearmanr(factor, values).statistic, observation=name, quantity="rank correlation"
        )

    def least_k(p: Any, s: Any, tau: Any, rates: Rates, beta: Any = None) -> Any:
        path = integrate(p, s, tau, np.linspace(0.0, 100.0, 2001), rates, beta, rtol=1e-9)
        return alignment_rate(*path, rates).min(axis=0)

    def edge(tau: Any, rates: Rates, beta: Any = None) -> Any:
        """Share of the starts on the parabola, 0 < p < 1, that collapse."""
        p = (np.arange(starts) + 0.5)[:, None] / starts
        path = integrate(p, p**2 / rates.alpha_p, tau, [0.0, until], rates, beta, rtol=1e-7)
        return ((path[1][-1] < 1e-3) & (path[1][-1] < path[1][0])).mean(axis=0)

    alpha_p, decay, strong, beta = (np.array(x) for x in (alpha_ps, etas, strong_etas, betas))

    p, s = (axis.ravel()[:, None] for axis in np.meshgrid(np.linspace(-1, 1, 21), np.linspace(0, 0.5, 21)[1:]))
    rates = Rates(alpha_p, 0.0, variance)
    share = (integrate(p, s, 1.0, [0.0, until], rates, rtol=1e-7)[1][-1] < 1e-3).mean(axis=0)
    tell("#1 alpha_p: share of starts that collapse", alpha_ps, share)
    grown = integrate(0.1, 0.05, 1.0, [0.0, until], rates)[1][-1] - 0.05
    tell("#2 alpha_p: growth of s", alpha_ps, grown)
    rates = Rates(1.0, decay, variance)
    path = integrate(0.1, 0.5, 1.0, [0.0, 50.0], rates)
    tell("#3 eta: share of c left at t = 50", etas, offset(path[0][-1], path[1][-1], rates) / 0.49)
    tell("#4 eta: share of starts that collapse", etas, edge(1.0, rates))
    last = integrate(0.9, 0.81, 1.0, [0.0, until], Rates(1.0, strong, variance), rtol=1e-9)[0][-1]
    tell("#5 eta past its threshold: last p", strong_etas, last)
    rates = Rates(alpha_p, eta, variance)
    tell("#6 alpha_p: k at p = s = 0.3", alpha_ps, alignment_rate(0.3, 0.3, 1.0, rates))
    tell("#6 alpha_p: least k from p = s = 0.3", alpha_ps, least_k(0.3, 0.3, 1.0, rates))
    tell("#6 alpha_p: least k on the parabola", alpha_ps, least_k(0.3, 0.09 / alpha_p, 1.0, rates))
    tell("#7 eta: least k", etas, least_k(0.3, 0.09, 1.0, Rates(1.0, decay, variance)))
    rates = Rates(1.0, eta, variance)
    tell("#8 beta: least k", betas, least_k(0.3, 0.09, 0.0, rates, beta))
    times = np.linspace(0.0, 200.0, 4001)
    path = integrate(0.5, 0.25, 0.0, times, rates, beta, rtol=1e-9)
    tell("#9 beta: time to arrive", betas, times[_arrival(path[0])])
    tell("#10 beta: share of starts that collapse", betas, edge(0.0, rates, beta))
    return made


def _arrival(p: Any) -> Any:
    """First place from which on p stays above 95 % of its last value."""
    below = p < 0.95 * p[-1]
    return len(p) - np.argmax(below[::-1], axis=0)
