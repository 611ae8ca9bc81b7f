"""Tiny ImageNet: 200 ImageNet classes at 64x64 pixels, 100,000 training and 10,000 validation images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data.images import ImageSet, check_formats, class_folders, image_files, write
from pipeline.errors import UserError
from pipeline.ranges import Count, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer


DEFAULT_BEFORE = {"formats": ["JPEG", "PNG"]}


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 64,
    fit: Literal["squash", "crop"] = "crop",
    formats: list[str] = ["JPEG", "PNG"],  # noqa: B006, the plan reads defaults as literals
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
        formats: Formats that are opened, by Pillow's names; nothing else is, whatever a file is called.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the validation images.

    Raises:
        UserError: A folder that does not look so, a file that is not an image.
    """
    (root,) = files.values()
    root = root / "tiny-imagenet-200"
    check_formats(formats)
    ids = class_folders(root / "train")
    names = _names(root / "words.txt")
    splits = {
        "train": _sorted_into_folders(root / "train", ids, formats),
        "test": _validation(root / "val", ids, formats),
    }
    limits = {"train": limit_train, "test": limit_test}
    write(writer, [names.get(id_, id_) for id_ in ids], splits, size, fit, formats, limits)


def _sorted_into_folders(folder: Path, ids: list[str], formats: list[str]) -> ImageSet:
    images, labels = [], []
    if unknown := sorted(set(class_folders(folder)) - set(ids)):
        raise UserError(
            f"{folder / unknown[0]}: a class without training images; remove it, or unpack the archive again"
        )
    for label, id_ in enumerate(ids):
        found = image_files(folder / id_, formats)
        if not found:
            raise UserError(f"{folder / id_}: expected the images of this class; unpack the archive again")
        images += found
        labels += [label] * len(found)
    return ImageSet(images, labels)


def _validation(folder: Path, ids: list[str], formats: list[str]) -> ImageSet:
    annotations = folder / "val_annotations.txt"
    if not annotations.is_file() or not (folder / "images").is_dir():
        return _sorted_into_folders(folder, ids, formats)
    label_of = {id_: label for label, id_ in enumerate(ids)}
    pairs = []
    for line in annotations.read_text(encoding="utf-8").splitlines():
        name, id_ = line.split("\t")[:2]
        if id_ not in label_of:
            raise UserError(f"{annotations}: {name} is of class {id_}, for which there are no training images")
        pairs.append((label_of[id_], folder / "images" / name))
    if lacking := sorted(set(ids) - {ids[label] for label, _ in pairs}):
        raise UserError(f"{annotations}: no images of class {lacking[0]}, which is below {folder.parent / 'train'}")
    pairs.sort()  # the order that one folder per class would give
    return ImageSet([path for _, path in pairs], [label for label, _ in pairs])


def _names(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)
