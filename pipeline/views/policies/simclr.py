"""The SimCLR family of augmentations (Chen 2020, appendix A): crop, flip, colour jitter, grayscale, blur.

What the DirectPred paper (Tian 2021) trained with is a choice of leaves; its text prints none, and its
released code has these:

* CIFAR: the defaults here.
* STL-10: ``brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2, blur_probability: 1.0`` at 96 pixels
  (so the blur has a kernel of 9 pixels), and no normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.views import boxes
from pipeline.views.blur import gaussian_blur, kernel_side
from pipeline.views.colour import grey_and_normalise, jitter
from pipeline.views.constants import constant
from pipeline.views.normalize import Statistics, statistics
from pipeline.views.resample import crop_resize


@dataclass(frozen=True)
class Parameters:
    """What was drawn for a batch: V views of N images.

    Attributes:
        boxes: (V, N, 4) top, left, height, width in pixels.
        flips: (V, N) bool.
        factors: (V, N, 4) brightness, contrast, saturation (1: unchanged), hue in turns (0: unchanged).
        order: (V, N, 4) int64, the operation at each place.
        grey: (V, N) bool.
        sigma: (V, N) width of the blur in pixels, 0 where there is none.
    """

    boxes: Tensor
    flips: Tensor
    factors: Tensor
    order: Tensor
    grey: Tensor
    sigma: Tensor


@dataclass(frozen=True)
class Policy:
    """Augments batches; made by :func:`build`, whose arguments the attributes are."""

    image_size: tuple[int, int]
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    count: int
    scale: tuple[float, float]
    ratio: tuple[float, float]
    flip: float
    jitter_probability: float
    strengths: tuple[float, float, float, float]
    hue_space: str
    grayscale: float
    blur_probability: float
    blur_kernel: tuple[int, int]
    blur_sigma: tuple[float, float]

    @torch.no_grad()
    def sample(self, batch: int, generator: torch.Generator) -> Parameters:
        """Draw the parameters of all views of ``batch`` images, with one call of the generator."""
        uniforms = torch.rand(self.count, batch, boxes.UNIFORMS + 13, generator=generator, device=generator.device)
        for_box, tone, keys, (flip, apply, grey, blurred, width) = (
            uniforms[..., : boxes.UNIFORMS],
            uniforms[..., boxes.UNIFORMS : boxes.UNIFORMS + 4],
            uniforms[..., boxes.UNIFORMS + 4 : boxes.UNIFORMS + 8],
            uniforms[..., boxes.UNIFORMS + 8 :].unbind(-1),
        )
        spread = tuple(max_ - min_ for min_, max_ in self._tones())
        least = tuple(min_ for min_, _ in self._tones())
        factors = constant(least, tone) + constant(spread, tone) * tone
        unchanged = constant((1.0, 1.0, 1.0, 0.0), tone)
        jittered = (apply < self.jitter_probability)[..., None]
        low, high = self.blur_sigma
        return Parameters(
            boxes=boxes.random_boxes(for_box, self.image_size, self.scale, self.ratio),
            flips=flip < self.flip,
            factors=torch.where(jittered, factors, unchanged),
            order=keys.argsort(-1),
            grey=grey < self.grayscale,
            sigma=(low + (high - low) * width) * (blurred < self.blur_probability),
        )

    def _tones(self) -> list[tuple[float, float]]:
        """Range of each factor: ``1 +- strength``, not below zero; of the hue ``+- strength``."""
        *factors, hue = self.strengths
        return [(max(0.0, 1 - strength), 1 + strength) for strength in factors] + [(-hue, hue)]

    @torch.no_grad()
    def apply(self, images: Tensor, drawn: Parameters) -> list[Tensor]:
        """Make the views that ``drawn`` describes.

        Args:
            images: (N, C, H, W), uint8, or floats in [0, 1].
            drawn: From :meth:`sample`, or made by hand.

        Returns:
            V tensors (N, C, h, w).
        """
        channels = images.shape[1]
        views = crop_resize(images, drawn.boxes, drawn.flips if self.flip else None, self.size)
        flat = views.view(-1, channels, self.size[0] * self.size[1])
        if self.jitter_probability and any(self.strengths):
            factors, order = drawn.factors.flatten(0, 1), drawn.order.flatten(0, 1)
            flat = jitter(flat, factors, order, self.hue_space if self.strengths[3] else None)
        if self.blur_probability and max(self.blur_kernel) > 1:
            # Before the grayscale, with which it commutes, so that grayscale and normalisation are one map.
            pixels = flat.view(-1, channels, *self.size)
            flat = gaussian_blur(pixels, drawn.sigma.flatten(), self.blur_kernel).view_as(flat)
        grey = drawn.grey.flatten() if self.grayscale and channels > 1 else None
        if grey is not None or self.mean != (0.0,) * channels or self.std != (1.0,) * channels:
            flat = grey_and_normalise(flat, grey, constant(self.mean, flat), constant(self.std, flat))
        return list(flat.view(views.shape).unbind(0))

    def __call__(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """V views of a batch: (N, C, H, W) uint8 on the generator's device, to V times (N, C, h, w)."""
        return self.apply(images, self.sample(len(images), generator))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"views.{name}: expected a number from {low:g} to {high:g}, found {value!r}")


