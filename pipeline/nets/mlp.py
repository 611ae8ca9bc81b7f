"""The perceptron that projectors and non-linear predictors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn
from torch.nn import functional

from pipeline.nets.per_view import separable

if TYPE_CHECKING:
    from jaxtyping import Float

Norm = Literal["hidden", "every", "none"]
"""Behind which linear layers BatchNorm stands."""


class Mlp(nn.Module):
    """Linear layers with BatchNorm and ReLU between them.

    The text of Tian 2021 says "two-layer MLP with BN and ReLU"; that the normalisation has no learned scale
    and shift, that both layers have a bias and that nothing follows the last one is from the released code.

    Args:
        inputs: Width of the input.
        hidden: Width between the layers.
        outputs: Width of the output.
        bias: Whether all linear layers have one (before a BatchNorm it has no effect, which removes it).
        affine: Whether BatchNorm learns a scale and a shift.
        layers: Linear layers; two or more.
        norm: Where BatchNorm stands: behind all layers but the last, behind that one too, or nowhere.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        bias: bool,
        affine: bool,
        layers: int = 2,
        norm: Norm = "hidden",
    ) -> None:
        super().__init__()

        def normalise(width: int, among: tuple[Norm, ...]) -> nn.Module:
            return nn.BatchNorm1d(width, affine=affine) if norm in among else nn.Identity()

        self.features = outputs
        self.first = nn.Linear(inputs, hidden, bias=bias)
        self.norm = normalise(hidden, ("hidden", "every"))
        self.between = nn.ModuleList(nn.Linear(hidden, hidden, bias=bias) for _ in range(layers - 2))
        self.norms = nn.ModuleList(normalise(hidden, ("hidden", "every")) for _ in self.between)
        self.last = nn.Linear(hidden, outputs, bias=bias)
        self.end = normalise(outputs, ("every",))
        separable(self)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """(batch, inputs) to (batch, outputs)."""
        hidden = functional.relu(self.norm(self.first(features)), inplace=True)
        for linear, norm in zip(self.between, self.norms, strict=True):
            hidden = functional.relu(norm(linear(hidden)), inplace=True)
        return self.end(self.last(hidden))
