"""Images of a prepared data set by their numbers, read from its file and not mapped: memory is what is asked for.

A mapped file counts as memory of the process page by page, whatever was meant to be held; what is read into a buffer
does not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from io import FileIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Int64, UInt8


class Stored(Protocol):
    """Images that lie in files, and that several threads may read at a time.

    Attributes:
        shape: (n, channels, height, width).
    """

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """How many images there are, and the shape that each has as a network sees it."""

    def read(
        self, rows: Int64[np.ndarray, " batch"], into: Sequence[UInt8[np.ndarray, "channels height width"]]
    ) -> None:
        """Read images.

        Args:
            rows: Their numbers. Rising ones are the fastest on a disk.
            into: Where each of them goes, contiguous.

        Raises:
            UserError: A file is not what it was, or cannot be read.
        """


class _Part(NamedTuple):
    """Images of one tensor: where it begins in the file, in bytes, and the number of its first image."""

    begin: int
    first: int


class PixelImages:
    """Images that lie in a safetensors file as uint8 tensors, one or several after each other.

    Attributes:
        path: The file.
        shape: (n, channels, height, width), of all tensors together.
    """

    def __init__(self, path: Path, names: list[str]) -> None:
        """Open the file.

        Args:
            path: The file.
            names: Names of the tensors, whose images are counted through in this order.

        Raises:
            UserError: It is no such file, or holds no such tensors.
        """
        self.path = path
        self._parts: list[_Part] = []
        shapes: set[tuple[int, ...]] = set()
        count = 0
        try:
            self._file = path.open("rb", buffering=0)  # closed when the last reader of it is gone
            size = int.from_bytes(self._file.read(8), "little")
            header = json.loads(self._file.read(min(size, 1 << 26)))
            for name in names:
                entry = header[name]
                if entry["dtype"] != "U8" or len(entry["shape"]) != 4:
                    raise ValueError(f"{name} holds no images")
                self._parts.append(_Part(8 + size + entry["data_offsets"][0], count))
                count += entry["shape"][0]
                shapes.add(tuple(entry["shape"][1:]))
            ((channels, height, width),) = shapes
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            raise UserError(f"{path}: no images can be read ({reason}); remove {path.parent} and build again") from None
        self.shape = (count, channels, height, width)
        self._bytes = prod(self.shape[1:])

    def read(
        self, rows: Int64[np.ndarray, " batch"], into: Sequence[UInt8[np.ndarray, "channels height width"]]
    ) -> None:
        """Read images; see :meth:`Stored.read`."""
        parts = np.searchsorted([part.first for part in self._parts], rows, side="right") - 1
        for row, part, place in zip(rows.tolist(), parts.tolist(), into, strict=True):
            if not 0 <= row < self.shape[0]:
                raise IndexError(f"image {row} of {self.shape[0]}")
            offset = self._parts[part].begin + (row - self._parts[part].first) * self._bytes
            filled(self._file, place.reshape(-1), offset, self.path, row)


def filled(file: FileIO, place: UInt8[np.ndarray, " bytes"], offset: int, path: Path, row: int) -> None:
    """Fill a buffer with bytes of a file, whoever else reads it at the same time.

    Args:
        file: The file.
        place: The buffer.
        offset: Where the bytes begin.
        path: The file's, for messages.
        row: Which image it is, for messages.

    Raises:
        UserError: The file ends too early, or cannot be read.
    """
    view, done = place.data, 0
    while done < len(view):
        try:
            got = os.preadv(file.fileno(), [view[done:]], offset + done)
        except OSError as error:
            raise UserError(f"{path}: image {row} cannot be read ({error.strerror}); check the disk") from None
        if got == 0:
            raise UserError(
                f"{path}: it ends within image {row}: it was changed since it was verified; type the same command "
                "again, which looks for a good copy"
            )
        done += got
