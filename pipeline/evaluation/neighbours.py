"""Weighted nearest-neighbour classification by cosine similarity."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

ENTRIES = 2**24  # similarities in memory at a time


def directions(features: Tensor) -> Tensor:
    """Scale each row to length one, whatever its finite size: nothing overflows on the way, nothing vanishes.

    Args:
        features: (N, d), finite.

    Returns:
        (N, d), float64 for float64, else float32; a row of zeros stays one.
    """
    rows = features if features.dtype == torch.float64 else features.float()
    # Divided by its largest entry first, a row has a length between 1 and sqrt(d).
    largest = rows.abs().amax(1, keepdim=True)
    rows = rows / largest.where(largest > 0, 1)
    return rows / rows.norm(dim=1, keepdim=True).clamp_(min=1)


@torch.no_grad()
def votes(
    bank: Tensor,
    labels: Tensor,
    queries: Tensor,
    n_classes: int,
    *,
    k: int,
    temperature: float,
    leave_out: bool = False,
    entries: int = ENTRIES,
    tick: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Votes of the ``k`` nearest neighbours of each query, each with weight ``exp(cosine / temperature)``.

    Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", Sec. 3.4.

    Args:
        bank: (N, d) features whose labels are known.
        labels: (N,) int64.
        queries: (M, d).
        n_classes: K.
        k: Number of neighbours; all of the bank if it has fewer.
        temperature: See above, > 0; however small, the nearest neighbour keeps its vote. Infinite: all votes are equal.
        leave_out: Whether queries are the bank, and none is a neighbour of itself.
        entries: Bound on the number of similarities held at a time; has no effect on the result but rounding.
        tick: Called with the number of queries done and that of all.

    Returns:
        (M, K) float64, weights relative to that of the query's nearest neighbour, which is one.
    """
    k = min(k, len(bank) - leave_out)
    bank, queries = directions(bank), directions(queries)
    found = queries.new_zeros(len(queries), n_classes, dtype=torch.float64)
    rows = max(1, entries // len(bank))
    for start in range(0, len(queries), rows):
        similarities = queries[start : start + rows] @ bank.T
        if leave_out:
            similarities.diagonal(start).fill_(-math.inf)
        nearest, index = similarities.topk(k, dim=1)
        # From the nearest one down, in float64: no temperature overflows, or leaves a query without a vote.
        weights = ((nearest.double() - nearest[:, :1].double()) / temperature).exp_()
        found[start : start + rows].scatter_add_(1, labels[index], weights)
        if tick is not None:
            tick(min(start + rows, len(queries)), len(queries))
    return found
