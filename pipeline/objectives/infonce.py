"""InfoNCE: find the other view of the same image among all others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives import _gradscale
from pipeline.objectives._pairs import full_precision
from pipeline.ranges import NonNegative, Positive

if TYPE_CHECKING:
    from jaxtyping import Float

DEFAULT_BEFORE = {"orders": "both", "negatives": "both", "positive": "in", "gradscale": 0.0}


def loss(
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    *,
    temperature: Positive = 0.2,
    orders: Literal["both", "one"] = "both",
    negatives: Literal["both", "other"] = "both",
    positive: Literal["in", "out"] = "in",
    gradscale: NonNegative = 0.0,
) -> Float[Tensor, ""]:
    """Mean over ordered pairs of different views and over images of the contrastive loss (NT-Xent).

    Chen 2020 (SimCLR), Eq. 1. The anchor is a *prediction*, and everything that it is compared with is a
    *target*. With embeddings normalised to length 1 and ``s = cos / temperature``, image ``a`` of view ``i``
    has, in the pair of the views ``i`` and ``j``, ::

        l = log( exp s(p_ia, z_ja) + sum_{b != a} [exp s(p_ia, z_jb) + exp s(p_ia, z_ib)] ) - s(p_ia, z_ja)

    so the positive is the target of the other view of the same image, and the negatives are the targets of
    both views of all ``N - 1`` other images; the target of the anchor's own view of its own image is left
    out. Where predictions are the targets (no predictor, no branch), that is NT-Xent with its ``2N - 2``
    negatives. More than two views are taken pair by pair: the views outside a pair add no negatives.

    Args:
        predictions: One tensor of shape (batch, dim) per view, two or more views, two or more images.
        targets: Likewise; without gradient if the target has a stop-gradient.
        temperature: Divides the cosines; 0.2 in Simon 2023.
        orders: ``one``: anchors are images of a view before that of their positives.
        negatives: Where they come from: both views of the pair, or the positive's alone.
        positive: Whether it stands in the denominator. (The released code of Draganov 2025 has one order, negatives of
            the other view alone, and leaves the positive out.)
        gradscale: Power of the embedding's norm by which its gradient is multiplied (Draganov 2025); 0: none.

    Returns:
        Scalar.
    """
    views, images = len(predictions), len(predictions[0])
    device = predictions[0].device
    with torch.autocast(device.type, enabled=False):
        p, z = _gradscale.both(*full_precision(predictions, targets), gradscale)
        anchors = functional.normalize(torch.stack(p), dim=-1)
        keys = anchors if z is p else functional.normalize(torch.stack(z), dim=-1)
        # (view of the anchor, view of the key, anchor, key): every block serves all pairs that its views are in
        scores = torch.einsum("iad,jbd->ijab", anchors, keys) / temperature
        same_view = torch.eye(views, dtype=torch.bool, device=device)
        same_image = torch.eye(images, dtype=torch.bool, device=device)
        left_out = same_image.expand(scores.shape) if positive == "out" else same_view[:, :, None, None] & same_image
        right = scores.diagonal(dim1=2, dim2=3)
        blocks = scores.masked_fill(left_out, -math.inf).logsumexp(dim=-1)  # (view, view, anchor)
        if negatives == "both":
            own = blocks.diagonal(dim1=0, dim2=1).T  # (view, anchor)
            blocks = torch.logaddexp(blocks, own[:, None])
        pairs = ~same_view if orders == "both" else torch.ones_like(same_view).triu(1)
        losses = (blocks - right).masked_fill(~pairs[:, :, None], 0)
        count = views * (views - 1) if orders == "both" else views * (views - 1) // 2
        return losses.sum() / (count * images)
