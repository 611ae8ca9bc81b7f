"""In which numbers gradients are held and multiplied."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from pipeline.errors import UserError


@dataclass(frozen=True)
class Precision:
    """Number formats of one kernel.

    Attributes:
        name: As in the call.
        gradient: Of per-sample gradients while they are computed.
        stored: Of the operands of the Gram product.
        tensor_cores: Whether a GPU may round operands of float32 products to TF32.
    """

    name: str
    gradient: torch.dtype
    stored: torch.dtype
    tensor_cores: bool


PRECISIONS = {
    one.name: one
    for one in (
        Precision("fp64", torch.float64, torch.float64, False),
        Precision("fp32", torch.float32, torch.float32, False),
        Precision("tf32", torch.float32, torch.float32, True),
        Precision("bf16", torch.float32, torch.bfloat16, True),
    )
}


def named(name: str) -> Precision:
    """The formats of a name.

    Raises:
        UserError: There is no such precision.
    """
    if name not in PRECISIONS:
        raise UserError(f"precision: expected one of {', '.join(PRECISIONS)}, found {name}; type one of them")
    return PRECISIONS[name]


@contextlib.contextmanager
def switches(precision: Precision) -> Iterator[None]:
    """Sets for its duration whether a GPU may use TF32; without an effect on other devices."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = precision.tensor_cores
        torch.backends.cudnn.allow_tf32 = precision.tensor_cores
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = cudnn
