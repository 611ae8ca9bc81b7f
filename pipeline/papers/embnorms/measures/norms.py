"""Norms of embeddings on a split, beside those of the training images."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from pipeline import components
from pipeline.evaluation.context import EvaluationContext
from pipeline.nets.checkpoint import read_summary
from pipeline.papers.embnorms.measures import _embeddings

READS = ("encoder", "projector", "predictor", "normalize", "views", "optimizer", "schedule")
VALUES = (
    "mean", "std", "n", "relative_mean", "relative_std", "quantiles", "effective_rate", "effective_rate_squared",
)  # fmt: skip
_POINTS = 101


def measure(
    subject: EvaluationContext, *, split: Literal["train", "test"] = "train", augment: bool = False
) -> dict[str, Any]:
    """Norms where the loss acts: of the projector's outputs, or of the predictor's.

    Args:
        subject: The checkpoint.
        split: Of the run's data, or of that which the measure's ``data`` names.
        augment: Whether of one view of each image, as in training (Draganov 2025, Fig. 3), or of the image as it is.

    Returns:
        ``mean``, ``std`` (over images, ddof = 0), ``n``; ``relative_mean``, ``relative_std``: divided by the mean norm
        of the run's own training images; ``quantiles``: 101 of them, from the least to the largest, divided likewise;
        ``effective_rate``: learning rate of the step that comes over the mean norm of the run's training images (text,
        Fig. S3), ``effective_rate_squared``: over its square, which is what sets the angle of a step.

    Raises:
        NotFinite: An embedding is infinite or NaN.
    """
    norms = _norms(subject, split, False, augment)
    known = f"mean norm of the run's training images, views: {augment}"  # of all splits that are measured
    if known not in subject.known:
        subject.known[known] = _norms(subject, "train", True, augment).mean().item()
    own = subject.known[known]
    points = torch.linspace(0, 1, _POINTS, dtype=torch.float64, device=norms.device)
    mean, std = norms.mean().item(), norms.std(correction=0).item()
    rate = _rate(subject)
    return {
        "mean": mean,
        "std": std,
        "n": len(norms),
        "relative_mean": mean / own if own else None,
        "relative_std": std / own if own else None,
        "quantiles": (torch.quantile(norms, points) / own).tolist() if own else None,
        "effective_rate": rate / own if own and rate is not None else None,
        "effective_rate_squared": rate / own**2 if own and rate is not None else None,
    }


def _norms(subject: EvaluationContext, split: str, own: bool, augment: bool) -> Tensor:
    return _embeddings.where_the_loss_acts(subject, split, own, augment).double().norm(dim=1)


def _rate(subject: EvaluationContext) -> float | None:
    """Learning rate of the step behind the checkpoint; None of one between two epochs: its record does not tell."""
    epoch = read_summary(subject.checkpoint).get("epoch")
    if epoch is None:
        return None
    schedule = components.make(subject.components["schedule"], subject.spec["schedule"])
    return subject.spec["optimizer"]["lr"] * schedule(float(epoch))
