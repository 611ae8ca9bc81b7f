"""Figure 5 of Tian 2021: what weight decay and the moving average do to a mode."""

from __future__ import annotations

import numpy as np

from pipeline.papers.directpred.alignment import commutator, symmetrised_velocity
from pipeline.papers.directpred.modes import Rates, alignment_rate, euler
from pipeline.ranges import Count, Fraction, NonNegative, Positive, Real, Some
from pipeline.simulation.records import Simulation

_ASKED = 12
"""Moments of each run at which k is compared with what the commutator does."""


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
    apart = _apart([part[:: max(steps // _ASKED, 1)] for part in path], rates)
    curves = dict(zip(("k", "p", "s", "tau"), (k, *path), strict=True))
    arrived = np.argmax(path[0] >= near * path[0][-1], axis=0)
    for i, decay in enumerate(etas):
        for j, beta in enumerate(betas):
            at = {"eta": decay, "beta": beta}
            made.add(k[:, i, j].min(), **at, quantity="least k")
            made.add(path[0][-1, i, j], **at, quantity="last p")
            made.add(path[1][-1, i, j], **at, quantity="last s")
            made.add(arrived[i, j], **at, quantity="steps to arrive")
            made.add(apart[i, j], **at, quantity="k against the commutator")
    shown = np.unique(np.geomspace(1, steps, points).astype(int))
    made.curves.update({name: np.ascontiguousarray(curve[shown]) for name, curve in curves.items()})
    made.curves.update(step=shown, eta=np.array(etas), beta=np.array([*betas, -1.0]))
    return made


def _apart(path: list[np.ndarray], rates: Rates) -> np.ndarray:
    """Largest distance of k, summed over two modes, from the rate at which the commutator of their matrices falls.

    For 2 x 2 matrices [F, Wp] is a number times a fixed matrix, and Theorem 3 says that it falls at the rate tr K. The
    mode's partner has half its p and a quarter of its s; Wp is turned against F by a tenth of a radian.

    Args:
        path: p, s and tau, shape (moments, etas, betas) each.
        rates: Parameters; eta of shape (etas, 1).
    """
    p, s, tau = path
    both = np.array([1.0, 0.5])
    ps, ss = p[..., None] * both, s[..., None] * both**2
    cosine, sine = np.cos(0.1), np.sin(0.1)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    f, wp = ss[..., None] * np.eye(2), (turn * ps[..., None, :]) @ turn.T
    own = Rates(rates.alpha_p, np.asarray(rates.eta)[..., None, None], rates.variance)
    dwp, df = symmetrised_velocity(wp, f, tau[..., None, None], own)
    change = (commutator(df, wp) + commutator(f, dwp))[..., 0, 1]
    size = commutator(f, wp)[..., 0, 1]
    alone = Rates(rates.alpha_p, np.asarray(rates.eta)[..., None], rates.variance)
    k = alignment_rate(ps, ss, tau[..., None], alone).sum(axis=-1)
    # a commutator that has all but vanished with the mode has no rate worth telling
    told = np.abs(size) > 1e-9
    rate = np.divide(-change, size, out=k.copy(), where=told)
    return np.abs(rate - k).max(axis=0)
