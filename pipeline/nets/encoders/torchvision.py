"""A network of torchvision's, by its name, without its classifier."""

from __future__ import annotations

from typing import Any, Literal, cast

from torch import nn

from pipeline.errors import UserError
from pipeline.nets.by_name import Named
from pipeline.nets.per_view import separable
from pipeline.nets.resnet import as_encoder
from pipeline.ranges import Side


def build(
    image_shape: tuple[int, int, int],
    *,
    name: Literal[
        "alexnet",
        "convnext_base",
        "convnext_large",
        "convnext_small",
        "convnext_tiny",
        "densenet121",
        "densenet161",
        "densenet169",
        "densenet201",
        "efficientnet_b0",
        "efficientnet_b1",
        "efficientnet_b2",
        "efficientnet_b3",
        "efficientnet_b4",
        "efficientnet_b5",
        "efficientnet_b6",
        "efficientnet_b7",
        "efficientnet_v2_l",
        "efficientnet_v2_m",
        "efficientnet_v2_s",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
        "regnet_x_16gf",
        "regnet_x_1_6gf",
        "regnet_x_32gf",
        "regnet_x_3_2gf",
        "regnet_x_400mf",
        "regnet_x_800mf",
        "regnet_x_8gf",
        "regnet_y_128gf",
        "regnet_y_16gf",
        "regnet_y_1_6gf",
        "regnet_y_32gf",
        "regnet_y_3_2gf",
        "regnet_y_400mf",
        "regnet_y_800mf",
        "regnet_y_8gf",
        "resnet101",
        "resnet152",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnext101_32x8d",
        "resnext101_64x4d",
        "resnext50_32x4d",
        "shufflenet_v2_x0_5",
        "shufflenet_v2_x1_0",
        "shufflenet_v2_x1_5",
        "shufflenet_v2_x2_0",
        "swin_b",
        "swin_s",
        "swin_t",
        "swin_v2_b",
        "swin_v2_s",
        "swin_v2_t",
        "vgg11",
        "vgg11_bn",
        "vgg13",
        "vgg13_bn",
        "vgg16",
        "vgg16_bn",
        "vgg19",
        "vgg19_bn",
        "vit_b_16",
        "vit_b_32",
        "vit_h_14",
        "vit_l_16",
        "vit_l_32",
        "wide_resnet101_2",
        "wide_resnet50_2",
    ] = "resnet18",
    stem: Literal["stock", "cifar", "cifar_padded", "tinyimagenet"] = "stock",
    resize: Side | None = None,
) -> nn.Module:
    """One of ``torchvision.models``, with its own initialisation; its features are what the last linear layer gets.

    Not all are here: some have no such layer, some several outputs, and some can't be read from a state dict alone.

    Parameters have the names that they have in torchvision's files, so ``weights`` may be one of these. Dropout and
    stochastic depth are switched off.

    Args:
        image_shape: (channels, height, width).
        name: Which one.
        stem: Of residual networks, see :func:`pipeline.nets.resnet.as_encoder`; all others have their own.
        resize: Side in pixels to which images are brought before they enter; null leaves them as they are.

    Raises:
        UserError: A stem where there is none to choose, or images that the network does not take.
    """
    from torchvision import models  # takes as long to import as a small training

    side = resize or image_shape[1]
    more = {"image_size": side} if name.startswith("vit_") else {}
    if more and side % (patch := int(name.rpartition("_")[2])):
        raise UserError(
            f"encoder.resize: expected a multiple of {patch}, the side of the patches of {name}, found {side}; "
            f"type for instance resize: 224"
        )
    network = models.get_model(name, weights=None, **more)
    if isinstance(network, models.ResNet):
        encoder = as_encoder(network, image_shape, stem)
        return _separable(Named(encoder, cast(Any, encoder).features, resize))
    if stem != "stock":
        raise UserError(f"encoder.stem: {name} is no residual network and has no other stem; remove stem")
    if image_shape[0] != 3:
        raise UserError(f"encoder.name: {name} takes images of 3 channels, and these have {image_shape[0]}")
    place, last = next(
        (place, layer) for place, layer in reversed(list(network.named_modules())) if isinstance(layer, nn.Linear)
    )
    network.set_submodule(place, nn.Identity())
    return _separable(Named(network, last.in_features, resize))


def _separable(encoder: Named) -> Named:
    separable(encoder)
    return encoder
