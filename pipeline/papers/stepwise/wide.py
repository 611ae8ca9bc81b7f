"""A wide network with one hidden layer on pairs of views, under full-batch descent (Simon 2023, Section 6, App. D.1).

On a fixed batch of N inputs the hidden layer's weights move only within the span of the inputs. So its pre-activations,
(N, width), are enough: their step is the inputs' Gram matrix times the gradient. The iterates are those of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError
from pipeline.papers.stepwise.kernel import pair_correlation, swap

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


@dataclass
class WideNetwork:
    """f = V relu(h) + c on a fixed batch, h = W x + b.

    Attributes:
        hidden: Pre-activations h, (N, width).
        gram: x . x' + 1 of the inputs, (N, N): the 1 is the bias's.
        readout: V, (d, width).
        bias: c, (d,).
    """

    hidden: Float64[Array, "N width"]
    gram: Float64[Array, "N N"]
    readout: Float64[Array, "d width"]
    bias: Float64[Array, " d"]
    _room: Float64[Array, "three N width"] = field(init=False, repr=False)
    """Memory of a step: new arrays of this size would come from the system, page by page, in every step."""

    def __post_init__(self) -> None:
        self._room = np.empty((3, *self.hidden.shape))

    def outputs(self) -> Float64[Array, "N d"]:
        """f on the batch, (N, d)."""
        return np.maximum(self.hidden, 0) @ self.readout.T + self.bias

    def step(self, rate: float) -> Float64[Array, "d d"]:
        """One step of descent on |C - I|^2, in place.

        Returns:
            C before the step, (d, d).
        """
        active, back, change = self._room
        np.maximum(self.hidden, 0, out=active)
        f = active @ self.readout.T + self.bias
        c = pair_correlation(f.T)
        pull = swap(f) @ (c - np.eye(len(c))) * (4 * rate / len(f))
        np.matmul(pull, self.readout, out=back)
        back *= self.hidden > 0
        self.hidden -= np.matmul(self.gram, back, out=change)
        self.readout -= pull.T @ active
        self.bias -= pull.sum(axis=0)
        return c

    def tangent_kernel(self) -> Float64[Array, "N N"]:
        """Kernel of the mean of the d outputs times sqrt(d), which recovers that of one output, (N, N).

        (In the text at hand the footnote has lost a root in front of d; with d gamma would be d times too large.)
        """
        active = np.maximum(self.hidden, 0)
        mean = self.readout.sum(axis=0) / np.sqrt(len(self.readout))
        moved = (self.hidden > 0) * mean
        return active @ active.T + 1 + (moved @ moved.T) * self.gram


def draw(inputs: ArrayLike, width: int, outputs: int, alpha: float, seed: int | list[int]) -> WideNetwork:
    """A network with uniform weights and biases within 1 / sqrt(fan-in), those of the readout times alpha.

    The text scales all weights by alpha. With both layers scaled nothing moves in the time it gives, for the tangent
    kernel falls by alpha^2; with the readout alone the steps occur where they are printed.

    Args:
        inputs: All first views and then all second views, (2n, m).
        width: Hidden units.
        outputs: Outputs d.
        alpha: Scale of the readout.
        seed: Of the weights.

    Raises:
        UserError: An odd number of inputs, or a width, number of outputs or scale that is not positive.
    """
    x = np.asarray(inputs, dtype=np.float64)
    if x.ndim != 2 or len(x) % 2 or min(width, outputs) < 1 or alpha <= 0:
        raise UserError(
            f"network: expected 2n inputs, width and outputs from 1 on and alpha above 0, "
            f"found inputs {x.shape}, {width}, {outputs} and {alpha:g}"
        )
    rng = np.random.default_rng(seed)
    first, second = x.shape[1] ** -0.5, width**-0.5
    weights = rng.uniform(-first, first, (width, x.shape[1]))
    hidden = x @ weights.T + rng.uniform(-first, first, width)
    readout = alpha * rng.uniform(-second, second, (outputs, width))
    return WideNetwork(hidden, x @ x.T + 1, readout, alpha * rng.uniform(-second, second, outputs))


def train(network: WideNetwork, rate: float, steps: int, every: int) -> Float64[Array, "times d d"]:
    """C at step 0, every, 2 every, ... of descent, (1 + steps // every, d, d).

    Raises:
        UserError: A rate that is not positive.
    """
    if rate <= 0 or every < 1:
        raise UserError(f"rate, every: expected a learning rate above 0 and 1 step or more, found {rate:g} and {every}")
    found = [c for step in range(steps) if (c := network.step(rate)) is not None and step % every == 0]
    if steps % every == 0:
        found.append(pair_correlation(network.outputs().T))
    return np.array(found)
