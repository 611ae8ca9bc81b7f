"""Fused kernels: what a step does between its products, in a few passes over memory and not in one per operation.

BatchNorm, ReLU, their gradients and the arithmetic of the views do little with each number that they read; most of
their time is memory's. ``torch.compile`` writes kernels that do several of them at once. What it writes rounds a little
differently, and may be chosen by timing, so a run that is to be repeatable does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Fuse = Callable[[Callable[..., Any]], Callable[..., Any]]
MIN_STEPS_TO_COMPILE = 10_000
"""Steps to the last milestone that is asked for, from which on the half minute of compiling is regained: a step of
ResNet-18 takes some 5 ms. (Counted from the start, so that a run that was interrupted goes on as it began.)"""


def fuser(device: torch.device, deterministic: bool, steps: int) -> Fuse | None:
    """Choose what fuses the kernels of a function; None where that is impossible, refused or not worthwhile.

    Args:
        device: Where the run is.
        deterministic: Whether it is to be repeatable bitwise.
        steps: Its steps, from the start to the last milestone that is asked for.
    """
    if device.type != "cuda" or deterministic or steps < MIN_STEPS_TO_COMPILE:
        return None
    return compiled


def compiled(function: Callable[..., Any], backend: str = "inductor") -> Callable[..., Any]:
    """The same function with fused kernels, for arguments of one shape; of another shape it compiles anew.

    After as many shapes as PyTorch allows (eight) it raises an error: left alone it would do without, in silence.

    Args:
        function: What to compile.
        backend: What ``torch.compile`` ends in.
    """
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(function, dynamic=False, backend=backend)
