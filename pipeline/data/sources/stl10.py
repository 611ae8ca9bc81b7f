"""STL-10: 5,000 training, 8,000 test and 100,000 unlabelled images of 96x96 pixels (Coates, Ng, Lee 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.splits import balanced
from pipeline.errors import UserError
from pipeline.ranges import Count, Natural

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
_ROWS = 1000


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    limit_train: Count | None = None,
    limit_test: Count | None = None,
    limit_unlabeled: Natural | None = None,
) -> None:
    """Write the three splits in the authors' order.

    Args:
        files: The archive's unpacked place, the only entry.
        writer: Where the arrays go.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the test images.
        limit_unlabeled: Keep only the first unlabelled images; 0 leaves the split out.

    Raises:
        UserError: A file of another length than its partner needs.
    """
    from torchvision.datasets import STL10

    class Verified(STL10):
        """The declared checksums have been compared; torchvision would do it again for every split."""

        train_list = [[name, None] for name, _ in STL10.train_list]  # noqa: RUF012
        test_list = [[name, None] for name, _ in STL10.test_list]  # noqa: RUF012

    (root,) = files.values()
    limits = {"train": limit_train, "test": limit_test, "unlabeled": limit_unlabeled}
    images, labels, kept = {}, {}, {}
    for split, limit in limits.items():
        if split == "unlabeled" and limit == 0:
            continue
        try:
            read = Verified(root, split=split)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{root / STL10.base_folder}: not a complete STL-10 folder ({error})") from None
        images[split], labels[split] = read.data, np.asarray(read.labels).astype(np.int64)
        if len(images[split]) != len(labels[split]):
            found = f"{len(images[split])} {split} images, {len(labels[split])} labels"
            raise UserError(f"{root / STL10.base_folder}: {found}; unpack the archive again")
        kept[split] = balanced(labels[split], limit)
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {}
    for split, rows in kept.items():
        arrays[f"{split}_images"] = ("uint8", (len(rows), *images[split].shape[1:]))
        if split != "unlabeled":
            arrays[f"{split}_labels"] = ("int64", (len(rows),))
    writer.declare(CLASSES, arrays, {split: len(found) for split, found in labels.items()})
    for split, rows in kept.items():
        if split != "unlabeled":
            writer.append(f"{split}_labels", labels[split][rows])
        for begin in range(0, len(rows), _ROWS):
            writer.append(f"{split}_images", images[split][rows[begin : begin + _ROWS]])
