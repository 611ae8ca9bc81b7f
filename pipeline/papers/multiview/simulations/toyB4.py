"""Two rows and two modes under weak and strong orthogonalisation (demonstration beside Ghosh 2024, B.4)."""

from __future__ import annotations

import numpy as np

from pipeline.papers.multiview import flow
from pipeline.papers.multiview.graph import Array
from pipeline.ranges import Count, Pair, Positive, Replications, Seed, Some
from pipeline.simulation.records import Simulation

_SCALES = np.geomspace(1e-4, 0.5, 13)
_COMPARED = (1.0, 0.1, 0.01, 0.001, 0.0)


def simulate(
    *,
    rates: Pair[Positive] = [1.0, 0.5],  # noqa: B006
    weak: Positive = 1e-3,
    strong: Positive = 1.0,
    scales: Some[Positive] = [0.3, 0.01, 0.0001],  # noqa: B006
    shown_scale: Positive = 0.01,
    until: Positive = 12.0,
    long: Positive = 3000.0,
    replications: Replications = 100,
    draws: Count = 4000,
    seed: Seed = 0,
) -> Simulation:
    """Flows from Gaussian initialisations of several scales, read at one time, and their courses.

    Args:
        rates: Eigenvalues of Gamma, two positive ones, descending.
        weak: Weight of the off-diagonal, weak orthogonalisation.
        strong: The same, strong.
        scales: Standard deviations of the initialisation.
        shown_scale: That of the courses.
        until: Time at which all is read.
        long: Time up to which the effective rank is followed.
        replications: Initialisations per scale.
        draws: Initialisations behind each share of the selection curve.
        seed: Of the initialisations.
    """
    made = Simulation()
    lam = np.array(rates, dtype=np.float64)
    rng = np.random.default_rng(seed)
    for scale in scales:
        start = scale * rng.standard_normal((replications, 2, 2))
        for name, beta in (("weak", weak), ("strong", strong)):
            end = flow.flow(start, lam, beta, np.array([0.0, until]))[-1]
            for quantity, values in _read(end, lam).items():
                made.add(values, orthogonalisation=name, scale=scale, quantity=quantity)
    _courses(made, lam, {"weak": weak, "strong": strong}, shown_scale, until, rng)
    _ranks(made, lam, shown_scale, long, rng)
    _selection(made, draws, rng)
    return made


def _read(end: Array, lam: Array) -> dict[str, list[float]]:
    """Numbers at the end, one per initialisation."""
    c = flow.correlations(end, lam)
    diagonal = np.diagonal(c, axis1=-2, axis2=-1)
    return {
        "correlation of the rows": _list(np.abs(c[:, 0, 1]) / np.sqrt(diagonal.prod(-1))),
        "effective rank": _list(flow.effective_rank(c)),
        "rows on the second mode": _list((flow.dominant(end, lam) == 1).mean(-1)),
        "smaller C_ii": _list(diagonal.min(-1)),
    }


def _list(values: Array) -> list[float]:
    return [float(value) for value in values]


def _courses(
    made: Simulation, lam: Array, betas: dict[str, float], scale: float, until: float, rng: np.random.Generator
) -> None:
    """Courses of six initialisations, and Eq. 38 along them."""
    start = scale * rng.standard_normal((6, 2, 2))
    times = np.linspace(0.0, until, 481)
    for name, beta in betas.items():
        z = flow.flow(start, lam, beta, times)
        c = flow.correlations(z, lam)
        made.curves[f"{name}_z"] = z
        made.curves[f"{name}_correlation"] = np.abs(c[..., 0, 1]) / np.sqrt(c[..., 0, 0] * c[..., 1, 1])
        with np.errstate(divide="ignore"):
            made.curves[f"{name}_growth"] = np.log(np.abs(z / start)) / lam
    made.curves["time"], made.curves["rates"] = times, lam


def _ranks(made: Simulation, lam: Array, scale: float, long: float, rng: np.random.Generator) -> None:
    """Effective rank over a long time for several weights; where its escape from collapse is predicted."""
    times = np.concatenate([[0.0], np.geomspace(0.1, long, 160)])
    start = scale * rng.standard_normal((8, 2, 2))
    found = [
        np.median(flow.effective_rank(flow.correlations(flow.flow(start, lam, b, times), lam)), 1) for b in _COMPARED
    ]
    made.curves["betas"], made.curves["long_time"] = np.array(_COMPARED), times[1:]
    made.curves["ranks"] = np.array(found)[:, 1:]
    made.curves["escape_time"] = np.array([1.0 / flow.escape_rate(lam[1], b, 2) for b in _COMPARED if b > 0])


def _selection(made: Simulation, draws: int, rng: np.random.Generator) -> None:
    """How often a row ends on the second mode at beta = 0, from the closed form and from the rule for small scales."""
    seconds = np.array([0.5, 0.8, 0.95])
    normal = rng.standard_normal((draws, 2))
    exact, rule = np.empty((2, len(seconds), len(_SCALES)))
    for i, second in enumerate(seconds):
        lam = np.array([1.0, second])
        for j, scale in enumerate(_SCALES):
            start = scale * normal
            end = flow.decoupled(start, lam, flow.final_time(start, lam))
            exact[i, j] = np.mean(flow.dominant(end, lam) == 1)
            rule[i, j] = np.mean(flow.winner(start, lam) == 1)
    made.curves |= {"scales": _SCALES, "seconds": seconds, "second_wins": exact, "second_wins_rule": rule}
