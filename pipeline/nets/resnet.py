"""What the residual networks share: a stem for the size of the images, and no classifier."""

from __future__ import annotations

from typing import Any, Literal, cast

from torch import nn

from pipeline.nets.per_view import separable

Stem = Literal["cifar", "cifar_padded", "tinyimagenet", "stock"]


def as_encoder(network: nn.Module, image_shape: tuple[int, int, int], stem: Stem) -> nn.Module:
    """A residual network of torchvision's, changed in place into an encoder.

    Args:
        network: One of ``torchvision.models.resnet*``.
        image_shape: (channels, height, width).
        stem: ``stock`` is torchvision's 7x7 convolution of stride 2 and max-pooling; ``cifar`` a 3x3
            convolution of stride 1 without pooling (for 32x32 images); ``cifar_padded`` the same with two pixels of
            padding, hence maps of 34x34 (released code of Halvagal 2023); ``tinyimagenet`` a 3x3 convolution of
            stride 1 with max-pooling (Halvagal 2023, Table 3, for 64x64 images). In all, BatchNorm and ReLU follow
            the convolution. A convolution that is put in anew starts as ``torch.nn.Conv2d`` does.

    Returns:
        ``network``, which maps (batch, channels, height, width) to (batch, features); with the attribute
        ``features``.
    """
    channels = image_shape[0]
    if stem != "stock":
        padding = 2 if stem == "cifar_padded" else 1
        network.conv1 = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=padding, bias=False)
        if stem != "tinyimagenet":
            network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    cast(Any, network).features = cast(nn.Linear, network.fc).in_features
    network.fc = nn.Identity()
    separable(network)
    return network
