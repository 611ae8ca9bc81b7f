"""Weighted nearest-neighbour classification by cosine similarity."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

ENTRIES = 2**24  # similarities in memory at a time


@torch.no_grad()
def votes(
    bank: Tensor,
    labels: Tensor,
    queries: Tensor,
    n_classes: int,
    *,
    k: int,
    temperature: float,
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
        temperature: See above, > 0.
        entries: Bound on the number of similarities held at a time; has no effect on the result but rounding.
        tick: Called with the number of queries done and that of all.

    Returns:
        (M, K), weights relative to ``exp(1 / temperature)``.
    """
    k = min(k, len(bank))
    bank = functional.normalize(bank, dim=1)
    queries = functional.normalize(queries, dim=1)
    found = queries.new_zeros(len(queries), n_classes)
    rows = max(1, entries // len(bank))
    for start in range(0, len(queries), rows):
        similarities = queries[start : start + rows] @ bank.T
        nearest, index = similarities.topk(k, dim=1)
        weights = ((nearest - 1) / temperature).exp_()  # at most 1: no temperature overflows
        found[start : start + rows].scatter_add_(1, labels[index], weights)
        if tick is not None:
            tick(min(start + rows, len(queries)), len(queries))
    return found
