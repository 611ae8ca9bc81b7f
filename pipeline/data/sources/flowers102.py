"""Oxford 102 Flowers: 8,189 photographs, 102 classes (Nilsback and Zisserman 2008)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data.images import ImageSet, write
from pipeline.errors import UserError
from pipeline.ranges import Count, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

_SPLITS = ("train", "val", "test")


DEFAULT_BEFORE = {"formats": ["JPEG", "PNG"]}


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 128,
    fit: Literal["squash", "crop"] = "squash",
    train: Literal["train", "val", "test"] = "test",
    test: Literal["train", "val", "test"] = "val",
    formats: list[str] = ["JPEG", "PNG"],  # noqa: B006, the plan reads defaults as literals
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> None:
    """Write two of the three official splits.

    The defaults are those of Draganov 2025, whose code trains on the official test split (6,149 images, long
    tailed), evaluates on the validation split (1,020), and first resizes all images to 128x128.

    Args:
        files: ``102flowers.tgz`` (its unpacked place), ``imagelabels.mat``, ``setid.mat``.
        writer: Where the arrays go.
        size: Side of the stored images.
        fit: ``squash`` or ``crop``.
        train: Official split to train on: train, val or test.
        test: Official split to evaluate on.
        formats: Formats that are opened, by Pillow's names; nothing else is, whatever a file is called.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the images to evaluate on.

    Raises:
        UserError: An unknown split, the same one twice, a file that is not an image.
    """
    if not {train, test} <= set(_SPLITS) or train == test:
        raise UserError(
            f"source.train, source.test: expected two of {', '.join(_SPLITS)}, found {train!r} and {test!r}"
        )
    from torchvision.datasets import Flowers102

    with tempfile.TemporaryDirectory() as root:
        base = Path(root) / "flowers-102"  # torchvision wants all in one folder
        base.mkdir()
        (base / "jpg").symlink_to((files["102flowers.tgz"] / "jpg").resolve())
        for name in ("imagelabels.mat", "setid.mat"):
            (base / name).symlink_to(files[name].resolve())
        sets = {}
        for split, official in (("train", train), ("test", test)):
            try:
                read = Flowers102(root, split=official, loader=Path)  # paths in place of pixels
            except RuntimeError as error:
                raise UserError(
                    f"{files['102flowers.tgz'] / 'jpg'}: not a complete Flowers-102 folder ({error})"
                ) from None
            pairs = [read[i] for i in range(len(read))]
            sets[split] = ImageSet([path for path, _ in pairs], [label for _, label in pairs])
        limits = {"train": limit_train, "test": limit_test}
        write(writer, list(Flowers102.classes), sets, size, fit, formats, limits)
