"""Embeddings as the loss sees them, before they are normalised."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline import components
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.numerics.randomness import generator

_CHUNK = 500
"""Images that are passed at a time."""


@torch.no_grad()
def where_the_loss_acts(subject: EvaluationContext, split: str, own: bool = False, views: bool = False) -> Tensor:
    """Outputs of the predictor, or of the projector where there is none, in evaluation mode.

    Draganov 2025, Appendix C.1: norms are those of the projector's outputs (SimCLR) and of the predictor's (SimSiam).

    Args:
        subject: The checkpoint.
        split: ``train`` or ``test``.
        own: Whether of the run's own data, whatever the roles say.
        views: Whether of one view of each image, drawn as in training from the run's seed, or of the image as it is.

    Returns:
        (N, d) float32, on the subject's device.

    Raises:
        NotFinite: An embedding is infinite or NaN.
    """
    found = torch.cat([_head(subject, part) for part in _features(subject, split, own, views).split(_CHUNK)])
    if not torch.isfinite(found).all():
        raise NotFinite(f"embeddings of {split}")
    return found


def _head(subject: EvaluationContext, features: Tensor) -> Tensor:
    network = subject.network
    embeddings = features if network.projector is None else network.projector(features)
    return embeddings if network.predictor is None else network.predictor(embeddings)


def _features(subject: EvaluationContext, split: str, own: bool, views: bool) -> Tensor:
    if not views:
        return subject.features(split, own)
    images = subject.arrays.images(split) if own else subject.images(split)
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    policy = components.make(subject.components["views"], subject.spec["views"], shape, subject.spec["normalize"])
    found = []
    for start in range(0, len(images), _CHUNK):
        source = generator(subject.seed, "norms", split, start, device=subject.device)
        found.append(subject.network.encoder(policy(images[start : start + _CHUNK].to(subject.device), source)[0]))
        subject.progress.tick(f"views of {split}", min(start + _CHUNK, len(images)), len(images))
    return torch.cat(found)
