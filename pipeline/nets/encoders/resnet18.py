"""ResNet-18 with the stem of the image size."""

from __future__ import annotations

from typing import Literal

from torch import nn


def build(image_shape: tuple[int, int, int], *, stem: Literal["cifar", "stock"] = "cifar") -> nn.Module:
    """torchvision's ResNet-18 with its own initialisation, without the classifier; 512 features.

    Args:
        image_shape: (channels, height, width).
        stem: ``stock`` is torchvision's 7x7 convolution of stride 2 and max-pooling (the released code's
            choice for STL-10); ``cifar`` a 3x3 convolution of stride 1 without pooling (for 32x32 images). In
            both, BatchNorm and ReLU follow the convolution.
    """
    from torchvision.models import resnet18  # takes as long to import as a small training

    network = resnet18(weights=None)
    channels = image_shape[0]
    if stem == "cifar":
        network.conv1 = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    network.features = network.fc.in_features
    network.fc = nn.Identity()
    return network
