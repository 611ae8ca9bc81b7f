"""Props. 4.3 and 5.1 and Result 4.6 of Simon 2023 as numbers."""

from __future__ import annotations

import numpy as np

from pipeline.papers.stepwise import aligned, coefficients, correlation, kernel, start
from pipeline.papers.stepwise.correlation import Array
from pipeline.ranges import Count, NonNegative, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    pairs: Count = 30,
    features: Width = 12,
    outputs: Width = 4,
    noise: NonNegative = 0.4,
    others: Count = 200,
    modes: Width = 8,
    alphas: Some[Positive] = [1.0e-3, 1.0e-5, 1.0e-7],  # noqa: B006 (a literal that is read, never written)
    samples: Count = 200,
    replications: Replications = 6,
    seed: Seed = 0,
) -> Simulation:
    """Errors of the identities, and how far descent from a small start is from the aligned one.

    Args:
        pairs: Pairs of views n of the propositions.
        features: Their dimension m.
        outputs: Outputs d.
        noise: Standard deviation by which the views of a pair differ.
        others: Other solutions of zero loss whose norms are compared.
        modes: Eigenvalues of Gamma for Result 4.6, gamma_j = 2^-j.
        alphas: Scales of its W(0), falling.
        samples: Times at which the two flows are compared.
        replications: Draws of data and weights.
        seed: Of the first draw; the next has the next.
    """

    def one(own: int) -> Simulation:
        made = Simulation()
        rng = np.random.default_rng(own)
        shared = rng.standard_normal((pairs, features)) * 0.7 ** np.arange(features)
        first, second = (
            shared + noise * rng.standard_normal((pairs, features)) * 0.7 ** np.arange(features) for _ in "ab"
        )
        gamma, rows = correlation.descending(correlation.gamma_matrix(first, second))

        def add(identity: str, value: float) -> None:
            made.add(float(value), identity=identity, quantity="value")

        weights = aligned.top_spectral(gamma, rows, outputs)
        size = (weights**2).sum()
        positive = gamma > 1e-12 * gamma[0]
        add("Prop. 4.3: loss of the top spectral W", correlation.loss(weights, correlation.gamma_matrix(first, second)))
        add("Prop. 4.3: its squared norm off the sum of 1 / gamma_j", abs(size * (1 / gamma[:outputs]).sum() ** -1 - 1))
        found = _zero_loss(gamma[positive], rows[positive], outputs, others, rng)
        add("Prop. 4.3: largest loss of others of zero loss", max(_loss(one, gamma, rows) for one in found))
        add("Prop. 4.3: least squared norm of others over its own", min((one**2).sum() for one in found) / size)

        for alpha in alphas:
            far, apart = _from_small(alpha, modes, outputs, samples, own)
            add(f"Result 4.6, alpha {alpha:g}: largest |W - W*| over the largest |W*|", far)
            add(f"Result 4.6, alpha {alpha:g}: largest distance of eigenvalues of C", apart)

        data = np.vstack([first, second])
        gram = data @ data.T
        solution = kernel.solve(gram, outputs)
        nonzero = np.linalg.eigvalsh(kernel.k_gamma(gram))[::-1]
        add("Prop. 5.1: eigenvalues of K_Gamma off those of Gamma", _apart(nonzero[:outputs], gamma[:outputs]))
        fresh = rng.standard_normal((pairs, features))
        wanted, kernels = weights @ fresh.T, solution.outputs(fresh @ data.T)
        signs = np.sign((wanted * kernels).sum(axis=1, keepdims=True))
        add("Prop. 5.1, Eq. 24: f off the top spectral W x on new inputs", _apart(signs * kernels, wanted))
        unit = kernel.pair_correlation(solution.outputs(gram))
        add("Prop. 5.1: distance of C from I", float(np.abs(unit - np.eye(outputs)).max()))
        scaled = solution.modes / np.sqrt(solution.gamma)[:, None]
        norm = np.einsum("ij,jk,ik", scaled, gram, scaled)
        least = (1 / gamma[:outputs]).sum()
        add("Prop. 5.1, Eq. 25: squared norm of f off the sum of 1 / gamma_j", abs(norm / least - 1))
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made


def _loss(weights: Array, gamma: Array, rows: Array) -> float:
    return correlation.loss(weights, (rows.T * gamma) @ rows)


def _zero_loss(gamma: Array, rows: Array, outputs: int, count: int, rng: np.random.Generator) -> list[Array]:
    """W of zero loss at random: Q^T Gamma^-1/2 on the modes of positive gamma, Q of orthonormal columns."""
    found = []
    for _ in range(count):
        turn = np.linalg.qr(rng.standard_normal((len(gamma), outputs)))[0]
        found.append((turn.T / np.sqrt(gamma)) @ rows)
    return found


def _from_small(alpha: float, modes: int, outputs: int, samples: int, seed: int) -> tuple[float, float]:
    """Distances of the flow from W(0) ~ N(0, alpha^2) and of that from its aligned start, worst over time."""
    gamma = 0.5 ** np.arange(1, modes + 1)
    begin = alpha * np.random.default_rng(seed).standard_normal((outputs, modes))
    starts = start.effective_starts(begin, np.eye(modes)[:outputs])
    until = 1.5 * aligned.step_times(gamma[:outputs], starts).max()
    time = np.linspace(0.0, until, samples)
    true = coefficients.integrate(begin, gamma, 4 * time, rtol=1e-9)
    turn = start.signed_qr(begin[:, :outputs])[0]
    ideal = np.zeros_like(true)
    ideal[:, :, :outputs] = turn * aligned.singular_values(time, gamma[:outputs], starts)[:, None, :]
    far = np.linalg.norm(true - ideal, axis=(1, 2)).max() / np.linalg.norm(ideal, axis=(1, 2)).max()
    measured = np.linalg.eigvalsh((true * gamma) @ np.swapaxes(true, 1, 2))
    predicted = np.sort(aligned.eigenvalues(time, gamma[:outputs], starts))
    return float(far), float(np.abs(measured - predicted).max())


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
