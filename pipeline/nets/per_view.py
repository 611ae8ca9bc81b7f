"""Several views in one pass, as if each had a pass of its own.

A convolution of 256 images keeps a GPU busier than two of 128. What forbids to pass all views at once is BatchNorm,
whose statistics are those of one view. So it alone takes the views one after the other; all else in a network treats
images one by one, and does not know how many there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Embed = Callable[[nn.Module, nn.Module, Tensor], Tensor]
"""Encoder, projector and images (batch, channels, height, width) to embeddings (batch, dim)."""
EmbedViews = Callable[[nn.Module, nn.Module, list[Tensor]], list[Tensor]]
"""The same for all views."""


class _Normalize(torch.autograd.Function):
    """BatchNorm of several views at once: ``(x - mean_v) / sqrt(var_v + eps)`` in float32 or more.

    With its gradient written out, so that a fused kernel reads the batch once for all sums and once for the rest.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """(views, batch, channels, ...) to the same, with mean and variance, each (views, 1, channels, 1, ...)."""
        wide = _wide(x)
        variance, mean = torch.var_mean(wide, _over(x), correction=0, keepdim=True)
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(x, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        return (wide - mean) * scale, mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        """``(g - mean(g) - xhat mean(g xhat)) / sqrt(var + eps)``."""
        x, mean, scale = ctx.saved_tensors
        normalized = (_wide(x) - mean) * scale
        along = (gradient * normalized).mean(_over(x), keepdim=True)
        return ((gradient - gradient.mean(_over(x), keepdim=True) - normalized * along) * scale).to(x.dtype), None


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _over(x: Tensor) -> list[int]:
    """What a channel's statistics of one view are taken over."""
    return [1, *range(3, x.ndim)]


class _PerView(_BatchNorm):
    """A BatchNorm that may take several views at once.

    Attributes:
        views: How many there are in the batch, one behind the other.
    """

    views = 1

    def forward(self, batch: Tensor) -> Tensor:
        """Normalise each view by itself; running statistics see one after the other."""
        if self.views == 1 or not (self.training or self.running_mean is None):
            return super().forward(batch)
        if self.momentum is None:  # a plain mean of all batches so far
            normalized = []
            for view in batch.chunk(self.views):
                normalized.append(super().forward(view))
            return torch.cat(normalized)
        self._check_input_dim(batch)
        normalized, mean, variance = _Normalize.apply(batch.unflatten(0, (self.views, -1)), self.eps)
        if self.running_mean is not None:
            self._follow(mean.flatten(1), variance.flatten(1), batch.numel() // mean.numel())
        if self.affine:
            shape = [1, 1, -1, *[1] * (batch.ndim - 2)]
            normalized = normalized * self.weight.view(shape) + self.bias.view(shape)
        return normalized.flatten(0, 1).to(batch.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics: of the variance that without bias, as in PyTorch."""
        for of_view, spread in zip(mean, variance * (count / (count - 1)), strict=True):
            self.running_mean.lerp_(of_view.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(spread.to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked.add_(len(mean))


class PerViewBatchNorm1d(_PerView, nn.BatchNorm1d):
    """Of (batch, features)."""


class PerViewBatchNorm2d(_PerView, nn.BatchNorm2d):
    """Of (batch, channels, height, width)."""


_PER_VIEW = {nn.BatchNorm1d: PerViewBatchNorm1d, nn.BatchNorm2d: PerViewBatchNorm2d}


def separable(network: nn.Module) -> None:
    """Declare that nothing in ``network`` mixes images but its BatchNorms, so that views may pass together.

    Whoever writes an encoder or projector knows that, and nothing else can; without this call every view has a pass of
    its own. Changes the class of BatchNorms in place; parameters, buffers and their names stay.
    """
    for module in network.modules():
        if type(module) in _PER_VIEW:
            module.__class__ = _PER_VIEW[type(module)]
    network.separable_views = True


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
