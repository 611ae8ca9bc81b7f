"""Appendix D of Tian 2021 as numbers: what survives where data are not isotropic."""

from __future__ import annotations

import itertools

import numpy as np

from pipeline.papers.directpred import anisotropic, collapse, flow
from pipeline.papers.directpred.checks import Array
from pipeline.ranges import Positive, Replications, Seed, Width
from pipeline.simulation.records import Simulation

RELATIONS = (("scrambled", "<", "inputs"),)


def simulate(
    *,
    inputs: Width = 5,
    outputs: Width = 3,
    scrambled: Width = 2,
    scale: Positive = 0.1,
    until: Positive = 400.0,
    replications: Replications = 6,
    seed: Seed = 0,
) -> Simulation:
    """Errors relative to the largest number that is compared, eigenvalues, and shares of W that are left.

    Args:
        inputs: n1.
        outputs: n2.
        scrambled: Directions k that augmentations of the multiplicative kind scramble.
        scale: Singular values of both weights at the start of the flow: small and positive.
        until: Its end.
        replications: Draws of data, noise and weights.
        seed: Of the first draw; the next has the next.
    """

    def one(own: int) -> Simulation:
        made = Simulation()
        rng = np.random.default_rng(own)
        data, noise = (_covariance(rng, inputs) for _ in range(2))
        noise = 0.3 * noise

        def add(identity: str, value: float | np.floating) -> None:
            made.add(float(value), identity=identity, quantity="value")

        added = anisotropic.additive(data, noise)
        values, rows = anisotropic.survivors(added)
        w, wp = rows[:outputs], np.diag(values[:outputs])
        turn = rng.standard_normal((outputs, outputs))
        add("Eq. 103: speed of left eigenvectors of Sd Ss^-1", _speed(w, wp, added))
        add("Eq. 103: speed of S W, S Wp S^-1", _speed(turn @ w, turn @ wp @ np.linalg.inv(turn), added))
        add("additive: smallest eigenvalue of Sd Ss^-1", values.min())
        add("additive: largest eigenvalue of Sd Ss^-1", values.max())

        first = scale * np.linalg.qr(rng.standard_normal((inputs, outputs)))[0].T
        path = flow.integrate(first, scale * np.eye(outputs), None, [0.0, until], added)
        end, predictor = path[0][-1], path[1][-1]
        goal = end @ added.mean @ np.linalg.inv(added.view)
        add("additive, from a small start: distance from Wp W = W Sd Ss^-1", _apart(predictor @ end, goal))
        add("additive, from a small start: W, end over start", np.linalg.norm(end) / np.linalg.norm(first))
        bare = collapse.without_predictor(first, added.spread, 0.0, [until])[0]
        add("additive, no predictor: W, end over start", np.linalg.norm(bare) / np.linalg.norm(first))

        basis = np.linalg.qr(rng.standard_normal((inputs, scrambled)))[0]
        kept = np.eye(inputs) - basis @ basis.T
        times = anisotropic.multiplicative(data, basis)
        seen = _enumerated(data, basis)
        add("multiplicative: error of Ss", _apart(times.view, seen))
        add("multiplicative: error of Ss = Sx, as printed", _apart(data, seen))
        add("multiplicative: distance of Sd Ss^-1 from Pc", _apart(times.mean @ np.linalg.inv(times.view), kept))
        bare = collapse.without_predictor(first, times.spread, 0.0, [until])[0]
        add(
            "multiplicative, no predictor: W Pc, end over start",
            np.linalg.norm(bare @ kept) / np.linalg.norm(first @ kept),
        )
        add(
            "multiplicative, no predictor: W (1 - Pc), end over start",
            np.linalg.norm(bare @ basis) / np.linalg.norm(first @ basis),
        )
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made


def _covariance(rng: np.random.Generator, size: int) -> Array:
    root = rng.standard_normal((size, 2 * size))
    return root @ root.T / (2 * size)


def _speed(w: Array, wp: Array, inputs: flow.Inputs) -> float:
    """Largest entry of the velocity at Wa = W, relative to the largest of what cancels in it."""
    moved = flow.velocity(w, wp, w, inputs, 1.0, 0.0, 1.0)
    scale = np.abs(wp.T @ w @ inputs.mean).max()
    return max(float(np.abs(part).max()) for part in moved) / float(scale)


def _enumerated(data: Array, basis: Array) -> Array:
    """Mean of A S A^T over A = Pc + U B U^T, B over all sign matrices: its entries are independent, of variance 1."""
    k = basis.shape[1]
    kept = np.eye(len(data)) - basis @ basis.T
    total = np.zeros_like(data)
    for signs in itertools.product((-1.0, 1.0), repeat=k * k):
        view = kept + basis @ np.reshape(signs, (k, k)) @ basis.T
        total += view @ data @ view.T
    return total / 2 ** (k * k)


def _apart(found: Array, wanted: Array) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
