"""Random crop boxes: a share of the area, an aspect ratio, a place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

ATTEMPTS = 10
UNIFORMS = 2 * ATTEMPTS + 2  # uniform numbers that one box takes


def random_boxes(
    uniforms: Float[Tensor, "*shape uniforms"],
    image_size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Float[Tensor, "*shape 4"]:
    """Boxes with the distribution of ``torchvision.transforms.RandomResizedCrop``.

    Share of the area uniform in ``scale``, logarithm of width / height uniform in that of ``ratio``, sides
    rounded to whole pixels; the first of ten attempts that fits into the image counts, and where none does
    it is the largest central box of an admissible ratio. The place is uniform among those that fit.

    Args:
        uniforms: (..., UNIFORMS) independent numbers in [0, 1).
        image_size: (H, W).
        scale: Smallest and largest share of the area.
        ratio: Smallest and largest width / height.

    Returns:
        (..., 4): top, left, height, width, whole numbers as floats.
    """
    image_height, image_width = image_size
    area = uniforms[..., :ATTEMPTS] * (scale[1] - scale[0]) + scale[0]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    half_log = (uniforms[..., ATTEMPTS : 2 * ATTEMPTS] * (high - low) + low) / 2
    side = area.mul_(image_height * image_width).sqrt_()
    stretch = half_log.exp_()
    widths = (side * stretch).round_()
    heights = side.div_(stretch).round_()
    fits = (widths <= image_width) & (heights <= image_height) & (widths >= 1) & (heights >= 1)
    first = fits.to(torch.uint8).argmax(-1, keepdim=True)
    width = widths.gather(-1, first).squeeze(-1)
    height = heights.gather(-1, first).squeeze(-1)

    fallback_height, fallback_width = image_height, image_width
    if image_width / image_height < ratio[0]:
        fallback_height = round(image_width / ratio[0])
    elif image_width / image_height > ratio[1]:
        fallback_width = round(image_height * ratio[1])
    found = fits.any(-1)
    width = torch.where(found, width, fallback_width)
    height = torch.where(found, height, fallback_height)
    free = torch.stack((image_height - height, image_width - width), -1)
    place = torch.minimum((uniforms[..., 2 * ATTEMPTS :] * (free + 1)).floor_(), free)
    central = torch.div(free, 2, rounding_mode="floor")
    place = torch.where(found[..., None], place, central)
    return torch.cat((place, height[..., None], width[..., None]), -1)
