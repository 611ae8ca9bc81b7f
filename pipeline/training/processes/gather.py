"""Embeddings of the whole minibatch in every process, with gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.nets.per_view import EmbedViews
from pipeline.training.processes.group import Group

if TYPE_CHECKING:
    from jaxtyping import Float


class _Gather(torch.autograd.Function):
    """Parts to the whole.

    Every process computes the one loss of the whole minibatch, so the gradient that reaches a process's own part is
    complete as it is, and nothing is sent backward.
    """

    @staticmethod
    def forward(context: Any, group: Group, *views: Tensor) -> tuple[Tensor, ...]:
        context.share = share = group.share
        most = max(share.sizes)
        own = torch.stack(views)
        padded = own.new_zeros(len(views), most, *own.shape[2:])
        padded[:, : own.shape[1]] = own
        parts = [part[:, :size] for part, size in zip(group.gather(padded), share.sizes, strict=True)]
        return torch.cat(parts, dim=1).unbind(0)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(gradient[context.share.own] for gradient in gradients)


def gathered(views: list[Float[Tensor, "part dim"]], group: Group) -> list[Float[Tensor, "batch dim"]]:
    """Embeddings of all images from those of this process's, in the order of the minibatch.

    Args:
        views: One tensor of shape (part, dim) per view, all of one shape.
        group: The processes; its share says which part this is.

    Returns:
        One tensor of shape (batch, dim) per view. What a loss of them does to the network has to be summed over
        processes (:meth:`pipeline.training.processes.group.Group.sum_gradients`).
    """
    return views if group.share.whole else list(_Gather.apply(group, *views))


def gathering(embed_views: EmbedViews, group: Group) -> EmbedViews:
    """Embed this process's views, and have the embeddings of all."""

    def embed_all(encoder: nn.Module, projector: nn.Module, views: list[Tensor]) -> list[Tensor]:
        return gathered(embed_views(encoder, projector, views), group)

    return embed_all
