"""How far two sets of embeddings span the same functions (Simon 2023, Appendix E)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

_ROUNDING = 1e-6
"""Singular values of embeddings below this share of the largest are rounding: networks compute in float32."""


def row_space(outputs: ArrayLike) -> Float64[Array, "k N"]:
    """P, the right singular vectors of embeddings: an orthonormal basis of what they span on the inputs.

    Args:
        outputs: f on N inputs, (d, N), d at most N; not centred, as in the paper.

    Returns:
        (k, N) with orthonormal rows; k is the rank, d unless embeddings have collapsed to fewer dimensions.

    Raises:
        UserError: More dimensions than inputs, or numbers that are not finite.
    """
    f = np.asarray(outputs, dtype=np.float64)
    if f.ndim != 2 or not 1 <= len(f) <= f.shape[1]:
        raise UserError(f"embeddings: expected (d, inputs) with at least as many inputs as dimensions, found {f.shape}")
    if not np.isfinite(f).all():
        raise UserError("embeddings: expected finite numbers; the training has diverged")
    _, values, rows = np.linalg.svd(f, full_matrices=False)
    return rows[values > _ROUNDING * max(values[0], np.finfo(np.float64).tiny)]


def centred(outputs: ArrayLike) -> Float64[Array, "d N"]:
    """Embeddings (d, N) less their mean over the inputs: without the constant function, which most of them contain."""
    f = np.asarray(outputs, dtype=np.float64)
    return f - f.mean(axis=1, keepdims=True)


def top_eigenvectors(kernel: ArrayLike, dimensions: int) -> Float64[Array, "d N"]:
    """P_NTK, the leading eigenvectors of a kernel as rows, (d, N)."""
    k = np.asarray(kernel, dtype=np.float64)
    return np.linalg.eigh((k + k.T) / 2)[1][:, ::-1][:, :dimensions].T


def alignment(first: ArrayLike, second: ArrayLike, dimensions: int) -> float:
    """``a(P, P') = |P P'^T|_F^2 / d``, the mean squared cosine of the principal angles: from 0 to 1.

    The text gives its maximum as d and its expectation for random subspaces as d^2 / 2n; those belong to it without the
    factor 1 / d, which its tables have.

    Args:
        first: P with orthonormal rows, (d, N), or fewer where it has collapsed: directions that are not there count 0.
        second: P' likewise.
        dimensions: d.

    Raises:
        UserError: Other inputs, or more rows than d.
    """
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if p.shape[1] != q.shape[1] or max(len(p), len(q)) > dimensions:
        raise UserError(
            f"alignment: expected subspaces of up to {dimensions} dimensions on the same inputs, "
            f"found {p.shape} and {q.shape}"
        )
    return float(((p @ q.T) ** 2).sum() / dimensions)


def chance_level(dimensions: int, inputs: int) -> float:
    """Expected alignment of two independent random subspaces, or of a random one with any: ``d / N``."""
    return dimensions / inputs


@dataclass(frozen=True)
class Chance:
    """Alignments of random subspaces with a given one.

    Attributes:
        mean: Over the draws.
        std: Of one draw (ddof = 1).
        draws: How many.
    """

    mean: float
    std: float
    draws: int


def monte_carlo(subspace: ArrayLike, dimensions: int, seed: int | list[int], draws: int = 32) -> Chance:
    """Alignment of uniformly random subspaces of d dimensions with ``subspace``, which they should have by chance.

    Args:
        subspace: P with orthonormal rows, (d, N). Where it has fewer, say k, what is to be expected is k / N.
        dimensions: d.
        seed: Of the draws.
        draws: How many.

    Raises:
        UserError: Fewer than two draws.
    """
    if draws < 2:
        raise UserError(f"draws: expected at least 2 random subspaces, found {draws}")
    p = np.asarray(subspace, dtype=np.float64)
    rng = np.random.default_rng(seed)
    # the row space of a Gaussian matrix is uniform
    shapes = [(p.shape[1], dimensions)] * draws
    found = [alignment(np.linalg.qr(rng.standard_normal(shape))[0].T, p, dimensions) for shape in shapes]
    return Chance(float(np.mean(found)), float(np.std(found, ddof=1)), draws)
