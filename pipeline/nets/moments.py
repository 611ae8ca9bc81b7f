"""Second moments of embeddings, and their moving average over minibatches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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


def average_(
    mean: Float[Tensor, "*shape"],
    new: Float[Tensor, "*shape"],
    batches: Int[Tensor, ""],
    rho: float,
    start: Literal["first", "zero"] = "first",
) -> None:
    """Fold a minibatch into a moving average, in place: ``mean <- rho mean + (1 - rho) new``.

    Tian 2021, Eq. 19. With ``first`` the first minibatch replaces the start value, so there is no bias towards it
    (released code of Tian 2021); but where the past is kept for long, that minibatch weighs ``1 / (1 - rho)`` times
    what any other does. With ``zero`` every minibatch weighs alike but for its age, and the average is too small by
    the factor ``1 - rho^t``, to which what is divided by its largest eigenvalue is blind (released code of Halvagal
    2023).

    Args:
        mean: The average so far; zero at the start.
        new: Moment of the current minibatch, same shape.
        batches: How many minibatches ``mean`` holds (integer tensor); read only, on the device, without a
            synchronisation.
        rho: Weight of the past.
        start: What the first minibatch meets.
    """
    weight = 1 - rho if start == "zero" else 1 - rho * (batches > 0).to(mean.dtype)
    mean.lerp_(new.to(mean.dtype), weight)


@dataclass(frozen=True)
class Average:
    """How a moment is averaged over minibatches.

    Attributes:
        rho: Weight of the past.
        start: As in :func:`average_`.
        in_turn: Whether the views of a minibatch are averaged one after the other, as if each were a minibatch, and not
            pooled. The later view then weighs ``1 / rho`` times the earlier one.
    """

    rho: float
    start: Literal["first", "zero"] = "first"
    in_turn: bool = False

    def turns(self, embeddings: list[Float[Tensor, "batch dim"]]) -> list[list[Float[Tensor, "batch dim"]]]:
        """Views that make one moment together."""
        return [[view] for view in embeddings] if self.in_turn else [embeddings]

    def add_(self, mean: Float[Tensor, "*shape"], new: Float[Tensor, "*shape"], batches: Int[Tensor, ""]) -> None:
        """Fold a moment into the average, and count it, both in place."""
        average_(mean, new, batches, self.rho, self.start)
        batches += 1
