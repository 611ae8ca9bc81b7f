"""Spectra of the predictor and of its input, and how their eigenspaces agree (Tian 2021, Fig. 2)."""

from __future__ import annotations

import torch
from torch import Tensor


def eigenbasis(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of a symmetric matrix in descending order, and its eigenvectors as columns.

    Args:
        correlation: (d, d), symmetric up to rounding.

    Returns:
        (d,) and (d, d).
    """
    values, vectors = torch.linalg.eigh((correlation + correlation.T) / 2)
    return values.flip(0), vectors.flip(1)


def effective_rank(eigenvalues: Tensor) -> float:
    """Exponential of the entropy of the eigenvalues as shares of their sum (Roy and Vetterli 2007).

    From 1 (one direction) to d (all alike); 0 for a zero matrix. Negative eigenvalues count as zero.
    """
    shares = eigenvalues.clamp(min=0)
    total = shares.sum()
    if total <= 0:
        return 0.0
    return torch.special.entr(shares / total).sum().exp().item()


def alignment(matrix: Tensor, directions: Tensor) -> list[float | None]:
    """Cosine of each direction u with its image: ``u^T W u / (|u| |W u|)``.

    Signed: 1 for an eigenvector of positive eigenvalue, -1 for one of negative eigenvalue.

    Args:
        matrix: W, (d, d); acts as ``W @ u``.
        directions: (d, m), one per column.

    Returns:
        m numbers; ``None`` where W u vanishes to rounding, so that it has no direction.
    """
    images = matrix @ directions
    lengths = images.norm(dim=0)
    inner = (directions * images).sum(0) / directions.norm(dim=0)
    least = torch.finfo(matrix.dtype).eps * matrix.norm().item()
    return [inner[j].item() / length if length > least else None for j, length in enumerate(lengths.tolist())]


def asymmetry(matrix: Tensor) -> float:
    """``|W - W^T|_F / |W + W^T|_F``: 0 for a symmetric (or zero) matrix, infinite for a skew one."""
    skew, symmetric = (matrix - matrix.T).norm().item(), (matrix + matrix.T).norm().item()
    if symmetric == 0:
        return float("inf") if skew > 0 else 0.0
    return skew / symmetric
