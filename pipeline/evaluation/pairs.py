"""Positive pairs on which networks are compared: two augmented views of each of n images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline import components
from pipeline.errors import UserError
from pipeline.evaluation.context import EvaluationContext
from pipeline.numerics.randomness import generator

_CHUNK = 500
"""Images that are augmented at a time."""


@dataclass(frozen=True)
class Pairs:
    """All first views, then their partners.

    Attributes:
        images: (2n, C, h, w), as the network sees them.
        labels: Class of each, (2n,) int64.
    """

    images: Tensor
    labels: Tensor


@torch.no_grad()
def draw(subject: EvaluationContext, count: int) -> Pairs:
    """Two views of ``count`` random training images.

    They depend on the seed, the data and the views' policy alone: networks that share these see the same pairs,
    however they were trained (Simon 2023, Table 2, needs that). Drawn on the CPU on every machine.

    Raises:
        UserError: More images than there are, or views of different sizes.
    """
    split = subject.spec["split"]
    images = subject.images(split)
    if not 1 <= count <= len(images):
        raise UserError(f"pairs: expected 1 to {len(images)}, the images of the split {split}, found {count}")
    chosen = torch.randperm(len(images), generator=generator(subject.seed, "pairs", "images"))[:count]
    shape, views = subject.arrays.image_shape, subject.spec["views"]
    policy = components.make(subject.components["views"], views, shape, subject.spec["normalize"])
    first, second = [], []
    for start in range(0, count, _CHUNK):
        batch = images[chosen[start : start + _CHUNK]]
        drawn = policy(batch, generator(subject.seed, "pairs", "views", start))
        if len(drawn) < 2 or drawn[0].shape != drawn[1].shape:
            raise UserError("pairs: expected two views of one size or more; set views.count: 2")
        first.append(drawn[0])
        second.append(drawn[1])
    labels = subject.arrays.labels(split)[chosen]
    return Pairs(torch.cat(first + second).to(subject.device), labels.repeat(2))
