"""Crop, resize and flip in one step, as a product with one matrix per image and axis.

Bilinear and bicubic resizing of a box are linear and separable: ``out = R image C^T`` with a matrix R that mixes
rows and a matrix C that mixes columns. A horizontal flip reverses the rows of C. Two small batched matrix products
are faster than sampling on a grid, and exact where the output is smaller than the box, since a wider filter (the
antialiased one) is only another matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Num


def _places(
    start: Tensor, length: Tensor, reverse: Tensor | None, inside: int, outside: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Middles of the input pixels (inside,), where those of the output pixels fall (*S, outside), their distance S."""
    device, dtype = length.device, length.dtype
    step = length / outside
    first, signed = start, step
    if reverse is not None:
        backwards = reverse.to(dtype)
        first = start + backwards * length
        signed = step * (1 - 2 * backwards)
    targets = torch.arange(outside, device=device, dtype=dtype) + 0.5
    sources = torch.arange(inside, device=device, dtype=dtype) + 0.5
    return sources, torch.addcmul(first[..., None], signed[..., None], targets), step


def _normalised(weights: Tensor, sources: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Weights (*S, outside, inside) without those of pixels beyond the interval, divided by their sum; in place."""
    within = (sources > start[..., None]) & (sources < (start + length)[..., None])
    weights *= within.to(weights.dtype)[..., None, :]
    return weights.div_(weights.sum(-1, keepdim=True))


def triangle_weights(
    start: Float[Tensor, "*shape"],
    length: Float[Tensor, "*shape"],
    reverse: Bool[Tensor, "*shape"] | None,
    inside: int,
    outside: int,
) -> Float[Tensor, "*shape outside inside"]:
    """Matrices of a bilinear, antialiased resize of the interval [start, start + length) along one axis.

    Output pixel i lies at ``start + (i + 1/2) length / outside``; input pixel j weighs
    ``max(0, 1 - |distance| / max(1, length / outside))`` if it is in the interval, and weights are normalised
    to sum to one. With ``length <= outside`` this is plain bilinear interpolation with the border repeated.

    Args:
        start: First pixel of the interval, whole numbers as floats, any shape S.
        length: Number of pixels in the interval, shape S.
        reverse: Where true, the output is reversed (a flip), shape S; ``None`` for nowhere.
        inside: Pixels along this axis before.
        outside: Pixels along this axis after.

    Returns:
        Shape (*S, outside, inside).
    """
    sources, centres, step = _places(start, length, reverse, inside, outside)
    if inside <= outside:
        # No box is shrunk. With centres kept half a pixel inside it the weights sum to one by themselves.
        centres = torch.minimum(torch.maximum(centres, start[..., None] + 0.5), (start + length)[..., None] - 0.5)
        return (sources - centres[..., None]).abs_().neg_().add_(1).clamp_(min=0)
    weights = (sources - centres[..., None]).abs_().div_(-step.clamp(min=1)[..., None, None]).add_(1).clamp_(min=0)
    return _normalised(weights, sources, start, length)


def cubic_weights(
    start: Float[Tensor, "*shape"],
    length: Float[Tensor, "*shape"],
    reverse: Bool[Tensor, "*shape"] | None,
    inside: int,
    outside: int,
) -> Float[Tensor, "*shape outside inside"]:
    """Matrices of a bicubic, antialiased resize of the interval [start, start + length) along one axis.

    Like :func:`triangle_weights` with another filter: cubic convolution (Keys 1981) with the slope ``-1/2`` at
    distance one, which PIL has and torchvision with ``antialias=True``. Pixels beyond the interval don't exist:
    their weights go to the others.

    Args:
        start: First pixel of the interval, whole numbers as floats, any shape S.
        length: Number of pixels in the interval, shape S.
        reverse: Where true, the output is reversed (a flip), shape S; ``None`` for nowhere.
        inside: Pixels along this axis before.
        outside: Pixels along this axis after.

    Returns:
        Shape (*S, outside, inside); some weights are negative, rows sum to one.
    """
    sources, centres, step = _places(start, length, reverse, inside, outside)
    distance = (sources - centres[..., None]).abs_().div_(step.clamp(min=1)[..., None, None])
    # The filter's two pieces as one that vanishes from distance 2 on, and a correction that does from 1 on.
    outer = distance.neg_().add_(2).clamp_(min=0)
    shifted = outer - 1
    inner = shifted.clamp(min=0)
    weights = outer.square_().mul_(shifted).mul_(0.5).addcmul_(inner.square(), inner.mul(-2).add_(1))
    return _normalised(weights, sources, start, length)


WEIGHTS = {"bilinear": triangle_weights, "bicubic": cubic_weights}


def _mix(images: Tensor, rows: Tensor, columns: Tensor, cut: bool = False) -> Tensor:
    """Compute what :func:`separable` returns, not contiguous; with ``cut``, rows once mixed are cut to [0, 1]."""
    n, channels, height, width = images.shape
    views, _, h, _ = rows.shape
    w = columns.shape[2]
    # Rows outermost, so that all views and channels of an image share a product; the conversion pays for it.
    stacked = images.permute(0, 2, 1, 3).to(rows.dtype).reshape(n, height, channels * width)
    mixed = torch.bmm(rows.transpose(0, 1).reshape(n, views * h, height), stacked)
    if cut:
        mixed.clamp_(0, 1)
    mixed = torch.bmm(
        mixed.view(n * views, h * channels, width),
        columns.permute(1, 0, 3, 2).reshape(n * views, width, w),
    )
    return mixed.view(n, views, h, channels, w).permute(1, 0, 3, 2, 4)


def separable(
    images: Num[Tensor, "N C H W"], rows: Float[Tensor, "V N h H"], columns: Float[Tensor, "V N w W"]
) -> Float[Tensor, "V N C h w"]:
    """Mix rows and columns of each image, V times.

    Args:
        images: (N, C, H, W), floats, or uint8 (taken as floats 0 to 255).
        rows: (V, N, h, H).
        columns: (V, N, w, W).

    Returns:
        (V, N, C, h, w), contiguous, in the type of ``rows``: ``rows @ image @ columns^T`` for each channel.
    """
    return _mix(images, rows, columns).contiguous()


def crop_resize(
    images: Num[Tensor, "N C H W"],
    boxes: Float[Tensor, "V N 4"],
    flips: Bool[Tensor, "V N"] | None,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> Float[Tensor, "V N C h w"]:
    """Cut a box out of each image, resize it, flip it left to right where asked.

    Equals ``torchvision.transforms.v2.functional.resized_crop`` (with ``antialias=True``) followed by
    ``horizontal_flip``. PIL's resize is antialiased in the same way, so is the input of the released
    codes; antialiasing has an effect only where a box is shrunk. Bicubic interpolation overshoots beside edges; like
    PIL's and torchvision's on bytes, it is cut to the range of colours once along the width and then along the
    height. (torchvision's on floats is not cut; the two agree where nothing overshoots.)

    Args:
        images: (N, C, H, W), uint8 grey levels or floats in [0, 1].
        boxes: (V, N, 4) floats: top, left, height, width in whole pixels, inside the image.
        flips: (V, N) bool, or ``None``.
        size: (h, w) of the result.
        interpolation: ``bilinear`` or ``bicubic``.

    Returns:
        (V, N, C, h, w), floats in [0, 1], in the type of ``boxes``.
    """
    weights = WEIGHTS[interpolation]
    height, width = images.shape[-2:]
    if height == width and size[0] == size[1]:
        # One call for both axes: the tensors are small, so it is calls that cost.
        flipped = None if flips is None else torch.stack((torch.zeros_like(flips), flips))
        start, length = boxes[..., :2].movedim(-1, 0), boxes[..., 2:].movedim(-1, 0)
        rows, columns = weights(start, length, flipped, height, size[0]).unbind(0)
    else:
        top, left, box_height, box_width = boxes.unbind(-1)
        rows = weights(top, box_height, None, height, size[0])
        columns = weights(left, box_width, flips, width, size[1])
    first, second = (columns, rows) if interpolation == "bicubic" else (rows, columns)
    if not images.is_floating_point():
        first.div_(255)  # cheaper on the matrices than on the pixels
    if interpolation == "bicubic":
        return _mix(images.transpose(2, 3), first, second, cut=True).transpose(3, 4).contiguous().clamp_(0, 1)
    return separable(images, first, second)
