"""Views of training images through a network as it trains: in batches, BatchNorm by the statistics of each."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline import components
from pipeline.evaluation.context import EvaluationContext
from pipeline.nets.network import Network
from pipeline.numerics.randomness import generator


def batches(subject: EvaluationContext, samples: int, name: str) -> tuple[int, Iterator[tuple[Network, list[Tensor]]]]:
    """Draw views of training images, from the run's seed, for a network whose running statistics nobody keeps.

    Args:
        subject: The checkpoint; its own network stays as it is.
        samples: Number of images of the training split; rounded down to whole batches (one smaller batch if there is
            not even one).
        name: The measure's: images and views are drawn from streams of this name, and progress is told under it.

    Returns:
        The number of images, and batch by batch the network in training mode with all views of the batch.
    """
    images = subject.images(subject.spec["split"])
    samples = min(samples, len(images))
    batch_size = min(subject.spec["batch_size"], samples)
    count = samples // batch_size
    chosen = torch.randperm(len(images), generator=generator(subject.seed, name, "images"))
    views, shape = subject.spec["views"], subject.arrays.image_shape
    policy = components.make(subject.components["views"], views, shape, subject.spec["normalize"])
    network = copy.deepcopy(subject.network).train()

    def drawn() -> Iterator[tuple[Network, list[Tensor]]]:
        for number in range(count):
            batch = images[chosen[number * batch_size : (number + 1) * batch_size]].to(subject.device)
            yield network, policy(batch, generator(subject.seed, name, "views", number, device=subject.device))
            subject.progress.tick(f"{name}, batch", number + 1, count)

    return count * batch_size, drawn()
