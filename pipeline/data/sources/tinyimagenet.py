"""Tiny ImageNet: 200 ImageNet classes at 64x64 pixels, 100,000 training and 10,000 validation images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data.images import ImageSet, write
from pipeline.errors import UserError
from pipeline.ranges import Count, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

_SUFFIXES = (".JPEG", ".jpeg", ".jpg", ".png")


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 64,
    fit: Literal["squash", "crop"] = "crop",
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> None:
    """Write training and validation images, classes in the order of their WordNet ids.

    The official test images have no public labels; the validation split stands for the test split.

    Args:
        files: The archive's unpacked place, the only entry. ``val`` may be as published (one folder and
            ``val_annotations.txt``) or sorted into one folder per class.
        writer: Where the arrays go.
        size: Side of the stored images; 64 is their own.
        fit: ``crop`` or ``squash``, for another size.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the validation images.

    Raises:
        UserError: A folder that does not look so, a file that is not an image.
    """
    (root,) = files.values()
    root = root / "tiny-imagenet-200"
    ids = sorted(folder.name for folder in (root / "train").iterdir() if folder.is_dir())
    names = _names(root / "words.txt")
    splits = {
        "train": _sorted_into_folders(root / "train", ids).first(limit_train),
        "test": _validation(root / "val", ids).first(limit_test),
    }
    write(writer, [names.get(id_, id_) for id_ in ids], splits, size, fit)


def _sorted_into_folders(folder: Path, ids: list[str]) -> ImageSet:
    images, labels = [], []
    for label, id_ in enumerate(ids):
        found = sorted(path for path in (folder / id_).rglob("*") if path.suffix in _SUFFIXES)
        if not found:
            raise UserError(f"{folder / id_}: expected the images of this class; unpack the archive again")
        images += found
        labels += [label] * len(found)
    return ImageSet(images, labels)


def _validation(folder: Path, ids: list[str]) -> ImageSet:
    annotations = folder / "val_annotations.txt"
    if not annotations.is_file() or not (folder / "images").is_dir():
        return _sorted_into_folders(folder, ids)
    label_of = {id_: label for label, id_ in enumerate(ids)}
    pairs = []
    for line in annotations.read_text(encoding="utf-8").splitlines():
        name, id_ = line.split("\t")[:2]
        if id_ not in label_of:
            raise UserError(f"{annotations}: {name} is of class {id_}, for which there are no training images")
        pairs.append((label_of[id_], folder / "images" / name))
    pairs.sort()  # the order that one folder per class would give
    return ImageSet([path for _, path in pairs], [label for label, _ in pairs])


def _names(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)
