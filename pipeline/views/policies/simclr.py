"""The SimCLR family of augmentations (Chen 2020, appendix A): crop, flip, colour jitter, grayscale, blur, solarisation.

The policies of all five papers are choices of params. Their texts print next to none; what follows is what the
released codes have, the defaults aside:

* DirectPred (Tian 2021), CIFAR: the defaults. STL-10: ``brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2,
  blur_probability: 1.0`` at 96 pixels (so the blur has a kernel of 9 pixels), and no normalisation.
* IsoLoss, text: the defaults, whose jitter is SimCLR's of strength 0.5; on STL-10 strength 1.0, ``brightness: 0.8,
  contrast: 0.8, saturation: 0.8, hue: 0.2``, and ``blur_probability: 0.5``.
* IsoLoss, released code: ``interpolation: bicubic, saturation: 0.2, solarize_probability: [0.0, 0.2]``, on STL-10 also
  ``blur_probability: [1.0, 0.1], blur_kernel: 0.14`` (13 pixels, enough for the widest blur; PIL's has no border).
  Stepwise SSL (the stock policy of Barlow Twins and VICReg): as there on STL-10.
* Embedding norms, CIFAR: ``scale_min: 0.2, jitter: independent, jitter_order: fixed``, no normalisation; on larger
  images with twice the four strengths.
* Multi-view, CIFAR: ``hue: 0.0, jitter_order: fixed`` and a ``count`` of 2, 4 or 8. STL-10: also ``size: 64,
  scale_min: 0.2, grayscale: 0.1``; with six views of low resolution ``count: [2, 6], size: [64, 32]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.ranges import Fraction, Interval, Len, NonNegative, PerView, Positive, PositiveFraction, Side, Views
from pipeline.views import crop_boxes
from pipeline.views.blur import gaussian_blur, kernel_side
from pipeline.views.colour import grey_and_normalise, jitter, jitter_in_order
from pipeline.views.constants import constant
from pipeline.views.normalize import Statistics, statistics
from pipeline.views.per_view import Mixed, each_view, together
from pipeline.views.resample import WEIGHTS, crop_resize
from pipeline.views.solarize import solarize

if TYPE_CHECKING:
    from jaxtyping import Float, Num

RELATIONS = (
    ("scale_min", "<=", "scale_max"),
    ("ratio_min", "<=", "ratio_max"),
    ("blur_sigma_min", "<=", "blur_sigma_max"),
)

DEFAULT_BEFORE = {
    "interpolation": "bilinear",
    "jitter": "together",
    "jitter_order": "random",
    "solarize_probability": 0.0,
    "solarize_threshold": 0.5,
}
CHUNK = 2**20
"""Numbers in the views that a CPU makes at a time. Beyond its allocator asks the system for fresh memory at every
operation, which costs more than the operation."""
PROBABILITIES = ("flip", "jitter_probability", "grayscale", "blur_probability", "solarize_probability")


@dataclass(frozen=True)
class Parameters:
    """What was drawn for a batch: V views of N images.

    Attributes:
        boxes: (V, N, 4) top, left, height, width in pixels.
        flips: (V, N) bool.
        factors: (V, N, 4) brightness, contrast, saturation (1: unchanged), hue in turns (0: unchanged).
        order: (V, N, 4) int64, the operation at each place; where the policy has a fixed order, that one.
        grey: (V, N) bool.
        sigma: (V, N) width of the blur in pixels, 0 where there is none.
        solarized: (V, N) bool.
    """

    boxes: Tensor
    flips: Tensor
    factors: Tensor
    order: Tensor
    grey: Tensor
    sigma: Tensor
    solarized: Tensor

    def split(self, images: int) -> list[Parameters]:
        """The same in parts of up to so many images."""
        parts = zip(*(value.split(images, 1) for value in vars(self).values()), strict=True)
        return [Parameters(*part) for part in parts]


@dataclass(frozen=True)
class Policy:
    """Augments batches; made by :func:`build`, whose arguments the attributes are.

    Its views may differ in their probabilities, of which there is one per view; they have all else in common.
    """

    image_size: tuple[int, int]
    size: tuple[int, int]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: tuple[float, float]
    ratio: tuple[float, float]
    flip: tuple[float, ...]
    jitter: str
    jitter_probability: tuple[float, ...]
    jitter_order: str
    strengths: tuple[float, float, float, float]
    hue_space: str
    grayscale: tuple[float, ...]
    blur_probability: tuple[float, ...]
    blur_kernel: tuple[int, int]
    blur_sigma: tuple[float, float]
    solarize_probability: tuple[float, ...]
    solarize_threshold: float

    @property
    def count(self) -> int:
        """Number of views."""
        return len(self.flip)

    @torch.no_grad()
    def sample(self, batch: int, generator: torch.Generator) -> Parameters:
        """Draw the parameters of all views of ``batch`` images, with one call of the generator."""
        # Columns of the later params stand last and only where they are used, so that without them a generator
        # gives what it has always given.
        independent, solarizes = self.jitter == "independent", any(self.solarize_probability)
        uniforms = torch.rand(
            self.count,
            batch,
            crop_boxes.UNIFORMS + 13 + 3 * independent + solarizes,
            generator=generator,
            device=generator.device,
        )
        for_box, tone, keys, (flip, apply, grey, blurred, width) = (
            uniforms[..., : crop_boxes.UNIFORMS],
            uniforms[..., crop_boxes.UNIFORMS : crop_boxes.UNIFORMS + 4],
            uniforms[..., crop_boxes.UNIFORMS + 4 : crop_boxes.UNIFORMS + 8],
            uniforms[..., crop_boxes.UNIFORMS + 8 : crop_boxes.UNIFORMS + 13].unbind(-1),
        )
        more = uniforms[..., crop_boxes.UNIFORMS + 13 :]
        apply = torch.cat((apply[..., None], more[..., :3]), -1) if independent else apply[..., None]

        def below(probabilities: tuple[float, ...]) -> Tensor:
            return constant(probabilities, uniforms)[:, None]

        spread = tuple(max_ - min_ for min_, max_ in self._tones())
        least = tuple(min_ for min_, _ in self._tones())
        factors = constant(least, tone) + constant(spread, tone) * tone
        unchanged = constant((1.0, 1.0, 1.0, 0.0), tone)
        jittered = apply < below(self.jitter_probability)[..., None]
        fixed = self.jitter_order == "fixed"
        low, high = self.blur_sigma
        return Parameters(
            boxes=crop_boxes.random_boxes(for_box, self.image_size, self.scale, self.ratio),
            flips=flip < below(self.flip),
            factors=torch.where(jittered, factors, unchanged),
            order=torch.arange(4, device=keys.device).expand(keys.shape) if fixed else keys.argsort(-1),
            grey=grey < below(self.grayscale),
            sigma=(low + (high - low) * width) * (blurred < below(self.blur_probability)),
            solarized=more[..., -1] < below(self.solarize_probability) if solarizes else torch.zeros_like(flip).bool(),
        )

    def _tones(self) -> list[tuple[float, float]]:
        """Range of each factor: ``1 +- strength``, not below zero; of the hue ``+- strength``."""
        *factors, hue = self.strengths
        return [(max(0.0, 1 - strength), 1 + strength) for strength in factors] + [(-hue, hue)]

    @torch.no_grad()
    def apply(self, images: Num[Tensor, "N C H W"], drawn: Parameters) -> list[Float[Tensor, "N C h w"]]:
        """Make the views that ``drawn`` describes.

        Args:
            images: (N, C, H, W), uint8, or floats in [0, 1].
            drawn: From :meth:`sample`, or made by hand.

        Returns:
            V tensors (N, C, h, w).
        """
        step = max(1, CHUNK // (self.count * images.shape[1] * self.size[0] * self.size[1]))
        if images.device.type != "cpu" or len(images) <= step:
            return list(self._views(images, drawn).unbind(0))
        parts = [self._views(*part) for part in zip(images.split(step), drawn.split(step), strict=True)]
        return [torch.cat(view) for view in zip(*parts, strict=True)]

    def _views(self, images: Tensor, drawn: Parameters) -> Tensor:
        """All views as one tensor (V, N, C, h, w)."""
        channels = images.shape[1]
        flips = drawn.flips if any(self.flip) else None
        views = crop_resize(images, drawn.boxes, flips, self.size, self.interpolation)
        flat = views.view(-1, channels, self.size[0] * self.size[1])
        if any(self.jitter_probability) and any(self.strengths):
            factors = drawn.factors.flatten(0, 1)
            hue = self.hue_space if self.strengths[3] else None
            if self.jitter_order == "fixed":
                flat = jitter_in_order(flat, factors, hue)
            else:
                flat = jitter(flat, factors, drawn.order.flatten(0, 1), hue)
        if any(self.blur_probability):
            # Before the grayscale, with which it commutes, so that grayscale and normalisation are one map.
            pixels = flat.view(-1, channels, *self.size)
            flat = gaussian_blur(pixels, drawn.sigma.flatten(), self.blur_kernel).view_as(flat)
        grey = drawn.grey.flatten() if any(self.grayscale) and channels > 1 else None
        if any(self.solarize_probability):
            # After the grayscale, with which it does not commute.
            if grey is not None:
                zeros, ones = constant((0.0,) * channels, flat), constant((1.0,) * channels, flat)
                flat, grey = grey_and_normalise(flat, grey, zeros, ones), None
            flat = solarize(flat, drawn.solarized.flatten(), self.solarize_threshold)
        if grey is not None or self.mean != (0.0,) * channels or self.std != (1.0,) * channels:
            flat = grey_and_normalise(flat, grey, constant(self.mean, flat), constant(self.std, flat))
        return flat.view(views.shape)

    def __call__(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """V views of a batch: (N, C, H, W) uint8 on the generator's device, to V times (N, C, h, w)."""
        return self.apply(images, self.sample(len(images), generator))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"views.{name}: expected a number from {low:g} to {high:g}, found {value!r}")