def build(
    image_shape: tuple[int, int, int],
    normalize: Statistics | None,
    *,
    count: int = 2,
    size: int | None = None,
    scale_min: float = 0.08,
    scale_max: float = 1.0,
    ratio_min: float = 0.75,
    ratio_max: float = 1.3333333333333333,
    flip: float = 0.5,
    jitter_probability: float = 0.8,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
    hue_space: Literal["hsv", "yiq"] = "hsv",
    grayscale: float = 0.2,
    blur_probability: float = 0.0,
    blur_kernel: float = 0.1,
    blur_sigma_min: float = 0.1,
    blur_sigma_max: float = 2.0,
) -> Policy:
    """Views by random resized crop, flip, colour jitter, grayscale, blur and normalisation, in this order.

    Every image of every view has its own parameters, the order of the four jitter operations included.
    Interpolation is bilinear and antialiased. Colours stay floats throughout; PIL images, on which the
    released codes work, are rounded to grey levels after each operation.

    Args:
        image_shape: (C, H, W) of the images.
        normalize: Channel statistics, or ``None`` for views in [0, 1].
        count: Number of views.
        size: Side of the views in pixels; ``None`` for that of the images.
        scale_min: Smallest share of the area that a crop keeps.
        scale_max: Largest share.
        ratio_min: Smallest width / height of a crop.
        ratio_max: Largest width / height.
        flip: Probability of a horizontal flip.
        jitter_probability: Probability of colour jitter.
        brightness: Factor from ``1 +- brightness``, not below zero.
        contrast: Likewise.
        saturation: Likewise.
        hue: Shift from ``+- hue`` turns of the colour circle; 0.5 is the full circle.
        hue_space: ``hsv``, as torchvision and PIL rotate hues; ``yiq`` keeps the luma of each pixel, which leaves
            shapes visible where the full circle is used.
        grayscale: Probability of grayscale.
        blur_probability: Probability of a Gaussian blur.
        blur_kernel: Side of its kernel as a share of the view's, made odd; one pixel is no blur.
        blur_sigma_min: Smallest width of the blur in pixels.
        blur_sigma_max: Largest width.

    Returns:
        The policy: ``policy(images, generator)`` gives ``count`` float32 tensors (N, C, h, w).

    Raises:
        UserError: A leaf out of its range, or colours asked of images without one or three channels.
    """
    channels, height, width = image_shape
    if count < 1:
        raise UserError(f"views.count: expected at least 1, found {count}; two views is the usual choice")
    if size is not None and size < 1:
        raise UserError(f"views.size: expected a side in pixels, or null for the images' own, found {size}")
    for name, value in (
        ("flip", flip),
        ("jitter_probability", jitter_probability),
        ("grayscale", grayscale),
        ("blur_probability", blur_probability),
        ("blur_kernel", blur_kernel),
    ):
        _within(name, value, 0, 1)
    _within("hue", hue, 0, 0.5)
    if hue_space not in ("hsv", "yiq"):
        raise UserError(f"views.hue_space: expected hsv or yiq, found {hue_space!r}")
    for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
        _within(name, value, 0, float("inf"))
    for name, low, high in (
        ("scale", scale_min, scale_max),
        ("ratio", ratio_min, ratio_max),
        ("blur_sigma", blur_sigma_min, blur_sigma_max),
    ):
        if not 0 < low <= high:
            expected = f"expected 0 < {name}_min <= {name}_max"
            raise UserError(f"views.{name}_min: {expected}, found {low} and {high}")
    _within("scale_max", scale_max, 0, 1)
    strengths = (brightness, contrast, saturation, hue)
    if channels not in (1, 3) and ((jitter_probability and any(strengths)) or grayscale):
        raise UserError(
            f"views.jitter_probability: colours need images of 1 or 3 channels, these have {channels}; "
            "set views.jitter_probability: 0 and views.grayscale: 0"
        )
    mean, std = statistics(normalize, channels)
    view = (size, size) if size is not None else (height, width)
    kernel = (kernel_side(blur_kernel, view[0]), kernel_side(blur_kernel, view[1]))
    return Policy(
        image_size=(height, width),
        size=view,
        mean=tuple(mean),
        std=tuple(std),
        count=count,
        scale=(scale_min, scale_max),
        ratio=(ratio_min, ratio_max),
        flip=flip,
        jitter_probability=jitter_probability,
        strengths=strengths,
        hue_space=hue_space,
        grayscale=grayscale,
        blur_probability=blur_probability,
        blur_kernel=kernel,
        blur_sigma=(blur_sigma_min, blur_sigma_max),
    )
