"""k-NN: how well the nearest training images tell the class of a test image."""

from __future__ import annotations

import math

from pipeline.errors import UserError
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.neighbours import votes
from pipeline.ranges import Count, Positive

READS = ("encoder", "normalize")
VALUES = ("top1", "k", "n_train", "n_test", "feature_std", "feature_rank")


def measure(subject: EvaluationContext, *, k: Count = 200, temperature: Positive = 0.1) -> dict[str, float | int]:
    """Weighted k-NN classification of ``test`` by the features of ``train``, by cosine similarity.

    The defaults are those of Wu et al. 2018 with the temperature that self-supervised codes commonly use.

    Args:
        subject: The checkpoint.
        k: Number of neighbours; all of ``train`` if it has fewer.
        temperature: A neighbour's vote weighs ``exp(cosine / temperature)``.

    Returns:
        ``top1`` in percent of ``test``, the ``k`` that was used, ``n_train``, ``n_test``.

    Raises:
        UserError: A param out of its range.
    """
    if k < 1:
        raise UserError(f"knn.k: expected at least 1, found {k}; 200 is the usual choice")
    if not 0 < temperature < math.inf:
        raise UserError(f"knn.temperature: expected a positive number, found {temperature}; 0.1 is the usual choice")
    bank, queries = subject.features("train"), subject.features("test")
    labels, truth = subject.labels("train"), subject.labels("test")

    def tick(done: int, total: int) -> None:
        subject.progress.tick("k-NN of test images", done, total)

    cast = votes(bank, labels, queries, subject.n_classes, k=k, temperature=temperature, tick=tick)
    right = int((cast.argmax(1) == truth).sum())
    return {
        "top1": 100 * right / len(truth),
        "k": min(k, len(bank)),
        "n_train": len(labels),
        "n_test": len(truth),
    }
