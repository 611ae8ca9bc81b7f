"""Figure 8 of Tian 2021: the symmetric and the skew part of Wp while F = Wp^T Wp."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.papers.directpred.alignment import balanced_velocity, integrate
from pipeline.papers.directpred.modes import Rates
from pipeline.ranges import Count, NonNegative, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    etas: Some[NonNegative] = [0.001, 0.01, 0.05],  # noqa: B006 (a literal that is read, never written)
    taus: Some[NonNegative] = [0.1, 0.3, 0.6, 1.0],  # noqa: B006
    size: Width = 8,
    init: NonNegative = 0.2,
    variance: NonNegative = 9.0e-4,
    until: Positive = 2000.0,
    points: Count = 120,
    replications: Replications = 10,
    seed: Seed = 0,
) -> Simulation:
    """Eq. 62 on the invariant F = Wp^T Wp of Theorem 1, from random Wp.

    Args:
        etas: Weight decays.
        taus: Ratios of target to online weights, constant.
        size: Of Wp.
        init: Standard deviation of its entries at the start.
        variance: sigma^2 of the augmentation.
        until: Time at the end.
        points: Of each curve, at times that grow geometrically.
        replications: Random starts.
        seed: Of the first start.
    """
    starts = [np.random.default_rng([seed, run]).normal(0.0, init, (size, size)) for run in range(replications)]
    wp = np.broadcast_to(np.array(starts), (len(etas), len(taus), replications, size, size))
    eta, tau = np.array(etas).reshape(-1, 1, 1, 1, 1), np.array(taus).reshape(1, -1, 1, 1, 1)
    rates = Rates(1.0, eta, variance)
    times = np.concatenate([[0.0], np.geomspace(0.1, until, points - 1)])
    (path,) = integrate(_velocity(tau, rates), (wp,), times, rtol=1e-8)
    other = np.swapaxes(path, -1, -2)
    norms = {
        "symmetric": np.linalg.norm(path + other, axis=(-1, -2)) / 2,
        "skew": np.linalg.norm(path - other, axis=(-1, -2)) / 2,
    }
    made = Simulation()
    for part, norm in norms.items():
        for i, decay in enumerate(etas):
            for j, ratio in enumerate(taus):
                made.add(list(norm[-1, i, j] / norm[0, i, j]), eta=decay, tau=ratio, part=part)
        made.curves[part] = norm
    made.curves.update(time=times, eta=np.array(etas), tau=np.array(taus))
    return made


def _velocity(tau: np.ndarray, rates: Rates) -> Callable[[np.ndarray], tuple[np.ndarray]]:
    def rhs(wp: np.ndarray) -> tuple[np.ndarray]:
        return (balanced_velocity(wp, tau, rates),)

    return rhs
