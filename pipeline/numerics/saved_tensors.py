"""Tensors on disk while something is computed: one file that is either whole or ignored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

FILE = "progress.bin"
DIGEST_BYTES = hashlib.sha256().digest_size


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors wants them: on the CPU, contiguous, each with memory of its own."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


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
