"""No projector: the embedding is the encoder's feature vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from pipeline.nets.per_view import separable

if TYPE_CHECKING:
    from jaxtyping import Float


class NoProjector(nn.Module):
    """The identity.

    Attributes:
        features: Width of the embedding.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        separable(self)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(batch, features), unchanged."""
        return features


def build(features: int) -> NoProjector:
    """The objective sees the features themselves."""
    return NoProjector(features)
