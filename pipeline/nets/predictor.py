"""What every predictor is: a module with two hooks that the training step calls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Float


class Predictor(nn.Module):
    """Maps online embeddings to predictions of target embeddings.

    ``forward`` changes no state. What a predictor learns from a minibatch other than by gradient it does in
    :meth:`observe` and :meth:`after_step`, which the training step calls without gradient, in this order,
    after the optimiser's step. Both do the same in every step in which they are called: on a GPU they are recorded
    once.

    Attributes:
        every: Steps from one call of :meth:`after_step` to the next.
    """

    every: int = 1

    @property
    def matrix(self) -> Float[Tensor, "dim dim"] | None:
        """``W_p`` without gradient, where predictions are embeddings times one matrix and nothing else; else None."""
        return None

    def due(self, step: int) -> bool:
        """Say whether :meth:`after_step` is called after optimiser step ``step`` (the first is 1)."""
        return step % self.every == 0

    def observe(self, embeddings: list[Float[Tensor, "batch dim"]], targets: list[Float[Tensor, "batch dim"]]) -> None:
        """See one minibatch.

        Args:
            embeddings: Online embeddings, the predictor's input, one tensor of shape (batch, dim) per view.
            targets: Target embeddings, likewise.
        """

    def after_step(self) -> None:
        """Adjust the weights after an optimiser step for which this is :meth:`due`."""


class MatrixPredictor(Predictor):
    """A predictor that is one square matrix, ``W_p`` of Tian 2021.

    Attributes:
        weight: ``W_p``, shape (features, features), initialised as ``torch.nn.Linear`` does.
        bias: Shape (features,), or None.
    """

    def __init__(self, features: int, *, bias: bool = False, trained: bool = True) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(features)
        self.weight = nn.Parameter(torch.empty(features, features).uniform_(-bound, bound), requires_grad=trained)
        self.bias = nn.Parameter(torch.empty(features).uniform_(-bound, bound)) if bias else None

    @property
    def matrix(self) -> Float[Tensor, "dim dim"] | None:
        """The weight, unless there is a bias."""
        return self.weight.detach() if self.bias is None else None

    def forward(self, embeddings: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(batch, features) to (batch, features)."""
        return functional.linear(embeddings, self.weight, self.bias)
