"""Figure 2, A and B, of Simon 2023: a wide network on pairs of crops, and its prediction from the tangent kernel."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline.papers.stepwise import aligned, crops, kernel, wide
from pipeline.papers.stepwise.descent import crossings
from pipeline.ranges import Count, Positive, Replications, Seed, Side, Width
from pipeline.simulation.records import Simulation

RELATIONS = (("crop", "<=", "size"),)

_EVERY = 5
"""Steps between two that are kept."""


def simulate(
    *,
    images: Literal["photographs", "shapes"] = "photographs",
    pairs: Count = 50,
    size: Side = 32,
    crop: Side = 20,
    hidden: Width = 2048,
    outputs: Width = 10,
    alpha: Positive = 1.0e-4,
    rate: Positive = 1.0e-4,
    steps: Count = 7000,
    replications: Replications = 5,
    seed: Seed = 0,
) -> Simulation:
    """Loss and eigenvalues of C during full-batch descent, and what the tangent kernel at initialisation predicts.

    Modes that are not half learnt at the end have no numbers. The principal angles, by their size, are those between
    the span of the outputs' leading singular vectors and that of as many leading modes of the kernel.

    Args:
        images: Where the crops are taken from: ``photographs`` or ``shapes``.
        pairs: Images n, two crops of each.
        size: Their side in pixels.
        crop: Side of the crops.
        hidden: Width of the hidden layer.
        outputs: Outputs d.
        alpha: Scale of the readout at initialisation.
        rate: Learning rate.
        steps: Steps of descent.
        replications: Random experiments.
        seed: Of images, crops and weights of the first, whose curves are kept; the next has the next.
    """

    def one(seed: int) -> Simulation:
        inputs = np.vstack(crops.pairs(images, pairs, size, crop, seed))
        network = wide.draw(inputs, hidden, outputs, alpha, [seed, 2])
        tangent = network.tangent_kernel()
        solution = kernel.solve(tangent, outputs)
        starts = np.linalg.norm(kernel.rotation(network.outputs().T, tangent, solution.vectors), axis=0)
        tau = aligned.step_times(solution.gamma, starts)
        found = wide.train(network, rate, steps, _EVERY)
        time = rate * _EVERY * np.arange(len(found))
        measured = np.linalg.eigvalsh(found)[:, ::-1]
        loss = ((found - np.eye(outputs)) ** 2).sum(axis=(1, 2))
        crossed = crossings(time, measured)
        order = np.append(np.sort(tau), np.inf)
        learnt = int(np.isfinite(crossed).sum())
        space = np.linalg.svd(network.outputs(), full_matrices=False)[0][:, :learnt]
        expected = np.linalg.qr(solution.outputs(tangent)[:learnt].T)[0]  # span of [b_1 ... ]^T K^1/2
        cosines = np.linalg.svd(expected.T @ space, compute_uv=False)

        made = Simulation()
        for mode in range(learnt):
            between = min(np.sqrt(order[mode] * order[mode + 1]), time[-1])
            numbers = {
                "gamma": solution.gamma[mode],
                "predicted time": tau[mode],
                "measured over predicted time": crossed[mode] / tau[mode],
                "loss off the plateau": abs(np.interp(between, time, loss) - (outputs - 1 - mode)),
                "eigenvalue at the end": measured[-1, mode],
                "squared cosine of a principal angle": cosines[mode] ** 2,
            }
            for quantity, value in numbers.items():
                made.add(value, mode=mode + 1, quantity=quantity)
        shown = time >= 0.3 * tau.min()
        made.curves.update(
            time=time[shown], loss=loss[shown], measured=measured[shown], tau=tau,
            predicted=aligned.eigenvalues(time[shown], solution.gamma, starts),
        )  # fmt: skip
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made
