"""Images of a data set in figures: read one by one, drawn in grids, with their licence in the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pipeline.artifacts import style
from pipeline.data.arrays import ARRAYS, Arrays
from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import UInt8


@dataclass(frozen=True)
class Images:
    """Images of one split by their index in the prepared array. What is not shown is not read.

    Attributes:
        folder: Payload of the data set.
        about: What the plan says of them: ``title``, ``licence``, ``citation``, ``dataset``, ``split``.
    """

    folder: Path
    about: Mapping[str, Any]

    def __len__(self) -> int:
        """Number of images."""
        with self._opened() as file:
            return file.get_slice(self._name("images")).get_shape()[0]

    def picture(self, index: int) -> UInt8[np.ndarray, "height width channels"]:
        """One image, as matplotlib takes it.

        Raises:
            UserError: There is no such image.
        """
        with self._opened() as file:
            images = file.get_slice(self._name("images"))
            count = images.get_shape()[0]
            if not 0 <= index < count:
                split = f"{self.about['dataset']}, split {self.about['split']}"
                raise UserError(f"images: {split}: expected an index from 0 to {count - 1}, found {index}")
            return np.ascontiguousarray(images[index : index + 1][0].transpose(1, 2, 0))

    def label(self, index: int) -> int:
        """Class of an image, -1 where it has none."""
        with self._opened() as file:
            return int(file.get_slice(self._name("labels"))[index : index + 1][0])

    @property
    def classes(self) -> list[str]:
        """Names of the classes; a label is an index into them."""
        return Arrays.open(self.folder).classes

    def credit(self) -> str:
        """Whose images they are, and on what terms they are shown: the last sentences of a caption."""
        cited = f" {self.about['citation']}." if self.about.get("citation") else ""
        return f"Images: {self.about['title']}, split {self.about['split']}. Licence: {self.about['licence']}.{cited}"

    def _name(self, of: str) -> str:
        return f"{self.about['split']}_{of}"

    def _opened(self) -> Any:
        from safetensors import safe_open

        return safe_open(self.folder / ARRAYS, framework="numpy")


def grid(
    figure: Figure | SubFigure, images: Images, indices: Sequence[Sequence[int | None]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Draw rows of images without gaps, each row with its name at the left; returns a record for each.

    Args:
        figure: To be filled.
        images: Where they are taken from.
        indices: One sequence per row, all as long as the longest or shorter; None leaves a place empty.
        names: Of the rows.

    Returns:
        Records with ``row``, ``place`` (from 1), ``index``, and as ``value`` the label.
    """
    wide = max(map(len, indices))
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):
        layout.set(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.0)  # its own would be half as wide as an image
    axes = figure.subplots(len(indices), wide, squeeze=False)
    records: list[dict[str, Any]] = []
    for line, row, name in zip(axes, indices, names, strict=True):
        for place, one in enumerate(line):
            one.set_axis_off()
            found = row[place] if place < len(row) else None
            if found is None:
                continue
            index = int(found)
            one.imshow(images.picture(index), interpolation="nearest")
            at = {"row": name, "place": place + 1, "index": index}
            records.append({**at, "quantity": "label", "value": images.label(index)})
        line[0].text(-0.12, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=style.SMALL)
    return records
