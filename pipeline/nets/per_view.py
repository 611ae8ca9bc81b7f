"""Several views in one pass, as if each had a pass of its own.

A convolution of 256 images keeps a GPU busier than two of 128. What forbids to pass all views at once is BatchNorm,
whose statistics are those of one view. So it alone takes the views one after the other; all else in a network treats
images one by one, and does not know how many there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Embed = Callable[[nn.Module, nn.Module, Tensor], Tensor]
"""Encoder, projector and images (batch, channels, height, width) to embeddings (batch, dim)."""
EmbedViews = Callable[[nn.Module, nn.Module, list[Tensor]], list[Tensor]]
"""The same for all views."""


class _PerView(_BatchNorm):
    """A BatchNorm that may take several views at once.

    Attributes:
        views: How many there are in the batch, one behind the other.
    """

    views = 1

    def forward(self, batch: Tensor) -> Tensor:
        """Normalise each view by itself; running statistics see one after the other."""
        if self.views == 1:
            return super().forward(batch)
        # One normalisation with statistics of the shape (views, channels) would save passes over memory; the kernels
        # that torch.compile makes of it fail in PyTorch 2.11 ("512 v.s. 1024", where sums of two shapes are merged).
        normalized = []
        for view in batch.chunk(self.views):
            normalized.append(super().forward(view))
        return torch.cat(normalized)


class PerViewBatchNorm1d(_PerView, nn.BatchNorm1d):
    """Of (batch, features)."""


class PerViewBatchNorm2d(_PerView, nn.BatchNorm2d):
    """Of (batch, channels, height, width)."""


_PER_VIEW: dict[type[nn.Module], type[_PerView]] = {
    nn.BatchNorm1d: PerViewBatchNorm1d,
    nn.BatchNorm2d: PerViewBatchNorm2d,
}


def separable(network: nn.Module) -> None:
    """Declare that nothing in ``network`` mixes images but its BatchNorms, so that views may pass together.

    Whoever writes an encoder or projector knows that, and nothing else can; without this call every view has a pass of
    its own. Changes the class of BatchNorms in place; parameters, buffers and their names stay.
    """
    for module in network.modules():
        if type(module) in _PER_VIEW:
            module.__class__ = _PER_VIEW[type(module)]
    cast(Any, network).separable_views = True


def each(embed: Embed) -> EmbedViews:
    """Give every view a pass of its own."""

    def embed_views(encoder: nn.Module, projector: nn.Module, views: list[Tensor]) -> list[Tensor]:
        return [embed(encoder, projector, view) for view in views]

    return embed_views


def together(embed: Embed) -> EmbedViews:
    """Give all views one pass, where encoder and projector are :func:`separable` and the views of one size."""
    one_by_one = each(embed)

    def embed_views(encoder: nn.Module, projector: nn.Module, views: list[Tensor]) -> list[Tensor]:
        declared = all(getattr(part, "separable_views", False) for part in (encoder, projector))
        if not declared or len(views) == 1 or len({view.shape for view in views}) > 1:
            return one_by_one(encoder, projector, views)
        with _views(len(views), encoder, projector):
            embeddings = embed(encoder, projector, torch.cat(views))
        return list(embeddings.chunk(len(views)))

    return embed_views


@contextlib.contextmanager
def _views(count: int, *parts: nn.Module) -> Iterator[None]:
    """Within the block the BatchNorms of ``parts`` expect so many views in a batch."""
    norms = [module for part in parts for module in part.modules() if isinstance(module, _PerView)]
    for norm in norms:
        norm.views = count
    try:
        yield
    finally:
        for norm in norms:
            norm.views = 1
