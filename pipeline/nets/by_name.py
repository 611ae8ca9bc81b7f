"""What encoders share that are taken by name from a library of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_RANDOM = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "StochasticDepth", "DropPath")


class Named(nn.Module):
    """A network of a library's as an encoder.

    Dropout and stochastic depth are off: they draw from no counted generator, so that nothing could be repeated.

    Attributes:
        network: The network without its classifier, with the names that its parameters have in the library's files.
        features: Width of what it returns.
        resize: Side in pixels to which images are brought before they enter (bilinear, anti-aliased), or None.
    """

    def __init__(self, network: nn.Module, features: int, resize: int | None) -> None:
        super().__init__()
        self.network = network
        self.features = features
        self.resize = resize
        for module in network.modules():
            if type(module).__name__ in _RANDOM:
                for name in ("p", "drop_prob"):
                    if hasattr(module, name):
                        setattr(module, name, 0.0)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """(batch, channels, height, width) to (batch, features)."""
        if self.resize is not None and images.shape[-2:] != (self.resize, self.resize):
            size = (self.resize, self.resize)
            images = functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        return self.network(images)


def of_library(encoder: nn.Module) -> nn.Module:
    """The network in an encoder whose parameters have the names of other people's files."""
    return encoder.network if isinstance(encoder, Named) else encoder
