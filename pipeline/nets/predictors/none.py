"""No predictor: the prediction is the online embedding itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.nets.predictor import Predictor

if TYPE_CHECKING:
    from jaxtyping import Float


class NoPredictor(Predictor):
    """The identity."""

    def forward(self, embeddings: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(batch, features), unchanged."""
        return embeddings


def build(features: int) -> NoPredictor:
    """``W_p = I``, as in the collapse that follows Theorem 2 (Tian 2021, Eq. 57)."""
    return NoPredictor()
