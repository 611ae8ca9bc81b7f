"""Randomness by counter: every random draw is a function of the seed and of what the draw is for.

No generator outlives the step that uses it, so nothing has to be stored for a resume to be exact, and adding
a draw in one place does not shift the draws of another.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator

import torch


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 64-bit seed for one purpose, from the seed of the run.

    The first eight bytes of SHA-256 over the JSON list ``[seed, *purpose]``. PyTorch's generator on the CPU
    (mt19937) uses the lower 32 bits of it: among 10^5 steps a pair of them may share its draws, which
    nothing here depends on.

    Args:
        seed: Seed of the run.
        purpose: What the draws are for, e.g. ``"views", epoch, step``.
    """
    digest = hashlib.sha256(json.dumps([seed, *purpose]).encode()).digest()
    return int.from_bytes(digest[:8], "little")


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one purpose.

    Args:
        seed: Seed of the run.
        purpose: What the draws are for, e.g. ``"order", epoch``.
        device: Where the numbers are drawn. A CUDA generator gives other numbers than one on the CPU.
    """
    return torch.Generator(device=device).manual_seed(derived_seed(seed, *purpose))


@contextlib.contextmanager
def seeded(seed: int, *purpose: str | int) -> Iterator[None]:
    """Within the block, PyTorch's global generator on the CPU is that of one purpose; afterwards as before.

    For code that takes no generator: the initialisers inside the layers of ``torch.nn``.
    """
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(derived_seed(seed, *purpose))
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
