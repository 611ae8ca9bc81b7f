"""Toy networks of Figures 2, 4 and 5: z = W x or relu(W x), trained by gradient descent on fresh Gaussian inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.papers.isoloss.checks import positive
from pipeline.papers.isoloss.losses import GUARD, gradients

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

ENOUGH = 1e4
"""Weights beyond this have run away; their training ends there."""

_BLOCK = 1000
"""Pairs that are worked on at a time: temporaries stay in the cache, and out of the system's allocator."""


@dataclass(frozen=True)
class Setting:
    """One panel: what is minimised, and how far a step goes."""

    metric: str
    variant: str
    lr: float


@dataclass
class Track:
    """Weights on the way.

    Attributes:
        weights: After the recorded steps (T, M, N); the last ones again once a network has run away.
        stopped: Step at which they ran away, 0 if never.
    """

    weights: Float64[Array, "T M N"]
    stopped: int = 0

    @property
    def eigenvalues(self) -> Float64[np.ndarray, "T M"]:
        """Of W W^T, ascending (T, M)."""
        return np.linalg.eigvalsh(self.weights @ self.weights.transpose(0, 2, 1))

    def recorded(self, every: int) -> NDArray[np.int64]:
        """Steps of the records up to the end: that of the last one is where the network ran away, if it did.

        Args:
            every: Steps from one record to the next.
        """
        steps = every * np.arange(len(self.weights), dtype=np.int64)
        return np.minimum(steps[: 1 + -(-self.stopped // every)], self.stopped) if self.stopped else steps


def initial(eigenvalues: Sequence[float], inputs: int, rng: np.random.Generator) -> Float64[Array, "M N"]:
    """Weights (M, N) with random singular vectors and the given eigenvalues of W W^T."""
    modes = len(eigenvalues)
    if inputs < modes:
        raise UserError(f"isoloss: inputs: {modes} eigenvalues need at least {modes} input dimensions, found {inputs}")
    left, _ = np.linalg.qr(rng.standard_normal((modes, modes)))
    right, _ = np.linalg.qr(rng.standard_normal((inputs, modes)))
    return (left * np.sqrt(np.asarray(eigenvalues, dtype=np.float64))) @ right.T


def step(
    weights: Float64[Array, "M N"], setting: Setting, x1: Float64[Array, "N B"], x2: Float64[Array, "N B"], relu: bool
) -> Float64[Array, "M N"]:
    """Weights after one step of gradient descent on the mean loss of a batch.

    Args:
        weights: W (M, N).
        setting: The loss. W_P = W W^T is a constant for the gradient, also with ReLU, where it is not E[z z^T].
        x1: Inputs of view 1 (N, B).
        x2: Inputs of view 2 (N, B).
        relu: Whether embeddings are relu(W x).
    """
    predictor = weights @ weights.T
    change = np.zeros_like(weights)
    for first in range(0, x1.shape[1], _BLOCK):
        block = slice(first, first + _BLOCK)
        change += _gradient(weights, predictor, setting, x1[:, block], x2[:, block], relu)
    return weights - setting.lr / x1.shape[1] * change


def _gradient(weights: Array, predictor: Array, setting: Setting, x1: Array, x2: Array, relu: bool) -> Array:
    """Gradient of the sum of the losses of some pairs with respect to the weights."""
    y1, y2 = weights @ x1, weights @ x2
    z1, z2 = (np.maximum(y1, 0.0), np.maximum(y2, 0.0)) if relu else (y1, y2)
    g1, g2 = gradients(setting.metric, setting.variant, z1, z2, predictor, GUARD)
    if relu:
        g1 *= y1 > 0
    change = g1 @ x1.T
    if g2 is not None:
        change += (g2 * (y2 > 0) if relu else g2) @ x2.T
    return change


def train(
    weights: Float64[Array, "M N"],
    settings: Sequence[Setting],
    *,
    steps: int,
    every: int,
    samples: int,
    sigma: float,
    relu: bool,
    rng: np.random.Generator,
) -> list[Track]:
    """Train one network per setting from the same weights on the same batches.

    View 1 is clean, view 2 has noise. Each input comes twice, with opposite noise: the expectation is the same, and
    much of the sampling noise cancels, so that thousands of samples per step do where the paper draws 50 000.

    Args:
        weights: Initial W (M, N).
        settings: What to train.
        steps: Of gradient descent.
        every: Record each so many steps, the initial weights first.
        samples: Pairs of views per step, an even number.
        sigma: Standard deviation of the noise on the input.
        relu: As in :func:`step`.
        rng: Source of inputs and noise.

    Raises:
        UserError: A learning rate, number or deviation that makes no sense.
    """
    positive("steps", steps)
    positive("every", every)
    if samples < 2 or samples % 2:
        raise UserError(f"isoloss: samples: expected an even number from 2 on, found {samples}")
    if sigma < 0:
        raise UserError(f"isoloss: sigma: expected at least 0, found {sigma}")
    for setting in settings:
        positive("lr", setting.lr)
    now = [weights.copy() for _ in settings]
    tracks = [Track(np.repeat(weights[None], steps // every + 1, axis=0)) for _ in settings]
    half = samples // 2
    x1, x2 = np.empty((weights.shape[1], samples)), np.empty((weights.shape[1], samples))
    for number in range(1, steps + 1):
        x1[:, :half] = rng.standard_normal((weights.shape[1], half))
        x1[:, half:] = x1[:, :half]
        noise = sigma * rng.standard_normal((weights.shape[1], half))
        np.add(x1[:, :half], noise, out=x2[:, :half])
        np.subtract(x1[:, half:], noise, out=x2[:, half:])
        for k, (setting, track) in enumerate(zip(settings, tracks, strict=True)):
            if not track.stopped:
                after = step(now[k], setting, x1, x2, relu)
                if np.abs(after).max() < ENOUGH:
                    now[k] = after
                else:
                    track.stopped = number
            if number % every == 0:
                track.weights[number // every] = now[k]
    return tracks
