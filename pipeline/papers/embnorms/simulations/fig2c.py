"""Figure 2c of Draganov 2025: mean norms of classes that are drawn more and less often."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.embnorms import network
from pipeline.papers.embnorms.classes import draw_classes
from pipeline.ranges import Count, Interval, NonNegative, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    odds: Some[Positive] = [8.0, 4.0, 2.0, 1.0],  # noqa: B006 - params are literals
    members: Count = 1000,
    latent: Width = 11,
    observed: Width = 64,
    variances: Some[NonNegative] = [0.1, 1.0],  # noqa: B006 - params are literals
    gain: Positive = 10.0,
    hidden: Width = 64,
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 50,
    rate: Positive = 0.01,
    batch: Count = 128,
    masked: bool = False,
    every: Count = 4,
    replications: Replications = 8,
    seed: Seed = 0,
) -> Simulation:
    """Train networks on latent classes of unequal frequency; norms are measured on as many members of each.

    Classes start from norms that differ by chance, about as much as training makes them differ: what is compared are
    norms over those of the untrained network. And classes grow differently by themselves: in each draw all take turns
    in being the most frequent, the second, ..., and norms of a frequency are geometric means over the turns.

    Args:
        odds: Of the classes in a batch; the text has about 1/2, 1/4, ...
        members: Per class.
        latent: Dimension of the latent space.
        observed: Dimension of the observations.
        variances: Of a member around its centre: the text's, and the released code's for this figure.
        gain: Standard deviation of the observation map's entries; the text names none.
        hidden: Width of the network; the text names none.
        epochs: Of training; printed for Figure S2.
        rate: Learning rate; the text names none.
        batch: Pairs per step.
        masked: Whether members of an anchor's own class are no negatives.
        every: Members of a class that stand behind one whose norm is measured.
        replications: Independent draws of data and network, each trained as often as there are classes.
        seed: Of the first.
    """
    made = Simulation()
    chances = np.asarray(odds, dtype=np.float64) / np.sum(odds)
    made.curves = {"chances": chances, "variances": np.asarray(variances, dtype=np.float64)}
    if every < 1 or members % every:
        raise UserError(f"every {every}; expected a divisor of the {members} members of a class")
    for variance in variances:
        rngs = [np.random.default_rng([seed, draw]) for draw in range(replications)]
        data = [
            draw_classes(
                own,
                classes=len(odds),
                members=members,
                latent=latent,
                observed=observed,
                variance=variance,
                gain=gain,
            )
            for own in rngs
        ]
        rng = np.random.default_rng([seed, 10**6])
        x, weights = network.prepared(data, rngs, hidden, latent)
        # each class of a set is the most frequent, second ... in turn: what a class does by itself cancels
        turns = len(odds)
        x = np.concatenate([np.roll(x, turn * members, axis=1) for turn in range(turns)])
        weights = {name: np.concatenate([own] * turns) for name, own in weights.items()}
        track = []
        progress = network.train(
            rng,
            weights,
            x,
            data[0].labels,
            epochs=epochs,
            rate=rate,
            batch=batch,
            probabilities=chances,
            masked=masked,
        )
        for _ in progress:
            norms = np.linalg.norm(network.outputs(weights, x[:, ::every]).astype(np.float64), axis=2)
            track.append(np.log(norms.reshape(turns, replications, len(odds), -1).mean(axis=3)).mean(axis=0))
        means = np.exp(np.stack(track))
        made.curves[f"means {variance:g}"] = means
        growth = np.log(means[-1] / means[0])
        for k in range(len(odds)):
            numbers = {
                "mean norm at the end": means[-1, :, k],
                "growth": np.exp(growth[:, k]),
                "log growth beyond the next rarer class": growth[:, k] - growth[:, min(k + 1, len(odds) - 1)],
                "log growth beyond the rarest class": growth[:, k] - growth[:, -1],
            }
            for name, values in numbers.items():
                made.add(list(values), variance=variance, rank=k + 1, quantity=name)
    return made
