"""Images that lie in many files (:mod:`pipeline.data.shards`), read and decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import hardware
from pipeline.data.images import decode
from pipeline.data.shards import Span, name_of
from pipeline.data.stored import filled
from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Int64, UInt8
    from torch import Tensor

    from pipeline.data.arrays import Arrays

_ROWS = 16
"""Images that one thread reads at a time, where nobody else divides the work."""


class ShardedImages:
    """Images of a split that lie in such files, decoded when they are read.

    Whoever has images as a tensor on the CPU asks it for its length, its shape and rows of it; so may be asked this.
    Rows are read, and decoded, when they are asked for, by several threads.

    Attributes:
        shape: (n, channels, height, width) of the images as a network sees them.
        device: Where rows come to.
    """

    is_cuda = False

    def __init__(self, folder: Path, splits: Sequence[str], spans: Sequence[Tensor], stored: Any, shape: Any) -> None:
        """Open the files.

        Args:
            folder: The data set's.
            splits: Splits whose images are counted through.
            spans: Of each, int64, (n, 3); see :class:`Span`.
            stored: What ``meta.json`` says of them: ``kind``, ``size``, ``fit``, ``draft``, ``formats``.
            shape: Of one image.

        Raises:
            UserError: A file is missing.
        """
        import torch

        self.device = torch.device("cpu")
        self._encoded = stored["kind"] == "encoded"
        self._how = {name: stored[name] for name in ("size", "fit", "formats", "draft")} if self._encoded else {}
        self._paths: list[Path] = []
        tables = []
        for split, table in zip(splits, spans, strict=True):
            rows = table.numpy().copy()
            count = int(rows[:, 0].max(initial=-1)) + 1
            rows[:, 0] += len(self._paths)
            self._paths += [folder / name_of(split, number) for number in range(count)]
            tables.append(rows)
        self._spans = np.concatenate(tables)
        self.shape = torch.Size((len(self._spans), *shape))
        try:
            self._files = [path.open("rb", buffering=0) for path in self._paths]
        except OSError as error:
            raise UserError(
                f"{error.filename}: cannot be read ({error.strerror}); type the same command again, which looks for a "
                "good copy"
            ) from None
        self._pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self._spans)

    def read(
        self, rows: Int64[np.ndarray, " batch"], into: Sequence[UInt8[np.ndarray, "channels height width"]]
    ) -> None:
        """Read images; see :meth:`pipeline.data.stored.Stored.read`."""
        for row, place in zip(rows.tolist(), into, strict=True):
            if not 0 <= row < len(self):
                raise IndexError(f"image {row} of {len(self)}")
            span = Span(*self._spans[row].tolist())
            content = np.empty(span.length, dtype=np.uint8) if self._encoded else place.reshape(-1)
            path = self._paths[span.file]
            filled(self._files[span.file], content, span.begin, path, row)
            if self._encoded:
                stream = BytesIO(content.data)
                stream.name = f"{path}: image {row}"
                place[:] = decode(stream, row, **self._how)

    def __getitem__(self, index: Any) -> Tensor:
        """Rows by a slice, or by numbers in a tensor, an array or a list: uint8, (m, channels, height, width)."""
        import torch

        numbers = np.arange(len(self))[index.numpy() if isinstance(index, torch.Tensor) else index]
        if numbers.ndim != 1:
            raise IndexError(f"expected a slice or a list of numbers, found {index!r}")
        found = np.empty((len(numbers), *self.shape[1:]), dtype=np.uint8)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(hardware.cores(), "images")
        parts = [slice(start, start + _ROWS) for start in range(0, len(numbers), _ROWS)]
        for done in [self._pool.submit(self.read, numbers[part], list(found[part])) for part in parts]:
            done.result()
        return torch.from_numpy(found)


def images(arrays: Arrays, splits: Sequence[str], spans: Sequence[Tensor]) -> ShardedImages:
    """Images of a data set that keeps them so; called by :meth:`pipeline.data.arrays.Arrays.images`."""
    return ShardedImages(arrays.path.parent, splits, spans, arrays.meta["stored"], arrays.image_shape)
