"""Where a training runs, with how many threads, in which arithmetic and how repeatable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from pipeline.errors import UserError
from pipeline.numerics.arithmetic import PRECISIONS

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def prepare_device(spec: Mapping[str, Any], context: Mapping[str, Any]) -> torch.device:
    """Set up this process for one run.

    The number of threads is a param of the run and not of the machine, since sums over threads depend on it.

    Precisions on a GPU: ``fp32`` is float32 throughout; with ``tf32`` the operands of products and convolutions are
    rounded to 10 bits of mantissa; with ``bf16`` those of the forward pass and its gradient to 7, and what is left in
    float32 stays float32. A CPU has no TF32: there ``tf32`` is ``fp32``.

    A run on the CPU is bitwise repeatable as it is. On a GPU it is with ``deterministic``: only kernels that sum in a
    fixed order, chosen without timing them. (Between two models of GPU the bytes still differ.)

    Args:
        spec: Params of the run: ``threads``, ``precision`` and ``deterministic``.
        context: ``device``, if the user chose one; else CUDA where there is one.

    Raises:
        UserError: The precision or the device is not to be had.
    """
    precision = spec.get("precision", "fp32")
    if precision not in PRECISIONS:
        raise UserError(f"precision: expected {', '.join(PRECISIONS)}, found {precision!r}; choose one of them")
    torch.set_num_threads(int(spec.get("threads", 1)))
    chosen = context.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
    except RuntimeError:
        raise UserError(f"device: expected cpu, cuda or cuda:N, found {chosen!r}") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError("device: cuda was asked for and PyTorch finds none; use device=cpu")
        if device.index is not None:
            torch.cuda.set_device(device)
        os.environ.setdefault(WORKSPACE, ":4096:8")  # cuBLAS reads it once, whatever the first run asks for
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        _repeatable(bool(spec.get("deterministic", False)))
    return device


def _repeatable(deterministic: bool) -> None:
    """Switch PyTorch's CUDA kernels, both ways: one process may do several works."""
    torch.use_deterministic_algorithms(deterministic)
    # nothing here reads what it has not written; torch makes this module's attribute when it is imported
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
