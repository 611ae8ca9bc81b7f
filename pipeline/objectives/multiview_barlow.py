"""Barlow Twins of many views: each against the mean of all, at a cost that is linear in their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives import barlow
from pipeline.objectives._pairs import full_precision
from pipeline.ranges import NonNegative

if TYPE_CHECKING:
    from jaxtyping import Float


def loss(
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    *,
    weight: NonNegative = 0.02,
    normalize: bool = False,
) -> Float[Tensor, ""]:
    """Sum over features of ``mean_a (C^a_kk - 1)^2``, plus ``weight`` times the squares off the diagonal of ``C``.

    Ghosh 2024, Eq. 10 in the form of its Eq. 26 (the text gives the first alone). Views ``z^a`` are standardised over
    the minibatch (biased variance, 1e-5 added to it), ``m`` is their mean::

        C^a = z^aT m / N,    C = mean_a C^a = m^T m / N

    Two views are Zbontar's loss, which the published baselines are: the mean of two views contains either of them, so
    that the diagonal of C is 1/2 where views have nothing in common.

    Args:
        predictions: One tensor of shape (batch, dim) per view, two or more views.
        targets: Likewise; those of the same network, with gradient.
        weight: beta, of the redundancy term; its best value falls with the width as 1 / dim.
        normalize: Whether embeddings get length 1 before they are standardised (released code).

    Returns:
        Scalar.
    """
    with torch.autocast(predictions[0].device.type, enabled=False):
        p, z = full_precision(predictions, targets)
        if normalize:
            shared = z is p
            p = [functional.normalize(view) for view in p]
            z = p if shared else [functional.normalize(view) for view in z]
        if len(p) == 2:
            return barlow.loss(p, z, weight=weight)
        views = torch.stack([functional.batch_norm(view, None, None, training=True, eps=1e-5) for view in p])
        mean = views.mean(dim=0)
        diagonals = (views * mean).mean(dim=1)  # (views, dim): the diagonals of C^a
        correlation = mean.T @ mean / len(mean)
        redundancy = (correlation - torch.diag(correlation.diagonal())).square().sum()
        return (diagonals - 1).square().sum() / len(views) + weight * redundancy
