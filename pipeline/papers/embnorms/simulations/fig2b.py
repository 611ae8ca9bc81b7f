"""Figure 2b of Draganov 2025: norms of learned embeddings against how sparse the space around them is."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from scipy.stats import rankdata, spearmanr

from pipeline.papers.embnorms import network
from pipeline.papers.embnorms.classes import draw_classes, neighbour_distance
from pipeline.ranges import Count, Interval, NonNegative, Positive, PositiveFraction, Replications, Seed, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    classes: Width = 4,
    members: Count = 1000,
    latent: Width = 11,
    observed: Width = 64,
    variance: NonNegative = 0.1,
    gain: Positive = 10.0,
    hidden: Width = 64,
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 50,
    rate: Positive = 0.01,
    batch: Count = 128,
    masked: bool = False,
    rank: Count = 10,
    corner: PositiveFraction = 0.25,
    replications: Replications = 6,
    seed: Seed = 0,
) -> Simulation:
    """Train networks on latent classes; the untrained ones are the control.

    Args:
        classes: Latent ones, as often as each other.
        members: Per class.
        latent: Dimension of the latent space.
        observed: Dimension of the observations.
        variance: Of a member around its centre.
        gain: Standard deviation of the observation map's entries; the text names none.
        hidden: Width of the network; the text names none.
        epochs: Of training; printed for Figure S2.
        rate: Learning rate; the text names none.
        batch: Pairs per step.
        masked: Whether members of an anchor's own class are no negatives.
        rank: Of the neighbour to which the distance is taken.
        corner: Share of all embeddings that count as of small norm, and as in a dense place.
        replications: Independent draws of data and network.
        seed: Of the first.
    """
    made = Simulation()
    rngs = [np.random.default_rng([seed, draw]) for draw in range(replications)]
    data = [
        draw_classes(
            own,
            classes=classes, members=members, latent=latent, observed=observed, variance=variance, gain=gain,
        )
        for own in rngs
    ]  # fmt: skip
    rng = np.random.default_rng([seed, 10**6])
    x, weights = network.prepared(data, rngs, hidden, latent)
    labels = data[0].labels
    found: dict[tuple[str, str], list[float]] = {}
    progress = network.train(rng, weights, x, labels, epochs=epochs, rate=rate, batch=batch, masked=masked)
    for epoch in progress:
        if epoch not in (0, epochs):
            continue
        when = "trained" if epoch else "untrained"
        z = network.outputs(weights, x).astype(np.float64)
        for draw, embeddings in enumerate(z):
            norms, distances = np.linalg.norm(embeddings, axis=1), neighbour_distance(embeddings, rank)
            low = [rankdata(values) / len(values) <= corner for values in (norms, distances)]
            numbers = {
                "rank correlation of norm and distance": spearmanr(norms, distances).statistic,
                "share in the corner of small norms and distances": np.mean(low[0] & low[1]),
            }
            for name, value in numbers.items():
                found.setdefault((when, name), []).append(float(value))
            if draw == 0:
                made.curves |= {f"norms {when}": norms, f"distances {when}": distances}
    for (when, name), values in found.items():
        made.add(values, network=when, quantity=name)
    for name in dict.fromkeys(name for _, name in found):
        change = np.subtract(found["trained", name], found["untrained", name])
        made.add(list(change), network="change by training", quantity=name)
    made.curves["labels"] = labels
    return made
