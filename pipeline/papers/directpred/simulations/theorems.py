"""Theorems 1 to 3 of Tian 2021 in matrix form as numbers: each against the flow or the gradient that it speaks of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import cumulative_simpson

from pipeline.papers.directpred import alignment, balance, collapse, flow
from pipeline.papers.directpred.checks import Array
from pipeline.papers.directpred.modes import Rates
from pipeline.ranges import NonNegative, Positive, Replications, Seed, Width
from pipeline.simulation.records import Simulation


def simulate(
    *,
    inputs: Width = 6,
    outputs: Width = 4,
    alpha_p: Positive = 3.0,
    eta: NonNegative = 0.05,
    beta: Positive = 0.5,
    scale: Positive = 0.4,
    until: Positive = 40.0,
    aligned_eta: NonNegative = 0.2,
    variance: NonNegative = 0.1,
    replications: Replications = 6,
    seed: Seed = 0,
) -> Simulation:
    """Errors of the identities, relative to the largest number that is compared, and shares of norms that are left.

    Matrices of inputs and weights are drawn at random: an identity has to hold for any.

    Args:
        inputs: n1.
        outputs: n2.
        alpha_p: Relative rate of the predictor.
        eta: Weight decay.
        beta: Rate of the moving average.
        scale: Standard deviation of the weights at the start.
        until: Time at the end.
        aligned_eta: Weight decay for Theorem 3, whose K it makes positive definite.
        variance: sigma^2 there.
        replications: Draws of the matrices.
        seed: Of the first draw; the next has the next.
    """

    def one(own: int) -> Simulation:
        made = Simulation()
        rng = np.random.default_rng(own)
        data = flow.Inputs(*(_covariance(rng, inputs, size) for size in (1.0, 0.3)))
        w, wa = scale * rng.standard_normal((2, outputs, inputs))
        wp = scale * rng.standard_normal((outputs, outputs))
        time = np.linspace(0.0, until, 161)

        def add(identity: str, value: float | np.floating) -> None:
            made.add(float(value), identity=identity, quantity="value")

        early = time[time <= 10.0]
        for name, target in (("a moving average", wa), ("the network itself", None)):
            path = flow.integrate(w, wp, target, early, data, alpha_p=alpha_p, eta=eta, beta=beta)
            add(f"Theorem 1, target {name}: error", _kept(path[0], path[1], alpha_p, eta, early))
        add(
            "Theorem 1 without 1 / alpha_p, as the supplement prints it: error",
            _kept(path[0], path[1], 1.0, eta, early),
        )

        expected = -_slopes(lambda m: flow.loss(m, wp, m, data), w) - eta * w
        moved = -collapse.hessian(wp, data, eta) @ w.ravel(order="F")
        add("Theorem 2, Eq. 6: error", _apart(moved.reshape(w.shape, order="F"), expected))
        add("Theorem 2: smallest eigenvalue of H", np.linalg.eigvalsh(collapse.hessian(wp, data, 0.0)).min())
        size = np.linalg.norm(_without_stop_gradient(w, wp, data, eta, alpha_p, time), axis=(1, 2))
        add("Theorem 2, no stop-gradient: share of W left", size[-1] / size[0])
        kept = flow.integrate(w, wp, None, time, data, alpha_p=alpha_p, eta=eta)[0]
        add("Theorem 2, stop-gradient and predictor: share of W left", np.linalg.norm(kept[-1]) / np.linalg.norm(w))
        bare = collapse.without_predictor(w, data.spread, eta, time)
        add("Theorem 2, no predictor: share of W left", np.linalg.norm(bare[-1]) / np.linalg.norm(w))
        near = collapse.without_predictor(w, data.spread, eta, [1.0 - 1e-5, 1.0, 1.0 + 1e-5])
        down = flow.descent(near[1], np.eye(outputs), near[1], data)[0] - eta * near[1]
        add("Theorem 2, no predictor, Eq. 57: error", _apart((near[2] - near[0]) / 2e-5, down))

        root = scale * rng.standard_normal((outputs, outputs))
        f, p = root @ root.T, (wp + wp.T) / 2
        rates = Rates(alpha_p, aligned_eta, variance)
        dp, df = alignment.symmetrised_velocity(p, f, 1.0, rates)
        left = alignment.commutator(f, p)
        change = alignment.commutator(df, p) + alignment.commutator(f, dp)
        k = alignment.alignment_matrix(f, p, 1.0, rates)
        add("Theorem 3, Eq. 8: error", _apart(-left @ k - k @ left, change))
        ps, fs = alignment.integrate(lambda p, f: alignment.symmetrised_velocity(p, f, 1.0, rates), (p, f), early)
        size = np.linalg.norm(alignment.commutator(fs, ps), axis=(1, 2))
        least = np.linalg.eigvalsh(alignment.alignment_matrix(fs, ps, 1.0, rates))[:, 0]
        add("Theorem 3: infimum of the smallest eigenvalue of K", least.min())
        bound = size[0] * np.exp(-2 * cumulative_simpson(least, x=early, initial=0))
        add("Theorem 3: largest |[F, Wp]| over its bound, but for the start", (size / bound)[1:].max())
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made


def _covariance(rng: np.random.Generator, size: int, scale: float) -> Array:
    root = rng.standard_normal((size, 2 * size))
    return scale * root @ root.T / (2 * size)


def _kept(w: Array, wp: Array, alpha_p: float, eta: float, time: Array) -> float:
    """How far the imbalance is from its start times exp(-2 eta t)."""
    found = balance.imbalance(w, wp, alpha_p)
    return _apart(found, found[0] * np.exp(-2 * eta * time)[:, None, None])


def _apart(found: Array, wanted: Array) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def _slopes(function: Callable[[Array], float], at: Array, step: float = 1e-5) -> Array:
    """Gradient of a function of a matrix, by central differences: exact to rounding for a quadratic one."""
    found = np.empty(at.shape)
    for place in np.ndindex(at.shape):
        moved = np.zeros(at.shape)
        moved[place] = step
        found[place] = (function(at + moved) - function(at - moved)) / (2 * step)
    return found


def _without_stop_gradient(w: Array, wp: Array, data: flow.Inputs, eta: float, alpha_p: float, time: Array) -> Array:
    """W at the times: it moves as -H vec(W), and Wp as ever."""
    n2, n1 = w.shape

    def rhs(both: Array) -> tuple[Array]:
        online, predictor = both[:, :n1], both[:, n1:]
        moved = -collapse.hessian(predictor, data, eta) @ online.ravel(order="F")
        pushed = alpha_p * flow.descent(online, predictor, online, data)[1] - eta * predictor
        return (np.hstack([moved.reshape(n2, n1, order="F"), pushed]),)

    (path,) = alignment.integrate(rhs, (np.hstack([w, wp]),), time, rtol=1e-8)
    return path[:, :, :n1]
