"""A two-layer network trained on a supervised InfoNCE loss (Draganov 2025, Section 4.2), gradients by hand.

Several networks are trained side by side, each on its own data: the leading axis of every array counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.papers.embnorms.classes import Classes

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float32, Int

Weights = dict[str, NDArray[np.floating[Any]]]
"""By name, float64 or float32; shapes are those of :func:`initial`."""


def initial(rng: np.random.Generator, networks: int, inputs: int, hidden: int, outputs: int) -> Weights:
    """Weights and biases, uniform within one over the root of a layer's inputs."""
    sizes = {"w1": (inputs, hidden), "b1": (1, hidden), "w2": (hidden, outputs), "b2": (1, outputs)}
    reach = {"w1": inputs, "b1": inputs, "w2": hidden, "b2": hidden}
    return {name: rng.uniform(-1.0, 1.0, (networks, *size)) / np.sqrt(reach[name]) for name, size in sizes.items()}


def outputs(weights: Weights, x: Float[np.ndarray, "networks n inputs"]) -> Float[np.ndarray, "networks n outputs"]:
    """Embeddings, shape (networks, n, outputs), of inputs (networks, n, inputs)."""
    return second_layer(weights, first_layer(weights, x))


def first_layer(weights: Weights, x: Float[np.ndarray, "networks n inputs"]) -> Float[np.ndarray, "networks n hidden"]:
    """Hidden units after the ReLU, shape (networks, n, hidden)."""
    hidden = x @ weights["w1"]
    hidden += weights["b1"]
    return np.maximum(hidden, 0.0, out=hidden)


def second_layer(
    weights: Weights, hidden: Float[np.ndarray, "networks n hidden"]
) -> Float[np.ndarray, "networks n outputs"]:
    """Embeddings from hidden units, shape (networks, n, outputs)."""
    return hidden @ weights["w2"] + weights["b2"]


def contrast(
    first: Float[np.ndarray, "networks n d"],
    second: Float[np.ndarray, "networks n d"],
    *,
    temperature: float = 1.0,
    excluded: Bool[np.ndarray, "networks n n"] | None = None,
) -> tuple[Float[np.ndarray, " networks"], Float[np.ndarray, "networks n d"], Float[np.ndarray, "networks n d"]]:
    """Mean InfoNCE of the rows of ``first`` against all rows of ``second``, of which the same row is the positive.

    Args:
        first: Embeddings, shape (networks, n, d).
        second: Of the same shape.
        temperature: Divides the cosines.
        excluded: Pairs that are left out of the sums, shape (networks, n, n); never the diagonal.

    Returns:
        Losses, shape (networks,), and the gradients with respect to both, of their shapes.

    Raises:
        UserError: The temperature is below 0.025, where single precision no longer holds the smallest terms.
    """
    if not temperature >= 0.025:
        raise UserError(f"network: temperature {temperature}; expected 0.025 or more")
    norms = [np.linalg.norm(z, axis=-1, keepdims=True) for z in (first, second)]
    a, b = first / norms[0], second / norms[1]
    count = a.shape[1]
    logits = a @ b.swapaxes(1, 2) / temperature
    positive = np.einsum("rnn->rn", logits).copy()
    if excluded is not None:
        logits = np.where(excluded, -np.inf, logits)
    # a cosine is at most 1: nothing overflows, and it saves a pass for the maxima
    shares = np.exp(np.subtract(logits, 1.0 / temperature, out=logits), out=logits)
    totals = shares.sum(axis=-1, keepdims=True)
    losses = np.mean(np.log(totals)[..., 0] - positive, axis=-1) + 1.0 / temperature
    shares /= totals
    np.einsum("rnn->rn", shares)[...] -= 1.0
    found = []
    for own, other, norm, factor in ((a, b, norms[0], shares), (b, a, norms[1], shares.swapaxes(1, 2))):
        pull = factor @ other / (temperature * count)
        found.append((pull - own * np.sum(own * pull, axis=-1, keepdims=True)) / norm)
    return losses, found[0], found[1]


