"""No projector: the embedding is the encoder's feature vector."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.nets.per_view import separable


class NoProjector(nn.Module):
    """The identity.

    Attributes:
        features: Width of the embedding.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        separable(self)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, features), unchanged."""
        return features


def build(features: int) -> NoProjector:
    """The objective sees the features themselves."""
    return NoProjector(features)
