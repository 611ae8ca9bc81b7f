"""Equation 38 and Eqs. 41 to 44 of Ghosh 2024 as numbers: what a row conserves, and what the contrastive loss is."""

from __future__ import annotations

import numpy as np

from pipeline.papers.multiview import contrastive, flow, graph, operators
from pipeline.ranges import Count, Positive, Real, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    rates: Some[Real] = [1.0, 0.6, 0.3, -0.2],  # noqa: B006 (a literal that is read, never written)
    rows: Width = 3,
    scale: Positive = 0.05,
    until: Positive = 3.0,
    images: Count = 12,
    views: Count = 9,
    outputs: Width = 3,
    others: Count = 200,
    replications: Replications = 6,
    seed: Seed = 0,
) -> Simulation:
    """Errors relative to the largest number that is compared, and ratios.

    Args:
        rates: Eigenvalues of Gamma.
        rows: Of W.
        scale: Standard deviation of W(0).
        until: Time of the flow.
        images: Of a random augmentation graph.
        views: Its augmented images.
        outputs: Outputs d.
        others: Embeddings whose loss is compared with the least one.
        replications: Draws of weights, graph and embeddings.
        seed: Of the first draw; the next has the next.
    """

    def one(own: int) -> Simulation:
        made = Simulation()
        rng = np.random.default_rng(own)

        def add(identity: str, value: float) -> None:
            made.add(float(value), identity=identity, quantity="value")

        lam = np.array(rates)
        start = scale * rng.standard_normal((rows, len(rates)))
        times = np.linspace(0.0, until, 61)
        for beta in (0.0, 1.0):
            z = flow.flow(start, lam, beta, times)[1:]
            grown = np.log(np.abs(z / start)) / lam
            spread = grown.max(axis=-1) - grown.min(axis=-1)
            add(f"Eq. 38, beta {beta:g}: largest spread over the modes of a row", spread.max() / np.abs(grown).max())

        law = rng.random((images, views)) ** 4 + 1e-3
        law /= law.sum(axis=1, keepdims=True)
        weights = graph.normalised(law)
        values, vectors = (x[..., ::-1] for x in np.linalg.eigh(weights))
        turn = np.linalg.qr(rng.standard_normal((outputs, outputs)))[0]
        best = vectors[:, :outputs] * np.sqrt(values[:outputs]) @ turn
        least = (values[outputs:] ** 2).sum()
        add(
            "Eq. 41: loss at U Lambda^1/2 Q off the squares of the eigenvalues left out",
            _apart(contrastive.loss(weights, best), least),
        )
        add("Eq. 41: gradient there", np.abs(contrastive.gradient(weights, best)).max())
        away = [best + 0.1 * rng.standard_normal(best.shape) for _ in range(others)]
        add("Eq. 41: least loss of others over it", min(contrastive.loss(weights, one) for one in away) / least)
        _, leading = operators.eigenfunctions(law, outputs)
        degree = graph.marginal(law)
        add(
            "Eq. 41: span off that of the leading eigenfunctions",
            operators.span_distance(best / np.sqrt(degree)[:, None], leading, degree),
        )
        some = rng.standard_normal((views, outputs))
        told = contrastive.terms(weights, some)
        add("Eqs. 42, 43: sum of the terms off the loss", _apart(sum(told.values()), contrastive.loss(weights, some)))
        functions = some / np.sqrt(degree)[:, None]
        add(
            "Eq. 44: invariance term off twice the spread around the mean over views",
            _apart(told["invariance"], 2 * operators.invariance(law, functions)),
        )
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made


def _apart(found: float, wanted: float) -> float:
    return abs(found - wanted) / abs(wanted)
