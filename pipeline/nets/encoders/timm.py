"""A network of timm's, by its name, without its classifier."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.errors import UserError, nearest
from pipeline.nets.by_name import Named
from pipeline.ranges import Side

NEEDS = {"timm": "timm"}


def build(image_shape: tuple[int, int, int], *, name: str, resize: Side | None = None) -> nn.Module:
    """One of ``timm.list_models()``, with its own initialisation and pooling.

    Parameters have the names that they have in timm's files, so ``weights`` may be one of these. Dropout and stochastic
    depth are off. A network that is made for one size of images is made for the size that it gets.

    Args:
        image_shape: (channels, height, width).
        name: Which one, such as ``vit_tiny_patch16_224``. Nothing is downloaded: what comes after a dot says which
            weights were meant, and is left to ``weights``.
        resize: Side in pixels to which images are brought before they enter; null leaves them as they are.

    Raises:
        UserError: timm is not installed, has no such network, or it does not take images of this size.
    """
    try:
        import timm
    except ModuleNotFoundError:
        raise UserError("encoder.kind: timm is not installed here; type: make setup EXTRAS=timm") from None
    known = timm.list_models()
    architecture = name.partition(".")[0]
    if architecture not in known:
        raise UserError(f"encoder.name: timm {timm.__version__} has no network called {name!r}; {nearest(name, known)}")
    side = resize or image_shape[1]
    size = {"img_size": side} if timm.get_pretrained_cfg_value(architecture, "fixed_input_size") else {}
    try:
        network = timm.create_model(
            architecture, pretrained=False, num_classes=0, in_chans=image_shape[0], drop_rate=0.0, **size
        )
    except (AssertionError, ValueError, RuntimeError) as error:
        raise _too_small(name, side, error) from None
    found = Named(network, getattr(network, "head_hidden_size", None) or network.num_features, resize)
    try:
        with torch.no_grad():
            found.eval()(torch.zeros(1, *image_shape))
    except (AssertionError, ValueError, RuntimeError) as error:
        raise _too_small(name, side, error) from None
    return found.train()


def _too_small(name: str, side: int, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(
        f"encoder.resize: {name} can't be made for images of {side} pixels ({reason}); type for instance resize: 224"
    )
