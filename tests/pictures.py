"""What the tests of views share: images, boxes to cut out of them, and a generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.views.crop_boxes import UNIFORMS, random_boxes

SHAPES = pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((3, 16, 16), (16, 16)),
        ((3, 32, 32), (20, 20)),
        ((1, 17, 23), (17, 23)),
        ((4, 40, 24), (9, 31)),
        ((3, 8, 8), (24, 24)),
    ],
)
"""Shapes of images and sizes of what is cut out of them."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def boxes_and_flips(shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Of two views of twelve images; the first box is the whole image."""
    boxes = random_boxes(torch.rand(2, 12, UNIFORMS, generator=rng(1)), shape[1:], (0.08, 1), (0.5, 2)).double()
    boxes[0, 0] = torch.tensor([0.0, 0.0, *shape[1:]])
    return boxes, torch.rand(2, 12, generator=rng(2)) < 0.5
