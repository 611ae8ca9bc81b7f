"""Writing a prepared data set in pieces, so that no split ever has to fit into memory.

The safetensors format is an 8-byte little-endian header length, a JSON header that gives each tensor's type,
shape and byte range, and the bytes. Its library wants all tensors at once; here shapes are declared first,
the header is written, and chunks follow in any order of tensors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.arrays import ARRAYS, META

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tqdm import tqdm

_TYPES = {"uint8": "U8", "float32": "F32", "int64": "I64"}
_SPLITS = ("train", "test", "unlabeled")


Complete = Callable[[Sequence[str], Mapping[str, int], bool], None]
"""Refuses classes and counts of images that are not those of a data set; the flag: the counts know of no limit."""


def _counts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Number of images by split, however they are kept."""
    kept = {split: shapes.get(f"{split}_images", shapes.get(f"{split}_spans")) for split in _SPLITS}
    return {split: shape[0] for split, shape in kept.items() if shape is not None}


class Writer:
    """Writes ``arrays.safetensors`` and ``meta.json`` into a folder; a context manager.

    The bytes depend on what is written and on nothing else: neither on the chunks' sizes nor on their order.
    Nothing here is atomic: the folder is the caller's scratch until the block has ended without an exception.

    Attributes:
        folder: The folder, for files beside the arrays.
    """

    def __init__(self, folder: Path, name: str, complete: Complete | None = None) -> None:
        self._complete = complete
        self.folder = folder
        self._stored: Mapping[str, Any] | None = None
        self._name = name
        self._classes: list[str] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._types: dict[str, np.dtype] = {}
        self._begin: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._file = (folder / ARRAYS).open("wb")
        self._bar: tqdm | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        self._file.close()
        if kind is None:
            self._finish()

    def declare(
        self,
        classes: list[str],
        arrays: Mapping[str, tuple[str, tuple[int, ...]]],
        whole: Mapping[str, int] | None = None,
        stored: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what will be written; comes once, before any :meth:`append`.

        Args:
            classes: Names of the classes, in the order of the labels.
            arrays: dtype (uint8, int64, float32) and shape by name: ``train_images`` (N, C, H, W),
                ``train_labels`` (N,), the same for ``test``, ``unlabeled_images`` if there are any, and
                ``train_factors/<name>`` (N,), and ``train_votes`` (N, classes) where people or others voted.
            whole: By split, how many images were found of which a limit leaves some; None where there is no limit.
            stored: Of images that lie in files beside the arrays (:mod:`pipeline.data.shards`) how these are read:
                ``kind``, ``size`` and others. There are ``train_spans`` (N, 3) then in place of ``train_images``.

        Raises:
            UserError: What was found is not what the data set declares.
        """
        if self._complete is not None:
            kept = _counts({name: shape for name, (_, shape) in arrays.items()})
            self._complete(classes, {**kept, **(whole or {})}, whole is not None)
        # Wide types first keeps every tensor aligned without padding, which the format does not allow.
        order = sorted(arrays, key=self._alignment_of(arrays))
        header, begin = {}, 0
        for name in order:
            kind, shape = arrays[name]
            self._types[name] = np.dtype(kind).newbyteorder("<")
            self._shapes[name] = tuple(int(n) for n in shape)
            end = begin + self._types[name].itemsize * prod(self._shapes[name])
            header[name] = {"dtype": _TYPES[kind], "shape": self._shapes[name], "data_offsets": (begin, end)}
            self._begin[name], self._written[name] = begin, 0
            begin = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._file.write(len(text).to_bytes(8, "little") + text)
        start = self._file.tell()
        for name in order:
            self._begin[name] += start
        self._classes, self._stored = list(classes), stored
        self._bar = self._progress(begin)

    def append(self, name: str, rows: NDArray) -> None:
        """Write the next rows of a declared array.

        Args:
            name: A declared name.
            rows: Array of shape (n, ...) whose trailing shape and dtype are the declared ones.
        """
        shape, kind = self._shapes[name], self._types[name]
        if rows.shape[1:] != shape[1:] or rows.dtype.newbyteorder("<") != kind:
            raise ValueError(f"{name}: declared {kind} {shape}, got rows of {rows.dtype} {rows.shape}")
        row = kind.itemsize * prod(shape[1:])
        if self._written[name] + len(rows) > shape[0]:
            raise ValueError(f"{name}: declared {shape[0]} rows, got more")
        self._file.seek(self._begin[name] + self._written[name] * row)
        data = np.ascontiguousarray(rows, dtype=kind)
        self._file.write(data.reshape(-1).view(np.uint8).data)
        self._written[name] += len(rows)
        if self._bar is not None:
            self._bar.update(data.nbytes)

    def counts(self) -> dict[str, int]:
        """Declared number of images by split."""
        return _counts(self._shapes)

    def _finish(self) -> None:
        if not self._shapes:
            raise ValueError(f"{self._name}: the source declared no arrays")
        for name, shape in self._shapes.items():
            if self._written[name] != shape[0]:
                raise ValueError(f"{name}: declared {shape[0]} rows, got {self._written[name]}")
        meta: dict[str, Any] = {
            "name": self._name,
            "classes": self._classes,
            "counts": self.counts(),
        }
        if self._stored is None:
            meta["image_shape"] = self._shapes["train_images"][1:]
        else:
            meta |= {"image_shape": (3, self._stored["size"], self._stored["size"]), "stored": dict(self._stored)}
        text = json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False)
        (self.folder / META).write_text(text + "\n", encoding="utf-8")

    def _progress(self, total: int) -> tqdm:
        from tqdm import tqdm

        quiet = not sys.stderr.isatty()
        return tqdm(
            total=total,
            desc=f"prepare {self._name}",
            unit="B",
            unit_scale=True,
            delay=3,  # what takes seconds needs no bar
            mininterval=30 if quiet else 0.5,
            leave=False,
            file=sys.stderr,
        )

    @staticmethod
    def _alignment_of(arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> Callable[[str], tuple[int, str]]:
        def key(name: str) -> tuple[int, str]:
            return -np.dtype(arrays[name][0]).itemsize, name

        return key
