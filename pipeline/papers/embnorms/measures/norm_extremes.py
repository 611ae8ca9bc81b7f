"""The images with the largest and the smallest norm of each class."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from pipeline.evaluation.context import EvaluationContext
from pipeline.papers.embnorms.measures import _embeddings, _nearest
from pipeline.ranges import Count

READS = ("encoder", "projector", "predictor", "normalize")
VALUES = ("largest", "smallest", "accuracy_largest", "accuracy_smallest", "n")


def measure(
    subject: EvaluationContext, *, split: Literal["train", "test"] = "train", images: Count = 10, k: Count = 10
) -> dict[str, Any]:
    """Find the extremes of each class by norm (Draganov 2025, Fig. S6), and how well their neighbours tell the class.

    Args:
        subject: The checkpoint.
        split: Of the run's data, or of that which the measure's ``data`` names.
        images: Per class and side.
        k: Neighbours.

    Returns:
        ``largest``, ``smallest``: per class the indices of so many images of the split, the most extreme first;
        ``accuracy_largest``, ``accuracy_smallest``: percent of these groups that the nearest other embeddings of the
        split classify right; ``n``: images in either group.

    Raises:
        NotFinite: An embedding is infinite or NaN.
    """
    embeddings = _embeddings.where_the_loss_acts(subject, split)
    labels = subject.labels(split)
    norms = embeddings.double().norm(dim=1)
    right = _nearest.right(subject, embeddings, labels, k)
    found: dict[str, list[list[int]]] = {"largest": [], "smallest": []}
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().squeeze(1)
        order = members[norms[members].sort(stable=True).indices]
        found["smallest"].append(order[:images].tolist())
        found["largest"].append(order.flip(0)[:images].tolist())
    return {
        **found,
        "accuracy_largest": _percent(right, found["largest"]),
        "accuracy_smallest": _percent(right, found["smallest"]),
        "n": sum(map(len, found["largest"])),
    }


def _percent(right: Tensor, groups: list[list[int]]) -> float:
    return 100.0 * right[[index for group in groups for index in group]].double().mean().item()