def descend(
    weights: Weights,
    x: Float[np.ndarray, "networks n inputs"],
    hidden: Float[np.ndarray, "networks n hidden"],
    gradient: Float[np.ndarray, "networks n outputs"],
    rate: float,
) -> None:
    """One step of gradient descent, in place.

    Args:
        weights: To be changed.
        x: Inputs.
        hidden: What :func:`first_layer` makes of them.
        gradient: With respect to the embeddings of ``x``.
        rate: Learning rate.
    """
    back = (gradient @ weights["w2"].swapaxes(1, 2)) * (hidden > 0.0)
    weights["w2"] -= rate * (hidden.swapaxes(1, 2) @ gradient)
    weights["b2"] -= rate * gradient.sum(axis=1, keepdims=True)
    weights["w1"] -= rate * (x.swapaxes(1, 2) @ back)
    weights["b1"] -= rate * back.sum(axis=1, keepdims=True)


def train(
    rng: np.random.Generator,
    weights: Weights,
    x: Float[np.ndarray, "networks n inputs"],
    labels: Int[np.ndarray, " n"],
    *,
    epochs: int,
    rate: float,
    batch: int = 128,
    probabilities: Float[np.ndarray, " classes"] | None = None,
    masked: bool = False,
    temperature: float = 1.0,
) -> Iterator[int]:
    """Train in place; yields the number of every epoch that is through, 0 before the first step.

    An anchor's class is drawn with ``probabilities``, the anchor and its positive uniformly from that class. An
    epoch is as many batches as there are in the data.

    Args:
        rng: Source of the batches, the same for all networks.
        weights: As :func:`initial` makes them.
        x: Inputs, shape (networks, n, inputs).
        labels: Classes of the rows, sorted, of equal sizes; shape (n,).
        epochs: How many.
        rate: Learning rate of plain gradient descent.
        batch: Pairs per step.
        probabilities: Of the classes, uniform if none are given.
        masked: Whether other members of an anchor's class are left out of its negatives.
        temperature: Divides the cosines.

    Raises:
        UserError: The rate is negative, classes are of different sizes, or probabilities do not add up to 1.
    """
    classes, counts = np.unique(labels, return_counts=True)
    chances = np.full(len(classes), 1.0 / len(classes)) if probabilities is None else np.asarray(probabilities)
    if not rate >= 0.0:
        raise UserError(f"network: learning rate {rate}; expected 0 or more")
    if len(set(counts)) != 1 or np.any(np.diff(labels) < 0):
        raise UserError("network: expected labels in order and as many of each")
    if len(chances) != len(classes) or np.any(chances < 0.0) or abs(chances.sum() - 1.0) > 1e-9:
        raise UserError(f"network: probabilities {chances.tolist()}; expected {len(classes)} that add up to 1")
    members = counts[0]
    yield 0
    for epoch in range(1, epochs + 1):
        for _ in range(max(1, len(labels) // batch)):
            drawn = rng.choice(len(classes), batch, p=chances)
            rows = drawn * members + rng.integers(0, members, (2, batch))
            both = x[:, rows.ravel()]
            hidden = first_layer(weights, both)
            z = second_layer(weights, hidden)
            excluded = None
            if masked:
                same = (drawn[:, None] == drawn) & ~np.eye(batch, dtype=bool)
                excluded = np.broadcast_to(same, (len(x), batch, batch))
            _, one, other = contrast(z[:, :batch], z[:, batch:], temperature=temperature, excluded=excluded)
            descend(weights, both, hidden, np.concatenate([one, other], axis=1), rate)
        yield epoch


def prepared(
    data: list[Classes], rngs: list[np.random.Generator], hidden: int, width: int
) -> tuple[Float32[np.ndarray, "networks n inputs"], Weights]:
    """Inputs of several sets of classes side by side and a network for each, in single precision: twice as fast.

    Args:
        data: Sets of the same shape.
        rngs: Source of the weights, one per set: what a network starts from does not depend on how many there are.
        hidden: Width of the hidden layer.
        width: Of the embeddings.
    """
    x = np.stack([drawn.observed for drawn in data])
    each = [initial(rng, 1, x.shape[2], hidden, width) for rng in rngs]
    weights = {name: np.concatenate([own[name] for own in each]).astype(np.float32) for name in each[0]}
    return x.astype(np.float32), weights
