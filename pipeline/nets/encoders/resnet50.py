"""ResNet-50 with the stem of the image size."""

from __future__ import annotations

from typing import Literal

from torch import nn

from pipeline.nets.resnet import as_encoder


def build(
    image_shape: tuple[int, int, int],
    *,
    stem: Literal["cifar", "cifar_padded", "tinyimagenet", "stock"] = "stock",
    zero_init_residual: bool = False,
) -> nn.Module:
    """torchvision's ResNet-50 with its own initialisation, without the classifier; 2048 features.

    Args:
        image_shape: (channels, height, width).
        stem: See :func:`pipeline.nets.resnet.as_encoder`.
        zero_init_residual: Whether the scale of every block's last BatchNorm starts at 0, so that each block
            starts as its shortcut (released code of Barlow Twins).
    """
    from torchvision.models import resnet50  # takes as long to import as a small training

    return as_encoder(resnet50(weights=None, zero_init_residual=zero_init_residual), image_shape, stem)
