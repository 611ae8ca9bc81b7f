"""Crash-safe progress of a training: one file that is either whole or ignored."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pipeline.training.checkpoint import plain

FILE = "progress.bin"
DIGEST_BYTES = hashlib.sha256().digest_size


def write(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replace the progress file: SHA-256 of the content, then the content (safetensors).

    A kill at any moment leaves the former file or the new one.
    """
    content = save(plain(tensors))
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{FILE}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / FILE)
    finally:
        temporary.unlink(missing_ok=True)


def read(folder: Path) -> dict[str, Tensor] | None:
    """The tensors of the progress file, or None if there is none or it is not whole."""
    try:
        blob = (folder / FILE).read_bytes()
    except OSError:
        return None
    digest, content = blob[:DIGEST_BYTES], blob[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None
    try:
        return load(content)
    except SafetensorError:
        return None


def clear(folder: Path) -> None:
    """Remove the progress file, and what a kill left of others."""
    for path in folder.glob(f"{FILE}*"):
        path.unlink(missing_ok=True)


class Saver:
    """Decides when progress is worth saving: at most 2 % of the time goes into it, that of others included.

    The environment variable ``SSL_PROGRESS_SECONDS`` sets the interval to that many seconds instead. When a
    save happens changes no result.
    """

    def __init__(self, folder: Path | None, collect: Callable[[], Mapping[str, Tensor]], among: int = 1) -> None:
        """Nothing is saved yet.

        Args:
            folder: Where to; None: never save.
            collect: Collects the tensors to be saved.
            among: Trainings that take turns in this process, and save each for itself.
        """
        self.folder = folder
        self.collect = collect
        self.among = among
        fixed = os.environ.get("SSL_PROGRESS_SECONDS")
        self.fixed = float(fixed) if fixed else None
        self.interval = 2.0 * among if self.fixed is None else self.fixed
        self.last = time.monotonic()
        self.urged = False

    def urge(self) -> None:
        """Save at the next moment at which progress can be saved; ``urged`` is true until then."""
        self.urged = self.folder is not None

    def maybe_save(self) -> None:
        """Save if the interval has passed. A full or read-only disk costs the progress, not the training."""
        if self.folder is None or (not self.urged and time.monotonic() - self.last < self.interval):
            return
        self.urged = False
        start = time.monotonic()
        try:
            write(self.folder, self.collect())
        except OSError as error:
            print(f"{self.folder}: progress is not saved ({error.strerror})", file=sys.stderr)
        self.last = time.monotonic()
        if self.fixed is None:
            self.interval = self.among * max(2.0, 50.0 * (self.last - start))
