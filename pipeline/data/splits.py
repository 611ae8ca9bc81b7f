"""Choosing which images of a split are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError


def balanced(labels: NDArray[np.int64], limit: int | None) -> NDArray[np.int64]:
    """Indices of the first images of every class, ``limit`` in all, in their original order.

    Images are taken class by class in turn, so classes differ by at most one image until one runs out.

    Args:
        labels: Labels, shape (N,).
        limit: Number of images to keep; None or anything from N upwards keeps all.

    Returns:
        Increasing indices, shape (min(limit, N),).

    Raises:
        UserError: A negative limit.
    """
    if limit is not None and limit < 0:
        raise UserError(f"source: a limit of {limit} images: expected 0 or more, or null for all")
    labels = np.asarray(labels)
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    _, start, count = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[by_class] = np.arange(len(labels)) - np.repeat(start, count)
    return np.sort(np.lexsort((labels, rank))[:limit])
