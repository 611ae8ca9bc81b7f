"""Images in many files of a bounded size: one file of 200 GB is hashed, copied and sent as a whole or not at all.

A split ``train`` lies in ``train-00000.bin``, ``train-00001.bin`` and so on, image after image. ``train_spans``, an
array of the data set, says of every image in which file it lies, where it begins and how many bytes it has;
``train_sides`` how high and wide it was before it was brought to one size. ``meta.json`` says under ``stored`` how the
bytes become pixels (:mod:`pipeline.data.sharded` reads them).
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

PART = 2**30
"""Bytes of a file, at most; of one with a single larger image, more."""


class Span(NamedTuple):
    """Where an image lies."""

    file: int
    begin: int
    length: int


def name_of(split: str, number: int) -> str:
    """Name of a file in the data set's folder."""
    return f"{split}-{number:05d}.bin"


class Shards:
    """Writes the images of one split; a context manager. The bytes of the files depend on those of the images alone."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._split = folder, split
        self._number, self._length = -1, 0
        self._file: BinaryIO = BytesIO()

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, content: bytes) -> Span:
        """Write the next image; returns where it lies."""
        if self._number < 0 or (self._length and self._length + len(content) > PART):
            self._file.close()
            self._number, self._length = self._number + 1, 0
            self._file = (self._folder / name_of(self._split, self._number)).open("wb")
        self._file.write(content)
        span = Span(self._number, self._length, len(content))
        self._length += len(content)
        return span
