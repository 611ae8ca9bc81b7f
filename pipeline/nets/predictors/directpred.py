"""DirectPred: the predictor is set from the correlation of its input, without gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets import moments
from pipeline.nets.directpred_rule import Rule, directpred_matrix
from pipeline.nets.moments import Average
from pipeline.nets.partitioned import PartitionedPredictor
from pipeline.nets.predictor import MatrixPredictor, Predictor
from pipeline.ranges import Count, Momentum, NonNegative, Positive, Real, Width

if TYPE_CHECKING:
    from jaxtyping import Float

HAS = {"matrix": {"partitions": 1}}
OWN_RULE = True
DEFAULT_BEFORE = {"alpha": 0.5, "cap": None, "start": "first", "average": "pooled"}


class DirectPred(MatrixPredictor):
    """``W_p`` from the moving average of ``F``, every ``freq``-th step.

    Attributes:
        correlation: Moving average of ``F = E[f f^T]``, shape (features, features).
        batches: How many minibatches it holds.
    """

    correlation: Tensor
    batches: Tensor

    def __init__(self, features: int, *, average: Average, freq: int, rule: Rule) -> None:
        super().__init__(features, trained=freq > 1)
        self.average, self.every, self.rule = average, freq, rule
        self.register_buffer("correlation", torch.zeros(features, features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(
        self, embeddings: list[Float[Tensor, "batch features"]], targets: list[Float[Tensor, "batch features"]]
    ) -> None:
        """Update ``F`` (Eq. 19)."""
        for views in self.average.turns(embeddings):
            self.average.add_(self.correlation, moments.correlation(views), self.batches)

    @torch.no_grad()
    def after_step(self) -> None:
        """Overwrite ``W_p`` (Eq. 18)."""
        self.weight.copy_(directpred_matrix(self.correlation, **self.rule))


def build(
    features: int,
    *,
    epsilon: Real = 0.1,
    rho: Momentum = 0.3,
    freq: Count = 1,
    epsilon_mode: Literal["literal", "normalized"] = "normalized",
    offset: Real = 0.0,
    floor: NonNegative = 0.0,
    partitions: Width = 1,
    alpha: NonNegative = 0.5,
    cap: Positive | None = None,
    start: Literal["first", "zero"] = "first",
    average: Literal["pooled", "in_turn"] = "pooled",
) -> Predictor:
    """DirectPred (Tian 2021, Sec. 4, Eqs. 18 and 19; Tables 6 to 8), and DirectCopy with ``alpha: 1``.

    Halvagal 2023, App. D, has ``epsilon: 0, epsilon_mode: literal, alpha: 0.5, cap: 1e6, rho: 0.3``; its released code
    ``epsilon: 0, start: zero, average: in_turn`` normalised, with ``rho`` 0.998 beside an EMA target and 0.5 without,
    and for DirectCopy ``alpha: 1, epsilon: 0.25``. (That code updates ``F`` in the forward pass, so that a prediction
    is made with an ``F`` which has seen its own view; here always after the step.)

    Args:
        features: Width of the embedding.
        epsilon: Regulariser of Eq. 18; 0.1 is the best column of Table 6.
        rho: Weight of the past in the moving average of ``F``; 0.3 in the text, which keeps 70 % of the
            current minibatch.
        freq: Set the predictor every ``freq``-th minibatch, with plain gradient steps between. Step counts
            start at 1, so a ``freq`` beyond the number of steps is the gradient-trained predictor. (The
            released code counts from 0 and sets it after the first step too.) The optimiser's momentum runs
            on across an overwrite.
        epsilon_mode: ``literal`` or ``normalized``, the two readings of Eq. 18; see
            :func:`pipeline.nets.directpred_rule.directpred_matrix`.
        offset: ``c_j`` of Table 7, below the root; in units of the largest eigenvalue if normalised.
        floor: Smallest eigenvalue of ``W_p``.
        partitions: 1 for one ``F``; more for the feature-dependent variant, see
            :class:`pipeline.nets.partitioned.PartitionedPredictor`.
        alpha: Power of the eigenvalues: 1/2 for the root of Eq. 18, 1 for DirectCopy. On a GPU other powers than these
            and 0 stop the host in every step.
        cap: Largest eigenvalue of ``F`` that counts, in its own units; null for no limit.
        start: Whether the first minibatch replaces the start of the moving average, or is averaged with zero; see
            :func:`pipeline.nets.moments.average_`.
        average: Whether all views of a minibatch are ``pooled`` into one ``F``, or are ``in_turn`` a minibatch each.

    Raises:
        UserError: ``freq`` or ``partitions`` below 1, or ``rho`` not in [0, 1).
    """
    if freq < 1 or partitions < 1:
        raise UserError(f"predictor: expected freq and partitions from 1, found {freq} and {partitions}")
    if not 0 <= rho < 1:
        raise UserError(f"predictor.rho: expected a number from 0 to below 1, found {rho}; the text has 0.3")
    rule: Rule = {
        "epsilon": epsilon,
        "normalized": epsilon_mode == "normalized",
        "offset": offset,
        "floor": floor,
        "alpha": alpha,
        "cap": cap,
    }
    averaged = Average(rho, start, in_turn=average == "in_turn")
    if partitions > 1:
        return PartitionedPredictor(features, partitions, average=averaged, freq=freq, rule=rule)
    return DirectPred(features, average=averaged, freq=freq, rule=rule)
