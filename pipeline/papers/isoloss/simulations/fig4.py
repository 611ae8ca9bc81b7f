"""Figure 4 of Halvagal 2023: two neurons, their eigenvalues from three initialisations, trained and predicted."""

from __future__ import annotations

import numpy as np

from pipeline.papers.isoloss import spectra, toy
from pipeline.ranges import Count, NonNegative, Pair, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    starts: Some[Pair[Positive]] = [[0.08, 0.39], [0.32, 1.56], [0.55, 1.9]],  # noqa: B006 - params are literals
    inputs: Width = 6,
    lr: Positive = 0.01,
    steps: Count = 1500,
    every: Count = 10,
    samples: Count = 2000,
    sigma: NonNegative = 0.1,
    replications: Replications = 6,
    seed: Seed = 2,
) -> Simulation:
    """Eigenvalues of W W^T after the last step, their common value by theory, and how far theory is off on the way.

    Args:
        starts: Eigenvalues of W W^T at step 0, one pair per initialisation. The second is that of twice the weights.
        inputs: Input dimension.
        lr: Learning rate.
        steps: Of gradient descent.
        every: Record each so many.
        samples: Pairs of views per step.
        sigma: Standard deviation of the noise on view 2.
        replications: Random experiments.
        seed: Of weights and inputs of the first, whose curves are kept; the next has the next.
    """
    metrics = ("euclidean", "cosine")
    numbers = range(1, len(starts) + 1)
    rngs = [np.random.default_rng([seed + place, number]) for place in range(replications) for number in numbers]
    weights = np.stack([toy.initial(starts[place % len(starts)], inputs, own) for place, own in enumerate(rngs)])
    settings = [toy.ToySetting(metric, "plain", lr) for metric in metrics]
    tracks = toy.train(weights, settings, steps=steps, every=every, samples=samples, sigma=sigma, relu=False, rngs=rngs)
    step = np.arange(0, steps + 1, every, dtype=np.int64)
    theories = {
        (metric, number): np.sort(
            spectra.flow(np.array(start), metric, "plain", np.float64(lr) * step, sigma=sigma), axis=1
        )
        for metric in metrics
        for number, start in zip(numbers, starts, strict=True)
    }

    def one(own: int) -> Simulation:
        made = Simulation()
        made.curves["step"] = step
        for number, start in zip(numbers, starts, strict=True):
            for metric, trained in zip(metrics, tracks, strict=True):
                found = trained[(own - seed) * len(starts) + number - 1].eigenvalues
                theory, limit = theories[metric, number], spectra.limit(np.array(start), metric, "plain")
                told = {
                    "smaller at the end": found[-1, 0],
                    "larger at the end": found[-1, 1],
                    "smaller over larger": found[-1, 0] / found[-1, 1],
                    "common value by theory": limit,
                    "larger minus theory": abs(found[-1, 1] - limit),
                    "largest distance from theory": np.abs(found - theory).max(),
                }
                for quantity, value in told.items():
                    made.add(float(value), loss=metric, start=number, quantity=quantity)
                made.curves[f"{metric}/{number}/trained"] = found
                made.curves[f"{metric}/{number}/theory"] = theory
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made
