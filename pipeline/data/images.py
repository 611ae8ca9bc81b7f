"""From image files to rows of an array: decode, bring to one size, in order, on all cores."""

from __future__ import annotations

import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.shards import Shards
from pipeline.data.splits import balanced
from pipeline.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.data.writer import Writer

Opener = Callable[[], IO[bytes]]
_Result = TypeVar("_Result")
FITS = ("crop", "squash")
KEPT = ("pixels", "shards", "encoded")
"""How images are kept: as one array of pixels, as pixels in many files, as the files that they came in."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that a data set may declare, by Pillow's names: bitmaps, none of which calls another program (EPS does)."""

PIXELS = 89_478_485
"""Pixels of the largest image that is decoded: Pillow's own limit, a quarter of a gigabyte in RGB."""

_EIGHT_BITS = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"})
_SIXTEEN_BITS = ("PNG", "PPM")  # in these, numbers beyond 8 bits have the range of 16
_ROWS = 64  # images that are written at once


class _Kept(NamedTuple):
    """An image as it is put into a shard, and its height and width as it came."""

    content: bytes
    sides: tuple[int, int]


class ImageSet:
    """Labelled image files that are opened one at a time.

    Attributes:
        images: Paths, or functions that open a stream.
        labels: int64 of shape (N,).
    """

    def __init__(self, images: Sequence[Path | Opener], labels: Sequence[int] | NDArray[np.int64]) -> None:
        self.images = list(images)
        self.labels = np.asarray(labels, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.images)

    def first(self, limit: int | None) -> ImageSet:
        """The first images of every class, ``limit`` in all."""
        kept = balanced(self.labels, limit)
        return ImageSet([self.images[i] for i in kept], self.labels[kept])


def check_formats(formats: Sequence[str]) -> None:
    """Refuse what is no format, before any file is looked at.

    Raises:
        UserError: No format, or one that is not among :data:`FORMATS`.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        found = repr(unknown[0]) if unknown else "none"
        raise UserError(f"source.formats: expected some of {', '.join(FORMATS)}, found {found}")


def class_folders(folder: Path) -> list[str]:
    """Names of the class folders in a folder, sorted; those that start with a dot are none.

    Raises:
        UserError: There is no such folder, or no class in it.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: expected one folder of images per class ({error.strerror})") from None
    if not names:
        raise UserError(f"{folder}: expected one folder of images per class, found none")
    return names


def image_files(folder: Path, formats: Sequence[str]) -> list[Path]:
    """All images below a folder, sorted; names that start with a dot are none, nor are files of other kinds.

    Raises:
        UserError: An image whose name says that it is of a format that is not declared.
    """
    from PIL import Image

    known = Image.registered_extensions()
    found = []
    for root, folders, names in sorted(_walk(folder)):
        del folders
        for name in sorted(names):
            format_ = known.get(Path(name).suffix.lower())
            if name.startswith(".") or format_ is None:
                continue
            if format_ not in formats:
                more = f"add {format_} to source.formats, or remove it" if format_ in FORMATS else "remove it"
                raise UserError(
                    f"{Path(root) / name}: expected images of the declared formats {', '.join(formats)}; {more}"
                )
            found.append(Path(root) / name)
    return found


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield root, folders, names


def write(
    writer: Writer,
    classes: list[str],
    splits: dict[str, ImageSet],
    size: int,
    fit: str,
    formats: Sequence[str],
    limits: Mapping[str, int | None],
    keep: str = "pixels",
    draft: bool = False,
) -> None:
    """Declare and write images and labels of the splits.

    Args:
        writer: Where the arrays go.
        classes: Names of the classes.
        splits: ``train``, ``test``; all images that were found.
        size: Side of the stored images.
        fit: ``crop`` (shorter side to ``size``, centre kept) or ``squash`` (aspect ratio changed).
        formats: Formats that are opened, some of :data:`FORMATS`.
        limits: By split, how many images to keep (the first of every class), once it is clear that none is missing.
        keep: One of :data:`KEPT`. However they are kept, readers see the same images; see :func:`decode`.
        draft: Whether JPEGs are decoded at the smallest scale that suffices.

    Raises:
        UserError: A file that is not an image of these formats; an unknown ``fit``; fewer images than declared.
    """
    check_formats(formats)
    if fit not in FITS:
        raise UserError(f"source.fit: expected {' or '.join(FITS)}, found {fit!r}")
    if size < 1:
        raise UserError(f"source.size: expected a side in pixels, found {size}")
    if keep not in KEPT:
        raise UserError(f"source.keep: expected {', '.join(KEPT)}, found {keep!r}")
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    whole = {split: len(images) for split, images in splits.items()}
    splits = {split: images.first(limits.get(split)) for split, images in splits.items()}
    for split, images in splits.items():
        if keep == "pixels":
            arrays[f"{split}_images"] = ("uint8", (len(images), 3, size, size))
        else:
            arrays[f"{split}_spans"] = ("int64", (len(images), 3))
            arrays[f"{split}_sides"] = ("int64", (len(images), 2))
        arrays[f"{split}_labels"] = ("int64", (len(images),))
    how = {"kind": keep, "size": size, "fit": fit, "draft": draft, "formats": list(formats)}
    writer.declare(classes, arrays, whole, None if keep == "pixels" else how)
    from PIL.Image import DecompressionBombWarning

    def kept(opened: Path | IO[bytes], name: object) -> _Kept:
        return _kept(opened, name, lambda stream: decode(stream, name, size, fit, formats, draft), keep == "encoded")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DecompressionBombWarning)  # what is too large is refused by name
        for split, images in splits.items():
            writer.append(f"{split}_labels", images.labels)
            if keep == "pixels":
                for rows in _by_rows(_decoded(images.images, size, fit, formats, draft)):
                    writer.append(f"{split}_images", np.stack(rows))
                continue
            with Shards(writer.folder, split) as shards:
                for many in _by_rows(_in_order(images.images, kept)):
                    spans = [shards.append(one.content) for one in many]
                    writer.append(f"{split}_spans", np.array(spans, dtype=np.int64))
                    writer.append(f"{split}_sides", np.array([one.sides for one in many], dtype=np.int64))


