"""Theorem 2 of Halvagal 2023 as numbers: the cosine loss mode by mode, its two limits, and what it conserves."""

from __future__ import annotations

import numpy as np

from pipeline.papers.isoloss import gaussian, losses, modes, numeric, spectra
from pipeline.ranges import Count, NonNegative, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    eps: Positive = 1e-3,
    many: Width = 64,
    spread: NonNegative = 0.2,
    samples: Count = 20000,
    start: Some[Positive] = [0.1, 0.4, 0.9, 2.0],  # noqa: B006 - params are literals
    alpha: Positive = 0.5,
    until: Positive = 400.0,
    replications: Replications = 20,
    seed: Seed = 0,
) -> Simulation:
    """What is predicted, what is measured, and their difference; rates are in units of the learning rate.

    Args:
        eps: Size of the small modes beside the dominant one.
        many: Modes of the nearly uniform spectrum.
        spread: Its relative standard deviation.
        samples: Gaussian embeddings behind its expectations.
        start: Eigenvalues from which flows start.
        alpha: W_P = (W W^T)^alpha of the second check of each conserved quantity.
        until: Flow time at which modes are taken to have settled.
        replications: Random examples of a nearly uniform spectrum.
        seed: Of the first; the next has the next.
    """
    made = Simulation()

    def add(to: Simulation, identity: str, predicted: float, measured: float, error: float | None = None) -> None:
        if error is None:
            error = abs(measured - predicted) / (abs(predicted) or 1.0)
        for quantity, value in (("predicted", predicted), ("measured", measured), ("error", error)):
            to.add(value, identity=identity, quantity=quantity)

    lam, zh1 = np.array([0.5, 1.0, 2.0]), np.array([[1.0], [2.0], [-1.0]])
    zh2 = np.array([[1.5], [1.0], [-0.5]])
    formula = modes.cosine(lam[:, None], zh1, zh2)
    descent = -numeric.gradient(lambda z: losses.value("cosine", "plain", z, zh2, np.diag(lam)), zh1)
    add(made, "Eq. 10, first mode", float(formula[0, 0]), float(descent[0, 0]), numeric.error(formula, descent))
    add(made, "Eq. 10, motion along z1", 0.0, float((zh1 * formula).sum()))
    add(made, "Eq. 10, a single mode", 0.0, float(modes.cosine(lam[:1, None], zh1[:1], zh2[:1])[0, 0]))
    equal = modes.cosine(np.full((3, 1), 0.7), zh1, 1.3 * zh1)
    add(made, "Eq. 10, equal eigenvalues and parallel views", 0.0, float(np.abs(equal).max()))

    # one mode dominates: lambda kept as a factor of its own, as in the text
    lam, zh = np.array([1.5, 0.6, 0.3]), np.array([1.0, eps, eps])
    exact = modes.cosine(lam[:, None], zh[:, None], zh[:, None])[:, 0]
    scale = (zh @ zh) / ((lam * zh) @ (lam * zh)) ** 1.5
    first = lam[0] * eps**2 * scale * float((lam[1:] * (lam[1:] - lam[0])).sum())
    add(made, "dominant mode: it decays as eps^2", first, float(exact[0]))
    add(
        made,
        "dominant mode: the others grow as eps",
        lam[1] * lam[0] * eps * scale * (lam[0] - lam[1]),
        float(exact[1]),
    )
    # and with lambda = zh^2, as where the predictor has learnt the spectrum
    tied = np.array([1.0, eps, eps]) ** 2
    relative = modes.cosine(tied[:, None], zh[:, None], zh[:, None])[:, 0] / zh
    add(made, "dominant mode, lambda = z^2: relative decay", -2.0 * eps**4, float(relative[0]))
    add(made, "dominant mode, lambda = z^2: relative growth", eps**2, float(relative[1]))

    s = np.array(start)
    for power in (1.0, alpha):
        drift = gaussian.cosine_drift(s, "plain", alpha=power)
        add(made, f"sum of s, alpha {power:g}: rate", 0.0, float(drift.sum() / np.abs(drift).sum()))
        drift = s**power * gaussian.cosine_drift(s, "iso", alpha=power)
        add(
            made, f"IsoLoss, sum of s^(1 + alpha), alpha {power:g}: rate", 0.0, float(drift.sum() / np.abs(drift).sum())
        )
    for name, variant in (("mean: limit of the cosine loss", "plain"), ("root mean square: limit of IsoLoss", "iso")):
        end = spectra.flow(s, "cosine", variant, np.array([0.0, until]))[-1]
        wanted = spectra.limit(s, "cosine", variant)
        add(made, name, wanted, float(end.mean()), float(np.abs(end / wanted - 1.0).max()))

    def one(seed: int) -> Simulation:
        found, rng = Simulation(), np.random.default_rng(seed)
        lam = 1.0 + spread * rng.standard_normal(many)
        zh = np.sqrt(lam)[:, None] * rng.standard_normal((many, samples))
        measured = (np.sign(zh) * modes.cosine(lam[:, None], zh, zh)).mean(1)
        approximate = modes.near_uniform(lam, zh)
        add(found, "Eq. 11, correlation over modes", 1.0, float(np.corrcoef(approximate, measured)[0, 1]))
        add(
            found,
            "Eq. 11, share of modes of the right sign",
            1.0,
            float((np.sign(approximate) == np.sign(measured)).mean()),
        )
        add(found, "Eq. 11, slope", 1.0, float((approximate @ measured) / (approximate @ approximate)))
        low, high = int(lam.argmin()), int(lam.argmax())
        balance = np.sign(modes.balance(lam))
        add(found, "near uniform: sign of the lowest mode", float(balance[low]), float(np.sign(measured[low])))
        add(found, "near uniform: sign of the highest mode", float(balance[high]), float(np.sign(measured[high])))
        return found

    made.replicate(one, seed, replications)
    return made
