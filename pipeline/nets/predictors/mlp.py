"""A two-layer predictor, optionally with tied layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.nets.mlp import Mlp
from pipeline.nets.predictor import Predictor
from pipeline.ranges import Width

if TYPE_CHECKING:
    from jaxtyping import Float


class MlpPredictor(Predictor):
    """Linear, BatchNorm, ReLU, Linear; see :class:`pipeline.nets.mlp.Mlp`."""

    def __init__(self, features: int, hidden: int, *, bias: bool, affine: bool) -> None:
        super().__init__()
        self.layers = Mlp(features, hidden, features, bias=bias, affine=affine)

    def forward(self, embeddings: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(batch, features) to (batch, features)."""
        return self.layers(embeddings)


class TiedPredictor(MlpPredictor):
    """The second layer is the transpose of the first: at the start and after each optimiser step."""

    def __init__(self, features: int, hidden: int, *, bias: bool, affine: bool) -> None:
        super().__init__(features, hidden, bias=bias, affine=affine)
        self.after_step()

    @torch.no_grad()
    def after_step(self) -> None:
        """``W_0 <- (W_0 + W_1^T) / 2``, ``W_1 <- W_0^T``."""
        first, last = self.layers.first.weight, self.layers.last.weight
        first.copy_((first + last.T) / 2)
        last.copy_(first.T)


def build(
    features: int, *, hidden: Width = 512, bias: bool = True, affine: bool = False, symmetric: bool = False
) -> MlpPredictor:
    """Two-layer predictor (Tian 2021, Table 3).

    Args:
        features: Width of the embedding.
        hidden: Width between the layers; not in the text, 512 in the released code.
        bias: Whether both layers have one.
        affine: Whether BatchNorm learns a scale and a shift; not in the text, no in the released code.
        symmetric: Tie the layers as transposes of each other. The text gives the linear rule only; this is
            the released code's reading for two layers.
    """
    kind = TiedPredictor if symmetric else MlpPredictor
    return kind(features, hidden, bias=bias, affine=affine)
