"""VICReg of many views: each against the mean of all, at a cost that is linear in their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives._pairs import full_precision
from pipeline.ranges import NonNegative

if TYPE_CHECKING:
    from jaxtyping import Float


def loss(
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    *,
    invariance: NonNegative = 25.0,
    variance: NonNegative = 25.0,
    covariance: NonNegative = 1.0,
    epsilon: NonNegative = 1e-4,
    form: Literal["unbiased", "centroid", "leave_one_out"] = "unbiased",
) -> Float[Tensor, ""]:
    """Distances to the mean of the views, and variance and covariance term of every view (Ghosh 2024, Eqs. 10, 49).

    With ``m`` the mean of V views and ``s = mean_a |z^a - m|^2 / (N d)`` the term of invariance is

    * ``unbiased``: ``2V / (V - 1) s``, which *is* the mean over all pairs of views of their distance, so that the loss
      is that of :mod:`pipeline.objectives.vicreg`, and its size does not depend on the number of views;
    * ``centroid``: ``s`` itself, low by ``(V - 1) / V`` against the variance that augmentations make;
    * ``leave_one_out``: the distance to the mean of the other views, ``(V / (V - 1))^2 s`` (released code).

    For two views the three are ``|z - z'|^2`` times 1, 1/4 and 1.

    Args:
        predictions: One tensor of shape (batch, dim) per view, two or more views. The target's embeddings are not read.
        targets: Likewise.
        invariance: Weight of the distances.
        variance: Weight of the hinge that keeps standard deviations at 1 or above.
        covariance: Weight of the squared covariances.
        epsilon: Added to the variance, so that the root has a gradient at 0.
        form: See above.

    Returns:
        Scalar.
    """
    with torch.autocast(predictions[0].device.type, enabled=False):
        p, _ = full_precision(predictions, targets)
        views = torch.stack(p)
        count, images, width = views.shape
        factor = {
            "unbiased": 2 * count / (count - 1),
            "centroid": 1.0,
            "leave_one_out": (count / (count - 1)) ** 2,
        }[form]
        agreement = factor * (views - views.mean(dim=0)).square().mean()
        centred = views - views.mean(dim=1, keepdim=True)
        matrices = centred.mT @ centred / (images - 1)
        diagonals = matrices.diagonal(dim1=1, dim2=2)
        hinge = functional.relu(1 - (diagonals + epsilon).sqrt()).mean()
        redundancy = (matrices - torch.diag_embed(diagonals)).square().sum() / (count * width)
        return invariance * agreement + variance * hinge + 2 * covariance * redundancy
