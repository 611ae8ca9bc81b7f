"""Arrays of your own: images and labels in a ``.npz`` or ``.safetensors`` file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pipeline.data.splits import balanced
from pipeline.errors import UserError, nearest
from pipeline.ranges import Count

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

_SPLITS = ("train", "test", "unlabeled")


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    file: Path,
    test_file: Path | None = None,
    images: str = "{split}_images",
    labels: str = "{split}_labels",
    channels: Literal["found", "first", "last"] = "found",
    classes: list[str] = [],  # noqa: B006, the plan reads defaults as literals
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> None:
    """Write the arrays of a file: images as uint8, square, of one or three channels; labels as whole numbers from 0 on.

    Grey images are repeated to three channels. What ``images`` names of the split ``unlabeled`` is written too, if the
    file has it.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        file: The file.
        test_file: Another one with the images that are tested on; null where one file has all.
        images: Name of the images in it, of shape (N, C, H, W), (N, H, W, C) or (N, H, W); ``{split}`` stands for
            ``train``, ``test`` or ``unlabeled``.
        labels: Name of the labels, of shape (N,) or (N, 1).
        channels: Where channels stand; ``found`` tells by the size of the axes.
        classes: Names of the classes, in the order of their labels; numbers where it is empty.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the images that are tested on.

    Raises:
        UserError: A file is no such file, lacks an array, or an array has another type or shape.
    """
    read = {"train": _arrays(file)}
    read["test"] = read["train"] if test_file is None else _arrays(test_file)
    read["unlabeled"] = read["train"]
    if test_file is None and "{split}" not in images:
        raise UserError(f"source.images: expected a name with {{split}}, where one file has all, found {images!r}")
    paths = {"train": file, "test": test_file or file, "unlabeled": file}
    found: dict[str, NDArray[np.uint8]] = {}
    truth: dict[str, NDArray[np.int64]] = {}
    for split in _SPLITS:
        name = images.replace("{split}", split)
        if split == "unlabeled" and ("{split}" not in images or name not in read[split]):
            continue
        where = f"{paths[split]}: {name}"
        found[split] = _images(_array(read[split], name, paths[split], "images"), channels, where)
        if split == "unlabeled":
            continue
        name = labels.replace("{split}", split)
        truth[split] = _labels(_array(read[split], name, paths[split], "labels"), f"{paths[split]}: {name}")
        if len(truth[split]) != len(found[split]):
            raise UserError(f"{where}: {len(found[split])} images, and {len(truth[split])} labels in {name}; as many?")
        kept = balanced(truth[split], {"train": limit_train, "test": limit_test}[split])
        found[split], truth[split] = found[split][kept], truth[split][kept]
    shapes = {split: array.shape[1:] for split, array in found.items()}
    for split, shape in shapes.items():
        if shape != shapes["train"]:
            raise UserError(
                f"{paths[split]}: images of {split} have the shape {shape}, those of train {shapes['train']}"
            )
    count = 1 + max(int(array.max()) for array in truth.values())
    if lacking := sorted(set(range(count)) - set(truth["train"].tolist())):
        raise UserError(f"{file}: no training image has the label {lacking[0]}; number classes from 0 on, without gaps")
    if classes and len(classes) != count:
        raise UserError(f"source.classes: expected {count} names, one per label, found {len(classes)}")
    writer.declare(
        classes or [str(label) for label in range(count)],
        {f"{split}_images": ("uint8", array.shape) for split, array in found.items()}
        | {f"{split}_labels": ("int64", array.shape) for split, array in truth.items()},
    )
    for split, array in found.items():
        writer.append(f"{split}_images", array)
    for split, numbers in truth.items():
        writer.append(f"{split}_labels", numbers)


def _arrays(path: Path) -> Mapping[str, Any]:
    """All arrays of a file by name; those of a ``.npz`` are read when they are asked for."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            return found
        reason = "it holds one array without a name"
    except (OSError, ValueError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
    raise UserError(f"{path}: expected a .npz or .safetensors file ({reason}); write one with numpy.savez(FILE, ...)")


def _array(read: Mapping[str, Any], name: str, path: Path, param: str) -> NDArray[Any]:
    if name not in read:
        raise UserError(f"{path}: source.{param}: there is no array {name!r}; {nearest(name, list(read))}")
    try:
        return np.asarray(read[name])
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: {name}: cannot be read ({reason}); save it as numbers") from None


def _images(array: NDArray[Any], channels: str, where: str) -> NDArray[np.uint8]:
    """As (N, 3, H, W)."""
    if array.dtype != np.uint8:
        raise UserError(f"{where}: expected uint8 from 0 to 255, found {array.dtype}; scale and convert the array")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4:
        first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
        if channels == "found" and first == last:
            raise UserError(
                f"{where}: the shape {array.shape} does not tell where its 1 or 3 channels stand; set source.channels "
                "to first or last"
            )
        if channels == "last" or (channels == "found" and last):
            array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.shape[2] != array.shape[3] or 0 in array.shape:
        raise UserError(f"{where}: expected square images of 1 or 3 channels, found the shape {array.shape}; cut them")
    return np.ascontiguousarray(np.repeat(array, 3, axis=1) if array.shape[1] == 1 else array)


def _labels(array: NDArray[Any], where: str) -> NDArray[np.int64]:
    """As (N,)."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu" or (len(array) and array.min() < 0):
        raise UserError(f"{where}: expected whole numbers from 0 on, one per image, found {array.dtype} {array.shape}")
    return array.astype(np.int64)
