"""Figure 9 of Simon 2023: losses of a mode that would speed up slow modes, and what each does to descent."""

from __future__ import annotations

import numpy as np

from pipeline.papers.stepwise import modes
from pipeline.ranges import Count, NonNegative, Positive
from pipeline.simulation.records import Simulation

_BESIDE = 1e-6
"""How far beside a kink its one-sided derivatives are taken."""

_RATES = np.geomspace(0.05, 0.8, 49)
"""Learning rates, in units of 1 / gamma, of which the largest is sought that brings a mode to rest."""


def simulate(
    *,
    slope: NonNegative = 0.1,
    rate: Positive = 0.5,
    start: Positive = 0.01,
    fast: Positive = 1.0,
    slow: Positive = 0.02,
    steps: Count = 60,
) -> Simulation:
    """The four losses over sbar, and gradient descent of a fast and a slow mode at one learning rate.

    The formula of panel C is lost in print. min(sbar^2, 1), of which D is the softened form, is the reading here;
    (1 - sbar^2)^4 is the other that the text names.

    Args:
        slope: Of the softened loss beyond its minimum.
        rate: Learning rate: twice the largest at which the fast mode of A is stable, 1 / 4.
        start: sbar(0) of both modes.
        fast: gamma of the fast mode.
        slow: gamma of the slow mode.
        steps: Steps of descent.
    """
    losses = {
        "A": (modes.barlow, modes.barlow_gradient),
        "B": (modes.sharp, modes.sharp_gradient),
        "C": (modes.flat, modes.flat_gradient),
        "D": (lambda s: modes.softened(s, slope), lambda s: modes.softened_gradient(s, slope)),
    }
    made = Simulation()
    place = np.linspace(-1.5, 1.5, 601)
    made.curves.update(place=place, gamma=np.array([fast, slow]), step=np.arange(steps + 1, dtype=np.float64))
    for name, (loss, gradient) in losses.items():
        path = {gamma: modes.descend(gradient, start, rate * gamma, steps) for gamma in (fast, slow)}
        made.curves |= {f"{name} loss": loss(place), f"{name} fast": path[fast], f"{name} slow": path[slow]}
        learnt = np.flatnonzero(np.abs(modes.descend(gradient, start, rate * slow, 10_000)) >= 0.5)
        settled = [one for one in _RATES if loss(modes.descend(gradient, start, one * fast, 400)[-40:]).max() < 0.01]
        found = {
            "slope beside 0": -float(gradient(np.array(_BESIDE))),
            "largest learning rate at which the fast mode settles": max(settled, default=0.0),
            "late loss of the fast mode": loss(path[fast][-steps // 2 :]).max(),
            "steps until the slow mode is half learnt": float(learnt[0]),
        }
        for quantity, value in found.items():
            made.add(value, panel=name, quantity=quantity)
    return made
