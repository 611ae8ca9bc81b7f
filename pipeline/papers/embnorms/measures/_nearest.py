"""Whether the nearest other embeddings tell an image's class."""

from __future__ import annotations

import functools
import math

from torch import Tensor

from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.neighbours import votes


def right(subject: EvaluationContext, embeddings: Tensor, labels: Tensor, k: int) -> Tensor:
    """Classify each embedding by its ``k`` nearest others, by cosine, each with one vote; True where that is right.

    The text of Draganov 2025 fits a classifier on all embeddings and asks it about the same; whether an embedding is a
    neighbour of itself it does not say. Here none is: with itself among ten neighbours accuracy would be flattered.

    Args:
        subject: The checkpoint, for its progress.
        embeddings: (N, d).
        labels: (N,) int64.
        k: Neighbours.

    Returns:
        (N,) bool.
    """
    tick = functools.partial(subject.progress.tick, "nearest embeddings")
    classes = int(labels.max()) + 1
    cast = votes(embeddings, labels, embeddings, classes, k=k, temperature=math.inf, leave_out=True, tick=tick)
    return cast.argmax(1) == labels
