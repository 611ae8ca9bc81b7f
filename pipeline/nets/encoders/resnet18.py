"""ResNet-18 with the stem of the image size."""

from __future__ import annotations

from typing import Literal

from torch import nn

from pipeline.nets.resnet import as_encoder


def build(
    image_shape: tuple[int, int, int], *, stem: Literal["cifar", "cifar_padded", "tinyimagenet", "stock"] = "cifar"
) -> nn.Module:
    """torchvision's ResNet-18 with its own initialisation, without the classifier; 512 features.

    Args:
        image_shape: (channels, height, width).
        stem: See :func:`pipeline.nets.resnet.as_encoder`; DirectPred's released code has ``stock`` for STL-10.
    """
    from torchvision.models import resnet18  # takes as long to import as a small training

    return as_encoder(resnet18(weights=None), image_shape, stem)
