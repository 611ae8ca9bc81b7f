"""Choosing which images of a split are kept."""

from __future__ import annotations

from fractions import Fraction

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


def long_tailed(labels: NDArray[np.int64], ratio: float) -> NDArray[np.int64]:
    """Indices of a long-tailed part of a split (Draganov 2025, Section 6), in their original order.

    Class i, counted from 0, keeps its first floor(n_0 / ratio^i) images, where n_0 is the largest class count. The
    ratio is the decimal number that it is written as, and the floor is exact: of 121 images a ratio of 1.1 leaves class
    2 exactly 100, where floating point would leave 99.

    Args:
        labels: Labels, shape (N,).
        ratio: By how much each class is smaller than the one before, at least 1; 1 keeps all.

    Returns:
        Increasing indices, shape (M,).

    Raises:
        UserError: A ratio below 1, or one that leaves a class without images.
    """
    if not ratio >= 1:
        raise UserError(f"source.imbalance: expected a ratio of 1 or more, found {ratio}")
    labels = np.asarray(labels)
    kept = np.ones(len(labels), dtype=bool)
    if ratio == 1 or not len(labels):
        return np.flatnonzero(kept)
    classes, counts = np.unique(labels, return_counts=True)
    largest = int(counts.max())
    for label in classes:
        count = int(largest / Fraction(repr(float(ratio))) ** int(label))
        if count == 0:
            raise UserError(
                f"source.imbalance: {ratio} leaves class {label} (counted from 0) none of its images, as the largest "
                f"class has {largest:,}; choose a ratio nearer to 1, or more images"
            )
        kept[np.flatnonzero(labels == label)[count:]] = False
    return np.flatnonzero(kept)
