"""Minibatches by counter: which images stand in which step."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.numerics.randomness import generator


def fraction_of(images: Tensor, fraction: float, seed: int) -> Tensor:
    """A share of the images, drawn at random by the run's seed, in the order in which they lie; all of them for 1.

    Args:
        images: (n, channels, height, width).
        fraction: Above 0, up to 1; rounded to whole images.
        seed: Seed of the run.
    """
    if fraction == 1:
        return images
    order = torch.randperm(len(images), generator=generator(seed, "fraction"))
    chosen = order[: max(round(fraction * len(images)), 1)].sort().values
    return images[chosen.to(images.device)]


def parts_of(views: list[Tensor], accumulation: int) -> list[list[Tensor]]:
    """Views of a minibatch in the parts in which they pass, nearly equal and of two images or more.

    Args:
        views: One tensor of shape (batch, ...) per view.
        accumulation: How many parts, if there are images enough: BatchNorm has no variance of one.
    """
    count = max(1, min(accumulation, len(views[0]) // 2))
    return [list(part) for part in zip(*(view.tensor_split(count) for view in views), strict=True)]


def steps_of(images: int, batch_size: int) -> int:
    """Minibatches of an epoch: a single left-over image sits out."""
    full, rest = divmod(images, batch_size)
    return full + (rest > 1)


class Batches:
    """Minibatches of a data set that lies on the device as one uint8 tensor.

    Each epoch visits the images in a new random order that depends on the seed and the epoch alone. The last,
    smaller minibatch is kept (released code, ``drop_last=False``), but for a single left-over image:
    BatchNorm has no variance of one, so that image sits out the epoch.

    Attributes:
        images: uint8, shape (n, channels, height, width).
        steps: Minibatches per epoch.
        full: How many of them are complete.
    """

    def __init__(self, images: Tensor, batch_size: int, seed: int) -> None:
        """Check the sizes.

        Raises:
            UserError: The batch size or the data set is too small for BatchNorm.
        """
        if batch_size < 2:
            raise UserError(f"batch_size: expected at least 2 (BatchNorm needs them), found {batch_size}")
        if len(images) < 2:
            raise UserError(f"the training split has {len(images)} images; expected at least 2, choose another split")
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.full, self.steps = len(images) // batch_size, steps_of(len(images), batch_size)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def order(self, epoch: int) -> Tensor:
        """Numbers of all images in the order of epoch ``epoch``, int64, shape (n,)."""
        if epoch != self._epoch:
            source = generator(self.seed, "order", epoch)
            self._epoch = epoch
            order = torch.randperm(len(self.images), generator=source)
            if self.images.is_cuda:
                order = order.pin_memory()  # else the copy would wait for the steps before it
            self._order = order.to(self.images.device, non_blocking=True)
        return self._order

    def batch(self, epoch: int, step: int) -> Tensor:
        """Images of one step; epochs and the steps in them count from 0.

        Returns:
            uint8, shape (batch, channels, height, width).
        """
        start = step * self.batch_size
        return self.images[self.order(epoch)[start : start + self.batch_size]]
