"""Barlow Twins: the cross-correlation of two views' features is to be the identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives._pairs import full_precision, mean_over_pairs
from pipeline.ranges import NonNegative

if TYPE_CHECKING:
    from jaxtyping import Float


def loss(
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    *,
    weight: NonNegative = 0.0051,
    standardize: bool = True,
    symmetrize: bool = False,
) -> Float[Tensor, ""]:
    """Mean over ordered pairs of different views of ``sum_k (C_kk - 1)^2 + weight sum_{k != l} C_kl^2``.

    Zbontar 2021, Eqs. 1 and 2, with ``C = p_i^T z_j / N``. There is no ``1/d``. For two views of one network
    both orders have the same value, and the mean is the paper's loss.

    Simon 2023, Eqs. 1 and 2, is ``weight=1, standardize=False, symmetrize=True``: ``|C - I|_F^2``, which does
    not change under a rotation of the embedding. Features are not centred there.

    Args:
        predictions: One tensor of shape (batch, dim) per view, two or more views.
        targets: Likewise; without gradient if the target has a stop-gradient.
        weight: ``lambda``, of the redundancy term; its best value falls with the width of the embedding.
        standardize: Whether every feature first gets zero mean and unit variance in the minibatch: BatchNorm
            without scale and shift (biased variance, 1e-5 added to it), each view by itself.
        symmetrize: Whether ``C = (p_i^T z_j + z_j^T p_i) / 2N``.

    Returns:
        Scalar.
    """

    def of_pair(p: Tensor, z: Tensor) -> Tensor:
        correlation = p.T @ z / len(p)
        if symmetrize:
            correlation = (correlation + correlation.T) / 2
        diagonal = correlation.diagonal()
        # not the sum of all squares less that of the diagonal: rounding would leave more than there is
        redundancy = (correlation - torch.diag(diagonal)).square().sum()
        return (diagonal - 1).square().sum() + weight * redundancy

    with torch.autocast(predictions[0].device.type, enabled=False):
        p, z = full_precision(predictions, targets)
        if standardize:
            shared = z is p
            p = [functional.batch_norm(view, None, None, training=True, eps=1e-5) for view in p]
            z = p if shared else [functional.batch_norm(view, None, None, training=True, eps=1e-5) for view in z]
        return mean_over_pairs(of_pair, p, z)
