"""What people said about CIFAR: read from their authors' files, and only if these are about the same images.

CIFAR-10N and CIFAR-100N (Wei et al., ICLR 2022) hold labels of the training images, CIFAR-10H (Peterson et al., ICCV
2019) about 50 votes for each test image. All become votes: a count for every image and class.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

SUFFIXES = (".pt", ".npy", ".npz")
"""How files of human labels end; those of CIFAR itself do not."""
COUNTS = "counts"
"""The one choice that is votes already, of test images; all others are labels of training images."""
CLEAN = "clean_label"

_REMEDY = "put the authors' file in its place"
_AGREEING = 0.9  # of CIFAR-10H's majorities with the labels: 0.9921 where the order is right, 0.1 where it is not


def of(
    files: Mapping[str, Path], choice: str, labels: Mapping[str, NDArray[np.int64]], classes: int
) -> tuple[str, NDArray[np.uint8]]:
    """Read the votes that a data set asks for.

    Args:
        files: By declared name, all files of the data set.
        choice: ``counts``, or the name of the labels.
        labels: By split, the labels of all its images in the authors' order, shape (N,).
        classes: Number of classes.

    Returns:
        The split that was voted on, and votes of shape (N, classes).

    Raises:
        UserError: There is no such file, it cannot be read without running code, or it is about other images.
    """
    found = [path for name, path in files.items() if name.endswith(SUFFIXES)]
    if len(found) != 1:
        raise UserError(
            f"source.votes: {choice} is read from one file that ends in {', '.join(SUFFIXES)}, and files names "
            f"{len(found)}; use the data set cifar10n, cifar10h or cifar100n, or name the file as they do"
        )
    (path,) = found
    arrays = read(path)
    if choice == COUNTS:
        return "test", _counted(path, arrays, labels["test"], classes)
    return "train", _labelled(path, arrays, choice, labels["train"], classes)


def _counted(path: Path, arrays: Mapping[str, NDArray], truth: NDArray[np.int64], classes: int) -> NDArray[np.uint8]:
    votes = _numbers(path, COUNTS, arrays, (len(truth), classes))
    if votes.min() < 0 or votes.max() > 255 or votes.sum(1).min() < 1:
        raise UserError(f"{path}: {COUNTS}: expected 0 to 255 votes per class and one or more per image; {_REMEDY}")
    agreeing = float((votes.argmax(1) == truth).mean())
    if not agreeing > _AGREEING:
        raise UserError(
            f"{path}: its majority is the label of {agreeing:.1%} of the test images, expected more than "
            f"{_AGREEING:.0%}: it is in another order or about other images; {_REMEDY}"
        )
    return votes.astype(np.uint8)


def _labelled(
    path: Path, arrays: Mapping[str, NDArray], choice: str, truth: NDArray[np.int64], classes: int
) -> NDArray[np.uint8]:
    clean, said = (_numbers(path, name, arrays, truth.shape) for name in (CLEAN, choice))
    if differing := int((clean != truth).sum()):
        raise UserError(
            f"{path}: its {CLEAN} is not the label of {differing:,} of {len(truth):,} training images: it is in "
            f"another order or about other images; {_REMEDY}"
        )
    if said.min() < 0 or said.max() >= classes:
        raise UserError(f"{path}: {choice}: expected labels from 0 to {classes - 1}; {_REMEDY}")
    return (said[:, None] == np.arange(classes)).astype(np.uint8)


def read(path: Path) -> dict[str, NDArray]:
    """Arrays of a file by name; nothing in it is run.

    Args:
        path: ``.npz``; ``.npy`` (one array, called ``counts``); or ``.pt``, a dictionary of arrays.

    Raises:
        UserError: It cannot be read, or holds more than arrays of numbers.
    """
    try:
        if path.suffix == ".pt":
            return _of_torch(path)
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {COUNTS: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, RuntimeError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read as a file of labels ({_first_line(error)}); {_REMEDY}") from None


def _of_torch(path: Path) -> dict[str, NDArray]:
    import pickle

    import torch

    # Builders of arrays of whole numbers, under the name of today and that of the NumPy that wrote the authors' files.
    rebuild = np.zeros(1).__reduce__()[0]
    allowed: list[Any] = [
        *((rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *(np.ndarray, np.dtype),
        *{type(np.dtype(kind)) for kind in ("u1", "i1", "i2", "i4", "i8")},
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(_first_line(error)) from None
    if not isinstance(loaded, dict):
        raise ValueError(f"a {type(loaded).__name__} and no dictionary of arrays")
    return {str(name): np.asarray(value) for name, value in loaded.items()}


def _numbers(path: Path, name: str, arrays: Mapping[str, NDArray], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """An array of the file, if it is there, of this shape and of whole numbers."""
    if name not in arrays:
        raise UserError(f"{path}: holds no {name}, only {', '.join(sorted(arrays))}; {_REMEDY}")
    values = arrays[name]
    if values.shape != shape or values.dtype.kind not in "iuf" or not (values == np.floor(values)).all():
        found = f"{values.dtype} of shape {values.shape}"
        raise UserError(f"{path}: {name}: expected whole numbers of shape {shape}, found {found}; {_REMEDY}")
    return values.astype(np.int64)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
