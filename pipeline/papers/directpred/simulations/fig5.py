"""Figure 5 of Tian 2021: what weight decay and the moving average do to a mode."""

from __future__ import annotations

import numpy as np

from pipeline.papers.directpred.modes import Rates, alignment_rate, euler
from pipeline.ranges import Count, Fraction, NonNegative, Positive, Real, Some
from pipeline.simulation.records import Simulation


def simulate(
    *,
    etas: Some[NonNegative] = [0.0, 0.01, 0.04, 0.08, 0.1, 0.2],  # noqa: B006 (a literal that is read, never written)
    betas: Some[NonNegative] = [0.1, 0.2, 0.4, 0.8],  # noqa: B006
    alpha: Positive = 0.01,
    steps: Count = 12000,
    p: Real = 0.3,
    tau: NonNegative = 0.0,
    alpha_p: Positive = 1.0,
    variance: NonNegative = 9.0e-4,
    near: Fraction = 0.95,
    points: Count = 180,
) -> Simulation:
    """All pairs of weight decay and moving average from one start on the parabola, by gradient descent.

    Args:
        etas: Weight decays in flow units; a step of size alpha multiplies them.
        betas: Rates of the moving average; beside them one run without it.
        alpha: Size of a step.
        steps: Steps of each run.
        p: Eigenvalue of Wp at the start; s = p^2 / alpha_p.
        tau: Ratio of target to online weight at the start.
        alpha_p: Relative rate of the predictor.
        variance: sigma^2 of the augmentation.
        near: A mode has arrived at this share of its last p.
        points: Of each curve, at steps that grow geometrically.
    """
    made = Simulation()
    eta = np.array(etas)[:, None]
    rates = Rates(alpha_p, eta, variance)
    path = euler(p, p**2 / alpha_p, tau, steps, alpha, rates, np.array([*betas, np.inf]))
    k = alignment_rate(*path, rates)
    curves = dict(zip(("k", "p", "s", "tau"), (k, *path), strict=True))
    arrived = np.argmax(path[0] >= near * path[0][-1], axis=0)
    for i, decay in enumerate(etas):
        for j, beta in enumerate(betas):
            at = {"eta": decay, "beta": beta}
            made.add(k[:, i, j].min(), **at, quantity="least k")
            made.add(path[0][-1, i, j], **at, quantity="last p")
            made.add(path[1][-1, i, j], **at, quantity="last s")
            made.add(arrived[i, j], **at, quantity="steps to arrive")
    shown = np.unique(np.geomspace(1, steps, points).astype(int))
    made.curves.update({name: np.ascontiguousarray(curve[shown]) for name, curve in curves.items()})
    made.curves.update(step=shown, eta=np.array(etas), beta=np.array([*betas, -1.0]))
    return made
