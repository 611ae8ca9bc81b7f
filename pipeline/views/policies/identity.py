"""No augmentation: every view is the normalised image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.ranges import Interval
from pipeline.views.normalize import Statistics, normalised, statistics

if TYPE_CHECKING:
    from jaxtyping import Float, Num


@dataclass(frozen=True)
class Identity:
    """The policy, which draws nothing.

    Attributes:
        normalize: Channel statistics, or ``None``.
        count: Number of views.
    """

    normalize: Statistics | None
    count: int

    def sample(self, batch: int, generator: torch.Generator) -> tuple[()]:
        """Draw what ``batch`` images need: nothing."""
        return ()

    def apply(self, images: Num[Tensor, "N C H W"], drawn: tuple[()]) -> list[Float[Tensor, "N C H W"]]:
        """Give ``count`` copies of the normalised images."""
        view = normalised(images, self.normalize)
        return [view.clone() for _ in range(self.count)]

    def __call__(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """``count`` views of a batch: (N, C, H, W) uint8 to tensors (N, C, H, W)."""
        return self.apply(images, self.sample(len(images), generator))


def build(
    image_shape: tuple[int, int, int],
    normalize: Statistics | None,
    *,
    count: Annotated[int, Interval(ge=2, le=64)] = 2,
) -> Identity:
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

    return Identity(normalize, count)
