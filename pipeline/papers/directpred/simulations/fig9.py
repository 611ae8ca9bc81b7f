"""Figure 9 of Tian 2021: how far Wp is from sharing eigenvectors with F, under the symmetrised flow."""

from __future__ import annotations

import numpy as np

from pipeline.papers.directpred.alignment import commutator, integrate, symmetrised_velocity
from pipeline.papers.directpred.modes import Rates
from pipeline.ranges import Count, NonNegative, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    etas: Some[NonNegative] = [0.0, 0.01, 0.02, 0.05],  # noqa: B006 (a literal that is read, never written)
    taus: Some[NonNegative] = [0.2, 0.6, 1.0],  # noqa: B006
    size: Width = 6,
    init: NonNegative = 0.02,
    variance: NonNegative = 9.0e-4,
    until: Positive = 1000.0,
    points: Count = 160,
    replications: Replications = 10,
    seed: Seed = 0,
) -> Simulation:
    """Eq. 7 from a small random symmetric Wp and a random F = W W^T.

    Args:
        etas: Weight decays.
        taus: Ratios of target to online weights, constant.
        size: Of Wp and F.
        init: Standard deviation of the entries of W and of Wp at the start, before Wp is symmetrised. Smaller starts
            have higher peaks.
        variance: sigma^2 of the augmentation.
        until: Time at the end.
        points: Of each curve, at times that grow geometrically.
        replications: Random starts.
        seed: Of the first start.
    """
    starts = [np.random.default_rng([seed, run]).normal(0.0, 1.0, (2, size, size)) for run in range(replications)]
    raw = np.array(starts)
    shape = (len(etas), len(taus), replications, size, size)
    wp = np.broadcast_to(init * (raw[:, 0] + np.swapaxes(raw[:, 0], -1, -2)) / 2, shape)
    f = np.broadcast_to(init**2 * raw[:, 1] @ np.swapaxes(raw[:, 1], -1, -2), shape)
    eta, tau = np.array(etas).reshape(-1, 1, 1, 1, 1), np.array(taus).reshape(1, -1, 1, 1, 1)
    rates = Rates(1.0, eta, variance)
    times = np.concatenate([[0.0], np.geomspace(0.5, until, points - 1)])

    def rhs(wp: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return symmetrised_velocity(wp, f, tau, rates)

    wps, fs = integrate(rhs, (wp, f), times, rtol=1e-9)
    norm = np.linalg.norm(commutator(fs, wps), axis=(-1, -2))
    share = norm / norm[0]
    made = Simulation()
    for i, decay in enumerate(etas):
        for j, ratio in enumerate(taus):
            at = {"eta": decay, "tau": ratio}
            made.add(list(share[:, i, j].max(axis=0)), **at, quantity="peak")
            made.add(list(share[-1, i, j]), **at, quantity="last")
            made.add(list(np.linalg.eigvalsh(fs[-1, i, j])[:, -1]), **at, quantity="largest s at the end")
    made.curves.update(share=share, time=times, eta=np.array(etas), tau=np.array(taus))
    return made
