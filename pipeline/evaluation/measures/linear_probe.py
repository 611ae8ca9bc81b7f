"""Linear probe: how well one linear layer tells the classes apart from frozen features."""

from __future__ import annotations

import functools
import math
from typing import Annotated, Literal

import torch

from pipeline.errors import UserError
from pipeline.evaluation import probing
from pipeline.evaluation.context import EvaluationContext
from pipeline.numerics.randomness import generator
from pipeline.ranges import Count, Interval, Momentum, NonNegative, Positive

READS = ("encoder", "normalize")
DEFAULT_BEFORE = {"held_out": 0.0, "label_smoothing": 0.0}
VALUES = (
    "top1_last",
    "top1_best",
    "best_epoch",
    "train_loss",
    "n_train",
    "n_test",
    "top5",
    "feature_std",
    "feature_rank",
)


def measure(
    subject: EvaluationContext,
    *,
    standardize: bool = True,
    optimizer: Literal["adam", "sgd"] = "adam",
    lr: Positive = 3e-4,
    momentum: Momentum = 0.9,
    weight_decay: NonNegative = 1e-3,
    batch_size: Count = 128,
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 50,
    held_out: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
) -> dict[str, float | int]:
    """Train a softmax layer on the features of ``train``, test it on ``test``.

    The defaults are those of the released code of Tian 2021 (its text has none). That code reports
    ``top1_best``, a choice made on the test set; ``top1_last`` makes none.

    Args:
        subject: The checkpoint.
        standardize: Bring each feature to zero mean and unit variance on ``train``.
        optimizer: ``adam``, or ``sgd`` with ``momentum``.
        lr: Learning rate, constant.
        momentum: Of ``sgd``.
        weight_decay: L2, added to the gradient.
        batch_size: Images per step.
        epochs: Passes over ``train``.
        held_out: Share of ``train`` that is kept from the fit and tested on in place of ``test``, the same images for
            all networks: what a choice between networks is to be made on. 0: all is fitted, and ``test`` is tested on.
        label_smoothing: Share of the target that is spread over all classes alike.

    Returns:
        ``top1_last``, ``top1_best`` in percent of what is tested on, ``best_epoch`` (from 1; the first of equals),
        ``top5`` after the last epoch (with more than five classes), ``train_loss`` of the last epoch in nats,
        ``n_train``, ``n_test``.

    Raises:
        UserError: A param out of its range.
        NotFinite: The loss or a score is infinite or NaN: the probe diverged, and what it would guess is no share of
            anything.
    """
    if epochs < 1 or batch_size < 1:
        name, value = ("epochs", epochs) if epochs < 1 else ("batch_size", batch_size)
        raise UserError(f"linear_probe.{name}: expected at least 1, found {value}")
    if optimizer not in ("adam", "sgd"):
        raise UserError(f"linear_probe.optimizer: expected adam or sgd, found {optimizer!r}")
    train, labels = subject.features("train"), subject.labels("train")
    if held_out:
        order = torch.randperm(len(train), generator=generator(0, "held out", len(train))).to(train.device)
        most = max(math.ceil(held_out * len(train)), 1)
        test, truth = train[order[:most]], labels[order[:most]]
        train, labels = train[order[most:]], labels[order[most:]]
        if not len(train):
            raise UserError(f"linear_probe.held_out: {held_out} leaves no image to fit; lower it")
    else:
        test, truth = subject.features("test"), subject.labels("test")
    return probing.classify(
        train,
        labels,
        test,
        truth,
        subject.n_classes,
        standardize=standardize,
        optimizer=optimizer,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        batch_size=batch_size,
        epochs=epochs,
        seed=subject.seed,
        label_smoothing=label_smoothing,
        tick=functools.partial(subject.progress.tick, "linear probe, epoch"),
    )
