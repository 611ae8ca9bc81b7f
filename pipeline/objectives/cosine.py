"""Negative cosine similarity between predictions and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives import _gradscale
from pipeline.ranges import NonNegative, Positive

if TYPE_CHECKING:
    from jaxtyping import Float

DEFAULT_BEFORE = {"orders": "both", "gradscale": 0.0}


def loss(
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    *,
    scale: Positive = 2.0,
    orders: Literal["both", "one"] = "both",
    gradscale: NonNegative = 0.0,
) -> Float[Tensor, ""]:
    """Sum over ordered pairs of different views of ``-scale mean(cos(p_i, z_j))``.

    The image experiments of Tian 2021: the squared distance of Eq. 1 between l2-normalised outputs is
    ``2 - 2 cos``. The released code drops the constant, keeps the 2 and sums the two orders of two views, so
    the loss lies in [-4, 4].

    Args:
        predictions: One tensor of shape (batch, dim) per view.
        targets: Likewise; without gradient if the target has a stop-gradient.
        orders: ``one``: a view is the target of those before it alone (the asymmetric loss of Tian 2021, Table 9).
        scale: Weight of one pair. (It scales the gradient, so it acts as a factor on the learning rate.)
        gradscale: Power of the embedding's norm by which its gradient is multiplied (Draganov 2025); 0: none.

    Returns:
        Scalar.
    """
    predictions, targets = _gradscale.both(predictions, targets, gradscale)
    both = orders == "both"
    pairs = [(p, z) for i, p in enumerate(predictions) for j, z in enumerate(targets) if i < j or (both and i > j)]
    p = functional.normalize(torch.cat([p for p, _ in pairs]))
    z = functional.normalize(torch.cat([z for _, z in pairs]))
    return (p * z).sum() * (-scale / len(predictions[0]))
