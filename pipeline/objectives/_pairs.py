"""What objectives on pairs of views share: which pairs there are, and in which precision they are computed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float

_HALF = (torch.float16, torch.bfloat16)


def _widened(views: list[Tensor]) -> list[Tensor]:
    return [view.float() if view.dtype in _HALF else view for view in views]


def full_precision(
    predictions: list[Float[Tensor, "batch dim"]], targets: list[Float[Tensor, "batch dim"]]
) -> tuple[list[Float[Tensor, "batch dim"]], list[Float[Tensor, "batch dim"]]]:
    """Both lists with at least single precision: sums over the minibatch leave the range of half precision.

    Args:
        predictions: One tensor of shape (batch, dim) per view.
        targets: Likewise.

    Returns:
        Predictions and targets; the same list twice where every prediction *is* its target (no predictor, no
        branch, no stop-gradient), so that what depends on one view has to be computed only once.

    Raises:
        UserError: There is only one view.
    """
    if len(predictions) < 2:
        raise UserError(f"views.count: this objective compares views, expected at least 2, found {len(predictions)}")
    widened = _widened(predictions)
    if len(predictions) == len(targets) and all(p is z for p, z in zip(predictions, targets, strict=True)):
        return widened, widened
    return widened, _widened(targets)


def mean_over_pairs(
    of_pair: Callable[[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]], Float[Tensor, ""]],
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
) -> Float[Tensor, ""]:
    """Mean over ordered pairs ``i != j`` of ``of_pair(p_i, z_j)``.

    Args:
        of_pair: Loss of a pair, a scalar; symmetric in its arguments.
        predictions: One tensor of shape (batch, dim) per view, two or more views.
        targets: Likewise. If this is the list ``predictions`` itself, both orders of a pair are the same
            number and are computed once.
    """
    orders = combinations if targets is predictions else permutations
    losses = [of_pair(predictions[i], targets[j]) for i, j in orders(range(len(predictions)), 2)]
    return torch.stack(losses).mean()
