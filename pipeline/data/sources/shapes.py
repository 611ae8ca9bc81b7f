"""Eight shapes, drawn from a seed: class = shape, everything else varies.

A class can be told from an image only by its geometry. Position, size, rotation, the two colours and a faint
grating are drawn independently of the class, and the contrast between figure and ground has either sign, so a
linear read-out of raw pixels stays near chance while a representation that is invariant to these factors does
not. All factors are stored beside the images.

Lengths are in half image widths: the image spans [-1, 1] x [-1, 1], y pointing down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from pipeline.data.splits import long_tailed
from pipeline.errors import UserError
from pipeline.ranges import Count, Fraction, Imbalance, Interval, PositiveFraction, Seed, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

RELATIONS = (("smallest", "<=", "largest"),)
DEFAULT_BEFORE = {"imbalance": 1.0}

Array = NDArray[np.float64]
FACTORS = (
    *("x", "y", "size", "rotation"),
    *("foreground_red", "foreground_green", "foreground_blue"),
    *("background_red", "background_green", "background_blue"),
    *("grating_amplitude", "grating_frequency", "grating_angle", "grating_phase"),
)
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, what a grey-scale augmentation keeps
_COLOUR_TRIES = 8


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 16,
    train: Count = 2000,
    test: Count = 1000,
    classes: Annotated[int, Interval(ge=2, le=8)] = 8,
    seed: Seed = 0,
    position: Fraction = 0.2,
    smallest: PositiveFraction = 0.6,
    largest: PositiveFraction = 0.85,
    rotation: Annotated[float, Interval(ge=0, le=180)] = 22.0,
    contrast: Fraction = 0.25,
    texture: Fraction = 0.06,
    noise: Fraction = 0.03,
    imbalance: Imbalance = 1.0,
) -> None:
    """Draw the images and write them with their factors.

    A smaller ``train`` or ``test`` is a prefix of a larger one, and another ``size`` shows the same scenes.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        size: Side of the image in pixels.
        train: Number of training images, before a long tail is cut.
        test: Number of test images.
        classes: How many of the shapes to use, from the first.
        seed: Seed of all factors and of the noise.
        position: Largest shift of the centre along each axis.
        smallest: Smallest radius of the figure.
        largest: Largest radius of the figure.
        rotation: Largest rotation either way, in degrees; below 45, or a square becomes a diamond.
        contrast: Least difference in luma between figure and ground (reached by 19 of 20 images).
        texture: Largest amplitude of the grating, in units of the full intensity range.
        noise: Standard deviation of the pixel noise, in the same units.
        imbalance: Ratio r of a long tail: of the n_0 training images of the largest class, class i (from 0) keeps its
            first n_0 / r^i; the images are those of the whole set.

    Raises:
        UserError: A param out of its range, or a class that would keep no image.
    """
    _check(size, train, test, classes, smallest, largest)
    counts = {"train": train, "test": test}
    labelled = {split: draw_labels(n, classes, (seed, split)) for split, n in counts.items()}
    kept = {"train": long_tailed(labelled["train"], imbalance), "test": np.arange(test)}
    declare(writer, list(SHAPES)[:classes], {split: len(rows) for split, rows in kept.items()}, size, FACTORS)
    for split, n in counts.items():
        labels = labelled[split]
        factors = draw_factors(
            n,
            (seed, split),
            position=position,
            smallest=smallest,
            largest=largest,
            rotation=rotation,
            contrast=contrast,
            texture=texture,
        )
        annotate(writer, split, labels, factors, kept[split])

        def draw(rows: slice, labels: NDArray[np.int64] = labels, factors: dict[str, NDArray] = factors) -> Array:
            return render(labels[rows], {name: values[rows] for name, values in factors.items()}, size)

        for images in develop(draw, n, size, noise, (seed, split), kept[split]):
            writer.append(f"{split}_images", images)


def declare(writer: Writer, classes: list[str], counts: Mapping[str, int], size: int, factors: Iterable[str]) -> None:
    """Declare the arrays of drawn scenes: per split images, labels and factors.

    Args:
        writer: Where the arrays go.
        classes: Names of the classes.
        counts: Split -> number of images.
        size: Side of the images in pixels.
        factors: Names of what was drawn of each scene.
    """
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    for split, n in counts.items():
        arrays[f"{split}_images"] = ("uint8", (n, 3, size, size))
        arrays[f"{split}_labels"] = ("int64", (n,))
        arrays.update({f"{split}_factors/{name}": ("float32", (n,)) for name in factors})
    writer.declare(classes, arrays)


def annotate(
    writer: Writer,
    split: str,
    labels: NDArray[np.int64],
    factors: Mapping[str, NDArray],
    kept: NDArray[np.int64],
) -> None:
    """Write labels and factors of those of a split's scenes that are kept."""
    writer.append(f"{split}_labels", labels[kept])
    for name, values in factors.items():
        writer.append(f"{split}_factors/{name}", values[kept])


