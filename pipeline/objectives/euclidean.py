"""Squared distance between predictions and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float


def loss(predictions: list[Float[Tensor, "batch dim"]], targets: list[Float[Tensor, "batch dim"]]) -> Float[Tensor, ""]:
    """Mean over ordered pairs of different views of ``1/2 mean(|p_i - z_j|^2)``.

    Tian 2021, Eq. 39 (Eq. 1 for one order)::

        J = 1/4 E( |W_p f_1 - f_2a|^2 + |W_p f_2 - f_1a|^2 )

    Args:
        predictions: One tensor of shape (batch, dim) per view.
        targets: Likewise; without gradient if the target has a stop-gradient.

    Returns:
        Scalar.
    """
    pairs = [(p, z) for i, p in enumerate(predictions) for j, z in enumerate(targets) if i != j]
    distances = [(p - z).square().sum() for p, z in pairs]
    return sum(distances[1:], distances[0]) / (2 * len(pairs) * len(predictions[0]))
