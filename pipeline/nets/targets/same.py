"""The target is the online network itself (SimSiam's way, "no EMA")."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.nets.target import Branch, Target

if TYPE_CHECKING:
    from jaxtyping import Float


class Same(Target):
    """One forward pass serves as online and as target embedding."""

    def __init__(self, stop_gradient: bool) -> None:
        self.stop_gradient = stop_gradient

    def branch(self, online: Branch, independent: Callable[[], Branch]) -> None:
        """No branch of its own."""

    def embeddings(
        self,
        branch: Callable[[list[Float[Tensor, "part ..."]]], list[Float[Tensor, "batch dim"]]] | None,
        views: list[Float[Tensor, "part ..."]],
        online: list[Float[Tensor, "batch dim"]],
    ) -> list[Float[Tensor, "batch dim"]]:
        """The online embeddings, each (batch, dim), detached if there is a stop-gradient."""
        return [view.detach() for view in online] if self.stop_gradient else online


def build(*, stop_gradient: bool = True) -> Same:
    """``W_a = W`` (Tian 2021, Eqs. 2 and 3 without 4).

    Up to the first step this is the released code's "momentum 0": a copy made after each step gives the same
    embeddings as the online network, since BatchNorm uses the statistics of the minibatch in both.

    Args:
        stop_gradient: Whether the target embedding is constant to the gradient; False is Theorem 2's case.
    """
    return Same(stop_gradient)
