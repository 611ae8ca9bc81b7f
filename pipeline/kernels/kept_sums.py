"""Progress of a kernel that takes long: what has been added up, kept after every pass."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.numerics import saved_tensors

if TYPE_CHECKING:
    from jaxtyping import Float64

FOLDER = "kernel"
COPIES = 3  # of the kernel while it is written or read


def identity(tensors: Iterable[tuple[str, Tensor]], text: str) -> str:
    """sha256 of named tensors (name, type, shape, content) and of a text."""
    found = hashlib.sha256(text.encode())
    for name, tensor in tensors:
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


class Saved:
    """The progress of one kernel in a folder."""

    def __init__(self, folder: Path | str | None, name: str) -> None:
        """Args are the folder (None: nothing is kept) and the identity of the kernel."""
        self.folder = None if folder is None else Path(folder) / FOLDER
        self.name = torch.frombuffer(bytearray(name.encode()), dtype=torch.uint8)

    def read(self, kernel: Float64[Tensor, "..."]) -> int:
        """Fill the kernel with what was saved.

        Returns:
            Passes that are done; 0 where there is nothing, or nothing of this kernel.
        """
        found = None if self.folder is None else saved_tensors.read(self.folder)
        if found is None or not torch.equal(found.get("identity", self.name[:0]), self.name):
            return 0
        kernel.copy_(found["kernel"])
        return int(found["passes"])

    def write(self, kernel: Float64[Tensor, "..."], passes: int) -> None:
        """Keep the kernel after so many passes. A full or read-only disk costs the progress alone."""
        if self.folder is None:
            return
        try:
            saved_tensors.write(self.folder, {"identity": self.name, "kernel": kernel, "passes": torch.tensor(passes)})
        except OSError as error:
            print(f"{self.folder}: progress is not saved ({error.strerror})", file=sys.stderr)

    def clear(self) -> None:
        """Remove what was kept."""
        if self.folder is not None:
            saved_tensors.clear(self.folder)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