def _by_rows(found: Iterator[_Result]) -> Iterator[list[_Result]]:
    """What is written at once."""
    while rows := list(itertools.islice(found, _ROWS)):
        yield rows


def _kept(
    opened: Path | IO[bytes], name: object, pixels: Callable[[IO[bytes]], NDArray[np.uint8]], encoded: bool
) -> _Kept:
    """An image for a shard: what cannot be decoded is refused now, and not by a training."""
    from PIL import Image

    content = opened.read_bytes() if isinstance(opened, Path) else opened.read()
    stream = BytesIO(content)
    stream.name = str(opened if isinstance(opened, Path) else getattr(opened, "name", name))
    found = pixels(stream)
    with Image.open(BytesIO(content)) as image:
        width, height = image.size
    return _Kept(content if encoded else found.tobytes(), (height, width))


def fitted(image: Image, size: int, fit: str, extent: tuple[float, float] | None = None) -> Image:
    """Bring an image to ``size`` x ``size`` (bicubic, anti-aliased); one of this size is untouched.

    Args:
        image: The image.
        size: Side of what comes back.
        fit: One of :data:`FITS`.
        extent: Width and height of what it shows in its own pixels, where its last ones are only partly filled.
    """
    from PIL.Image import Resampling

    width, height = extent or image.size
    if (width, height) == (size, size):
        return image
    if fit == "squash":
        return image.resize((size, size), Resampling.BICUBIC, box=(0, 0, width, height))
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), Resampling.BICUBIC, box=(left, top, left + side, top + side))


def eight_bits(image: Image) -> Image:
    """An image as RGB; numbers of 16 bits are scaled by their range (Pillow's own conversion cuts them off at 255).

    Raises:
        ValueError: Its numbers have no range that the file would tell.
    """
    if image.mode in _EIGHT_BITS:
        return image.convert("RGB")
    if image.format not in _SIXTEEN_BITS or not (image.mode == "I" or image.mode.startswith("I;16")):
        raise ValueError(
            f"its numbers are of Pillow's mode {image.mode}, whose range a {image.format} file does not tell: save it "
            "with 8 bits per channel, or as a PNG of 16 bits"
        )
    from PIL.Image import fromarray

    values = np.asarray(image).astype(np.int64)
    return fromarray(((values * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")


def _decoded(
    images: Sequence[Path | Opener], size: int, fit: str, formats: Sequence[str], draft: bool = False
) -> Iterator[NDArray[np.uint8]]:
    """Arrays of shape (3, size, size), in order."""
    return _in_order(images, lambda opened, name: decode(opened, name, size, fit, formats, draft))


def _in_order(
    images: Sequence[Path | Opener], work: Callable[[Path | IO[bytes], object], _Result]
) -> Iterator[_Result]:
    """Results of some work on images, in order; a few are worked on ahead, however many there are."""
    workers = min(16, os.cpu_count() or 1)
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes and resizes outside the interpreter's lock
        try:
            for image in images:
                opened = image if isinstance(image, Path) else image()  # streams of one archive: in this thread
                pending.append(pool.submit(work, opened, image))
                if len(pending) >= 4 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def decode(
    opened: Path | IO[bytes], name: object, size: int, fit: str, formats: Sequence[str], draft: bool = False
) -> NDArray[np.uint8]:
    """Decode an image and bring it to one size.

    Args:
        opened: Where it lies.
        name: What it is called where it is a stream without a name.
        size: Side of the image that comes back.
        fit: One of :data:`FITS`; see :func:`fitted`.
        formats: Formats that are opened, some of :data:`FORMATS`.
        draft: Whether a JPEG is decoded at a half, a quarter or an eighth where neither side falls below ``size``: its
            cosine transform is then that much smaller. The image differs a little from that of the whole decoding.

    Returns:
        uint8, (3, size, size), contiguous.

    Raises:
        UserError: It is no image of these formats, is damaged or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(opened, formats=list(formats)) as image:
            if image.width * image.height > PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, more than the {PIXELS:,} that are decoded")
            drafted = image.draft("RGB", (size, size)) if draft else None
            extent = drafted[1][2:] if drafted else None
            pixels = np.asarray(fitted(eight_bits(image), size, fit, extent))
    except MemoryError:
        raise
    except Exception as error:  # Pillow has no kind of its own for damaged files: SyntaxError, struct.error and others
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"it is none of the formats that source.formats declares: {', '.join(formats)}"
        where = opened if isinstance(opened, Path) else getattr(opened, "name", name)
        raise UserError(f"{where}: cannot be read as an image ({reason}); put a good copy in its place") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
