"""Solarisation: what is bright becomes dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def solarize(images: Float[Tensor, "B C P"], where: Bool[Tensor, " B"], threshold: float) -> Float[Tensor, "B C P"]:
    """Invert the bright channels of some images.

    Equals ``torchvision.transforms.v2.functional.solarize`` on floats. At the usual threshold of half the range
    the map is continuous, so colours that were never rounded to bytes end within a grey level of those that were
    (PIL inverts from byte 128 on).

    Args:
        images: (B, C, P), floats in [0, 1].
        where: (B,) bool: images to solarise.
        threshold: Values from here on, as a share of the grey range, are inverted.

    Returns:
        (B, C, P).
    """
    return torch.where(where[:, None, None] & (images >= threshold), 1 - images, images)
