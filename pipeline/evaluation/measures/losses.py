"""The loss along training: no measurement of the network, but of its record."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.nets import checkpoint
from pipeline.ranges import Count

READS: tuple[str, ...] = ()
RECORDS = ("losses.safetensors",)
VALUES = ("curve", "first", "last")


def measure(subject: EvaluationContext, *, points: Count = 400) -> dict[str, Any]:
    """Read the loss of every step up to the checkpoint.

    Args:
        subject: The checkpoint.
        points: Most points of the curve. Where the training has more steps, each is the mean of as many steps, and
            stands at the last of them.

    Returns:
        ``curve``: ``step`` (the first is 1) and ``loss``, two lists of one length; ``first`` and ``last``, the loss at
        both ends of the curve.

    Raises:
        NotFinite: A loss is infinite or NaN.
    """
    losses = checkpoint.read_tensors(subject.checkpoint / checkpoint.LOSSES)["loss"].double()
    if not torch.isfinite(losses).all() or not len(losses):
        raise NotFinite("the loss")
    ends = torch.linspace(0, len(losses), min(points, len(losses)) + 1, dtype=torch.float64).round().long().tolist()
    means = [losses[start:end].mean().item() for start, end in itertools.pairwise(ends)]
    return {"curve": {"step": ends[1:], "loss": means}, "first": means[0], "last": means[-1]}
