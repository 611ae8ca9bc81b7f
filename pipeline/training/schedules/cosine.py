"""Warm-up, then half a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable

from pipeline.errors import UserError
from pipeline.ranges import Fraction, NonNegative, TrainingEpochs, TrainingTime

RELATIONS = (("warmup", "<", "epochs"),)
DEFAULT_BEFORE = {"start": 0.0}


def build(
    *,
    epochs: TrainingEpochs | None = None,
    warmup: TrainingTime = 10.0,
    final: NonNegative = 0.001,
    start: Fraction = 0.0,
) -> Callable[[float], float]:
    """Linear warm-up from ``start`` to 1, then a cosine from 1 to ``final`` (released code of Barlow Twins and VICReg).

    With ``x`` the part of the way from the end of the warm-up to the last epoch::

        factor = q + final (1 - q),    q = (1 + cos(pi x)) / 2

    The factor of step ``t`` is that of ``t`` steps done, so with ``start: 0`` the very first update has length 0.

    Args:
        epochs: Where the cosine ends; the factor stays ``final`` after it. Runs of different lengths are
            different runs, not milestones of one. None: not known yet; the plan puts the run's length here.
        warmup: Epochs of warm-up, may be a fraction or 0.
        final: Factor at the end.
        start: Factor at the start of the warm-up (released code of Halvagal 2023: 3e-5 over the learning rate).

    Returns:
        Epochs done (with the fraction of the current one) to the factor of the learning rate.

    Raises:
        UserError: ``epochs`` is missing, or the warm-up is negative or leaves no epoch for the cosine.
    """
    if epochs is None:
        raise UserError("schedule.epochs: expected the number of epochs of the run, found none; set it")
    if not 0 <= warmup < epochs:
        raise UserError(
            f"schedule.warmup: expected a number of epochs from 0 to below schedule.epochs ({epochs}), found {warmup};"
            " shorten the warm-up or train for longer"
        )
    end = epochs

    def factor(epochs_done: float) -> float:
        if epochs_done < warmup:
            return start + (1 - start) * (epochs_done / warmup)
        way = min((epochs_done - warmup) / (end - warmup), 1.0)
        q = (1 + math.cos(math.pi * way)) / 2
        return q + final * (1 - q)

    return factor
