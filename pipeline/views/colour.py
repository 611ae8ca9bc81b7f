"""Colour jitter and grayscale on batches, each image with its own factors and its own order of operations.

Brightness, contrast and saturation are affine maps of a pixel's channels (contrast once the mean of the
image is known), followed by clamping to [0, 1]: a round of jitter is one batched product with a C x C matrix.
A round whose matrix is the identity changes nothing, which lets each image have its own order while all go
through the same rounds, without reading a number back from the device.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.views.constants import constant

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Shaped

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, as torchvision and PIL round it
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))  # NTSC 1953
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def luma(channels: int, like: Shaped[Tensor, "..."]) -> Float[Tensor, " channels"]:
    """Weights that turn the channels of a pixel into its grey value, shape (channels,)."""
    return constant(LUMA if channels == 3 else (1.0,), like)


def rotate_hue(images: Float[Tensor, "B 3 P"], turns: Float[Tensor, " B"]) -> Float[Tensor, "B 3 P"]:
    """Rotate the hue, keeping the largest and the smallest channel of each pixel (HSV value and chroma).

    Equals ``torchvision.transforms.v2.functional.adjust_hue`` on float images.

    Args:
        images: (B, 3, P), floats in [0, 1]; P pixels.
        turns: (B,), shift in full turns of the colour circle.

    Returns:
        (B, 3, P).
    """
    red, green, blue = images.unbind(1)
    top = images.amax(1)
    bottom = images.amin(1)
    chroma = top - bottom
    # With channels r, g, b rescaled to [0, 1] the distance from red along the colour circle is 1 + g + b - r
    # sextants, in each of the three on either side; green against blue tells which side.
    distance = (green + blue).sub_(red).sub_(bottom).div_(chroma.clamp(min=1e-12)).add_(1)
    hue = distance.copysign_(green - blue).div_(6).add_(turns[:, None])  # turns
    # A channel is at the top within a sextant of its own colour and at the bottom beyond two.
    away = hue[:, None] - constant((0.0, 1 / 3, 2 / 3), images)[:, None]
    nearest = away.round()
    short = away.sub_(nearest).abs_().mul_(6).sub_(1).clamp_(0, 1)
    return torch.addcmul(top[:, None], short, chroma[:, None], value=-1, out=nearest)


def chroma_rotation(turns: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape 3 3"]:
    """Matrices that rotate the chrominance plane of YIQ and keep the luma Y.

    Where the HSV rotation turns yellow into a blue of an eighth of its luma, this one leaves what is lighter
    lighter, so shapes stay visible, and it is linear: ``K + cos(a) (1 - K) + sin(a) S`` with K the projection
    onto the luma and S the quarter turn.

    Args:
        turns: Shape S, in full turns.

    Returns:
        (*S, 3, 3).
    """
    keep, quarter = (constant(part, turns).view(3, 3) for part in (_KEEP, _QUARTER))
    angle = (2 * math.pi * turns)[..., None, None]
    identity = torch.eye(3, device=turns.device, dtype=turns.dtype)
    return keep + angle.cos() * (identity - keep) + angle.sin() * quarter


def _yiq_parts() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """K and S of :func:`chroma_rotation`, row by row."""
    yiq = torch.tensor(YIQ, dtype=torch.float64)
    back = torch.linalg.inv(yiq)
    luma_only = torch.diag(torch.tensor([1.0, 0, 0], dtype=torch.float64))
    turn = torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64)
    return tuple((back @ luma_only @ yiq).flatten().tolist()), tuple((back @ turn @ yiq).flatten().tolist())


_KEEP, _QUARTER = _yiq_parts()


def jitter(
    images: Float[Tensor, "B C P"], factors: Float[Tensor, "B 4"], order: Int[Tensor, "B 4"], hue: str | None = "hsv"
) -> Float[Tensor, "B C P"]:
    """Brightness, contrast, saturation and hue of each image, one after the other, clamped after each.

    Equals ``adjust_brightness``, ``adjust_contrast``, ``adjust_saturation`` and, with ``hue="hsv"``,
    ``adjust_hue`` of ``torchvision.transforms.v2.functional`` in the order given for that image. (torchvision's
    ``ColorJitter`` draws one order per call, thus one per image in a data loader; so it is here.)

    Args:
        images: (B, C, P), floats in [0, 1]; C is 1 (then only brightness and contrast do anything) or 3.
        factors: (B, 4): factors of brightness, contrast and saturation (1 changes nothing), hue in turns
            (0 changes nothing).
        order: (B, 4) int64: the operation (numbered as the columns of ``factors``) at each place.
        hue: ``hsv`` (:func:`rotate_hue`), ``yiq`` (:func:`chroma_rotation`), or ``None`` for none, whatever
            ``factors`` says.

    Returns:
        (B, C, P).
    """
    channels = images.shape[1]
    weights = luma(channels, images)
    hue = hue if channels == 3 else None
    operation = order.T  # (4, B)
    factor = factors.T.gather(0, operation)
    active = operation != HUE
    if hue == "hsv":
        # Rounds: places 0 to 2 as far as they come before the hue, the hue, places 1 to 3 as far as after it.
        hue_place = (order == HUE).to(torch.uint8).argmax(1)
        place = torch.arange(4, device=images.device)[:, None]
        active = torch.cat((place[:3] < hue_place, place[1:] > hue_place))
        operation = torch.cat((operation[:3], operation[1:]))
        factor = torch.cat((factor[:3], factor[1:]))
    remainder = (1 - factor) * active  # share of what an image is blended with
    identity = torch.eye(channels, device=images.device, dtype=images.dtype)
    towards_grey = remainder * (operation == SATURATION)
    towards_mean = remainder * (operation == CONTRAST)
    matrices = (1 - remainder)[..., None, None] * identity + towards_grey[..., None, None] * weights
    if hue == "yiq":
        turned = chroma_rotation(factors[:, HUE]) - identity
        matrices = matrices + (operation == HUE).to(images.dtype)[..., None, None] * turned
    # Two buffers in turn: fresh memory for every round would cost more than the product that fills it.
    buffers = torch.empty_like(images), torch.empty_like(images)
    for index, matrix in enumerate(matrices.unbind(0)):
        if hue == "hsv" and index == 3:
            images = rotate_hue(images, factors[:, HUE])
        mean = images.mean(-1) @ weights
        offset = (towards_mean[index] * mean)[:, None, None]
        images = torch.baddbmm(offset, matrix, images, out=buffers[index % 2]).clamp_(0, 1)
    return images


def jitter_in_order(
    images: Float[Tensor, "B C P"], factors: Float[Tensor, "B 4"], hue: str | None = "hsv"
) -> Float[Tensor, "B C P"]:
    """Brightness, contrast, saturation, hue of each image, always in this order, clamped after each.

    What :func:`jitter` does for ``order = (0, 1, 2, 3)``, with fewer rounds.

    Args:
        images: (B, C, P), floats in [0, 1]; C is 1 (then only brightness and contrast do anything) or 3.
        factors: (B, 4), as for :func:`jitter`.
        hue: As for :func:`jitter`.

    Returns:
        (B, C, P).
    """
    channels = images.shape[1]
    weights = luma(channels, images)
    brightness, contrast, saturation, turns = factors[:, :, None, None].unbind(1)
    images = (images * brightness).clamp_(0, 1)
    mean = (images.mean(-1) @ weights)[:, None, None]
    images = images.mul_(contrast).add_((1 - contrast) * mean).clamp_(0, 1)
    if channels != 3:
        return images
    identity = torch.eye(channels, device=images.device, dtype=images.dtype)
    images = torch.bmm(saturation * identity + (1 - saturation) * weights, images).clamp_(0, 1)
    if hue == "hsv":
        return rotate_hue(images, turns[:, 0, 0])
    if hue == "yiq":
        return torch.bmm(chroma_rotation(turns[:, 0, 0]), images).clamp_(0, 1)
    return images


def grey_and_normalise(
    images: Float[Tensor, "B C P"], grey: Bool[Tensor, " B"] | None, mean: Float[Tensor, " C"], std: Float[Tensor, " C"]
) -> Float[Tensor, "B C P"]:
    """Grayscale where asked, then ``(pixel - mean) / std``: one affine map of the channels.

    Args:
        images: (B, C, P), floats.
        grey: (B,) bool: images that become grey, all channels equal; ``None`` for none.
        mean: (C,).
        std: (C,).

    Returns:
        (B, C, P).
    """
    batch, channels, _ = images.shape
    matrix = torch.eye(channels, device=images.device, dtype=images.dtype)
    if grey is None:
        matrix = matrix.expand(batch, -1, -1)
    else:
        share = grey.to(images.dtype)[:, None, None]
        matrix = (1 - share) * matrix + share * luma(channels, images)
    return torch.baddbmm((-mean / std)[None, :, None], matrix / std[:, None], images)
