"""Small constant tensors, made once per device."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float


@functools.cache  # without end: a CUDA graph goes on reading where a constant was
def _made(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def constant(values: tuple[float, ...], like: Float[Tensor, "..."]) -> Float[Tensor, " values"]:
    """The numbers as a tensor of the type and on the device of ``like``; shared, so never write to it.

    Copying numbers to a GPU at every step would wait for it, and can't be recorded in a CUDA graph.
    """
    if torch.compiler.is_compiling():  # as parts of kernels; a compiler would copy what is made from a list
        return torch.stack([torch.full((), value, dtype=like.dtype, device=like.device) for value in values])
    return _made(values, like.dtype, like.device)
