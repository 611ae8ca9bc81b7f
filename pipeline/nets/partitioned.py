"""DirectPred with a predictor that depends on where its input lies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.nets.directpred_rule import Rule, directpred_matrix
from pipeline.nets.moments import Average
from pipeline.nets.predictor import Predictor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


class PartitionedPredictor(Predictor):
    """Several random partitions of the input space into halves, one ``F`` and one ``W_p`` for each half.

    Tian 2021, Sec. 4, says only that several random partitions are drawn, that each has its own ``F`` and
    that they are summed (six partitions). A sum of the ``F`` of one partition would be the plain ``F`` again,
    so we read, as the released code does: each partition cuts the space by a random direction at the
    minibatch's mean, and the predictor of an input is the mean over the partitions of the DirectPred matrix
    of the half that it lies in::

        W_p(f) = 1/k sum_i W_{i, side_i(f)},    side_i(f) = [r_i . f >= mean of r_i . f over the minibatch]

    (Mean or sum is the same to a cosine loss.) Our choice: the ``F`` are updated after the optimiser's step,
    as in the plain variant; the released code does it before the forward pass.

    Attributes:
        weights: The matrices, shape (partitions, 2, features, features).
        directions: ``r_i`` as columns, shape (features, partitions).
        correlation: Moving averages of ``F``, shape of ``weights``.
        batches: How many minibatches they hold.
    """

    directions: Tensor
    correlation: Tensor
    batches: Tensor

    def __init__(self, features: int, partitions: int, *, average: Average, freq: int, rule: Rule) -> None:
        super().__init__()
        self.average, self.every, self.rule = average, freq, rule
        bound = 1.0 / math.sqrt(features)
        start = torch.empty(features, features).uniform_(-bound, bound)
        self.weights = nn.Parameter(start.expand(partitions, 2, -1, -1).clone(), requires_grad=freq > 1)
        self.register_buffer("directions", torch.randn(features, partitions))
        self.register_buffer("correlation", torch.zeros(partitions, 2, features, features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def sides(self, embeddings: Float[Tensor, "batch features"]) -> Bool[Tensor, "batch partitions"]:
        """In which half of each partition an input lies, shape (batch, partitions), boolean."""
        # the forward pass may be in half precision: the same inputs must be on the same sides in observe
        with torch.autocast(embeddings.device.type, enabled=False):
            projections = embeddings.detach().to(self.directions.dtype) @ self.directions
        return projections >= projections.mean(dim=0)

    def forward(self, embeddings: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(batch, features) to (batch, features)."""
        outputs = torch.einsum("kcij,bj->cbki", self.weights, embeddings)
        chosen = torch.where(self.sides(embeddings).unsqueeze(-1), outputs[1], outputs[0])
        return chosen.mean(dim=1)

    @torch.no_grad()
    def observe(
        self, embeddings: list[Float[Tensor, "batch features"]], targets: list[Float[Tensor, "batch features"]]
    ) -> None:
        """Update the ``F`` of every half with the inputs that lie in it."""
        for views in self.average.turns(embeddings):
            self.average.add_(self.correlation, self._correlations(views), self.batches)

    def _correlations(
        self, embeddings: list[Float[Tensor, "batch features"]]
    ) -> Float[Tensor, "partitions 2 features features"]:
        """``F`` of every half, all views pooled."""
        upper = torch.cat([self.sides(view) for view in embeddings]).T.double()
        pooled = torch.cat(embeddings).detach().double()  # as in moments.correlation
        member = torch.stack([1 - upper, upper], dim=1)  # (partitions, 2, views * batch)
        counts = member.sum(dim=-1).clamp_min(1)
        sums = (pooled.T * member.unsqueeze(-2)) @ pooled
        return sums / counts[..., None, None]

    @torch.no_grad()
    def after_step(self) -> None:
        """Overwrite the matrices (Eq. 18)."""
        self.weights.copy_(directpred_matrix(self.correlation, **self.rule))
