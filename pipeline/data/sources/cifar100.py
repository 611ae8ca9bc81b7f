"""CIFAR-100: 50,000 training and 10,000 test images of 32x32 pixels in 100 classes (Krizhevsky 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data import cifar
from pipeline.ranges import Count, Imbalance

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

DEFAULT_BEFORE = {"imbalance": 1.0, "votes": "none"}


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
    imbalance: Imbalance = 1.0,
    votes: Literal["none", "noisy_label"] = "none",
) -> None:
    """Write the images in the authors' order.

    Args:
        files: The archive's unpacked place, and a file of human labels where ``votes`` asks for it.
        writer: Where the arrays go.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the test images.
        imbalance: Ratio r of a long tail: of the n_0 training images of the largest class, class i (from 0) keeps its
            first n_0 / r^i (after a limit).
        votes: What people said: ``noisy_label``, one label for each training image (CIFAR-100N, Wei 2022).

    Raises:
        UserError: A file that is no CIFAR batch, no file of human labels or one of other images; a class that would
            keep no image.
    """
    from torchvision.datasets import CIFAR100

    cifar.write(CIFAR100, files, writer, limit_train, limit_test, imbalance, votes)
