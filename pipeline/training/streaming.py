"""Training images that stay on disk: minibatches are read ahead by threads, a bounded number at a time.

A data set that is larger than the memory of the device is trained on all the same. Which images stand in which step
is the same function of seed and epoch as for one that lies on the device as a whole
(:class:`pipeline.training.batches.Batches`), so the bytes of the result are the same too, and where images lie is in no
key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from pipeline import hardware
from pipeline.data.arrays import Arrays
from pipeline.data.stored import PixelImages, Stored
from pipeline.training.batches import Batches, fraction_of

MEMORY, DISK = "memory", "disk"
"""Where training images may be: the values of ``context["images"]``."""

SHARE = 0.5
"""Of the memory of the device (of this machine, for a CPU), which images may take before they stay on disk."""

AHEAD = 256 * 2**20
"""Bytes of minibatches that are read ahead by all trainings of a process; each has one ahead however large it is."""

MOST_AHEAD = 16
"""Minibatches that one training reads ahead, however small they are."""

READERS = 16
"""Threads that read, where the user says nothing and there are as many cores."""

_ROWS = 16
"""Images that one thread reads at a time: a minibatch is spread over all threads, so few need to be read ahead."""


class _Reading(NamedTuple):
    """A minibatch on its way: where it goes, and who is at work on it."""

    buffer: Tensor
    parts: list[Future[None]]


class StreamedImages:
    """Images of a split, or some of them, that are read when they are asked for.

    Attributes:
        device: Where they lie, as far as whoever draws their order is concerned: numbers of images are needed on the
            host.
        target: The device on which they are wanted.
        shape: (n, channels, height, width).
        ahead: Bytes that one training may read ahead.
    """

    is_cuda = False
    device = torch.device("cpu")

    def __init__(
        self,
        stored: Stored,
        target: torch.device,
        ahead: int = AHEAD,
        readers: int | ThreadPoolExecutor | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            stored: The images.
            target: The device on which minibatches are wanted.
            ahead: Bytes that one training may read ahead.
            readers: Threads that read, or how many; None for one per core, :data:`READERS` at most.
            rows: Numbers of those images that are meant, where it is not all of them.
        """
        self._stored, self.target, self.ahead, self._rows = stored, target, ahead, rows
        if not isinstance(readers, ThreadPoolExecutor):
            readers = ThreadPoolExecutor(readers or min(READERS, hardware.cores()), "images")
        self._pool = readers

    def __len__(self) -> int:
        return self._stored.shape[0] if self._rows is None else len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all images together."""
        return (len(self), *self._stored.shape[1:])

    def subset(self, rows: Tensor) -> StreamedImages:
        """Some of the images, by their numbers, int64 of shape (m,); read by the same threads."""
        return StreamedImages(self._stored, self.target, self.ahead, self._pool, self._numbers(rows))

    def _numbers(self, rows: Tensor) -> np.ndarray:
        """Numbers in what is stored of images by their numbers here."""
        return rows.numpy() if self._rows is None else self._rows[rows.numpy()]

    def begin(self, rows: Tensor) -> _Reading:
        """Have images read by the threads. Buffers are made here: a thread calls nothing of CUDA's.

        Args:
            rows: Their numbers, int64, shape (batch,), on the CPU.
        """
        buffer = self._buffer((len(rows), *self._stored.shape[1:]))
        numbers = self._numbers(rows)
        places = np.argsort(numbers, kind="stable")  # on a disk the head moves one way
        into = buffer.numpy()
        parts = []
        for start in range(0, len(places), _ROWS):
            chosen = places[start : start + _ROWS]
            parts.append(self._pool.submit(self._stored.read, numbers[chosen], [into[place] for place in chosen]))
        return _Reading(buffer, parts)

    def _buffer(self, shape: tuple[int, int, int, int]) -> Tensor:
        """Make room for a minibatch, uint8: in pinned memory where it goes to a GPU, so that the host need not wait.

        Elsewhere it is mapped for itself. On the heap aligned blocks of this size leave holes that are just too small
        for the next one, and what is held grows far beyond what is read ahead (measured with glibc).
        """
        if self.target.type == "cuda":
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        room = mmap(-1, prod(shape), MAP_PRIVATE | MAP_ANONYMOUS)
        return torch.from_numpy(np.frombuffer(room, dtype=np.uint8).reshape(shape))

    def end(self, reading: _Reading) -> Tensor:
        """Wait for images that were begun.

        Returns:
            uint8, shape (batch, channels, height, width), on the target.

        Raises:
            UserError: A file is not what it was, or cannot be read.
        """
        for part in reading.parts:
            part.result()
        return reading.buffer.to(self.target, non_blocking=True)

    def take(self, rows: Tensor) -> Tensor:
        """Read images by their numbers and wait for them; see :meth:`begin` and :meth:`end`."""
        return self.end(self.begin(rows))


class ReadAhead:
    """Minibatches in the order of their steps; while one is trained on, the next ones are read.

    What is given does not depend on what was asked for before: who goes on at another step gets what stands there.
    """

    def __init__(self, images: StreamedImages, rows: Callable[[int], Tensor], batch_size: int) -> None:
        """Nothing is read yet.

        Args:
            images: Read from these.
            rows: Number of a step, from the start of the run, to the numbers of its images.
            batch_size: Images of a minibatch, at most.
        """
        self._images, self._rows = images, rows
        whole = max(images.ahead // (batch_size * prod(images.shape[1:])), 1)
        self.depth = int(min(whole, MOST_AHEAD))
        self._readings: dict[int, _Reading] = {}

    def take(self, step: int) -> Tensor:
        """Images of a step, counted from the start of the run; the next ones are begun.

        Returns:
            uint8, shape (batch, channels, height, width), on the images' target.
        """
        for other in [other for other in self._readings if not step <= other <= step + self.depth]:
            for part in self._readings.pop(other).parts:
                part.cancel()
        for wanted in range(step, step + self.depth + 1):
            if wanted not in self._readings:
                self._readings[wanted] = self._images.begin(self._rows(wanted))
        return self._images.end(self._readings.pop(step))


class StreamedBatches(Batches):
    """Minibatches of images that stay on disk; those that :class:`Batches` would give."""

    def __init__(self, images: StreamedImages, batch_size: int, seed: int) -> None:
        """Check the sizes; see :class:`Batches`."""
        super().__init__(cast(Tensor, images), batch_size, seed)  # of which it asks the number and the device
        self._ahead = ReadAhead(images, self._rows, batch_size)

    def _rows(self, step: int) -> Tensor:
        """Numbers of the images of a step, which is counted from the start of the run."""
        epoch, within = divmod(step, self.steps)
        return self.order(epoch)[within * self.batch_size : (within + 1) * self.batch_size]

    def batch(self, epoch: int, step: int) -> Tensor:
        """Images of one step; see :meth:`Batches.batch`."""
        return self._ahead.take(epoch * self.steps + step)


def training_images(
    arrays: Arrays, split: str, device: torch.device, context: Mapping[str, Any], trainings: int = 1
) -> Tensor | StreamedImages:
    """Images of a split, on the device where they fit, else on disk to be read ahead.

    Args:
        arrays: The data set.
        split: The split.
        device: Where it is trained.
        context: ``images``, :data:`MEMORY` or :data:`DISK`, where the user says so; ``readers``, threads that read.
        trainings: How many share the images, and so the memory for what is read ahead.
    """
    size = arrays.count(split) * prod(arrays.image_shape)
    stays = (context.get("images") or where(size, device)) == DISK
    stored: Stored
    if "stored" in arrays.meta:
        images = arrays.images(split)
        if not stays:
            return images[:].to(device)
        stored = cast(Stored, images)
    elif not stays:
        return arrays.images(split).to(device)
    else:
        stored = PixelImages(arrays.path, [f"{part}_images" for part in split.split("+")])
    return StreamedImages(stored, device, AHEAD // trainings, context.get("readers"))


def where(size: int, device: torch.device) -> str:
    """Where images of so many bytes are kept in training: :data:`MEMORY` or :data:`DISK`."""
    total = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else hardware.memory()
    return MEMORY if total is None or size <= SHARE * total else DISK


def share_of(images: Tensor | StreamedImages, fraction: float, seed: int) -> Tensor | StreamedImages:
    """A share of the images; see :func:`pipeline.training.batches.fraction_of`."""
    if isinstance(images, Tensor):
        return fraction_of(images, fraction, seed)
    return images if fraction == 1 else images.subset(fraction_of(torch.arange(len(images)), fraction, seed))


def batches_of(images: Tensor | StreamedImages, batch_size: int, seed: int) -> Batches:
    """Minibatches of images, wherever they lie.

    Raises:
        UserError: The batch size or the data set is too small for BatchNorm.
    """
    kind = Batches if isinstance(images, Tensor) else StreamedBatches
    return kind(images, batch_size, seed)  # type: ignore[arg-type]
