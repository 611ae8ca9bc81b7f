"""BatchNorm of a network that was never trained.

What a BatchNorm uses in evaluation mode it collects while the network is trained. Before the first step it has mean 0
and variance 1, which are those of no data: features, kernels and scores are those of a network that nobody means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import UserError
from pipeline.numerics.randomness import generator
from pipeline.views.normalize import Statistics, normalised

BATCH = 500


def collects(module: nn.Module) -> TypeGuard[_BatchNorm]:
    """Whether it is a layer whose statistics of evaluation are collected while a network is trained."""
    return isinstance(module, _BatchNorm) and module.running_mean is not None


@torch.no_grad()
def calibrate(
    branch: nn.Module,
    images: Tensor,
    normalize: Statistics | None,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = BATCH,
    tick: Callable[[int, int], None] | None = None,
) -> None:
    """Collect the statistics of all BatchNorms by one pass over images, without augmentation; no weight changes.

    Each becomes the mean over batches of what a batch has, as in training, where the last batches count most. Images
    come in random order (files are sorted by class), in batches that differ by one image at most.

    Args:
        branch: (n, C, H, W) floats to anything; comes back in the mode it had, with other statistics.
        images: (N, C, H, W) uint8, or floats in [0, 1]; on any device.
        normalize: Channel statistics of the run, or ``None``.
        seed: Of the order.
        device: Where the network is.
        batch_size: Images at a time, at most.
        tick: Called with the number of images done and that of all, after each batch.

    Raises:
        UserError: Fewer than two images, which have no variance.
    """
    norms = [module for module in branch.modules() if collects(module)]
    if not norms:
        return
    if len(images) < 2:
        raise UserError(f"the statistics of BatchNorm need two training images or more, found {len(images)}")
    before = [(norm.training, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # the mean over all batches
    done = 0
    order = torch.randperm(len(images), generator=generator(seed, "calibration"))
    for chosen in _parts(order, batch_size):
        branch(normalised(images[chosen].to(device), normalize))
        done += len(chosen)
        if tick is not None:
            tick(done, len(images))
    for norm, (training, momentum) in zip(norms, before, strict=True):
        norm.train(training)
        norm.momentum = momentum


def _parts(order: Tensor, size: int) -> Sequence[Tensor]:
    return order.tensor_split(max(1, -(-len(order) // max(size, 2))))
