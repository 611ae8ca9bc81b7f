"""Directions drawn anew in every step, by counter: a function of the step's number, on the device and in a graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64

_GOLDEN, _FIRST, _SECOND = (value - 2**64 for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""Constants of SplitMix64 (Steele, Lea and Flood 2014) as int64, whose products wrap as those of uint64 do."""


def unit_directions(step: Int64[Tensor, ""], dim: int, count: int) -> Float64[Tensor, "dim count"]:
    """Draw directions evenly from the unit sphere.

    A generator would have to be seeded by the host, which a captured step does not come back to; so the numbers are
    SplitMix64's at the places ``step dim count, ...``, made normal by Box and Muller.

    Args:
        step: Number of the step, int64 scalar; others have other directions.
        dim: Of the space.
        count: How many.

    Returns:
        Columns of length 1.
    """
    place = step * (dim * count) + torch.arange(1, dim * count + 1, device=step.device)
    bits = place * _GOLDEN
    bits = (bits ^ _right(bits, 30)) * _FIRST
    bits = (bits ^ _right(bits, 27)) * _SECOND
    bits = bits ^ _right(bits, 31)
    radius, angle = ((_right(bits, at) & 0xFFFFFF).double() for at in (40, 16))  # 24 bits each
    normal = (-2 * ((radius + 0.5) / 2**24).log()).sqrt() * (2 * math.pi * angle / 2**24).cos()
    normal = normal.reshape(dim, count)
    return normal / normal.norm(dim=0)


def _right(bits: Tensor, by: int) -> Tensor:
    """Shift as if there was no sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
