"""How alike two kernels are on the same inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def centre(kernel: ArrayLike) -> Float64[Array, "N N"]:
    """H K H with ``H = I - 1 1^T / N``: the kernel of features less their mean."""
    k = np.asarray(kernel, dtype=np.float64)
    return k - k.mean(axis=0) - k.mean(axis=1, keepdims=True) + k.mean()


def cosine(first: ArrayLike, second: ArrayLike) -> float:
    """``<K, K'> / (|K| |K'|)`` (Frobenius), from 0 to 1 for kernels of inner products: 1 for multiples of each other.

    Raises:
        UserError: The shapes differ, or a kernel is zero.
    """
    k, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if k.shape != other.shape:
        raise UserError(f"kernels: expected two on the same inputs, found {k.shape} and {other.shape}")
    norms = np.linalg.norm(k) * np.linalg.norm(other)
    if not norms > 0:
        raise UserError("kernels: expected two that are not zero; a network whose outputs are constant has no gradient")
    return float((k * other).sum() / norms)


def distance(first: ArrayLike, second: ArrayLike) -> float:
    """``1 - cos(K, K')``, the kernel distance of Fort et al. 2020: 0 for a kernel that has only been scaled."""
    return 1.0 - cosine(first, second)


def centred_alignment(first: ArrayLike, second: ArrayLike) -> float:
    """Cosine of the centred kernels (Cortes et al. 2012; CKA of Kornblith et al. 2019)."""
    return cosine(centre(first), centre(second))


def label_kernel(labels: ArrayLike) -> Float64[Array, "N N"]:
    """1 for two inputs of the same class and 0 for others, (N, N): the kernel of one-hot labels.

    Raises:
        UserError: A label is negative, which stands for none.
    """
    found = np.asarray(labels)
    if (found < 0).any():
        raise UserError(
            f"labels: expected a class of every input, found {int((found < 0).sum())} without; leave them out"
        )
    return (found[:, None] == found).astype(np.float64)
