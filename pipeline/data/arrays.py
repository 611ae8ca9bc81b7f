"""Reading a prepared data set: one ``arrays.safetensors`` and its ``meta.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import components
from pipeline.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

ARRAYS = "arrays.safetensors"
META = "meta.json"
SHARDED = "data/sharded.py"
"""Module of the package that reads images which lie in files beside the arrays."""

UNLABELED = -1


@dataclass(frozen=True)
class Arrays:
    """A prepared data set on disk. Tensors are mapped from the file: what is not read costs no memory.

    A split is ``train``, ``test``, ``unlabeled`` or ``train+unlabeled`` (labelled images first).

    Attributes:
        path: The safetensors file.
        meta: Contents of ``meta.json``: name, classes, counts, image_shape.
    """

    path: Path
    meta: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path | str) -> Arrays:
        """Open the payload folder of a prepared data set; reads ``meta.json`` and no image.

        Raises:
            UserError: The folder holds no prepared data set.
        """
        folder = Path(folder)
        path = folder / ARRAYS
        try:
            meta = json.loads((folder / META).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{folder / META}: expected the description of a prepared data set: {error}") from None
        if not path.is_file():
            raise UserError(f"{path}: missing; remove {folder} and build again")
        return cls(path, meta)

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.meta["name"]

    @property
    def classes(self) -> list[str]:
        """Names of the classes; a label is an index into them."""
        return list(self.meta["classes"])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.meta["classes"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image."""
        channels, height, width = self.meta["image_shape"]
        return channels, height, width

    def count(self, split: str) -> int:
        """Number of images in a split."""
        return sum(self.meta["counts"][part] for part in self._parts(split))

    def images(self, split: str) -> Tensor:
        """Images of a split, uint8 of shape (N, C, H, W), read-only by convention.

        One part is a view of the mapped file; ``train+unlabeled`` is a copy of both. Where the images lie in files
        beside the arrays (``stored`` in ``meta.json``) it is what reads them: it has a length, a shape, and rows by
        slices and numbers, as a tensor has, and nothing is read before rows are asked for.
        """
        if "stored" in self.meta:
            # by name: who reads no such set need not run again where that module is edited (the plan puts it into keys)
            reader = components.load(components.PACKAGE / SHARDED)
            parts = self._parts(split)
            return reader.images(self, parts, [self._read(f"{part}_spans") for part in parts])
        return self._joined([self._read(f"{part}_images") for part in self._parts(split)])

    def labels(self, split: str) -> Tensor:
        """Labels of a split, int64 of shape (N,); -1 where there is none, as in torchvision's STL-10."""
        import torch

        found = []
        for part in self._parts(split):
            if part == "unlabeled":
                found.append(torch.full((self.count(part),), UNLABELED, dtype=torch.int64))
            else:
                found.append(self._read(f"{part}_labels"))
        return self._joined(found)

    def factors(self, split: str) -> dict[str, Tensor]:
        """Nuisance factors stored with generated images, float32 of shape (N,) each; empty for real data."""
        prefix = f"{split}_factors/"
        with self._opened() as file:
            return {n.removeprefix(prefix): file.get_tensor(n) for n in sorted(file.keys()) if n.startswith(prefix)}

    def votes(self, split: str) -> Tensor:
        """What was said about the images of a split: votes per class, int64 of shape (N, classes).

        Raises:
            UserError: Nobody voted on these images.
        """
        import torch

        self._parts(split)
        name = f"{split}_votes"
        with self._opened() as file:
            if name not in file.keys():  # noqa: SIM118 - a file, and no mapping
                raise UserError(
                    f"split: {self.name} holds no votes on the images of split {split}; use a data set that does: "
                    "cifar10n or cifar100n (training images), cifar10h (test images), committee (both)"
                )
            return file.get_tensor(name).to(torch.int64)

    def _parts(self, split: str) -> list[str]:
        counts = self.meta["counts"]
        parts = split.split("+")
        if (split != "train+unlabeled" and len(parts) > 1) or any(part not in counts for part in parts):
            known = [*counts, *(["train+unlabeled"] if "unlabeled" in counts else [])]
            raise UserError(f"split: {self.name} has no split {split!r}; choose one of: {', '.join(known)}")
        return parts

    def _opened(self) -> Any:
        from safetensors import SafetensorError, safe_open

        try:
            return safe_open(self.path, framework="pt")
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"{self.path}: not a safetensors file ({error}); remove {self.path.parent} and build again"
            ) from None

    def _read(self, name: str) -> Tensor:
        with self._opened() as file:
            return file.get_tensor(name)

    @staticmethod
    def _joined(parts: list[Tensor]) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        import torch

        return torch.cat(parts)
