"""Where a training runs, with how many threads and in which arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pipeline.errors import UserError


def prepare_device(spec: Mapping[str, Any], context: Mapping[str, Any]) -> torch.device:
    """Set up this process for one run.

    The number of threads is a leaf of the run and not of the machine, since sums over threads depend on it.

    Args:
        spec: Leaves of the run: ``threads`` and ``precision``.
        context: ``device``, if the user chose one; else CUDA where there is one.

    Raises:
        UserError: The precision or the device is not to be had.
    """
    precision = spec.get("precision", "fp32")
    if precision != "fp32":
        raise UserError(f"precision: expected fp32, found {precision!r}; other precisions are not built yet")
    torch.set_num_threads(int(spec.get("threads", 1)))
    chosen = context.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
    except RuntimeError:
        raise UserError(f"device: expected cpu, cuda or cuda:N, found {chosen!r}") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError("device: cuda was asked for and PyTorch finds none; use device=cpu")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return device
