"""No augmentation: every view is the normalised image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.ranges import Interval
from pipeline.views.normalize import Statistics, normalised, statistics


def build(
    image_shape: tuple[int, int, int],
    normalize: Statistics | None,
    *,
    count: Annotated[int, Interval(ge=2, le=64)] = 2,
) -> Callable[[Tensor, torch.Generator], list[Tensor]]:
    """Views without augmentation, for baselines and tests.

    Args:
        image_shape: (C, H, W) of the images.
        normalize: Channel statistics, or ``None``.
        count: Number of views.

    Returns:
        The policy: ``policy(images, generator)`` gives ``count`` tensors (N, C, H, W), and draws nothing.

    Raises:
        UserError: ``count`` below 1, or statistics that don't fit the images.
    """
    if count < 1:
        raise UserError(f"views.count: expected at least 1, found {count}; two views is the usual choice")
    statistics(normalize, image_shape[0])

    def policy(images: Tensor, generator: torch.Generator) -> list[Tensor]:
        view = normalised(images, normalize)
        return [view.clone() for _ in range(count)]

    return policy
