"""Pairs of random crops, the data of the linear model and of the wide network (Simon 2023, Sections 4.4 and D.1)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.sources import shapes
from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64, UInt8

Array = NDArray[np.float64]

_FILES = ("china.jpg", "flower.jpg")
_WINDOW = (128, 427)
"""Side in pixels of the windows of a photograph that are made into images; 427 is the height of both."""


def photographs(count: int, size: int, seed: int) -> UInt8[np.ndarray, "count size size 3"]:
    """Random square windows of the two photographs that ship inside scikit-learn, (count, size, size, 3)."""
    package = importlib.util.find_spec("sklearn")  # importing it takes seconds
    folder = Path(package.origin or "").parent / "datasets/images" if package else Path()
    pictures = [Image.open(folder / name).convert("RGB") for name in _FILES]
    rng = np.random.default_rng([seed, 0])
    found = np.empty((count, size, size, 3), dtype=np.uint8)
    for place in range(count):
        picture = pictures[place % len(pictures)]
        side = int(rng.integers(_WINDOW[0], _WINDOW[1], endpoint=True))
        left, top = (int(rng.integers(0, length - side, endpoint=True)) for length in picture.size)
        box = (left, top, left + side, top + side)
        found[place] = np.asarray(picture.resize((size, size), Image.Resampling.BOX, box=box))
    return found


def drawn_shapes(count: int, size: int, seed: int) -> UInt8[np.ndarray, "count size size 3"]:
    """Images of the data set ``shapes``, (count, size, size, 3)."""
    writer = _Memory()
    shapes.build({}, writer, size=size, train=count, test=8, seed=seed)  # type: ignore[arg-type]
    return np.concatenate(writer.images).transpose(0, 2, 3, 1)


class _Memory:
    """Keeps the training images that a source writes."""

    def __init__(self) -> None:
        self.images: list[NDArray[np.uint8]] = []

    def declare(self, *_: object) -> None:
        """Nothing has to be known beforehand."""

    def append(self, name: str, values: NDArray) -> None:
        if name == "train_images":
            self.images.append(values)


SOURCES = {"photographs": photographs, "shapes": drawn_shapes}


def pairs(
    images: str, count: int, size: int, crop: int, seed: int
) -> tuple[Float64[Array, "n pixels"], Float64[Array, "n pixels"]]:
    """Two independent random crops of each image, standardised, as rows of numbers.

    The paper does not say how pixels are scaled. Zero mean and unit variance per channel put the ten steps on its
    axis of time; pixels between 0 and 1 would spread them over three decades, for their mean brightness dominates.

    Args:
        images: One of :data:`SOURCES`.
        count: How many images, n.
        size: Their side in pixels.
        crop: Side of the crops.
        seed: Of the images and of the crops.

    Returns:
        First and second views, (n, 3 crop^2) each.

    Raises:
        UserError: An unknown source, or a crop larger than the image.
    """
    if images not in SOURCES:
        raise UserError(f"images: expected one of {', '.join(SOURCES)}, found {images!r}")
    if not 1 <= crop <= size or count < 1:
        raise UserError(f"count, crop: expected 1 image or more and a crop of 1 to {size}, found {count} and {crop}")
    pixels = SOURCES[images](count, size, seed).astype(np.float64)
    corners = np.random.default_rng([seed, 1]).integers(0, size - crop, (2, count, 2), endpoint=True)
    views = np.stack(
        [
            [image[y : y + crop, x : x + crop] for image, (y, x) in zip(pixels, corner, strict=True)]
            for corner in corners
        ]
    )
    views = (views - views.mean(axis=(0, 1, 2, 3))) / views.std(axis=(0, 1, 2, 3))
    first, second = views.reshape(2, count, -1)
    return first, second
