"""GradScale: the gradient of an embedding times a power of its norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float


class _GradScale(torch.autograd.Function):
    """The identity, whose backward pass is not its derivative (Draganov 2025, Prop. D.1: of no function)."""

    @staticmethod
    def forward(context: Any, embeddings: Tensor, power: float) -> Tensor:
        context.save_for_backward(embeddings)
        context.power = power
        return embeddings.view_as(embeddings)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (embeddings,) = context.saved_tensors
        return gradients[0] * embeddings.norm(dim=-1, keepdim=True) ** context.power, None


def gradscale(embeddings: Float[Tensor, "batch dim"], power: float) -> Float[Tensor, "batch dim"]:
    """Give embeddings back unchanged, with gradients that are multiplied by ``|z|^power`` row by row.

    Draganov 2025, Listing 2. The gradient of a cosine is ``sin(phi) / |z|`` long (Prop. 3.1): with power 1 its length
    does not depend on the norm, with power 2 the angle of a step does not.

    Args:
        embeddings: Before they are normalised.
        power: 0 leaves the gradient as it is.
    """
    return _GradScale.apply(embeddings, power) if power else embeddings


def both(
    predictions: list[Float[Tensor, "batch dim"]], targets: list[Float[Tensor, "batch dim"]], power: float
) -> tuple[list[Float[Tensor, "batch dim"]], list[Float[Tensor, "batch dim"]]]:
    """Apply :func:`gradscale` to predictions and targets; where they are one list, once.

    A target without gradient has none to be scaled.
    """
    if not power:
        return predictions, targets
    scaled = [gradscale(view, power) for view in predictions]
    if targets is predictions:
        return scaled, scaled
    return scaled, [gradscale(view, power) for view in targets]
