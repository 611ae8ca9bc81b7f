"""A linear probe on features that are given: trained, and tested after each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.evaluation import softmax
from pipeline.evaluation.finite import NotFinite

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def classify(
    train: Float[Tensor, "n dim"],
    labels: Int[Tensor, " n"],
    test: Float[Tensor, "m dim"],
    truth: Int[Tensor, " m"],
    n_classes: int,
    *,
    standardize: bool,
    optimizer: str,
    lr: float,
    momentum: float,
    weight_decay: float,
    batch_size: int,
    epochs: int,
    seed: int,
    label_smoothing: float = 0.0,
    tick: Callable[[int, int], None],
) -> dict[str, float | int]:
    """Train a softmax layer on features, test it on others.

    Args:
        train: Features that are fitted.
        labels: Their classes.
        test: Features that are tested on.
        truth: Their classes.
        n_classes: How many classes there are.
        standardize: Bring each feature to zero mean and unit variance on ``train``.
        optimizer: ``adam``, or ``sgd`` with ``momentum``.
        lr: Learning rate, constant.
        momentum: Of ``sgd``.
        weight_decay: L2, added to the gradient.
        batch_size: Rows per step.
        epochs: Passes over ``train``.
        seed: Of the initial weights and the orders.
        label_smoothing: Share of the target that is spread over all classes alike.
        tick: Called with the epochs done and that of all.

    Returns:
        ``top1_last``, ``top1_best`` in percent of ``test``, ``best_epoch`` (from 1; the first of equals), ``top5``
        after the last epoch (with more than five classes), ``train_loss`` of the last epoch in nats, ``n_train``,
        ``n_test``.

    Raises:
        NotFinite: The loss or a score is infinite or NaN: the probe diverged, and what it would guess is no share of
            anything.
    """
    mean, std = softmax.standardiser(train)
    if not standardize:
        mean, std = mean.zero_(), std.fill_(1)
    inputs, tested = softmax.design(train, mean, std), softmax.design(test, mean, std)
    accuracies: list[float] = []
    losses: list[float] = []
    for weight, loss in softmax.train(
        inputs,
        labels,
        n_classes,
        optimizer=optimizer,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
        label_smoothing=label_smoothing,
    ):
        if not math.isfinite(loss):
            raise NotFinite("loss of the linear probe")
        losses.append(loss)
        accuracies.append(100 * softmax.hits(tested, truth, weight) / len(truth))
        tick(len(accuracies), epochs)
    scores: dict[str, float | int] = {
        "top1_last": accuracies[-1],
        "top1_best": max(accuracies),
        "best_epoch": accuracies.index(max(accuracies)) + 1,
        "train_loss": losses[-1],
        "n_train": len(labels),
        "n_test": len(truth),
    }
    if n_classes > 5:
        scores["top5"] = 100 * softmax.hits(tested, truth, weight, top=5) / len(truth)
    return scores
