"""Where the kernel's prediction of the embeddings must be near-exact: a linear model and a wide network (ours)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels import subspaces
from pipeline.papers.stepwise import aligned, correlation, crops, kernel, start, wide
from pipeline.papers.stepwise.descent import descend
from pipeline.ranges import Count, Positive, Replications, Seed, Side, Width
from pipeline.simulation.records import Simulation

RELATIONS = (("crop", "<=", "size"),)

_BEYOND = 1.5
"""How long the linear model is trained, in units of its last step's time."""


def simulate(
    *,
    images: Literal["photographs", "shapes"] = "photographs",
    pairs: Count = 50,
    size: Side = 32,
    crop: Side = 20,
    outputs: Width = 10,
    alpha_linear: Positive = 1.0e-30,
    hidden: Width = 1024,
    alpha: Positive = 1.0e-4,
    rate: Positive = 6.0e-4,
    steps: Count = 6500,
    draws: Count = 32,
    replications: Replications = 4,
    seed: Seed = 0,
) -> Simulation:
    """Full-batch descent on |C - I|^2 (Eqs. 1 and 2) to the end, and the row spaces that kernels predict (Eq. 49).

    Args:
        images: Where the crops are taken from: ``photographs`` or ``shapes``.
        pairs: Images n, two crops of each.
        size: Their side in pixels.
        crop: Side of the crops.
        outputs: Outputs d.
        alpha_linear: Standard deviation of the linear model's W(0).
        hidden: Width of the network's hidden layer.
        alpha: Scale of its readout at initialisation.
        rate: Its learning rate; the linear model takes a fifth of the largest stable one.
        steps: Its steps.
        draws: Random subspaces for the chance level.
        replications: Random experiments.
        seed: Of images, crops, weights and random subspaces of the first; the next has the next.
    """

    def one(seed: int) -> Simulation:
        inputs = np.vstack(crops.pairs(images, pairs, size, crop, seed))
        learnt = _linear(inputs, outputs, alpha_linear, [seed, 3])
        made = Simulation()
        _compare(made, "linear", learnt, inputs @ inputs.T, draws, [seed, 4])

        network = wide.draw(inputs, hidden, outputs, alpha, [seed, 2])
        initial = network.tangent_kernel()
        wide.train(network, rate, steps, steps)
        learnt = network.outputs().T
        _compare(made, "wide network, initial kernel", learnt, initial, draws, [seed, 5])
        _compare(made, "wide network, final kernel", learnt, network.tangent_kernel(), draws, [seed, 6])
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made


def _linear(inputs: NDArray, outputs: int, alpha: float, seed: list[int]) -> NDArray:
    """Outputs (d, 2n) of the linear model after training."""
    first, second = np.split(inputs, 2)
    gamma, rows = correlation.descending(correlation.gamma_matrix(first, second))
    weights = alpha * np.random.default_rng(seed).standard_normal((outputs, inputs.shape[1]))
    leading = aligned.positive_modes(gamma, outputs)
    tau = aligned.step_times(leading, start.effective_starts(weights, rows[:outputs]))
    rate = 0.2 / (4 * leading[0])
    return descend(weights, gamma, rows, rate=rate, times=[_BEYOND * tau.max()])[1] @ inputs.T


def _compare(made: Simulation, model: str, learnt: NDArray, tangent: NDArray, draws: int, seed: list[int]) -> None:
    d = len(learnt)
    space = subspaces.row_space(learnt)
    expected = subspaces.row_space(kernel.solve(tangent, d).outputs(tangent))
    made.add(subspaces.alignment(space, expected, d), model=model, quantity="a(P_exp,P_th)")
    own = subspaces.alignment(space, subspaces.top_eigenvectors(tangent, d), d)
    made.add(own, model=model, quantity="a(P_exp,P_NTK)")
    made.add(subspaces.monte_carlo(expected, d, seed, draws).mean, model=model, quantity="random subspaces")
