"""What every target is: where the embeddings come from that the predictor has to match."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.nets.per_view import each

if TYPE_CHECKING:
    from jaxtyping import Float


def embed(encoder: nn.Module, projector: nn.Module, view: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch dim"]:
    """(batch, channels, height, width) to (batch, dim): a branch's pass over one view, nearly all work of a step."""
    return projector(encoder(view))


embed_each = each(embed)


class Branch(nn.Module):
    """An encoder with its projector.

    Attributes:
        encoder: (batch, channels, height, width) to (batch, features).
        projector: (batch, features) to (batch, dim).
    """

    def __init__(self, encoder: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector

    def forward(self, view: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch dim"]:
        """(batch, channels, height, width) to (batch, dim)."""
        return embed(self.encoder, self.projector, view)


class Target(ABC):
    """A strategy without state of its own: what it averages lives in its branch, in the network.

    It also decides whether gradients flow into the target embeddings; objectives stay pure.
    """

    @abstractmethod
    def branch(self, online: Branch, independent: Callable[[], Branch]) -> Branch | None:
        """The target's own branch, or None if it has none.

        Args:
            online: The online branch, initialised; not to be changed or kept.
            independent: Makes a branch with initial weights of its own.
        """

    @abstractmethod
    def embeddings(
        self,
        branch: Callable[[list[Float[Tensor, "batch ..."]]], list[Float[Tensor, "batch dim"]]] | None,
        views: list[Float[Tensor, "batch ..."]],
        online: list[Float[Tensor, "batch dim"]],
    ) -> list[Float[Tensor, "batch dim"]]:
        """Target embeddings of all views.

        Args:
            branch: Passes views through what :meth:`branch` returned.
            views: One tensor of shape (batch, channels, height, width) per view; where several processes train, those
                of this one's part of the minibatch.
            online: Online embeddings of all images of the minibatch, each (batch, dim).
        """

    def begin(self, epochs_done: float, device: torch.device) -> None:
        """Set what depends on the time, on the host and before a step.

        A step that is captured once reads it from tensors on the device, which are made here at the first call.

        Args:
            epochs_done: Of the training, with the fraction of the current one.
            device: Where the step is taken.
        """
        return None  # noqa: RET501 - as below

    def after_step(self, target: list[Tensor], online: list[Tensor]) -> None:
        """Follow the online network after an optimiser step.

        Args:
            target: Parameters of the target's branch; empty if it has none.
            online: Parameters of the online encoder and projector, in the same order.
        """
        return None  # noqa: RET501 - not abstract: most targets follow nothing
