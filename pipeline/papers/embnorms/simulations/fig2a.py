"""Figure 2a of Draganov 2025: steps until pairs of free embeddings converge, with the bounds behind it.

500 pairs of random directions in R^20 (the body says S^20, the appendix R^20). The learning rate is that of the mean
over the pairs, so that a pair's own is the printed 10 divided by their number. The text holds one point of each pair;
the published numbers come with both moving, in half the steps.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.papers.embnorms import opposite, steps
from pipeline.papers.embnorms.pairs import interpolated, steps_to_converge, time_to_converge
from pipeline.ranges import Cosine, Count, Interval, Positive, Real, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    pairs: Count = 500,
    dimension: Width = 20,
    rate: Positive = 10.0,
    until: Cosine = 0.999,
    moving: Annotated[int, Interval(ge=1, le=2)] = 2,
    renormalize: bool = True,
    norms: Some[Positive] = [0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0],  # noqa: B006 - params are literals
    alphas: Some[Cosine] = [-0.96, -0.9, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 0.9],  # noqa: B006 - params are literals
    powers: Some[Real] = [0.0, 1.0, 2.0],  # noqa: B006 - params are literals
    ratios: Some[Positive] = [0.03, 0.3, 1.0],  # noqa: B006 - params are literals
    dimensions: Some[Width] = [3, 5, 10, 20, 50, 128, 256],  # noqa: B006 - params are literals
    cosine: Cosine = 0.5,
    samples: Count = 40000,
    replications: Replications = 6,
    seed: Seed = 0,
) -> Simulation:
    """Steps over norms and angles; gains of one step against their bounds; nearness of random directions.

    Args:
        pairs: Of embeddings.
        dimension: Of the space they are in.
        rate: Learning rate on the mean loss.
        until: Mean cosine at which pairs have converged.
        moving: 2 if both points of a pair are trained, 1 if the first is held, as in the text.
        renormalize: Whether interpolated points are put back on the sphere before they get their norm.
        norms: Of all points; from 1 on they tell the slope; 1, the two ends and 2 are among them.
        alphas: Interpolations of the second point toward the first (above 0) or its opposite; 0 is among them.
        powers: Of GradScale, at alpha 0.
        ratios: Learning rates over squared norms whose gains are drawn.
        dimensions: For Prop. C.1.
        cosine: For Prop. C.1.
        samples: For Prop. C.1: pairs drawn per dimension.
        replications: Independent draws of the pairs, and of those for Prop. C.1, of which the first is drawn.
        seed: Of the first of them.
    """
    made = Simulation()
    every = np.linspace(0.0, np.pi, 361)
    acute, obtuse = every[:181], every[181:-1]
    a = np.geomspace(1e-3, 1e2, 201)[:, None]
    excess = {
        part: steps.gain(phi, a) - steps.printed_bound(phi, a) for part, phi in (("acute", acute), ("all", every))
    }
    refined = steps.gain(acute, a) - steps.refined_bound(acute, a)
    small = steps.gain(every, a[a <= 1.0, None]) - steps.refined_bound(every, a[a <= 1.0, None])
    over = steps.gain(obtuse, a) / steps.printed_bound(obtuse, a)
    exact = {
        "Theorem 3.4: largest excess of the gain over the bound, angles to 90 degrees": excess["acute"].max(),
        "Theorem 3.4: largest excess of the gain over the bound, all angles": excess["all"].max(),
        "Theorem 3.4: largest gain / bound, all angles": over.max(),
        "A.4: largest excess of the gain over the refined bound, gamma / rho^2 to 1, angles to 90 degrees": small[
            :, :181
        ].max(),
        "A.4: largest excess of the gain over the refined bound, gamma / rho^2 to 1, all angles": small.max(),
        "A.4: largest excess of the gain over the refined bound, any step, angles to 90 degrees": refined.max(),
        "A.4: refined / printed bound at 60 degrees, gamma / rho^2 = 1": float(
            steps.refined_bound(np.pi / 3, 1.0) / steps.printed_bound(np.pi / 3, 1.0)
        ),
        "ours: largest excess of the gain over a s (1 + s), all angles": float(
            (steps.gain(every, a) - steps.sound_bound(every, a)).max()
        ),
    }
    d = np.asarray(dimensions, dtype=np.float64)
    t = np.linspace(0.02, 1.0, 50)
    exact["Prop. C.1: largest probability / bound"] = (
        opposite.probability(d[:, None], t) / opposite.chebyshev(d[:, None], t)
    ).max()
    for name, value in exact.items():
        made.add(float(value), quantity=name)

    found: dict[str, list[float]] = {}
    tables, angles = [], []
    scale = rate / pairs
    middle, far = list(alphas).index(0.0), np.asarray(norms) >= 1.0
    logs = np.log(np.asarray(norms)[far])
    for draw in range(replications):
        rng = np.random.default_rng([seed, draw])
        x1, x2 = rng.standard_normal((2, pairs, dimension))
        c, second = interpolated(x1, x2, alphas, renormalize)
        runs = [steps_to_converge(c, norm, norm * second, scale, moving=moving, until=until) for norm in norms]
        table = np.stack([run[0] for run in runs])
        angle = np.degrees(np.arccos(np.clip(c, -1.0, 1.0))).mean(axis=1)
        tables.append(table)
        angles.append(angle)
        slopes = np.polyfit(logs, np.log(table[far]), 1)[0]
        one = table[list(norms).index(1.0)]
        other = steps_to_converge(c[[middle]], 1.0, second[[middle]], scale, moving=3 - moving, until=until)[0][0]
        predicted = time_to_converge(np.radians(angle), 10.0, scale, moving=moving, until=until)
        numbers = {
            "steps at norm 1": one[middle],
            "steps at norm 1, the text's one moving point": other if moving == 2 else one[middle],
            "smallest slope of log(steps) in log(norm)": slopes.min(),
            "largest slope of log(steps) in log(norm)": slopes.max(),
            "steps at norm 10 / at norm 1": table[list(norms).index(10.0)][middle] / one[middle],
            "steps at the widest angle / at 90 degrees": one[0] / one[middle],
            "steps at the widest / at the smallest angle": one[0] / one[-1],
            "smallest difference of steps to the next wider angle": -np.diff(one).max(),
            "largest |steps / closed form - 1| at norm 10": np.abs(
                table[list(norms).index(10.0)] / predicted - 1.0
            ).max(),
            "smallest mean growth of the norms": min(run[1].min() for run in runs),
        }
        for power in powers:
            taken = [
                steps_to_converge(c[[middle]], n, n, scale, moving=moving, power=power, until=until)[0][0]
                for n in np.asarray(norms)[far]
            ]
            numbers[f"slope with GradScale p = {power:g}"] = np.polyfit(logs, np.log(taken), 1)[0]
        for name, value in numbers.items():
            found.setdefault(name, []).append(float(value))

    shares = []
    truth = opposite.probability(d, cosine)
    for draw in range(replications):
        rng = np.random.default_rng([seed, 10**6, draw])
        cosines = [opposite.sampled_cosines(size, samples, rng) for size in dimensions]
        shares.append([np.mean(near >= cosine) for near in cosines])
        errors = np.maximum(np.sqrt(truth * (1.0 - truth) / samples), 1.0 / samples)
        numbers = {
            "Prop. C.1: largest Monte Carlo error / its standard error": np.max(np.abs(shares[-1] - truth) / errors),
            "Prop. C.1: largest |variance of the cosine * d - 1|, Monte Carlo": max(
                abs(near.var() * size - 1.0) for near, size in zip(cosines, dimensions, strict=True)
            ),
        }
        for name, value in numbers.items():
            found.setdefault(name, []).append(float(value))
    for name, values in found.items():
        made.add(values, quantity=name)

    fine = np.geomspace(2.0, 500.0, 120)
    line = np.radians(np.linspace(1.0, 179.0, 179))
    made.curves = {
        "steps": np.stack(tables),
        "angles": np.stack(angles),
        "norms": np.asarray(norms, dtype=np.float64),
        "closed form": time_to_converge(line, np.asarray(norms)[:, None], scale, moving=moving, until=until),
        "line": np.degrees(line),
        "ratios": np.asarray(ratios, dtype=np.float64),
        "gain": np.stack([steps.gain(line, a) / steps.printed_bound(line, a) for a in ratios]),
        "refined": np.stack([steps.refined_bound(line, a) / steps.printed_bound(line, a) for a in ratios]),
        "dimensions": d,
        "shares": np.asarray(shares[0]),
        "fine": fine,
        "probability": opposite.probability(fine, cosine),
        "bound": opposite.chebyshev(fine, cosine),
        "cosine": np.array([cosine]),
        "samples": np.array([samples], dtype=np.float64),
    }
    return made
