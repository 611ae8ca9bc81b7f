"""Drawn images, and the votes of a committee of weak classifiers on them: stands where people's labels are needed.

Nobody has labelled drawn images. What an analysis of human labels needs is that some images are harder than others,
and votes that say so; here those who vote are nearest-neighbour classifiers that know a few images of every class and
see some cells of a coarse picture. They err where an image is like those of another class, which need not be where
people do.

All arithmetic is of whole numbers and all randomness of raw words, so the votes are the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources import digits, shapes, textured_digits
from pipeline.errors import UserError
from pipeline.ranges import Count, Interval, PositiveFraction, Seed, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

Whole = NDArray[np.int64]

_SOURCES = {"digits": digits, "shapes": shapes, "textured_digits": textured_digits}
_CELLS = 8  # a side, of the coarse picture
_LEVELS = 255


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    of: Literal["digits", "shapes", "textured_digits"] = "textured_digits",
    size: Side = 16,
    train: Count = 2000,
    test: Count = 1000,
    seed: Seed = 0,
    members: Annotated[int, Interval(ge=1, le=255)] = 25,
    shown: Count = 5,
    share: PositiveFraction = 0.25,
) -> None:
    """Write the images of another source as they are, and votes beside them.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        of: Whose images; what is not named here has that source's defaults.
        size: Side of the image in pixels.
        train: Number of training images.
        test: Number of test images.
        seed: Seed of the images and of the committee.
        members: How many classifiers vote. On a training image those that know it abstain.
        shown: How many images of each class a member knows, at most half of those there are.
        share: Share of the 8x8 cells that a member sees.

    Raises:
        UserError: A param that the other source refuses, or a training image that all members know.
    """
    listener = _Listener(writer)
    _SOURCES[of].build(files, cast("Writer", listener), size=size, train=train, test=test, seed=seed)
    seen = {split: coarse(listener.all(f"{split}_images")) for split in ("train", "test")}
    labels = listener.all("train_labels")
    for split, counts in votes(seen, labels, len(listener.classes), seed, members, shown, share).items():
        writer.append(f"{split}_votes", counts)


class _Listener:
    """Takes what a source writes, remembers images and labels, and hands all of it on."""

    def __init__(self, writer: Writer) -> None:
        self.classes: list[str] = []
        self._writer = writer
        self._rows: dict[str, list[NDArray]] = {}

    def declare(self, classes: list[str], arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        self.classes = classes
        counts = {split: arrays[f"{split}_labels"][1][0] for split in ("train", "test")}
        added = {f"{split}_votes": ("uint8", (n, len(classes))) for split, n in counts.items()}
        self._writer.declare(classes, {**arrays, **added})

    def append(self, name: str, rows: NDArray) -> None:
        if name.endswith(("_images", "_labels")):
            self._rows.setdefault(name, []).append(rows)
        self._writer.append(name, rows)

    def all(self, name: str) -> NDArray:
        return np.concatenate(self._rows[name])


def coarse(images: NDArray[np.uint8]) -> Whole:
    """How far each of 8x8 cells is from the ground, 0 to 255 of the farthest, shape (n, 64).

    The ground is the median colour of the border's pixels, so neither colours nor their order matter.

    Args:
        images: Shape (n, channels, side, side), side at least 8.
    """
    pixels = images.astype(np.int64)
    n, _, side, _ = pixels.shape
    inner = pixels[:, :, 1:-1]
    border = np.concatenate([pixels[:, :, 0], pixels[:, :, -1], inner[..., 0], inner[..., -1]], axis=2)
    ground = np.sort(border, axis=2)[:, :, border.shape[2] // 2]
    away = np.abs(pixels - ground[:, :, None, None]).sum(1)
    edges = np.arange(_CELLS) * side // _CELLS
    cells = np.add.reduceat(np.add.reduceat(away, edges, axis=1), edges, axis=2).reshape(n, -1)
    return cells * _LEVELS // np.maximum(cells.max(1, keepdims=True), 1)


def votes(
    seen: Mapping[str, Whole], labels: Whole, classes: int, seed: int, members: int, shown: int, share: float
) -> dict[str, NDArray[np.uint8]]:
    """Votes by split, shape (n, classes): each member has one vote on each image that it does not know.

    Args:
        seen: Coarse images of ``train`` and ``test``, shape (n, cells) each.
        labels: Labels of the training images, shape (n,).
        classes: Number of classes.
        seed: Seed of what each member knows and sees.
        members: Number of members.
        shown: Images of each class that a member knows, at most half of those there are.
        share: Share of the cells that a member sees.
    """
    counts = {split: np.zeros((len(images), classes), dtype=np.uint8) for split, images in seen.items()}
    for member in range(members):
        stream = (seed, f"committee/{member}")
        known = _known(labels, shapes.uniform(stream, "known", len(labels)), shown)
        order = np.argsort(shapes.uniform(stream, "cells", seen["train"].shape[1]), kind="stable")
        cells = order[: max(1, int(share * len(order)))]
        for split, images in seen.items():
            vote = labels[known][_nearest(images[:, cells], seen["train"][np.ix_(known, cells)])]
            asked = np.ones(len(images), dtype=bool)
            if split == "train":
                asked[known] = False
            counts[split][np.flatnonzero(asked), vote[asked]] += 1
    if not counts["train"].any(axis=1).all():
        raise UserError(
            f"source.members: all {members} know the same training image, which has no votes then; choose more, "
            "or a smaller source.shown"
        )
    return counts


def _known(labels: Whole, keys: NDArray[np.float64], shown: int) -> Whole:
    """Training images that a member knows, as many of each class, in the order of the classes."""
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen.append(rows[np.argsort(keys[rows], kind="stable")][: min(shown, len(rows) // 2)])
    return np.concatenate(chosen)


def _nearest(images: Whole, known: Whole) -> Whole:
    """Index of the nearest known image by Euclidean distance, the first of several, shape (n,)."""
    squared: Whole = (known**2).sum(1) - 2 * images @ known.T  # and the image's own square, the same for all
    return squared.argmin(1)
