"""Appendix C of Halvagal 2023 as numbers: printed dynamics against true gradients, and what their flows conserve."""

from __future__ import annotations

import numpy as np

from pipeline.papers.isoloss import losses, modes, numeric, spectra
from pipeline.ranges import Count, NonNegative, Positive, Replications, Seed, Some
from pipeline.simulation.records import Simulation

_FLOWS = {
    "euclidean nosg, no noise": ("euclidean", "nosg", 0.0),
    "euclidean nosg": ("euclidean", "nosg", None),
    "euclidean nopred": ("euclidean", "nopred", None),
    "euclidean iso": ("euclidean", "iso", None),
    "cosine nosg": ("cosine", "nosg", None),
    "cosine nosg, published figure": ("cosine", "published", None),
    "cosine nopred": ("cosine", "nopred", None),
    "cosine iso": ("cosine", "iso", None),
    "cosine": ("cosine", "plain", None),
}


def simulate(
    *,
    start: Some[Positive] = [0.1, 0.3, 0.6, 1.2, 2.0],  # noqa: B006 - params are literals
    sigma: NonNegative = 0.1,
    until: Positive = 100.0,
    pairs: Count = 200,
    replications: Replications = 8,
    seed: Seed = 0,
) -> Simulation:
    """Per variant: relative errors of the printed and the corrected right-hand side, and the ends of its flow.

    Args:
        start: Eigenvalues of W W^T at time 0; some above 1.
        sigma: Standard deviation of the noise on view 2.
        until: Flow time.
        pairs: Random pairs of embeddings at which right-hand sides are compared.
        replications: Random sets of them.
        seed: Of the first; the next has the next.
    """
    made = Simulation()
    s0, time = np.array(start), np.linspace(0.0, until, 101)
    for name, (metric, variant, noise) in _FLOWS.items():
        s = spectra.flow(s0, metric, variant, time, sigma=sigma if noise is None else noise)
        told = {
            "sum s, end over start": s[-1].sum() / s0.sum(),
            "sum s^2, end over start": (s[-1] ** 2).sum() / (s0**2).sum(),
            "largest s at the end": s[-1].max(),
            "participation, end over start": spectra.participation(s[-1]) / spectra.participation(s0),
        }
        for quantity, value in told.items():
            made.add(float(value), variant=name, quantity=quantity)

    def one(seed: int) -> Simulation:
        found = Simulation()
        for name, errors in _errors(np.random.default_rng(seed), s0.size, pairs).items():
            for quantity, error in zip(("printed error", "corrected error"), errors, strict=True):
                found.add(error, variant=name, quantity=quantity)
        return found

    made.replicate(one, seed, replications)
    return made


def _errors(rng: np.random.Generator, count: int, pairs: int) -> dict[str, tuple[float, float]]:
    """Of the printed and of the corrected formula against the gradient by complex steps, worst over random points."""
    lam = rng.uniform(0.3, 2.0, count)
    zh1 = rng.standard_normal((count, pairs))
    zh2 = zh1 + 0.5 * rng.standard_normal((count, pairs))
    column, diagonal = lam[:, None], np.diag(lam)

    def both(metric: str, variant: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """-(dL/dz1 + dL/dz2), the second only without stop-gradient."""
        total = numeric.gradient(lambda z: losses.value(metric, variant, z, second, diagonal), first)
        return -total - numeric.gradient(lambda z: losses.value(metric, variant, first, z, diagonal), second)

    def one(metric: str, variant: str) -> np.ndarray:
        return -numeric.gradient(lambda z: losses.value(metric, variant, z, zh2, diagonal), zh1)

    def iso(metric: str) -> np.ndarray:
        return -numeric.gradient(lambda z: losses.iso_value(metric, z, zh2, diagonal, fixed=(zh1, zh2)), zh1)

    nosg = numeric.error(modes.euclidean_nosg(column, zh1), both("euclidean", "nosg", zh1, zh1))
    true = both("cosine", "nosg", zh1, zh2)
    right = numeric.error(modes.cosine_nosg(column, zh1, zh2), true)
    published = -losses.gradients("cosine", "published", zh1, zh2, diagonal)[0]
    iso_euclidean = numeric.error(zh2 - column * zh1, iso("euclidean"))
    second = -numeric.gradient(lambda z: losses.iso_second_value(z, zh2, diagonal, fixed=(zh1, zh2)), zh1)
    iso_euclidean = max(iso_euclidean, numeric.error(zh2 - column * zh1, second))
    iso_cosine = numeric.error(modes.cosine_iso(column, zh1, zh2), iso("cosine"))
    nopred = numeric.error(zh2 - zh1, one("euclidean", "nopred"))
    nopred_cosine = numeric.error(modes.cosine(np.ones_like(column), zh1, zh2), one("cosine", "nopred"))
    plain = numeric.error(modes.cosine(column, zh1, zh2), one("cosine", "plain"))
    return {
        "euclidean nosg, no noise": (nosg, nosg),
        "euclidean nosg": (nosg, nosg),
        "euclidean nopred": (nopred, nopred),
        "euclidean iso": (iso_euclidean, iso_euclidean),
        "cosine nosg": (_typical(modes.cosine_nosg_printed(column, zh1, zh2), true), right),
        "cosine nosg, published figure": (_typical(published, true), right),
        "cosine nopred": (nopred_cosine, nopred_cosine),
        "cosine iso": (iso_cosine, iso_cosine),
        "cosine": (plain, plain),
    }


def _typical(found: np.ndarray, true: np.ndarray) -> float:
    """Median over points of |found - true| / |true|: for formulas that are wrong everywhere."""
    return float(np.median(np.linalg.norm(found - true, axis=0) / np.linalg.norm(true, axis=0)))