def draw_labels(n: int, classes: int, stream: tuple[int, str]) -> NDArray[np.int64]:
    """Labels, int64 of shape (n,): every block of ``classes`` is a permutation, so any prefix is balanced."""
    blocks = -(-n // classes)
    keys = uniform(stream, "label", blocks * classes).reshape(blocks, classes)
    return np.argsort(keys, axis=1, kind="stable").reshape(-1)[:n]


def draw_factors(
    n: int,
    stream: tuple[int, str],
    *,
    position: float,
    smallest: float,
    largest: float,
    rotation: float,
    contrast: float,
    texture: float,
) -> dict[str, NDArray[np.float32]]:
    """Nuisance factors by name, float32 of shape (n,) each; the params are those of :func:`build`."""

    def between(name: str, low: float, high: float) -> Array:
        return low + (high - low) * uniform(stream, name, n)

    background = uniform(stream, "background", 3 * n).reshape(n, 3)
    candidates = uniform(stream, "foreground", 3 * n * _COLOUR_TRIES).reshape(n, _COLOUR_TRIES, 3)
    difference = np.abs(_luma(candidates) - _luma(background)[:, None])
    # The first candidate with enough contrast, or the best of a dull lot: a fixed number of draws per image.
    choice = np.where((difference >= contrast).any(1), (difference >= contrast).argmax(1), difference.argmax(1))
    foreground = candidates[np.arange(n), choice]
    factors = {
        "x": between("x", -position, position),
        "y": between("y", -position, position),
        "size": between("size", smallest, largest),
        "rotation": between("rotation", -rotation, rotation),
        "grating_amplitude": between("amplitude", 0.0, texture),
        "grating_frequency": between("frequency", 1.0, 3.0),
        "grating_angle": between("angle", 0.0, 180.0),
        "grating_phase": between("phase", 0.0, 360.0),
    }
    for i, channel in enumerate(("red", "green", "blue")):
        factors[f"foreground_{channel}"] = foreground[:, i]
        factors[f"background_{channel}"] = background[:, i]
    return {name: factors[name].astype(np.float32) for name in FACTORS}


def render(labels: NDArray[np.int64], factors: Mapping[str, NDArray], size: int) -> Array:
    """Images without noise, float64 in about [0, 1], shape (n, 3, size, size).

    Args:
        labels: Indices into :data:`SHAPES`, shape (n,).
        factors: The factors by name, shape (n,) each.
        size: Side in pixels.
    """
    return paint(cover(labels, factors, size), factors)


def paint(mask: Array, factors: Mapping[str, NDArray]) -> Array:
    """Figures in their colours on their grounds, and a grating over both, float64 of shape (n, 3, size, size).

    Args:
        mask: How much of each pixel the figure covers, in [0, 1], shape (n, size, size).
        factors: The factors by name, shape (n,) each; position, size and rotation are in the mask.
    """
    f = {name: np.asarray(values, dtype=np.float64)[:, None, None] for name, values in factors.items()}
    foreground = np.stack([f[f"foreground_{c}"] for c in ("red", "green", "blue")], axis=1)
    background = np.stack([f[f"background_{c}"] for c in ("red", "green", "blue")], axis=1)
    u, v = _grid(mask.shape[-1])
    angle, phase = np.deg2rad(f["grating_angle"]), np.deg2rad(f["grating_phase"])
    along = u * np.cos(angle) + v * np.sin(angle)
    grating = f["grating_amplitude"] * np.sin(np.pi * f["grating_frequency"] * along + phase)
    return background + (foreground - background) * mask[:, None] + grating[:, None]


def cover(labels: NDArray[np.int64], factors: Mapping[str, NDArray], size: int) -> Array:
    """How much of each pixel the figure covers, float64 in [0, 1], shape (n, size, size).

    Anti-aliased: the signed distance of the pixel's centre to the outline, over one pixel.
    """
    u, v = own_coordinates(factors, size)
    scale = np.asarray(factors["size"], dtype=np.float64)[:, None, None]
    mask = np.empty(u.shape)
    for label, distance in enumerate(SHAPES.values()):
        chosen = np.flatnonzero(labels == label)
        if chosen.size:
            pixels = distance(u[chosen], v[chosen]) * scale[chosen] * (size / 2)
            mask[chosen] = np.clip(0.5 - pixels, 0.0, 1.0)
    return mask


def own_coordinates(factors: Mapping[str, NDArray], size: int) -> tuple[Array, Array]:
    """Where each pixel's centre lies on the figure: 0 is its centre, 1 its radius; two of shape (n, size, size).

    Args:
        factors: ``x``, ``y``, ``size`` and ``rotation`` (degrees, clockwise on the screen), shape (n,) each.
        size: Side of the image in pixels.
    """
    f = {n: np.asarray(factors[n], dtype=np.float64)[:, None, None] for n in ("x", "y", "size", "rotation")}
    u, v = _grid(size)
    u, v = u - f["x"], v - f["y"]
    cos, sin = np.cos(np.deg2rad(f["rotation"])), np.sin(np.deg2rad(f["rotation"]))
    return (u * cos + v * sin) / f["size"], (v * cos - u * sin) / f["size"]


def uniform(stream: tuple[int, str], purpose: str, n: int) -> Array:
    """Numbers in [0, 1), float64 of shape (n,); a longer draw starts with a shorter one."""
    words: NDArray[np.uint64] = _bits(stream, purpose).random_raw(n) >> np.uint64(11)
    return words.astype(np.float64) * 2.0**-53


def _bits(stream: tuple[int, str], purpose: str) -> np.random.PCG64:
    # Raw words of a bit generator: NumPy promises that these never change; it does not for its distributions.
    digest = hashlib.sha256(f"shapes/{stream[0]}/{stream[1]}/{purpose}".encode()).digest()
    return np.random.PCG64(int.from_bytes(digest, "big"))


def develop(
    draw: Callable[[slice], Array],
    n: int,
    size: int,
    noise: float,
    stream: tuple[int, str],
    kept: NDArray[np.int64],
) -> Iterator[NDArray[np.uint8]]:
    """Images as they are stored, piece by piece, uint8 of shape (some, 3, size, size).

    All are drawn: noise comes from one stream, and so an image is the same whatever else is kept.

    Args:
        draw: Gives the images of some rows without noise, float64, shape (some, 3, size, size).
        n: Number of images.
        size: Side in pixels.
        noise: Standard deviation of the pixel noise, in units of the full intensity range.
        stream: Seed and name of the random numbers.
        kept: Which images come back, increasing indices of shape (some or all of n,).
    """
    bits = _bits(stream, "noise")
    step = max(1, 2**20 // size**2)
    for begin in range(0, n, step):
        end = min(begin + step, n)
        image = draw(slice(begin, end))
        if noise:
            image += noise * _gaussian(bits, image.size).reshape(image.shape)
        rows = kept[np.searchsorted(kept, begin) : np.searchsorted(kept, end)] - begin
        yield np.rint(np.clip(image[rows], 0.0, 1.0) * 255.0).astype(np.uint8)


def _gaussian(bits: np.random.PCG64, n: int) -> Array:
    """Sum of four uniforms of unit variance: close to normal, and exact in floating point everywhere."""
    words = bits.random_raw(n)
    mask, total = np.uint64(0xFFFF), np.zeros(n, dtype=np.uint64)
    for shift in (0, 16, 32, 48):
        total += (words >> np.uint64(shift)) & mask
    return (total * 2.0**-16 - 2.0) * 3.0**0.5


def _grid(size: int) -> tuple[Array, Array]:
    centre = (2.0 * np.arange(size) + 1.0) / size - 1.0
    return centre[None, None, :], centre[None, :, None]


def _luma(colour: Array) -> Array:
    # Written out: a matrix product may round differently from one BLAS to the next.
    return colour[..., 0] * _LUMA[0] + colour[..., 1] * _LUMA[1] + colour[..., 2] * _LUMA[2]


def _check(size: int, train: int, test: int, classes: int, smallest: float, largest: float) -> None:
    if not 2 <= classes <= len(SHAPES):
        raise UserError(f"source.classes: expected 2 to {len(SHAPES)}, found {classes}")
    if size < 8:
        raise UserError(f"source.size: expected 8 pixels or more, found {size}")
    if min(train, test) < classes:
        raise UserError(f"source.train, source.test: expected at least {classes} images each, one per class")
    if not 0 < smallest <= largest:
        raise UserError(f"source.smallest, source.largest: expected 0 < {smallest} <= {largest}")


# Signed distances of unit figures, negative inside; exact near the outline, a bound elsewhere, which is all
# that anti-aliasing needs. Unions are minima, intersections maxima. Figures fit into the unit circle, nearly,
# and no figure looks like another one under the default rotations.


def _box(u: Array, v: Array, x: float, y: float, width: float, height: float) -> Array:
    return np.maximum(np.abs(u - x) - width, np.abs(v - y) - height)


def _wedge(u: Array, v: Array, tip: float, base: float, half_width: float) -> Array:
    """Isosceles triangle with its tip at height ``tip`` and a base of twice ``half_width`` at ``base``."""
    rise = base - tip
    length = (rise**2 + half_width**2) ** 0.5
    down = np.sign(rise)
    sides = (np.abs(u) * abs(rise) - down * (v - tip) * half_width) / length
    return np.maximum(sides, down * (v - base))


def disk(u: Array, v: Array) -> Array:
    """Filled circle."""
    return np.sqrt(u**2 + v**2) - 0.9


def ring(u: Array, v: Array) -> Array:
    """Circle with a hole."""
    return np.abs(np.sqrt(u**2 + v**2) - 0.72) - 0.22


def square(u: Array, v: Array) -> Array:
    """Filled square."""
    return _box(u, v, 0.0, 0.0, 0.78, 0.78)


def triangle(u: Array, v: Array) -> Array:
    """Filled triangle, one tip up."""
    return _wedge(u, v, -0.95, 0.7, 0.95)


def cross(u: Array, v: Array) -> Array:
    """Upright plus sign."""
    return np.minimum(_box(u, v, 0.0, 0.0, 0.95, 0.27), _box(u, v, 0.0, 0.0, 0.27, 0.95))


def hourglass(u: Array, v: Array) -> Array:
    """Two triangles, tip to tip, one above the other."""
    return np.minimum(_wedge(u, v, 0.12, -0.9, 0.8), _wedge(u, v, -0.12, 0.9, 0.8))


def bars(u: Array, v: Array) -> Array:
    """Two horizontal bars."""
    return np.minimum(_box(u, v, 0.0, -0.56, 0.9, 0.27), _box(u, v, 0.0, 0.56, 0.9, 0.27))


def crescent(u: Array, v: Array) -> Array:
    """Moon that opens to the right."""
    return np.maximum(np.sqrt(u**2 + v**2) - 0.95, 0.72 - np.sqrt((u - 0.5) ** 2 + v**2))


SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    figure.__name__: figure for figure in (disk, ring, square, triangle, cross, hourglass, bars, crescent)
}
