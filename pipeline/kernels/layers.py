"""Per-sample gradients of layers from what went in and what came back.

In evaluation mode samples do not touch each other. So the gradient of the sum of g over a batch with respect to a
layer's output holds the delta of every sample, and with the layer's input a it gives each sample's gradient:

    weight:  sum_t delta[t] (x) a[t]      over positions t; a[t] is the patch that a convolution sees there
    bias:    sum_t delta[t]
    scale:   sum_t delta[t] ahat[t]       of a BatchNorm with running statistics, ahat its normalised input
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from jaxtyping import Float

KNOWN = (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)


def knows(module: nn.Module) -> bool:
    """Say whether gradients of this layer follow from its input and its delta; all others take the general way."""
    if isinstance(module, nn.Conv2d):
        return module.groups == 1 and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    if isinstance(module, _BatchNorm):
        return isinstance(module, KNOWN) and module.running_mean is not None and module.running_var is not None
    return isinstance(module, nn.Linear)


def patches(module: nn.Module, a: Float[Tensor, "samples ..."]) -> Float[Tensor, "samples p T"]:
    """Cut out what each output position sees, (samples, p, T): p entries of a patch, T positions.

    Args:
        module: A linear layer or a convolution.
        a: Its input, (samples, ..., p) or (samples, channels, height, width).
    """
    if isinstance(module, nn.Conv2d):
        padding = cast(tuple[int, ...], module.padding)  # `knows` refuses those that are given as a word
        return functional.unfold(a, module.kernel_size, module.dilation, padding, module.stride)
    return a.reshape(len(a), -1, a.shape[-1]).transpose(1, 2)


def positions(module: nn.Module, delta: Float[Tensor, "samples ..."]) -> Float[Tensor, "samples o T"]:
    """delta with its T positions last, (samples, o, T)."""
    if isinstance(module, nn.Linear):
        return delta.reshape(len(delta), -1, delta.shape[-1]).transpose(1, 2)
    return delta.flatten(2) if delta.dim() > 2 else delta.unsqueeze(2)


def weight_gradient(
    a: Float[Tensor, "samples p T"], delta: Float[Tensor, "samples rows T"], out: Float[Tensor, "samples entries"]
) -> None:
    """Gradients of a weight, of some of its rows.

    Args:
        a: Patches, (samples, p, T).
        delta: Of these rows, (samples, rows, T).
        out: Where they go, (samples, p * rows); entries of a gradient may lie in any order, its kernel is the same.
    """
    shaped = out.view(len(a), a.shape[1], delta.shape[1])
    if out.dtype == a.dtype:
        torch.bmm(a, delta.transpose(1, 2), out=shaped)
        return
    # operands of lower precision: computed in full and rounded once, a few rows at a time
    step = rows_at_once(delta.shape[2])
    for first in range(0, delta.shape[1], step):
        rows = slice(first, first + step)
        shaped[:, :, rows] = torch.bmm(a, delta[:, rows].transpose(1, 2))


def rows_at_once(count: int) -> int:
    """Rows of a weight whose gradient is rounded at once, so that it takes no more memory than the patches."""
    return max(16, count)


def scale_gradient(
    module: nn.Module, a: Float[Tensor, "samples channels ..."], delta: Float[Tensor, "samples channels T"]
) -> Float[Tensor, "samples channels"]:
    """Gradients of a BatchNorm's scale, (samples, channels).

    The mean is taken off before the sum: where it is large, two sums would cancel.

    Args:
        module: The layer, with running statistics.
        a: Its input, (samples, channels) or (samples, channels, ...).
        delta: (samples, channels, T).
    """
    mean = module.get_buffer("running_mean").to(delta.dtype)[:, None]
    spread = torch.rsqrt(module.get_buffer("running_var").to(delta.dtype) + cast(float, module.eps))
    centred = a.reshape(len(a), a.shape[1], -1).to(delta.dtype) - mean
    return centred.mul_(delta).sum(2).mul_(spread)


def fan_in(module: nn.Module) -> int:
    """Entries p of one row of the weight."""
    return math.prod(module.get_parameter("weight").shape[1:])
