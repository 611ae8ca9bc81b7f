"""ImageNet (ILSVRC-2012): 1,281,167 training and 50,000 validation images (Russakovsky 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data import imagenet, images
from pipeline.ranges import Count, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 224,
    fit: Literal["squash", "crop"] = "crop",
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> None:
    """Write training and validation images at one size, classes in the order of their WordNet ids.

    Crops for training are then taken from the stored images, not from the photographs: detail that a
    small crop of a photograph shows beyond ``size`` is lost. At 224 pixels 200 GB are written.

    Args:
        files: See :func:`pipeline.data.imagenet.read`.
        writer: Where the arrays go.
        size: Side of the stored images.
        fit: ``crop`` (shorter side to ``size``, centre kept) or ``squash``.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the validation images.
    """
    ids, splits = imagenet.read(files)
    limits = {"train": limit_train, "test": limit_test}
    images.write(writer, ids, {s: found.first(limits[s]) for s, found in splits.items()}, size, fit)
