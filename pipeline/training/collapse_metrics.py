"""Signs of collapse, cheap enough for every epoch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def collapse_indicators(embeddings: list[Tensor]) -> tuple[float, float]:
    """Spread and dimension of a minibatch of embeddings.

    Args:
        embeddings: One tensor of shape (batch, dim) per view; pooled.

    Returns:
        ``embedding_std``: standard deviation of the l2-normalised embeddings, mean over the dimensions, times
        ``sqrt(dim)``; near 1 when they fill the sphere, 0 when all are equal (Chen and He 2021, Sec. 4.1).
        ``effective_rank``: exponential of the entropy of the eigenvalues of their uncentred correlation (Roy
        and Vetterli 2007); from 1 (all on one line) to dim. Both NaN if the embeddings are not finite.
    """
    pooled = functional.normalize(torch.cat(embeddings).detach().double().cpu())
    if not torch.isfinite(pooled).all():
        return float("nan"), float("nan")
    spread = pooled.std(dim=0, correction=0).mean() * pooled.shape[1] ** 0.5
    shares = torch.linalg.eigvalsh(pooled.T @ pooled / len(pooled)).clamp_min(0)
    shares = shares / shares.sum().clamp_min(torch.finfo(shares.dtype).tiny)
    return spread.item(), torch.special.entr(shares).sum().exp().item()
