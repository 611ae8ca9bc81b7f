"""Real handwritten digits, moved, turned and coloured on a textured ground: class = digit, everything else varies.

The digits are those that ship inside scikit-learn (:mod:`pipeline.data.sources.digits`). In their own frame a
linear read-out of the pixels tells nearly all of them apart, which leaves nothing to learn. Here position, size,
rotation, both colours and a grating are drawn independently of the class, as for
:mod:`pipeline.data.sources.shapes`, and the contrast between digit and ground has either sign, so raw pixels do badly.
The factors are stored beside the images, and which digit it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources import digits, shapes
from pipeline.data.splits import long_tailed
from pipeline.errors import UserError
from pipeline.ranges import Count, Fraction, Imbalance, Interval, PositiveFraction, Seed, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

RELATIONS = (("smallest", "<=", "largest"),)
DEFAULT_BEFORE = {"imbalance": 1.0}

_TEST = 500  # of the 1,797 digits, as for the plain ones
_WHITE = 255

Array = NDArray[np.float64]


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 16,
    train: Count = 2000,
    test: Count = 1000,
    seed: Seed = 0,
    position: Fraction = 0.1,
    smallest: PositiveFraction = 0.9,
    largest: PositiveFraction = 1.0,
    rotation: Annotated[float, Interval(ge=0, le=180)] = 15.0,
    contrast: Fraction = 0.4,
    texture: Fraction = 0.06,
    noise: Fraction = 0.03,
    imbalance: Imbalance = 1.0,
) -> None:
    """Draw the images and write them with their factors.

    No digit is in both splits. A smaller ``train`` or ``test`` is a prefix of a larger one; where more images are asked
    for than there are digits (1,297 and 500), digits come again in other poses and colours.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        size: Side of the image in pixels.
        train: Number of training images, before a long tail is cut.
        test: Number of test images.
        seed: Seed of the order of the digits, of all factors and of the noise.
        position: Largest shift of the centre along each axis, in half image widths.
        smallest: Least half side of the digit's frame, in half image widths.
        largest: Largest half side of the frame.
        rotation: Largest rotation either way, in degrees; well below 90, or a six becomes a nine.
        contrast: Least difference in luma between digit and ground, where one of eight colours drawn has it; else the
            largest of the eight.
        texture: Largest amplitude of the grating, in units of the full intensity range.
        noise: Standard deviation of the pixel noise, in the same units.
        imbalance: Ratio r of a long tail: of the n_0 training images of the largest class, class i (from 0) keeps its
            first n_0 / r^i; the images are those of the whole set.

    Raises:
        UserError: A param out of its range, or a class that would keep no image.
    """
    _check(size, train, test, smallest, largest)
    originals, of_original = digits.load()
    order = digits.stratified(of_original, seed)
    members = {"train": order[_TEST:], "test": order[:_TEST]}
    counts = {"train": train, "test": test}
    labelled = {split: shapes.draw_labels(n, 10, (seed, f"digits/{split}")) for split, n in counts.items()}
    kept = {"train": long_tailed(labelled["train"], imbalance), "test": np.arange(test)}
    left = {split: len(rows) for split, rows in kept.items()}
    shapes.declare(writer, [str(digit) for digit in range(10)], left, size, (*shapes.FACTORS, "digit"))
    for split, n in counts.items():
        stream = (seed, f"digits/{split}")
        labels = labelled[split]
        chosen = _in_turns(labels, members[split], of_original)
        factors = shapes.draw_factors(
            n,
            stream,
            position=position,
            smallest=smallest,
            largest=largest,
            rotation=rotation,
            contrast=contrast,
            texture=texture,
        )
        shapes.annotate(writer, split, labels, factors | {"digit": chosen.astype(np.float32)}, kept[split])

        def draw(rows: slice, chosen: NDArray[np.int64] = chosen, factors: Mapping[str, NDArray] = factors) -> Array:
            part = {name: values[rows] for name, values in factors.items()}
            return shapes.paint(cover(originals[chosen[rows]], part, size), part)

        for images in shapes.develop(draw, n, size, noise, stream, kept[split]):
            writer.append(f"{split}_images", images)


def cover(originals: NDArray[np.uint8], factors: Mapping[str, NDArray], size: int) -> Array:
    """How much of each pixel the ink covers, float64 in [0, 1], shape (n, size, size): the digit, interpolated.

    Args:
        originals: Digits in their own frame, white on black, 0 to 255, shape (n, side, side).
        factors: ``x``, ``y``, ``size`` and ``rotation``, shape (n,) each.
        size: Side of the image in pixels.
    """
    side = originals.shape[-1]
    u, v = shapes.own_coordinates(factors, size)
    ink = np.pad(originals, ((0, 0), (1, 1), (1, 1))).astype(np.float64) / _WHITE  # nothing outside of the frame
    across, down = ((np.clip((at + 1.0) * side / 2 + 0.5, 0.0, side + 1.0)) for at in (u, v))
    left, top = (np.minimum(at.astype(np.int64), side) for at in (across, down))
    right, bottom = across - left, down - top  # shares of the neighbours there
    rows = np.arange(len(originals))[:, None, None]
    upper = ink[rows, top, left] * (1.0 - right) + ink[rows, top, left + 1] * right
    lower = ink[rows, top + 1, left] * (1.0 - right) + ink[rows, top + 1, left + 1] * right
    return upper * (1.0 - bottom) + lower * bottom


def _in_turns(
    labels: NDArray[np.int64], members: NDArray[np.int64], of_original: NDArray[np.int64]
) -> NDArray[np.int64]:
    """A digit for each label, int64 of shape (n,): those of a class take turns."""
    chosen = np.empty(len(labels), dtype=np.int64)
    for label in range(10):
        rows = np.flatnonzero(labels == label)
        own = members[of_original[members] == label]
        chosen[rows] = own[np.arange(len(rows)) % len(own)]
    return chosen


def _check(size: int, train: int, test: int, smallest: float, largest: float) -> None:
    if size < 8:
        raise UserError(f"source.size: expected 8 pixels or more, found {size}")
    if min(train, test) < 10:
        raise UserError("source.train, source.test: expected at least 10 images each, one per class")
    if not 0 < smallest <= largest:
        raise UserError(f"source.smallest, source.largest: expected 0 < {smallest} <= {largest}")
