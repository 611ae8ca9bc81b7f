"""Second moments of embeddings, and their moving average over minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def correlation(embeddings: list[Float[Tensor, "batch dim"]]) -> Float[Tensor, "dim dim"]:
    """Uncentred correlation ``E[f f^T]`` of the predictor's input, all views pooled.

    Tian 2021, Eq. 19; not centred, since the text found centring to hurt.

    Args:
        embeddings: One tensor of shape (batch, dim) per view.

    Returns:
        Symmetric tensor of shape (dim, dim), without gradient; in the type of the embeddings, summed in float64.
        (Summed in float32, the rounding errors of equal embeddings add up to eigenvalues far below zero, just when
        embeddings collapse.)
    """
    pooled = torch.cat(embeddings).detach().double()
    return (pooled.T @ pooled / len(pooled)).to(embeddings[0].dtype)


def cross_correlation(
    targets: list[Float[Tensor, "batch rows"]], embeddings: list[Float[Tensor, "batch dim"]]
) -> Float[Tensor, "rows dim"]:
    """``E[f_a f^T]``: target embedding of one view with the online embedding of another.

    Mean over the ordered pairs of different views. Not symmetric.

    Args:
        targets: Target embeddings, one tensor of shape (batch, dim) per view.
        embeddings: Online embeddings, likewise.

    Returns:
        Tensor of shape (dim, dim), rows for the target, without gradient.
    """
    pairs = [(z, f) for i, z in enumerate(targets) for j, f in enumerate(embeddings) if i != j]
    z = torch.cat([z for z, _ in pairs]).detach()
    f = torch.cat([f for _, f in pairs]).detach()
    return z.T @ f / len(f)


def average_(mean: Float[Tensor, "*shape"], new: Float[Tensor, "*shape"], batches: Int[Tensor, ""], rho: float) -> None:
    """Fold a minibatch into a moving average, in place: ``mean <- rho mean + (1 - rho) new``.

    Tian 2021, Eq. 19. The first minibatch replaces the start value, so there is no bias towards it (released
    code; with a start of zero every later average would be too small by ``1 - rho^t``).

    Args:
        mean: The average so far.
        new: Moment of the current minibatch, same shape.
        batches: How many minibatches ``mean`` holds (integer tensor); read only, on the device, without a
            synchronisation.
        rho: Weight of the past.
    """
    mean.lerp_(new.to(mean.dtype), 1 - rho * (batches > 0).to(mean.dtype))
