"""Figure S2 of Draganov 2025: classes on the sphere in three dimensions, and what a network makes of them."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.papers.embnorms import network
from pipeline.papers.embnorms.classes import draw_classes
from pipeline.papers.embnorms.gradients import unit
from pipeline.ranges import Count, Interval, NonNegative, Positive, Replications, Seed, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    classes: Width = 8,
    members: Count = 1000,
    latent: Width = 3,
    observed: Width = 64,
    variance: NonNegative = 0.1,
    gain: Positive = 10.0,
    hidden: Width = 64,
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 50,
    rate: Positive = 0.01,
    batch: Count = 128,
    masked: bool = False,
    kept: Count = 150,
    replications: Replications = 12,
    seed: Seed = 0,
) -> Simulation:
    """Train networks with three outputs; the latents and the learned embeddings, not normalised.

    Args:
        classes: Latent ones.
        members: Per class.
        latent: Dimension of the latent and of the learned space.
        observed: Dimension of the observations.
        variance: Of a member around its centre.
        gain: Standard deviation of the observation map's entries; the text names none.
        hidden: Width of the network; the text names none.
        epochs: Of training.
        rate: Learning rate; the text names none.
        batch: Pairs per step.
        masked: Whether members of an anchor's own class are no negatives.
        kept: Members per class that are drawn.
        replications: Independent draws of data and network; the first is drawn.
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
    for _ in network.train(rng, weights, x, data[0].labels, epochs=epochs, rate=rate, batch=batch, masked=masked):
        pass
    learned = network.outputs(weights, x).astype(np.float64)
    spaces = {"latent": np.stack([drawn.latents for drawn in data]), "learned": learned}
    for space, z in spaces.items():
        grouped = z.reshape(replications, classes, members, latent)
        rays = unit(unit(grouped).mean(axis=2))
        lengths = np.linalg.norm(grouped, axis=3)
        numbers = {
            "cosine of members to their class's ray": np.sum(unit(grouped) * rays[:, :, None], axis=3).mean(
                axis=(1, 2)
            ),
            "mean norm of the longest / of the shortest class": lengths.mean(2).max(1) / lengths.mean(2).min(1),
            "spread of norms within a class / their mean": (lengths.std(2) / lengths.mean(2)).mean(1),
        }
        for name, values in numbers.items():
            made.add(list(values), space=space, quantity=name)
        made.curves[space] = grouped[0, :, :kept]
        made.curves[f"{space} rays"] = rays[0] * lengths[0].mean(axis=1)[:, None]
    return made
