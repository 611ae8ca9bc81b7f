"""Rank correlation of tensors, where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Num


def correlation(x: Num[Tensor, " n"], y: Num[Tensor, " n"]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None of fewer than three, and where a side is constant.

    Args:
        x: Numbers.
        y: As many.
    """
    if len(x) < 3:
        return None
    ranks = [_ranks(values) for values in (x, y)]
    centred = [rank - rank.mean() for rank in ranks]
    lengths = centred[0].norm() * centred[1].norm()
    return (centred[0] @ centred[1] / lengths).item() if lengths > 0 else None


def _ranks(values: Tensor) -> Tensor:
    """Mean ranks from 1, float64 (n,)."""
    _, place, count = values.double().unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count.double() - 1) / 2)[place]
