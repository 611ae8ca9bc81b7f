"""Photographs of your own: one folder per class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from pipeline.data import images
from pipeline.data.images import ImageSet, class_folders, image_files
from pipeline.errors import UserError
from pipeline.ranges import Count, Interval, Seed, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

DEFAULT_BEFORE = {"keep": "pixels", "draft": False}


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    root: Path,
    train: str = "train",
    test: str = "test",
    unlabeled: str = "",
    held_out: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    seed: Seed = 0,
    size: Side = 224,
    fit: Literal["squash", "crop"] = "crop",
    formats: list[str] = ["JPEG", "PNG"],  # noqa: B006, the plan reads defaults as literals
    limit_train: Count | None = None,
    limit_test: Count | None = None,
    keep: Literal["pixels", "shards", "encoded"] = "pixels",
    draft: bool = False,
) -> None:
    """Write the images of ``root/train/CLASS/`` and ``root/test/CLASS/`` at one size.

    Classes are in the order of their names. Views are cut out of the stored images: detail beyond ``size`` is lost.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        root: The folder.
        train: Folder in it with a folder per class; ``.`` is ``root`` itself.
        test: Likewise, of the images that are tested on. Not read where ``held_out`` says which these are.
        unlabeled: Folder in it with images without labels (split ``unlabeled``); none where it is empty.
        held_out: Share of every class of ``train`` that is tested on in place of ``test``; at least one image, and at
            least one is left.
        seed: Which images are held out.
        size: Side of the stored images.
        fit: ``crop`` (shorter side to ``size``, centre kept) or ``squash``.
        formats: Formats that are opened, by Pillow's names; nothing else is, whatever a file is called.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the images that are tested on.
        keep: ``pixels``, one array in one file; ``shards``, the same in files of 1 GiB; ``encoded``, the files that
            were found, in such files, decoded whenever they are read. The network sees the same images.
        draft: Whether JPEGs are decoded at the smallest scale that suffices: faster, and not quite the same images.

    Raises:
        UserError: A folder is missing or has no images, a class has too few, or a file is no image.
    """
    images.check_formats(formats)
    classes = class_folders(_inside(root, train, "train"))
    labels = {name: label for label, name in enumerate(classes)}
    found = _labelled(root / train, labels, formats)
    if held_out:
        splits = _divided(found, classes, held_out, seed)
    else:
        known = class_folders(_inside(root, test, "test"))
        if more := sorted(set(known) - set(classes)):
            raise UserError(f"{root / test / more[0]}: a class without training images; remove it, or complete {train}")
        present = {name: label for name, label in labels.items() if name in known}
        splits = {"train": found, "test": _labelled(root / test, present, formats)}
    if unlabeled:
        folder = _inside(root, unlabeled, "unlabeled")
        paths = image_files(folder, formats)
        if not paths:
            raise UserError(f"{folder}: expected images of the formats {', '.join(formats)}, found none")
        splits["unlabeled"] = ImageSet(paths, [-1] * len(paths))
    images.write(writer, classes, splits, size, fit, formats, {"train": limit_train, "test": limit_test}, keep, draft)


def _inside(root: Path, name: str, param: str) -> Path:
    folder = root / name
    if not folder.is_dir() or not folder.resolve().is_relative_to(root.resolve()):
        there = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())[:5]) or "none"
        split = "" if param != "train" else "; where classes lie in the folder itself, type train: ., held_out: 0.2"
        raise UserError(f"source.{param}: expected a folder in {root}, found {name!r}; there are: {there}{split}")
    return folder


def _labelled(folder: Path, classes: Mapping[str, int], formats: list[str]) -> ImageSet:
    """Images of a folder per class, with the label of each class."""
    paths: list[Path] = []
    labels: list[int] = []
    for name, label in classes.items():
        own = image_files(folder / name, formats)
        if not own:
            raise UserError(f"{folder / name}: expected images of the formats {', '.join(formats)}, found none")
        paths += own
        labels += [label] * len(own)
    return ImageSet(list(paths), labels)


def _divided(found: ImageSet, classes: list[str], share: float, seed: int) -> dict[str, ImageSet]:
    """Both splits of images that lie in one folder, drawn class by class."""
    tested = np.zeros(len(found), dtype=bool)
    for label, name in enumerate(classes):
        own = np.flatnonzero(found.labels == label)
        if len(own) < 2:
            raise UserError(f"source.held_out: expected two images or more of class {name}, found {len(own)}; add some")
        count = min(max(round(share * len(own)), 1), len(own) - 1)
        tested[np.random.default_rng([seed, label]).permutation(own)[:count]] = True
    return {
        split: ImageSet([found.images[i] for i in np.flatnonzero(chosen)], found.labels[chosen])
        for split, chosen in (("train", ~tested), ("test", tested))
    }
