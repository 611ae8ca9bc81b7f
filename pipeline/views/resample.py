"""Crop, resize and flip in one step, as a product with one matrix per image and axis.

Bilinear resizing of a box is linear and separable: ``out = R image C^T`` with a matrix R that mixes rows and
a matrix C that mixes columns. A horizontal flip reverses the rows of C. Two small batched matrix products are
faster than sampling on a grid, and exact where the output is smaller than the box, since a wider triangle
(the antialiased filter) is only another matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor


def triangle_weights(start: Tensor, length: Tensor, reverse: Tensor | None, inside: int, outside: int) -> Tensor:
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
    device, dtype = length.device, length.dtype
    step = length / outside
    first, signed = start, step
    if reverse is not None:
        backwards = reverse.to(dtype)
        first = start + backwards * length
        signed = step * (1 - 2 * backwards)
    targets = torch.arange(outside, device=device, dtype=dtype) + 0.5
    sources = torch.arange(inside, device=device, dtype=dtype) + 0.5
    centres = torch.addcmul(first[..., None], signed[..., None], targets)
    width = step.clamp(min=1)
    if inside <= outside:
        # No box is shrunk. With centres kept half a pixel inside it the weights sum to one by themselves.
        centres = torch.minimum(torch.maximum(centres, start[..., None] + 0.5), (start + length)[..., None] - 0.5)
        return (sources - centres[..., None]).abs_().neg_().add_(1).clamp_(min=0)
    weights = (sources - centres[..., None]).abs_().div_(-width[..., None, None]).add_(1).clamp_(min=0)
    within = (sources > start[..., None]) & (sources < (start + length)[..., None])
    weights *= within.to(dtype)[..., None, :]
    return weights.div_(weights.sum(-1, keepdim=True))


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Mix rows and columns of each image, V times.

    Args:
        images: (N, C, H, W), floats, or uint8 (taken as floats 0 to 255).
        rows: (V, N, h, H).
        columns: (V, N, w, W).

    Returns:
        (V, N, C, h, w), contiguous, in the type of ``rows``: ``rows @ image @ columns^T`` for each channel.
    """
    n, channels, height, width = images.shape
    views, _, h, _ = rows.shape
    w = columns.shape[2]
    # Rows outermost, so that all views and channels of an image share a product; the conversion pays for it.
    stacked = images.permute(0, 2, 1, 3).to(rows.dtype).reshape(n, height, channels * width)
    mixed = torch.bmm(rows.transpose(0, 1).reshape(n, views * h, height), stacked)
    mixed = torch.bmm(
        mixed.view(n * views, h * channels, width),
        columns.permute(1, 0, 3, 2).reshape(n * views, width, w),
    )
    return mixed.view(n, views, h, channels, w).permute(1, 0, 3, 2, 4).contiguous()


def crop_resize(images: Tensor, boxes: Tensor, flips: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Cut a box out of each image, resize it, flip it left to right where asked.

    Equals ``torchvision.transforms.v2.functional.resized_crop`` (bilinear, ``antialias=True``) followed by
    ``horizontal_flip``. PIL's bilinear resize is antialiased in the same way, so is the input of the released
    codes; antialiasing has an effect only where a box is shrunk.

    Args:
        images: (N, C, H, W), uint8 grey levels or floats in [0, 1].
        boxes: (V, N, 4) floats: top, left, height, width in whole pixels, inside the image.
        flips: (V, N) bool, or ``None``.
        size: (h, w) of the result.

    Returns:
        (V, N, C, h, w), floats in [0, 1], in the type of ``boxes``.
    """
    height, width = images.shape[-2:]
    if height == width and size[0] == size[1]:
        # One call for both axes: the tensors are small, so it is calls that cost.
        flipped = None if flips is None else torch.stack((torch.zeros_like(flips), flips))
        start, length = boxes[..., :2].movedim(-1, 0), boxes[..., 2:].movedim(-1, 0)
        rows, columns = triangle_weights(start, length, flipped, height, size[0]).unbind(0)
    else:
        top, left, box_height, box_width = boxes.unbind(-1)
        rows = triangle_weights(top, box_height, None, height, size[0])
        columns = triangle_weights(left, box_width, flips, width, size[1])
    if not images.is_floating_point():
        rows.div_(255)  # cheaper on the matrices than on the pixels
    return separable(images, rows, columns)
