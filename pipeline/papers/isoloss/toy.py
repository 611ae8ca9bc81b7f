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

_AT_ONCE = 12_000
"""Numbers of an array that is worked on at a time: temporaries stay in the cache, and out of the system's allocator."""


@dataclass(frozen=True)
class ToySetting:
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
    weights: Float64[Array, "*networks M N"],
    setting: ToySetting,
    x1: Float64[Array, "*networks N B"],
    x2: Float64[Array, "*views N B"],
    relu: bool,
) -> Float64[Array, "*networks M N"]:
    """Weights after one step of gradient descent on the mean loss of a batch.

    Args:
        weights: W (M, N), or those of several networks.
        setting: The loss. W_P = W W^T is a constant for the gradient, also with ReLU, where it is not E[z z^T].
        x1: Inputs of view 1 (N, B), for each network.
        x2: Inputs of view 2, of the shape of ``x1``; with one axis more in front, several second views of each first.
        relu: Whether embeddings are relu(W x).
    """
    predictor = weights @ weights.swapaxes(-1, -2)
    change = np.zeros_like(weights)
    views = x2.size // x1.size
    block = max(_AT_ONCE // (views * weights.size // weights.shape[-1]), 1)
    for first in range(0, x1.shape[-1], block):
        part = slice(first, first + block)
        change += _gradient(weights, predictor, setting, x1[..., part], x2[..., part], relu)
    return weights - setting.lr / (views * x1.shape[-1]) * change


def _gradient(weights: Array, predictor: Array, setting: ToySetting, x1: Array, x2: Array, relu: bool) -> Array:
    """Gradient of the sum of the losses of some pairs with respect to the weights."""
    y1, y2 = weights @ x1, weights @ x2
    z1, z2 = (np.maximum(y1, 0.0), np.maximum(y2, 0.0)) if relu else (y1, y2)
    g1, g2 = gradients(setting.metric, setting.variant, z1, z2, predictor, GUARD)
    several = x2.ndim > x1.ndim
    if several:
        g1 = g1.sum(0)
    if relu:
        g1 *= y1 > 0
    change = g1 @ x1.swapaxes(-1, -2)
    if g2 is not None:
        found = (g2 * (y2 > 0) if relu else g2) @ x2.swapaxes(-1, -2)
        change += found.sum(0) if several else found
    return change


def train(
    weights: Float64[Array, "R M N"],
    settings: Sequence[ToySetting],
    *,
    steps: int,
    every: int,
    samples: int,
    sigma: float,
    relu: bool,
    rngs: Sequence[np.random.Generator],
) -> list[list[Track]]:
    """Train networks, one per setting and replication: a replication's start from the same weights on the same batches.

    View 1 is clean, view 2 has noise. Each input comes twice, with opposite noise: the expectation is the same, and
    much of the sampling noise cancels, so that thousands of samples per step do where the paper draws 50 000.

    Args:
        weights: Initial W, (R, M, N).
        settings: What to train.
        steps: Of gradient descent.
        every: Record each so many steps, the initial weights first.
        samples: Pairs of views per step, an even number.
        sigma: Standard deviation of the noise on the input.
        relu: As in :func:`step`.
        rngs: Sources of inputs and noise, one per replication: what it draws does not depend on how many there are.

    Returns:
        Per setting those of its R networks.

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
    kept = np.repeat(weights[:, None], steps // every + 1, axis=1)
    tracks = [[Track(own.copy()) for own in kept] for _ in settings]
    half = samples // 2
    x1, noise = np.empty((2, len(weights), weights.shape[2], half))
    x2 = np.empty((2, *x1.shape))
    for number in range(1, steps + 1):
        for place, rng in enumerate(rngs):
            rng.standard_normal(out=x1[place])
            rng.standard_normal(out=noise[place])
        noise *= sigma
        np.add(x1, noise, out=x2[0])
        np.subtract(x1, noise, out=x2[1])
        for k, (setting, own) in enumerate(zip(settings, tracks, strict=True)):
            going = np.array([not track.stopped for track in own])
            if going.any():
                after = step(now[k], setting, x1, x2, relu)
                held = np.abs(after).max(axis=(1, 2)) < ENOUGH
                now[k][going & held] = after[going & held]
                for place in map(int, np.flatnonzero(going & ~held)):
                    own[place].stopped = number
            if number % every == 0:
                for track, reached in zip(own, now[k], strict=True):
                    track.weights[number // every] = reached
    return tracks
