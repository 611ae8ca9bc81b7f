"""The target is an exponential moving average of the online network (BYOL's way)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets.target import Branch, Target
from pipeline.ranges import Fraction, TrainingEpochs

if TYPE_CHECKING:
    from jaxtyping import Float


Curve = Callable[[float], float]
"""Epochs done, with the fraction of the current one, to the momentum."""
APPLIES = {"final": {"schedule": "cosine"}, "epochs": {"schedule": "cosine"}}
DEFAULT_BEFORE = {"schedule": "constant", "final": 1.0, "epochs": None}


class Ema(Target):
    """Parameters are averaged after each optimiser step; no gradient enters.

    BatchNorm's running statistics are not averaged: the branch runs in training mode, where they are not
    used, and keeps its own (released code).

    Attributes:
        pull: ``1 - momentum`` of the step; a scalar on the device where a captured step reads it there.
    """

    pull: float | Tensor

    def __init__(self, momentum: float | Curve, independent: bool) -> None:
        self.curve = momentum if callable(momentum) else None
        self.pull = 1.0 - (momentum(0.0) if callable(momentum) else momentum)
        self.independent = independent

    def branch(self, online: Branch, independent: Callable[[], Branch]) -> Branch:
        """A branch with weights of its own, or a copy of the online one."""
        branch = independent() if self.independent else copy.deepcopy(online)
        return branch.requires_grad_(False)

    @torch.no_grad()
    def embeddings(
        self,
        branch: Callable[[list[Float[Tensor, "part ..."]]], list[Float[Tensor, "batch dim"]]] | None,
        views: list[Float[Tensor, "part ..."]],
        online: list[Float[Tensor, "batch dim"]],
    ) -> list[Float[Tensor, "batch dim"]]:
        """The branch's embeddings, each (batch, dim)."""
        assert branch is not None
        return branch(views)

    def begin(self, epochs_done: float, device: torch.device) -> None:
        """Set the momentum of the step, where it has a schedule."""
        if self.curve is None:
            return
        pull = 1.0 - self.curve(epochs_done)
        if device.type == "cpu":
            self.pull = pull
        elif isinstance(self.pull, Tensor):
            self.pull.fill_(pull)
        else:
            self.pull = torch.full((), pull, device=device)

    @torch.no_grad()
    def after_step(self, target: list[Tensor], online: list[Tensor]) -> None:
        """``W_a <- m W_a + (1 - m) W``."""
        if not target:
            return
        if isinstance(self.pull, Tensor):  # there is no fused lerp whose weight lies on the device
            way = torch._foreach_sub(online, target)
            torch._foreach_mul_(way, self.pull)
            torch._foreach_add_(target, way)
        else:
            torch._foreach_lerp_(target, online, self.pull)


def cosine_curve(momentum: float, final: float, epochs: float) -> Curve:
    """The momentum that rises from ``momentum`` to ``final`` in half a cosine (Grill 2020, BYOL).

    ``tau_k = final - (final - momentum) (cos(pi k / K) + 1) / 2`` after ``k`` of ``K`` steps, ``final`` from then on.

    Args:
        momentum: At the start.
        final: At the end.
        epochs: The length of the training; ``k / K`` is the part of it that is done.
    """

    def curve(epochs_done: float) -> float:
        way = min(epochs_done / epochs, 1.0) if epochs else 1.0
        return final - (final - momentum) * (math.cos(math.pi * way) + 1) / 2

    return curve


def build(
    *,
    momentum: Fraction = 0.996,
    init: Literal["independent", "copy"] = "independent",
    schedule: Literal["constant", "cosine"] = "constant",
    final: Fraction = 1.0,
    epochs: TrainingEpochs | None = None,
) -> Ema:
    """EMA target (Tian 2021, Eq. 4, with ``momentum = 1 - alpha beta``; Halvagal 2023, App. D, with a schedule).

    Args:
        momentum: ``gamma_a``, or where it has a schedule its value at the start.
        init: Whether the target starts from weights of its own (the released code, whose copy is commented
            out) or from a copy of the online ones. Not in the text.
        schedule: ``constant``, or ``cosine``: up to ``final`` in half a cosine, a value for every step. That after
            optimiser step ``k + 1`` is the value of ``k`` steps done, so the first is ``momentum`` itself.
        final: Momentum at the end of the cosine.
        epochs: Where the cosine ends. Runs of different lengths are then different runs, not milestones of one. None:
            not known yet; the plan puts the run's length here.

    Raises:
        UserError: The momentum is not in [0, 1], or the end of the cosine is missing.
    """
    if not 0.0 <= momentum <= 1.0:
        raise UserError(f"target.momentum: expected a number from 0 to 1, found {momentum}; the usual value is 0.996")
    if schedule == "constant":
        return Ema(momentum, init == "independent")
    if epochs is None:
        raise UserError("target.epochs: expected the number of epochs of the run, found none; set it")
    return Ema(cosine_curve(momentum, final, epochs), init == "independent")
