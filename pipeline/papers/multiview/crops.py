"""A finite augmentation graph of real images: an augmentation is a small crop anywhere, reduced to ink or none.

So coarse a view is shared by many images, which makes the graph connected, and p(a|x) is exact: all places are
counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources import digits, shapes
from pipeline.errors import UserError
from pipeline.papers.multiview.graph import Array

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, Int, Num

_SIDE = 8


class _Arrays:
    """Stands where a source expects the writer of a file: keeps the arrays."""

    def __init__(self) -> None:
        self.found: dict[str, list[NDArray[Any]]] = {}

    def declare(self, classes: list[str], arrays: dict[str, Any]) -> None:
        """Nothing to lay out."""

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Keep a piece."""
        self.found.setdefault(name, []).append(np.asarray(values))


def images(source: str, count: int, seed: int = 0) -> tuple[Bool[np.ndarray, "count 8 8"], Int[np.ndarray, " count"]]:
    """Ink of the first training images of a source, 8 x 8, and their labels.

    Args:
        source: ``digits`` or ``shapes``.
        count: How many images.
        seed: Of the source.

    Returns:
        Ink, shape (count, 8, 8), and labels, shape (count,).

    Raises:
        UserError: Another source.
    """
    arrays: Any = _Arrays()
    if source == "digits":
        digits.build({}, arrays, train=count, test=10, seed=seed)
    elif source == "shapes":
        shapes.build({}, arrays, size=2 * _SIDE, train=count, test=8, seed=seed)
    else:
        raise UserError(f"source: expected digits or shapes, found {source}")
    pictures = np.concatenate(arrays.found["train_images"]).astype(np.float64).mean(1)
    labels = np.concatenate(arrays.found["train_labels"])
    block = pictures.shape[-1] // _SIDE
    pictures = pictures.reshape(len(pictures), _SIDE, block, _SIDE, block).mean((2, 4))
    return ink(pictures), labels


def ink(pictures: Num[np.ndarray, "images side side"]) -> Bool[np.ndarray, "images side side"]:
    """Find what is not ground: the ground is the side of the middle grey on which most of the border lies.

    Args:
        pictures: Shape (images, side, side).
    """
    low, high = pictures.min((1, 2), keepdims=True), pictures.max((1, 2), keepdims=True)
    bright = pictures > (low + high) / 2
    border = np.ones(pictures.shape[1:], dtype=bool)
    border[1:-1, 1:-1] = False
    return bright ^ (bright[:, border].mean(1) > 0.5)[:, None, None]


def crop_law(found: Bool[np.ndarray, "images height width"], side: int) -> Float64[Array, "images crops"]:
    """p(a|x) of crops at all places with equal probability, shape (images, distinct crops).

    Raises:
        UserError: A crop larger than the image, or of too many pixels.
    """
    if not 1 <= side <= min(*found.shape[1:], 7):
        raise UserError(f"side: expected 1 to {min(*found.shape[1:], 7)} pixels, found {side}")
    views = np.lib.stride_tricks.sliding_window_view(found, (side, side), axis=(1, 2))
    codes = views.reshape(len(found), -1, side * side) @ (1 << np.arange(side * side, dtype=np.int64))
    kinds, index = np.unique(codes, return_inverse=True)
    law = np.zeros((len(found), len(kinds)))
    np.add.at(law, (np.arange(len(found))[:, None], index.reshape(codes.shape)), 1.0 / codes.shape[1])
    return law
