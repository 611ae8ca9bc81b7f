"""Figure 7 of Tian 2021: how parallel the target stays to the online network, the text's first assumption."""

from __future__ import annotations

import numpy as np

from pipeline.papers.directpred.flow import isotropic, velocity
from pipeline.ranges import Count, Fraction, NonNegative, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    etas: Some[NonNegative] = [0.0, 0.01, 0.1],  # noqa: B006 (a literal that is read, never written)
    momenta: Some[Fraction] = [0.9, 0.99, 0.996, 0.999],  # noqa: B006
    size: Width = 10,
    init: NonNegative = 0.3,
    sigma: NonNegative = 0.03,
    alpha: Positive = 0.01,
    alpha_p: Positive = 1.0,
    steps: Count = 6000,
    points: Count = 120,
    replications: Replications = 10,
    seed: Seed = 0,
) -> Simulation:
    """Gradient descent on the linear model from random weights and a target of zero.

    Args:
        etas: Weight decays in flow units.
        momenta: gamma_a of the moving average, alpha beta = 1 - gamma_a.
        size: All matrices are size x size.
        init: Standard deviation of the entries of W and Wp at the start.
        sigma: Of the augmentation; X = I, X' = sigma^2 I.
        alpha: Size of a step.
        alpha_p: Relative rate of the predictor.
        steps: Of each run.
        points: Of each curve, at steps that grow geometrically.
        replications: Random starts.
        seed: Of the first start; a start is the same for all rates.
    """
    starts = [np.random.default_rng([seed, run]).normal(0.0, init, (2, size, size)) for run in range(replications)]
    shape = (len(etas), len(momenta), replications, size, size)
    w, wp = (np.array(np.broadcast_to(matrix, shape)) for matrix in np.moveaxis(np.array(starts), 1, 0))
    wa = np.zeros(shape)
    eta = np.array(etas).reshape(-1, 1, 1, 1, 1)
    beta = (1 - np.array(momenta).reshape(1, -1, 1, 1, 1)) / alpha
    inputs = isotropic(size, sigma**2)
    shown = np.unique(np.geomspace(1, steps, points).astype(int))
    least = np.ones(shape[:3])
    curves = []
    for step in range(1, steps + 1):
        dw, dwp, dwa = velocity(w, wp, wa, inputs, alpha_p, eta, beta)
        w, wp, wa = w + alpha * dw, wp + alpha * dwp, wa + alpha * dwa
        if step % 5 == 0 or step in shown:
            cosine = _cosine(w, wa)
            least = np.minimum(least, cosine)
            if step in shown:
                curves.append(cosine)
    made = Simulation()
    for i, decay in enumerate(etas):
        for j, momentum in enumerate(momenta):
            at = {"eta": decay, "momentum": momentum}
            made.add(list(least[i, j]), **at, quantity="least cosine")
            made.add(list(curves[-1][i, j]), **at, quantity="last cosine")
    made.curves.update(cosine=np.array(curves), step=shown, eta=np.array(etas), momentum=np.array(momenta))
    return made


def _cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of matrices as vectors."""
    inner = np.einsum("...ij,...ij->...", first, second)
    return inner / np.linalg.norm(first, axis=(-1, -2)) / np.linalg.norm(second, axis=(-1, -2))
