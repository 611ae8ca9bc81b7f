"""CIFAR-10: 50,000 training and 10,000 test images of 32x32 pixels in 10 classes (Krizhevsky 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data import cifar
from pipeline.ranges import Count

if TYPE_CHECKING:
    from pipeline.data.writer import Writer


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
) -> None:
    """Write the images in the authors' order.

    Args:
        files: The archive's unpacked place, the only entry.
        writer: Where the arrays go.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the test images.
    """
    from torchvision.datasets import CIFAR10

    (root,) = files.values()
    cifar.write(CIFAR10, root, writer, limit_train, limit_test)
