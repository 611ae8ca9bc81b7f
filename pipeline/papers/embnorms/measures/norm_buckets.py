"""What images of small and of large norm have in common: accuracy, human labels that are right, human doubt."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.evaluation.context import EvaluationContext
from pipeline.papers.embnorms.measures import _embeddings, _nearest, _ranks
from pipeline.ranges import Count, Natural, Width

READS = ("encoder", "projector", "predictor", "normalize")
VALUES = ("buckets", "trend", "correlation", "kept", "mean", "n")


def measure(
    subject: EvaluationContext,
    *,
    of: Literal["accuracy", "agreement", "entropy"] = "accuracy",
    split: Literal["train", "test"] = "train",
    buckets: Width = 20,
    more_than: Natural = 50,
    k: Count = 10,
) -> dict[str, Any]:
    """Sort the images of a split into buckets by their norm, and say of each bucket what it is like.

    Draganov 2025, Fig. 4. Buckets are of equal width from 0 to the largest norm (the released code begins at the
    smallest).

    Args:
        subject: The checkpoint.
        of: ``accuracy``: whether the nearest other embeddings tell the class, in percent; ``agreement``: whether the
            label that most people gave is right, in percent; ``entropy``: of the labels that people gave, in bits.
        split: Of the run's data, or of that which the measure's ``data`` names.
        buckets: How many.
        more_than: Images that a bucket must exceed to be told of.
        k: Neighbours, for ``accuracy``.

    Returns:
        ``buckets``: ``norm`` (the middle, as a share of the largest norm), ``count`` and ``value`` (None where there
        are too few images); ``trend``: Spearman's rank correlation of norm and value over those that are told of,
        None with fewer than three; ``correlation``: the same over images; ``kept``: buckets that are told of; ``mean``:
        over all images; ``n``.

    Raises:
        NotFinite: An embedding is infinite or NaN.
        UserError: The data set has no human labels, of which ``agreement`` and ``entropy`` are.
    """
    embeddings = _embeddings.where_the_loss_acts(subject, split)
    norms = embeddings.double().norm(dim=1)
    values = _values(subject, of, split, embeddings, k)
    place = (norms / norms.max().clamp(min=torch.finfo(torch.float64).tiny) * buckets).long().clamp(max=buckets - 1)
    count = torch.bincount(place, minlength=buckets)
    total = torch.zeros(buckets, dtype=torch.float64, device=norms.device).scatter_add_(0, place, values)
    kept = count > more_than
    middle = (torch.arange(buckets, dtype=torch.float64, device=norms.device) + 0.5) / buckets
    means = total / count.clamp(min=1)
    return {
        "buckets": {
            "norm": middle.tolist(),
            "count": count.tolist(),
            "value": [mean if told else None for mean, told in zip(means.tolist(), kept.tolist(), strict=True)],
        },
        "trend": _ranks.correlation(middle[kept], means[kept]),
        "correlation": _ranks.correlation(norms, values),
        "kept": int(kept.sum()),
        "mean": values.mean().item(),
        "n": len(norms),
    }


def _values(subject: EvaluationContext, of: str, split: str, embeddings: Tensor, k: int) -> Tensor:
    """(N,) float64, of each image."""
    if of == "accuracy":
        return 100.0 * _nearest.right(subject, embeddings, subject.labels(split), k).double()
    votes = subject.votes(split).double()
    if of == "agreement":
        return 100.0 * (votes.argmax(1) == subject.labels(split)).double()
    return entropy(votes)


def entropy(votes: Tensor) -> Tensor:
    """Entropy of the labels that people gave an image, in bits.

    Args:
        votes: (N, classes) how often each was given; at least once in all.

    Returns:
        (N,) float64.
    """
    shares = votes / votes.sum(1, keepdim=True)
    return torch.special.entr(shares).sum(1) / torch.log(torch.tensor(2.0, dtype=torch.float64, device=votes.device))
