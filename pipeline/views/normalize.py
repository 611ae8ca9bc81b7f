"""From stored pixels to what a network sees: grey levels to [0, 1], then channel by channel to zero mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.views.constants import constant

if TYPE_CHECKING:
    from jaxtyping import Float, Num

Statistics = Mapping[str, Sequence[float]]


def statistics(normalize: Statistics | None, channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, in units of the full grey range.

    Args:
        normalize: ``{"mean": [...], "std": [...]}``, or ``None`` for no normalisation.
        channels: Number of channels of the images.

    Returns:
        ``(mean, std)``, ``channels`` numbers each; zeros and ones if ``normalize`` is ``None``.

    Raises:
        UserError: A list of the wrong length, or a standard deviation that isn't positive.
    """
    if normalize is None:
        return [0.0] * channels, [1.0] * channels
    found = {}
    for name in ("mean", "std"):
        values = normalize.get(name)
        if not isinstance(values, Sequence) or len(values) != channels:
            raise UserError(
                f"normalize.{name}: expected a list of {channels} numbers, one per channel of the images, "
                f"found {values!r}; correct it, or set normalize: null"
            )
        found[name] = [float(value) for value in values]
    if min(found["std"]) <= 0:
        raise UserError(f"normalize.std: expected positive numbers, found {found['std']}; correct it")
    return found["mean"], found["std"]


def to_unit(images: Num[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixels in [0, 1].

    Args:
        images: uint8 grey levels, or floats that are in [0, 1] already; any shape.

    Returns:
        float32 (uint8 images) or the images as they are (float images).
    """
    return images if images.is_floating_point() else images.to(torch.float32).div_(255)


def normalised(images: Num[Tensor, "N C H W"], normalize: Statistics | None) -> Float[Tensor, "N C H W"]:
    """Un-augmented network input.

    Args:
        images: (N, C, H, W), uint8 grey levels or floats in [0, 1].
        normalize: See :func:`statistics`.

    Returns:
        (N, C, H, W), floats: ``(pixel - mean) / std``.
    """
    unit = to_unit(images)
    if normalize is None:
        return unit
    mean, std = statistics(normalize, images.shape[1])
    shape = (1, images.shape[1], 1, 1)
    return (unit - constant(tuple(mean), unit).view(shape)) / constant(tuple(std), unit).view(shape)
