"""The 1,797 handwritten digits of 8x8 pixels that ship inside scikit-learn: real data without a download."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.splits import long_tailed
from pipeline.errors import UserError
from pipeline.ranges import Count, Imbalance, Seed, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

DEFAULT_BEFORE = {"imbalance": 1.0}

_SIDE = 8
_LEVELS = 16  # intensities are 0 to 16


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 8,
    train: Count = 1297,
    test: Count = 500,
    seed: Seed = 0,
    imbalance: Imbalance = 1.0,
) -> None:
    """Write the digits, grey repeated to three channels so that colour policies apply.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        size: Side in pixels, a multiple of 8; each original pixel becomes a block.
        train: Number of training images, as many of each class as the stratified order gives; a long tail is cut
            afterwards.
        test: Number of test images; the two splits are disjoint.
        seed: Seed of the order from which the splits are taken.
        imbalance: Ratio r of a long tail: of the n_0 training images of the largest class, class i (from 0) keeps its
            first n_0 / r^i.

    Raises:
        UserError: More images asked for than there are, another size, or a class that would keep no image.
    """
    images, labels = load()
    if size < _SIDE or size % _SIDE:
        raise UserError(f"source.size: digits come as 8x8 pixels; expected a multiple of 8, found {size}")
    if min(train, test) < 10 or train + test > len(labels):
        raise UserError(
            f"source.train, source.test: expected 10 or more each and at most {len(labels)} together, "
            f"found {train} and {test}"
        )
    order = stratified(labels, seed)
    # From the two ends, so that each split is the same whatever the other one's count is.
    chosen = {"train": np.sort(order[len(order) - train :]), "test": np.sort(order[:test])}
    chosen["train"] = chosen["train"][long_tailed(labels[chosen["train"]], imbalance)]
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    for split, rows in chosen.items():
        arrays[f"{split}_images"] = ("uint8", (len(rows), 3, size, size))
        arrays[f"{split}_labels"] = ("int64", (len(rows),))
    writer.declare([str(digit) for digit in range(10)], arrays)
    block = np.ones((size // _SIDE, size // _SIDE), dtype=np.uint8)
    for split, rows in chosen.items():
        pixels = np.kron(images[rows], block[None])
        writer.append(f"{split}_images", np.repeat(pixels[:, None], 3, axis=1))
        writer.append(f"{split}_labels", labels[rows])


def load() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images scaled from 0..16 to 0..255, uint8 (1797, 8, 8), and labels, in scikit-learn's order."""
    table = _table()
    images = (table[:, :-1] * 255 + _LEVELS // 2) // _LEVELS
    return images.reshape(-1, _SIDE, _SIDE).astype(np.uint8), table[:, -1]


def _table() -> NDArray[np.int64]:
    # Importing scikit-learn takes seconds; its data file is a table of 64 pixels and a label.
    package = importlib.util.find_spec("sklearn")
    path = Path(package.origin).parent / "datasets/data/digits.csv.gz" if package and package.origin else None
    if path is None or not path.is_file():
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return np.column_stack([bunch.data, bunch.target]).astype(np.int64)
    with gzip.open(path) as file:
        return np.loadtxt(file, delimiter=",").astype(np.int64)


def stratified(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All indices in an order of which every prefix and every suffix has nearly the classes' proportions."""
    keys = np.random.PCG64(int.from_bytes(hashlib.sha256(f"digits/{seed}".encode()).digest(), "big")).random_raw(
        len(labels)
    )
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shuffled = members[np.argsort(keys[members], kind="stable")]
        position[shuffled] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((labels, position))
