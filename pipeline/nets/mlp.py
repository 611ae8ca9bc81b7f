"""The two-layer perceptron that projectors and non-linear predictors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from pipeline.nets.per_view import separable

if TYPE_CHECKING:
    from jaxtyping import Float


class Mlp(nn.Module):
    """Linear, BatchNorm, ReLU, Linear.

    The text of Tian 2021 says "two-layer MLP with BN and ReLU"; that the normalisation has no learned scale
    and shift, that both layers have a bias and that nothing follows the last one is from the released code.

    Args:
        inputs: Width of the input.
        hidden: Width between the layers.
        outputs: Width of the output.
        bias: Whether both linear layers have one (that of the first has no effect, BatchNorm removes it).
        affine: Whether BatchNorm learns a scale and a shift.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, bias: bool, affine: bool) -> None:
        super().__init__()
        self.features = outputs
        self.first = nn.Linear(inputs, hidden, bias=bias)
        self.norm = nn.BatchNorm1d(hidden, affine=affine)
        self.last = nn.Linear(hidden, outputs, bias=bias)
        separable(self)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """(batch, inputs) to (batch, outputs)."""
        return self.last(functional.relu(self.norm(self.first(features)), inplace=True))
