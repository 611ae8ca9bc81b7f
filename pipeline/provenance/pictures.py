"""Whether two pictures show the same: decoded, since other versions of libraries write other bytes for it.

A picture that is drawn again where it was made has the same bytes. Elsewhere files are packed otherwise and lines are
rounded otherwise. What is compared is what people see: the mean colour of small squares, and in a PDF file every
operator with its numbers. No tolerance makes up for another release of matplotlib: from 3.9 to 3.11 the layout of all
19 figures that were tried moved by pixels, and squares differed by 70 to 250 levels, as much as a forgery does.
"""

from __future__ import annotations

import io
import itertools
import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SQUARE = 8
"""Pixels by which a square is wide and high."""

LEVELS = 4.0
"""Of 255, by which the mean of a square may differ in any colour: one pixel of 64, from black to white."""

POINTS = 0.01
"""Units of a PDF file (1/72 inch) by which a number in it may differ."""

_PIXELS, _INFLATED = 100_000_000, 64 << 20
"""Pixels of all frames of a picture, and bytes of all streams of a PDF file, that are looked at."""

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)")
_TABLE = re.compile(rb"xref\s.*?trailer|/Length \d+|startxref\s+\d+", re.DOTALL)
"""Where in a PDF file the places and lengths of its objects stand."""

_STRANGE = (OSError, ValueError, SyntaxError, EOFError, MemoryError, RuntimeError, zlib.error)


def differing(name: str, kept: bytes, made: bytes) -> str | None:
    """What differs between two pictures, in words; None if they show the same.

    Args:
        name: The file's name, for its kind.
        kept: What lies there.
        made: What is drawn from the measurements.
    """
    try:
        return _pages(kept, made) if name.endswith(".pdf") else _pixels(name.rpartition(".")[2], kept, made)
    except ImportError as error:
        return f"it has other bytes, and cannot be decoded here: {error.name} is not installed"
    except _STRANGE as error:
        return f"it cannot be decoded ({type(error).__name__})"


def _pixels(kind: str, kept: bytes, made: bytes) -> str | None:
    for number, (there, right) in enumerate(itertools.zip_longest(_frames(kind, kept), _frames(kind, made)), 1):
        where = f"frame {number}: " if kind == "gif" else ""
        if there is None or right is None:
            return "it has another number of frames than are drawn from the measurements"
        if there.shape != right.shape:
            (high, wide, _), (drawn_high, drawn_wide, _) = there.shape, right.shape
            return f"{where}{wide} x {high} squares; {drawn_wide} x {drawn_high} are drawn from the measurements"
        off = abs(there - right).max(axis=2)
        if off.max() > LEVELS:
            row, column = divmod(int(off.argmax()), off.shape[1])
            place = f"most around x = {column * SQUARE}, y = {row * SQUARE}"
            return f"{where}its pixels are not those that are drawn from the measurements ({place})"
    return None


def _frames(kind: str, content: bytes) -> Iterator[np.ndarray]:
    """Mean colours of the squares of each frame, shape (high, wide, 3), in levels of 255; on white."""
    import numpy as np
    from PIL import Image, ImageSequence

    left = _PIXELS
    with Image.open(io.BytesIO(content), formats=[kind.upper()]) as opened:
        for frame in ImageSequence.Iterator(opened):
            left -= frame.width * frame.height
            if left < 0:
                raise ValueError("more pixels than a figure has")
            page = Image.new("RGBA", frame.size, "white")
            page.alpha_composite(frame.convert("RGBA"))
            levels = np.asarray(page.convert("RGB"), dtype=np.float32)
            high, wide = (-(-length // SQUARE) for length in levels.shape[:2])
            padding = ((0, high * SQUARE - levels.shape[0]), (0, wide * SQUARE - levels.shape[1]), (0, 0))
            padded = np.pad(levels, padding, mode="edge")
            yield padded.reshape(high, SQUARE, wide, SQUARE, 3).mean(axis=(1, 3))


def _pages(kept: bytes, made: bytes) -> str | None:
    theirs, ours = (_TABLE.sub(b"", _STREAM.sub(b"stream", content)) for content in (kept, made))
    if _off(theirs, ours) is not None:
        return "its objects are not those that are drawn from the measurements"
    for number, (there, right) in enumerate(zip(_streams(kept), _streams(made), strict=True), 1):
        off = _off(there, right)
        if off is not None:
            return f"stream {number}: not what is drawn from the measurements{off}"
    return None


def _streams(content: bytes) -> Iterator[bytes]:
    left = _INFLATED
    for found in _STREAM.finditer(content):
        unpacker = zlib.decompressobj()
        try:
            inflated = unpacker.decompress(found[1], left)
        except zlib.error:
            inflated = found[1]
        if unpacker.unconsumed_tail:
            raise ValueError("more than a figure has")
        left -= len(inflated)
        yield inflated


def _off(there: bytes, right: bytes) -> str | None:
    """Where two texts differ in more than the last digits of numbers; None if they do not."""
    if there == right:
        return None
    if _NUMBER.sub(b"0", there) != _NUMBER.sub(b"0", right):
        return ""
    for found, drawn in zip(_NUMBER.findall(there), _NUMBER.findall(right), strict=True):
        if found != drawn and abs(float(found) - float(drawn)) > POINTS:
            return f": {found.decode()}, where {drawn.decode()} is drawn"
    return None
