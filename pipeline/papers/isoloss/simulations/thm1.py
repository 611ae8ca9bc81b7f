"""Lemmas 1 to 3 and Theorem 1 of Halvagal 2023 as numbers: each identity against gradients or an integrated flow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pipeline.papers.isoloss import kernel, losses, modes, numeric, spectra, toy
from pipeline.ranges import Count, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation

RELATIONS = (("modes_count", "<=", "inputs"),)


def simulate(
    *,
    modes_count: Width = 5,
    inputs: Width = 8,
    pairs: Count = 12,
    dimension: Width = 1000,
    start: Some[Positive] = [0.05, 0.3, 0.8, 1.6],  # noqa: B006 - params are literals
    until: Positive = 12.0,
    rates: Some[Positive] = [0.02, 0.01, 0.005],  # noqa: B006
    replications: Replications = 10,
    seed: Seed = 0,
) -> Simulation:
    """Relative errors of the identities; those of the linear network per learning rate.

    Args:
        modes_count: Embedding dimension of the random examples.
        inputs: Their input dimension, at least ``modes_count``.
        pairs: Their pairs of views.
        dimension: Input dimension at which the overlap of Gaussian inputs is measured.
        start: Eigenvalues of W W^T from which flows and networks start.
        until: Flow time at their end.
        rates: Learning rates of the networks.
        replications: Random examples.
        seed: Of the first; the next has the next.
    """
    made = Simulation()

    def add(to: Simulation, identity: str, error: float) -> None:
        to.add(error, identity=identity, quantity="error")

    time = np.linspace(0.0, until, 61)
    for variant in ("plain", "iso", "nosg"):
        flow = spectra.flow(np.array(start), "euclidean", variant, time, sigma=0.0, rtol=1e-11)
        add(
            made,
            f"closed form, {variant}",
            numeric.error(spectra.euclidean_exact(np.array(start), variant, time), flow),
        )

    exact = spectra.euclidean_exact(np.array(start), "plain", time)

    def one(seed: int) -> Simulation:
        found, rng = Simulation(), np.random.default_rng(seed)
        rotation, _ = np.linalg.qr(rng.standard_normal((modes_count, modes_count)))
        lam = rng.uniform(0.2, 2.0, modes_count)
        predictor = (rotation * lam) @ rotation.T
        zh1, zh2 = rng.standard_normal((2, modes_count, pairs))

        for name, metric in (("Eq. 1 in the eigenbasis", "euclidean"), ("Eq. 2 in the eigenbasis", "cosine")):
            outside = losses.value(metric, "plain", rotation @ zh1, rotation @ zh2, predictor)
            add(found, name, numeric.error(losses.value(metric, "plain", zh1, zh2, np.diag(lam)), outside))

        x = rng.standard_normal((inputs, pairs))
        weights = rng.standard_normal((modes_count, inputs))
        gradient, _ = losses.gradients("euclidean", "plain", weights @ x, zh2, predictor)
        moved = rotation.T @ (-gradient @ x.T) @ x
        blocks = kernel.blocks(x.T, rotation)
        add(found, "Eq. 6, chain rule", numeric.error(-np.einsum("ijab,bj->ai", blocks, rotation.T @ gradient), moved))
        gram = np.einsum("ij,ab->ijab", x.T @ x, np.eye(modes_count))
        add(found, "Eqs. 18-20, kernel blocks", numeric.error(blocks, gram))
        clusters, _ = np.linalg.qr(rng.standard_normal((inputs, 4)))
        x = np.repeat(clusters, 3, axis=1)  # four orthogonal clusters of three identical inputs
        target = np.repeat(zh2[:, :4], 3, axis=1)
        gradient, _ = losses.gradients("euclidean", "plain", weights @ x, target, predictor)
        add(found, "Eq. 21, orthogonal clusters", numeric.error(-3.0 * gradient, (-gradient @ x.T) @ x))

        descent = -numeric.gradient(lambda z: losses.value("euclidean", "plain", z, zh2, np.diag(lam)), zh1)
        add(found, "Eq. 8, gradient", numeric.error(modes.euclidean(lam[:, None], zh1, zh2), descent))
        first, second = (
            numeric.gradient(partial(_form, form, zh1, zh2, np.diag(lam)), zh1)
            for form in (partial(losses.iso_value, "euclidean"), losses.iso_second_value)
        )
        add(found, "IsoLoss, second form", numeric.error(second, first))
        shifts = rng.standard_normal((modes_count, pairs // 2))
        shifts = np.concatenate([shifts, -shifts], axis=1)  # augmentations of one input, of mean zero
        zh = zh1[:, :1]
        mean = modes.euclidean(lam[:, None], zh + shifts, zh + shifts[:, ::-1]).mean(1)
        add(found, "Eq. 9, mean over augmentations", numeric.error(modes.euclidean_mean(lam, zh[:, 0]), mean))

        for rate in rates:
            begin = toy.initial(start, inputs, np.random.default_rng(seed))
            add(found, f"linear network, lr {rate:g}", _network(begin, rate, time, exact))

        overlap = kernel.overlap(dimension, 200, rng)
        add(found, "x_i.x_j = delta_ij, inputs of variance 1", overlap * np.sqrt(dimension))
        add(found, "x_i.x_j = delta_ij, inputs of variance 1/N", overlap / np.sqrt(dimension))
        return found

    made.replicate(one, seed, replications)
    return made


def _form(form: Callable[..., Any], zh1: np.ndarray, zh2: np.ndarray, predictor: np.ndarray, z: np.ndarray) -> Any:
    """A form of IsoLoss at ``z``, with what its stop-gradients hold fixed at the embeddings themselves."""
    return form(z, zh2, predictor, fixed=(zh1, zh2))


def _network(weights: np.ndarray, rate: float, time: np.ndarray, exact: np.ndarray) -> float:
    """Largest distance of a trained network's eigenvalues from the closed form; its inputs have E x x^T = 1 exactly."""
    inputs = weights.shape[1]
    x = np.sqrt(inputs) * np.eye(inputs)
    setting = toy.ToySetting("euclidean", "plain", rate)
    worst, taken = 0.0, 0
    for moment, wanted in zip(time, exact, strict=True):
        while taken < round(moment / rate):
            weights = toy.step(weights, setting, x, x, relu=False)
            taken += 1
        found = np.sort(np.linalg.eigvalsh(weights @ weights.T))
        worst = max(worst, float(np.abs(found - np.sort(wanted)).max()))
    return worst
