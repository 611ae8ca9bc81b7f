"""Images of a data set in figures: read one by one, drawn in grids, with their licence in the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from pipeline.artifacts import style
from pipeline.data.arrays import ARRAYS, Arrays
from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import UInt8

_GAP = 0.06
"""Between two images of a grid, of the side of one."""


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
    figure: Figure | SubFigure | Axes, images: Images, indices: Sequence[Sequence[int]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Draw rows of images with hardly a gap, each row with its name at the left; returns a record for each.

    Args:
        figure: To be filled, or one panel of it.
        images: Where they are taken from.
        indices: One sequence per row, all as long as the longest or shorter.
        names: Of the rows.

    Returns:
        Records with ``row``, ``place`` (from 1), ``index``, and as ``value`` the label.
    """
    axes = figure if isinstance(figure, Axes) else figure.subplots()
    axes.set_axis_off()
    records: list[dict[str, Any]] = []
    wide = 1.0
    for line, (row, name) in enumerate(zip(indices, names, strict=True)):
        for place, number in enumerate(row):
            index = int(number)
            picture = images.picture(index)
            wide = picture.shape[1] / picture.shape[0]
            left, right = place * wide, (place + 1 - _GAP) * wide
            axes.imshow(picture, interpolation="nearest", extent=(left, right, line + 1 - _GAP, line))
            at = {"row": name, "place": place + 1, "index": index}
            records.append({**at, "quantity": "label", "value": images.label(index)})
        axes.text(-2 * _GAP * wide, line + 0.5, name, ha="right", va="center", fontsize=style.SMALL)
    axes.set_xlim(0, max(max(map(len, indices), default=1), 1) * wide)
    axes.set_ylim(max(len(indices), 1), 0)
    axes.set_aspect("equal")
    return records
