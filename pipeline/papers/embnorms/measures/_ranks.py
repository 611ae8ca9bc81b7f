"""Rank correlation where there may be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.stats import spearmanr
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Num


def correlation(x: Num[Tensor, " n"], y: Num[Tensor, " n"]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None of fewer than three, and where a side is constant.

    Args:
        x: Numbers.
        y: As many.
    """
    if len(x) < 3 or len(x.unique()) == 1 or len(y.unique()) == 1:
        return None
    return float(spearmanr(x.cpu().numpy(), y.cpu().numpy()).statistic)
