"""Positive pairs that lie in opposite halves of the sphere."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from pipeline.evaluation import as_trained
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.ranges import Count
from pipeline.training.batches import parts_of

READS = ("encoder", "projector", "predictor", "target", "views", "normalize", "split", "batch_size", "accumulation")
VALUES = ("rate", "mean_cosine", "pairs")


@torch.no_grad()
def measure(subject: EvaluationContext, *, samples: Count = 50_000) -> dict[str, Any]:
    """Share of positive pairs with more than a right angle between them, where the loss acts (Draganov 2025, Table S1).

    A pair is a prediction and a target of two different views of one image, in both orders; without a predictor two
    embeddings. Networks are as in training, with the statistics of each part of a minibatch that passes at once. Random
    directions would give 50 %.

    Args:
        subject: The checkpoint.
        samples: Number of training images, rounded down to whole batches.

    Returns:
        ``rate`` in percent, ``mean_cosine``, ``pairs``: how many there were.

    Raises:
        NotFinite: An embedding is infinite or NaN.
    """
    _, batches = as_trained.batches(subject, samples, "opposite halves")
    cosines = []
    for network, views in batches:
        for part in parts_of(views, subject.spec["accumulation"]):
            _, predictions, targets = network(part)
            for i, prediction in enumerate(predictions):
                for j, target in enumerate(targets):
                    if i != j:
                        cosines.append(functional.cosine_similarity(prediction.double(), target.double()))
    found = torch.cat(cosines)
    if not torch.isfinite(found).all():
        raise NotFinite("embeddings")
    return {
        "rate": 100.0 * (found < 0).double().mean().item(),
        "mean_cosine": found.mean().item(),
        "pairs": len(found),
    }
