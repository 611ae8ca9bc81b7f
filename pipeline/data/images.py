"""From image files to rows of an array: decode, bring to one size, in order, on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.splits import balanced
from pipeline.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.data.writer import Writer

Opener = Callable[[], IO[bytes]]
FITS = ("crop", "squash")
_ROWS = 64  # images that are written at once


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


def write(writer: Writer, classes: list[str], splits: dict[str, ImageSet], size: int, fit: str) -> None:
    """Declare and write images and labels of the splits.

    Args:
        writer: Where the arrays go.
        classes: Names of the classes.
        splits: ``train``, ``test``.
        size: Side of the stored images.
        fit: ``crop`` (shorter side to ``size``, centre kept) or ``squash`` (aspect ratio changed).

    Raises:
        UserError: A file that is not an image; an unknown ``fit``.
    """
    if fit not in FITS:
        raise UserError(f"source.fit: expected {' or '.join(FITS)}, found {fit!r}")
    if size < 1:
        raise UserError(f"source.size: expected a side in pixels, found {size}")
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    for split, images in splits.items():
        arrays[f"{split}_images"] = ("uint8", (len(images), 3, size, size))
        arrays[f"{split}_labels"] = ("int64", (len(images),))
    writer.declare(classes, arrays)
    for split, images in splits.items():
        writer.append(f"{split}_labels", images.labels)
        rows: list[NDArray[np.uint8]] = []
        for row in _decoded(images.images, size, fit):
            rows.append(row)
            if len(rows) == _ROWS:
                writer.append(f"{split}_images", np.stack(rows))
                rows.clear()
        if rows:
            writer.append(f"{split}_images", np.stack(rows))


def fitted(image: Image, size: int, fit: str) -> Image:
    """Bring an image to ``size`` x ``size`` (bicubic, anti-aliased); one of this size is untouched."""
    from PIL.Image import Resampling

    if image.size == (size, size):
        return image
    width, height = image.size
    if fit == "squash":
        return image.resize((size, size), Resampling.BICUBIC)
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), Resampling.BICUBIC, box=(left, top, left + side, top + side))


def _decoded(images: Sequence[Path | Opener], size: int, fit: str) -> Iterator[NDArray[np.uint8]]:
    """Arrays of shape (3, size, size), in order; a few are decoded ahead, however many there are."""
    workers = min(16, os.cpu_count() or 1)
    pending: deque[Future[NDArray[np.uint8]]] = deque()
    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes and resizes outside the interpreter's lock
        try:
            for image in images:
                opened = image if isinstance(image, Path) else image()  # streams of one archive: in this thread
                pending.append(pool.submit(_decode, opened, image, size, fit))
                if len(pending) >= 4 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _decode(opened: Path | IO[bytes], name: object, size: int, fit: str) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(opened) as image:
            pixels = np.asarray(fitted(image.convert("RGB"), size, fit))
    except OSError as error:  # Pillow's errors for a truncated or foreign file are of this kind, too
        where = opened if isinstance(opened, Path) else getattr(opened, "name", name)
        raise UserError(f"{where}: cannot be read as an image ({error}); put a good copy in its place") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
