"""k-NN on embeddings, and on the encoder's features."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor

from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.neighbours import votes
from pipeline.papers.embnorms.measures import _embeddings
from pipeline.ranges import Count, Positive

READS = ("encoder", "projector", "predictor", "normalize")
VALUES = ("embedding", "encoder", "k", "n_train", "n_test")


def measure(subject: EvaluationContext, *, k: Count = 200, temperature: Positive = 0.1) -> dict[str, float | int]:
    """Weighted k-NN classification of ``test`` by ``train``, by cosine similarity, in two spaces.

    The text of Draganov 2025 classifies in the space of embeddings, its released code by features of the encoder, with
    these defaults. (The measure ``knn`` does the latter alone.)

    Args:
        subject: The checkpoint.
        k: Number of neighbours; all of ``train`` if it has fewer.
        temperature: A neighbour's vote weighs ``exp(cosine / temperature)``.

    Returns:
        ``embedding``, ``encoder``: top-1 in percent of ``test``, by embeddings where the loss acts and by features;
        ``k`` that was used, ``n_train``, ``n_test``.

    Raises:
        NotFinite: An embedding is infinite or NaN.
    """
    labels, truth = subject.labels("train"), subject.labels("test")
    spaces: dict[str, Callable[[str], Tensor]] = {
        "embedding": functools.partial(_embeddings.where_the_loss_acts, subject),
        "encoder": subject.features,
    }
    found: dict[str, float | int] = {"k": min(k, len(labels)), "n_train": len(labels), "n_test": len(truth)}
    for name, embed in spaces.items():
        tick = functools.partial(subject.progress.tick, f"k-NN by {name}")
        cast = votes(embed("train"), labels, embed("test"), subject.n_classes, k=k, temperature=temperature, tick=tick)
        found[name] = 100 * int((cast.argmax(1) == truth).sum()) / len(truth)
    return found
