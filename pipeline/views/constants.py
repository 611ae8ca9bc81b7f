"""Small constant tensors, made once per device."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=256)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def constant(values: tuple[float, ...], like: Tensor) -> Tensor:
    """The numbers as a tensor of the type and on the device of ``like``; shared, so never write to it.

    Copying numbers to a GPU at every step would wait for it, and can't be recorded in a CUDA graph.
    """
    return _constant(values, like.dtype, like.device)
