"""CIFAR-10 and CIFAR-100, read through torchvision from files that have been verified."""

from __future__ import annotations

import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data import votes as human
from pipeline.data.splits import balanced, long_tailed
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

# What the authors' files name; anything else in a pickle could run code.
_ALLOWED = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
}
_REFUSED = {
    "STACK_GLOBAL",
    "INST",
    "OBJ",
    "NEWOBJ",
    "NEWOBJ_EX",
    "EXT1",
    "EXT2",
    "EXT4",
    "PERSID",
    "BINPERSID",
}


def write(
    dataset: Any,
    files: Mapping[str, Path],
    writer: Writer,
    limit_train: int | None,
    limit_test: int | None,
    imbalance: float = 1.0,
    votes: str = "none",
) -> None:
    """Write one of torchvision's CIFAR classes.

    Args:
        dataset: ``torchvision.datasets.CIFAR10`` or ``CIFAR100``.
        files: The folder that holds ``dataset.base_folder``, and any files of human labels; all have been verified.
        writer: Where the arrays go.
        limit_train: Number of training images to keep before a long tail is cut, None for all.
        limit_test: The same for the test images.
        imbalance: Ratio of the long tail of the training images, 1 for none.
        votes: Which human labels to write beside the images, ``none`` for none.

    Raises:
        UserError: A file that is no CIFAR batch, or human labels that are not of these images.
    """
    (root,) = (path for name, path in files.items() if not name.endswith(human.SUFFIXES))
    # torchvision compares with checksums of its own; what counts here are the declared ones, which have been.
    meta: dict[str, Any] = {**dataset.meta, "md5": None}
    lists = {
        "train_list": [[name, None] for name, *_ in dataset.train_list],
        "test_list": [[name, None] for name, *_ in dataset.test_list],
    }
    for name in [meta["filename"], *(name for entries in lists.values() for name, _ in entries)]:
        refuse_code(root / dataset.base_folder / name)
    verified = type(dataset.__name__, (dataset,), {**lists, "meta": meta})
    try:
        read = {"train": verified(root, train=True), "test": verified(root, train=False)}
    except (RuntimeError, KeyError, ValueError, EOFError) as error:
        raise UserError(f"{root / dataset.base_folder}: not a complete {dataset.__name__} folder ({error})") from None
    labels = {split: np.asarray(found.targets, dtype=np.int64) for split, found in read.items()}
    classes = list(read["train"].classes)
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    kept = {}
    for split, limit in (("train", limit_train), ("test", limit_test)):
        kept[split] = balanced(labels[split], limit)
        if split == "train":
            kept[split] = kept[split][long_tailed(labels[split][kept[split]], imbalance)]
        arrays[f"{split}_images"] = ("uint8", (len(kept[split]), 3, 32, 32))
        arrays[f"{split}_labels"] = ("int64", (len(kept[split]),))
    voted = {}
    if votes != "none":
        split, counts = human.of(files, votes, labels, len(classes))
        voted[f"{split}_votes"] = counts[kept[split]]
        arrays[f"{split}_votes"] = ("uint8", voted[f"{split}_votes"].shape)
    whole = {"train": len(long_tailed(labels["train"], imbalance)), "test": len(labels["test"])}
    writer.declare(classes, arrays, whole)
    for name, counts in voted.items():
        writer.append(name, counts)
    for split, rows in kept.items():
        writer.append(f"{split}_labels", labels[split][rows])
        for chunk in np.array_split(rows, max(1, len(rows) // 5000)):
            writer.append(f"{split}_images", read[split].data[chunk].transpose(0, 3, 1, 2))


def refuse_code(path: Path) -> None:
    """Look through a pickle without loading it, and refuse one that names anything but NumPy arrays.

    A second lock beside the checksum: a declaration may give none, or a wrong one.

    Raises:
        UserError: The pickle could run code, or is none.
    """
    try:
        for opcode, argument, _ in pickletools.genops(path.read_bytes()):
            if opcode.name in _REFUSED or (opcode.name == "GLOBAL" and argument not in _ALLOWED):
                named = argument or opcode.name
                raise UserError(f"{path}: this pickle names {named}, which no CIFAR batch does; remove it")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable CIFAR batch ({error})") from None
