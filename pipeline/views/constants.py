"""Small constant tensors, made once per device."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=256)
def _made(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def made_once(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """What :func:`constant` returns; a function by itself because a compiler is told that its results are constants."""
    return _made(values, dtype, device)


def constant(values: tuple[float, ...], like: Tensor) -> Tensor:
    """The numbers as a tensor of the type and on the device of ``like``; shared, so never write to it.

    Copying numbers to a GPU at every step would wait for it, and can't be recorded in a CUDA graph.
    """
    return made_once(values, like.dtype, like.device)
