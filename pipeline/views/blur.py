"""Gaussian blur, each image with its own width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.views.resample import separable

if TYPE_CHECKING:
    from jaxtyping import Float


def kernel_side(share: float, side: int) -> int:
    """Pixels of a blur kernel: ``share`` of the image's side, made odd (0.1 of 96 pixels: 9)."""
    return int(share * side) | 1


def blur_weights(sigma: Float[Tensor, "*shape"], kernel: int, side: int) -> Float[Tensor, "*shape side side"]:
    """Matrices of a Gaussian blur along one axis; beyond the border the image is mirrored.

    Args:
        sigma: Standard deviation in pixels, shape S; 0 gives the identity.
        kernel: Odd number of pixels of the (truncated) kernel, at most ``2 side - 1``.
        side: Pixels along the axis.

    Returns:
        (*S, side, side), rows sum to one.
    """
    half = kernel // 2
    offsets = torch.arange(-half, half + 1, device=sigma.device)
    weights = (-0.5 * (offsets / sigma.clamp(min=1e-3)[..., None]) ** 2).exp()
    weights = weights / weights.sum(-1, keepdim=True)
    target = torch.arange(side, device=sigma.device)
    source = (target[:, None] + offsets).abs()
    source = (side - 1) - ((side - 1) - source).abs()
    taps = (source[..., None] == target).to(sigma.dtype)  # (target, offset, source)
    return (weights @ taps.transpose(0, 1).reshape(kernel, side * side)).view(*sigma.shape, side, side)


def gaussian_blur(
    images: Float[Tensor, "B C H W"], sigma: Float[Tensor, " B"], kernel: tuple[int, int]
) -> Float[Tensor, "B C H W"]:
    """Blur each image.

    Equals ``torchvision.transforms.v2.functional.gaussian_blur`` with the same kernel and sigma.

    Args:
        images: (B, C, H, W), floats.
        sigma: (B,) standard deviation in pixels; 0 leaves an image as it is.
        kernel: Odd sides (rows, columns) of the kernel.

    Returns:
        (B, C, H, W).
    """
    height, width = images.shape[-2:]
    rows = blur_weights(sigma, kernel[0], height)
    columns = rows if (height, kernel[0]) == (width, kernel[1]) else blur_weights(sigma, kernel[1], width)
    return separable(images, rows[None], columns[None])[0]
