"""ImageNet (ILSVRC-2012): 1,281,167 training and 50,000 validation images (Russakovsky 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data import imagenet, images
from pipeline.ranges import Count, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer


DEFAULT_BEFORE = {"formats": ["JPEG", "PNG"], "keep": "pixels", "draft": False}


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 224,
    fit: Literal["squash", "crop"] = "crop",
    formats: list[str] = ["JPEG", "PNG"],  # noqa: B006, the plan reads defaults as literals
    limit_train: Count | None = None,
    limit_test: Count | None = None,
    keep: Literal["pixels", "shards", "encoded"] = "pixels",
    draft: bool = False,
) -> None:
    """Write training and validation images at one size, classes in the order of their WordNet ids.

    Crops for training are then taken from the stored images, not from the photographs: detail that a
    small crop of a photograph shows beyond ``size`` is lost. At 224 pixels 200 GB are written.

    Args:
        files: See :func:`pipeline.data.imagenet.read`.
        writer: Where the arrays go.
        size: Side of the stored images.
        fit: ``crop`` (shorter side to ``size``, centre kept) or ``squash``.
        formats: Formats that are opened, by Pillow's names; nothing else is, whatever a file is called.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the validation images.
        keep: ``pixels``, one array in one file; ``shards``, the same in files of 1 GiB; ``encoded``, the files that
            were found, in such files, decoded whenever they are read. The network sees the same images.
        draft: Whether JPEGs are decoded at the smallest scale that suffices: faster, and not quite the same images.
    """
    images.check_formats(formats)
    ids, splits = imagenet.read(files, formats)
    images.write(writer, ids, splits, size, fit, formats, {"train": limit_train, "test": limit_test}, keep, draft)
