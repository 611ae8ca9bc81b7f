"""Linear probe on features that are means over several views of each image."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from pipeline import components
from pipeline.evaluation import probing
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.numerics.randomness import generator
from pipeline.ranges import Count, Interval, NonNegative, Positive

READS = ("encoder", "normalize", "views")
VALUES = ("top1_last", "top1_best", "best_epoch", "train_loss", "n_train", "n_test", "top5")
_CHUNK = 500
"""Images that are augmented at a time."""


def measure(
    subject: EvaluationContext,
    *,
    patches: Count = 16,
    lr: Positive = 1e-3,
    weight_decay: NonNegative = 1e-6,
    batch_size: Count = 512,
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 200,
    label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
) -> dict[str, float | int]:
    """Train a softmax layer on the mean features of ``patches`` views of every image of ``train``, test it on ``test``.

    The linear evaluation of Ghosh 2024 (Appendix D, Table 5): Adam, 16 patches; the first view is the image as it is,
    the others are drawn as in training, those of test images too (released code, which also smooths labels). Of views
    in groups, or of several sizes, those of the first kind are drawn.

    Args:
        subject: The checkpoint.
        patches: Views per image; 1: the image as it is.
        lr: Learning rate of Adam, constant.
        weight_decay: L2, added to the gradient.
        batch_size: Rows per step.
        epochs: Passes over ``train``.
        label_smoothing: Share of the target that is spread over all classes alike.

    Returns:
        As of the measure ``linear_probe``.

    Raises:
        NotFinite: A feature, the loss or a score is infinite or NaN.
    """
    return probing.classify(
        _features(subject, "train", patches),
        subject.labels("train"),
        _features(subject, "test", patches),
        subject.labels("test"),
        subject.n_classes,
        standardize=False,
        optimizer="adam",
        lr=lr,
        momentum=0.0,
        weight_decay=weight_decay,
        batch_size=batch_size,
        epochs=epochs,
        seed=subject.seed,
        label_smoothing=label_smoothing,
        tick=functools.partial(subject.progress.tick, "probe of patches, epoch"),
    )


def _first_kind(views: Mapping[str, Any]) -> dict[str, Any]:
    """Views without those of other sizes: an image is not told by its small crops, which only training has."""
    if not isinstance(views.get("count"), list) and not isinstance(views.get("size"), list):
        return dict(views)
    first = {name: value[0] if isinstance(value, list) else value for name, value in views.items()}
    return first if isinstance(views.get("count"), list) else {**first, "count": 1}


@torch.no_grad()
def _features(subject: EvaluationContext, split: str, patches: int) -> Tensor:
    """(N, d) float32: means over the views, the first of which is the image itself."""
    total = subject.features(split).clone()
    images, views = subject.images(split), _first_kind(subject.spec["views"])
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    policy = components.make(subject.components["views"], views, shape, subject.spec["normalize"])
    encoder = subject.network.encoder
    for start in range(0, len(images), _CHUNK):
        batch = images[start : start + _CHUNK].to(subject.device)
        drawn = 1
        while drawn < patches:
            source = generator(subject.seed, "patches", split, start, drawn, device=subject.device)
            for view in policy(batch, source)[: patches - drawn]:
                total[start : start + len(batch)] += encoder(view)
                drawn += 1
        subject.progress.tick(f"patches of {split}", min(start + _CHUNK, len(images)), len(images))
    total /= patches
    if not torch.isfinite(total).all():
        raise NotFinite(f"features of {split}")
    return total
