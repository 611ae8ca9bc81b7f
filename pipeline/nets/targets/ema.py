"""The target is an exponential moving average of the online network (BYOL's way)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets.target import Branch, Target
from pipeline.ranges import Fraction

if TYPE_CHECKING:
    from jaxtyping import Float


class Ema(Target):
    """Parameters are averaged after each optimiser step; no gradient enters.

    BatchNorm's running statistics are not averaged: the branch runs in training mode, where they are not
    used, and keeps its own (released code).
    """

    def __init__(self, momentum: float, independent: bool) -> None:
        self.momentum = momentum
        self.independent = independent

    def branch(self, online: Branch, independent: Callable[[], Branch]) -> Branch:
        """A branch with weights of its own, or a copy of the online one."""
        branch = independent() if self.independent else copy.deepcopy(online)
        return branch.requires_grad_(False)

    @torch.no_grad()
    def embeddings(
        self,
        branch: Callable[[list[Float[Tensor, "batch ..."]]], list[Float[Tensor, "batch dim"]]] | None,
        views: list[Float[Tensor, "batch ..."]],
        online: list[Float[Tensor, "batch dim"]],
    ) -> list[Float[Tensor, "batch dim"]]:
        """The branch's embeddings, each (batch, dim)."""
        assert branch is not None
        return branch(views)

    @torch.no_grad()
    def after_step(self, target: list[Tensor], online: list[Tensor]) -> None:
        """``W_a <- m W_a + (1 - m) W``."""
        if target:
            torch._foreach_lerp_(target, online, 1.0 - self.momentum)


def build(*, momentum: Fraction = 0.996, init: Literal["independent", "copy"] = "independent") -> Ema:
    """EMA target (Tian 2021, Eq. 4, with ``momentum = 1 - alpha beta``).

    Args:
        momentum: ``gamma_a``, constant during training.
        init: Whether the target starts from weights of its own (the released code, whose copy is commented
            out) or from a copy of the online ones. Not in the text.

    Raises:
        UserError: The momentum is not in [0, 1].
    """
    if not 0.0 <= momentum <= 1.0:
        raise UserError(f"target.momentum: expected a number from 0 to 1, found {momentum}; the usual value is 0.996")
    return Ema(momentum, init == "independent")