def _one_of(name: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise UserError(f"views.{name}: expected {' or '.join(words)}, found {value!r}")


def _check(params: dict[str, Any], channels: int) -> None:
    """Refuse params of a view that are out of their ranges."""
    size = params["size"]
    if size is not None and (not isinstance(size, int) or size < 1):
        raise UserError(f"views.size: expected a side in pixels, or null for the images' own, found {size}")
    for name, value in params.items():
        if value is None and name != "size":
            raise UserError(f"views.{name}: expected a number, found null")
    for name in (*PROBABILITIES, "blur_kernel", "solarize_threshold"):
        _within(name, params[name], 0, 1)
    _within("hue", params["hue"], 0, 0.5)
    _one_of("hue_space", params["hue_space"], ("hsv", "yiq"))
    _one_of("interpolation", params["interpolation"], tuple(WEIGHTS))
    _one_of("jitter", params["jitter"], ("together", "independent"))
    _one_of("jitter_order", params["jitter_order"], ("random", "fixed"))
    for name in ("brightness", "contrast", "saturation"):
        _within(name, params[name], 0, float("inf"))
    for name in ("scale", "ratio", "blur_sigma"):
        low, high = params[f"{name}_min"], params[f"{name}_max"]
        if not 0 < low <= high:
            expected = f"expected 0 < {name}_min <= {name}_max"
            raise UserError(f"views.{name}_min: {expected}, found {low} and {high}")
    _within("scale_max", params["scale_max"], 0, 1)
    strengths = any(params[name] for name in ("brightness", "contrast", "saturation", "hue"))
    if channels not in (1, 3) and ((params["jitter_probability"] and strengths) or params["grayscale"]):
        raise UserError(
            f"views.jitter_probability: colours need images of 1 or 3 channels, these have {channels}; "
            "set views.jitter_probability: 0 and views.grayscale: 0"
        )


def _idle(view: dict[str, Any], sides: tuple[int, int]) -> None:
    """Refuse an operation that is asked for and would change nothing: the run would have the name of another."""
    if view["blur_probability"]:
        side = min(sides)
        if kernel_side(view["blur_kernel"], side) == 1:
            least = math.ceil(200 / side) / 100
            more = f"set it to {least:g} or more, or " if least <= 1 else "set "
            raise UserError(
                f"views.blur_kernel: {view['blur_kernel']:g} of {side} pixels is a kernel of one pixel, which blurs "
                f"nothing; {more}views.blur_probability: 0"
            )
        # What a pixel gets of its neighbour; below half a grey level of 255 that is nothing.
        if math.exp(-0.5 / view["blur_sigma_max"] ** 2) < 1 / 510:
            raise UserError(
                f"views.blur_sigma_max: a blur of up to {view['blur_sigma_max']:g} pixels stays below half a grey "
                "level; set it to 0.3 or more, or views.blur_probability: 0"
            )
    strengths = ("brightness", "contrast", "saturation", "hue")
    if view["jitter_probability"] and not any(view[name] for name in strengths):
        raise UserError(
            f"views.jitter_probability: {view['jitter_probability']:g} with {', '.join(strengths)} at 0 changes "
            "nothing; set one of them, or views.jitter_probability: 0"
        )


def _policy(
    views: list[dict[str, Any]], image_size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Policy:
    """The policy of views that differ in their probabilities alone."""
    common = views[0]
    size = (common["size"], common["size"]) if common["size"] is not None else image_size

    def each(name: str) -> tuple[float, ...]:
        return tuple(float(view[name]) for view in views)

    return Policy(
        image_size=image_size,
        size=size,
        mean=mean,
        std=std,
        scale=(common["scale_min"], common["scale_max"]),
        ratio=(common["ratio_min"], common["ratio_max"]),
        strengths=(common["brightness"], common["contrast"], common["saturation"], common["hue"]),
        blur_kernel=(kernel_side(common["blur_kernel"], size[0]), kernel_side(common["blur_kernel"], size[1])),
        blur_sigma=(common["blur_sigma_min"], common["blur_sigma_max"]),
        flip=each("flip"),
        jitter_probability=each("jitter_probability"),
        grayscale=each("grayscale"),
        blur_probability=each("blur_probability"),
        solarize_probability=each("solarize_probability"),
        interpolation=common["interpolation"],
        jitter=common["jitter"],
        jitter_order=common["jitter_order"],
        hue_space=common["hue_space"],
        solarize_threshold=common["solarize_threshold"],
    )


def build(
    image_shape: tuple[int, int, int],
    normalize: Statistics | None,
    *,
    count: Views = 2,
    size: Side | Annotated[list[Side | None], Len(1, 64)] | None = None,
    interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    scale_min: PerView[PositiveFraction] = 0.08,
    scale_max: PerView[PositiveFraction] = 1.0,
    ratio_min: PerView[Positive] = 0.75,
    ratio_max: PerView[Positive] = 1.3333333333333333,
    flip: PerView[Fraction] = 0.5,
    jitter: Literal["together", "independent"] = "together",
    jitter_probability: PerView[Fraction] = 0.8,
    jitter_order: Literal["random", "fixed"] = "random",
    brightness: PerView[NonNegative] = 0.4,
    contrast: PerView[NonNegative] = 0.4,
    saturation: PerView[NonNegative] = 0.4,
    hue: PerView[Annotated[float, Interval(ge=0, le=0.5)]] = 0.1,
    hue_space: Literal["hsv", "yiq"] = "hsv",
    grayscale: PerView[Fraction] = 0.2,
    blur_probability: PerView[Fraction] = 0.0,
    blur_kernel: PerView[PositiveFraction] = 0.1,
    blur_sigma_min: PerView[Positive] = 0.1,
    blur_sigma_max: PerView[Positive] = 2.0,
    solarize_probability: PerView[Fraction] = 0.0,
    solarize_threshold: Fraction = 0.5,
) -> Policy | Mixed:
    """Views by random resized crop, flip, colour jitter, grayscale, blur, solarisation, normalisation, in this order.

    Every image of every view has its own parameters, the order of the four jitter operations included. Views may
    differ: a list in place of a number has one value per view, or per group of views where ``count`` is a list of
    their sizes (see :func:`pipeline.views.per_view.each_view`).

    Resizing is antialiased. Colours stay floats throughout; PIL images, on which the released codes work, are
    rounded to grey levels after each operation.

    Args:
        image_shape: (C, H, W) of the images.
        normalize: Channel statistics, or ``None`` for views in [0, 1].
        count: Number of views, or of those in each group.
        size: Side of the views in pixels; ``None`` for that of the images.
        interpolation: ``bilinear``, or ``bicubic``.
        scale_min: Smallest share of the area that a crop keeps.
        scale_max: Largest share.
        ratio_min: Smallest width / height of a crop.
        ratio_max: Largest width / height.
        flip: Probability of a horizontal flip.
        jitter: ``together``: all four operations on an image, or none; ``independent``: each with its own draw.
        jitter_probability: Probability of colour jitter, or of each of its operations.
        jitter_order: ``random``, or ``fixed``: brightness, contrast, saturation, hue.
        brightness: Factor from ``1 +- brightness``, not below zero.
        contrast: Likewise.
        saturation: Likewise.
        hue: Shift from ``+- hue`` turns of the colour circle; 0.5 is the full circle.
        hue_space: ``hsv``, as torchvision and PIL rotate hues; ``yiq`` keeps the luma of each pixel, which params
            shapes visible where the full circle is used.
        grayscale: Probability of grayscale.
        blur_probability: Probability of a Gaussian blur.
        blur_kernel: Side of its kernel as a share of the view's, made odd; one of one pixel is refused.
        blur_sigma_min: Smallest width of the blur in pixels.
        blur_sigma_max: Largest width.
        solarize_probability: Probability of solarisation.
        solarize_threshold: Channels from this share of the grey range on are inverted.

    Returns:
        The policy: ``policy(images, generator)`` gives one float32 tensor (N, C, h, w) per view.

    Raises:
        UserError: A param out of its range, lists that don't fit, colours asked of images without one or three
            channels, or an operation that would change nothing.
    """
    channels, *image_size = image_shape
    params = {
        "size": size,
        "interpolation": interpolation,
        "scale_min": scale_min,
        "scale_max": scale_max,
        "ratio_min": ratio_min,
        "ratio_max": ratio_max,
        "flip": flip,
        "jitter": jitter,
        "jitter_probability": jitter_probability,
        "jitter_order": jitter_order,
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
        "hue": hue,
        "hue_space": hue_space,
        "grayscale": grayscale,
        "blur_probability": blur_probability,
        "blur_kernel": blur_kernel,
        "blur_sigma_min": blur_sigma_min,
        "blur_sigma_max": blur_sigma_max,
        "solarize_probability": solarize_probability,
        "solarize_threshold": solarize_threshold,
    }
    views = each_view(params, count)
    for view in views:
        _check(view, channels)
        side = view["size"]
        _idle(view, (image_size[0], image_size[1]) if side is None else (side, side))
    mean, std = statistics(normalize, channels)
    policies = [
        _policy(alike, (image_size[0], image_size[1]), tuple(mean), tuple(std))
        for alike in together(views, frozenset(PROBABILITIES))
    ]
    return policies[0] if len(policies) == 1 else Mixed(tuple(policies))
