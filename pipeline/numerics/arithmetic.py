"""Number formats of a training step: where it may round to less than float32."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

PRECISIONS = ("fp32", "tf32", "bf16")
_HALF = (torch.float16, torch.bfloat16)


def forward_context(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Make what the network's forward pass runs in.

    With ``bf16``, products and convolutions take operands of bfloat16 (autocast). Weights, their gradients, the
    optimiser and BatchNorm's statistics stay float32. Nothing is scaled: bfloat16 has the range of float32.
    ``fp32`` and ``tf32`` need no context; see :func:`pipeline.numerics.device.prepare_device` for what they switch.

    Args:
        precision: One of ``PRECISIONS``.
        device: Where the network is.
    """
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def upcast(*lists: list[Tensor]) -> tuple[list[Tensor], ...]:
    """Lists of tensors with those of half precision in float32, for objectives and moments.

    A tensor that stands in several lists is converted once and stays the same tensor in all of them: objectives
    look whether a prediction *is* its target.
    """
    known = {id(one): one.float() if one.dtype in _HALF else one for tensors in lists for one in tensors}
    return tuple([known[id(one)] for one in tensors] for tensors in lists)
