"""Raw pixels: the baseline that every representation has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float


class Pixels(nn.Module):
    """Flattens the image; has no parameters.

    Attributes:
        features: Number of pixels times channels.
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.features = math.prod(image_shape)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """(batch, channels, height, width) to (batch, features)."""
        return images.flatten(1)


def build(image_shape: tuple[int, int, int]) -> Pixels:
    """The images as they are."""
    return Pixels(image_shape)
