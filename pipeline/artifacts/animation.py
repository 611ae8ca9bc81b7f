"""A figure in motion: an animated GIF beside the still, whose bytes follow from what is drawn alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError

DPI = 200
MAX_FRAMES = 48
"""Frames: more make a large file, and no motion plainer."""

_COLOURS = 255
"""Of all frames together; one more stands for "as before" where little changes."""

_PLACES = np.array([1 << 16, 1 << 8, 1], np.int32)
Colours = NDArray[np.int32]
"""Pixels as one number each, 0xRRGGBB."""


@dataclass
class Animation:
    """What moves in a figure.

    Attributes:
        figure: Drawn anew for every frame; not the still's, which stays as it is.
        draw: Brings ``figure`` to frame k, 0 to ``count`` - 1, whatever it showed before, and returns all artists
            that move, the same ones for every frame; they are drawn above the rest.
        count: Frames.
        seconds: Time of one round, before the pause.
        pause: Seconds for which the last frame stands; then it starts again.
    """

    figure: Figure
    draw: Callable[[int], Sequence[Artist]]
    count: int
    seconds: float = 6.0
    pause: float = 2.5


def write(path: Path, animation: Animation, carried: Mapping[str, str]) -> None:
    """Write an animation that starts again for ever, and no date.

    Args:
        path: The GIF file.
        animation: What moves.
        carried: What the file says of itself, as its comment.

    Raises:
        UserError: It has too many frames, or too few.
    """
    if not 2 <= animation.count <= MAX_FRAMES:
        raise UserError(f"{path.name}: Animation.count: expected 2 to {MAX_FRAMES} frames, found {animation.count}")
    first, *rest = _reduced(list(_frames(animation)))
    each = max(2, round(100 * animation.seconds / animation.count)) * 10  # the format counts hundredths
    durations = [each] * (animation.count - 1) + [each + round(100 * animation.pause) * 10]
    comment = "; ".join(f"{name}={value}" for name, value in carried.items())
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, comment=comment.encode())


def _frames(animation: Animation) -> Iterator[Colours]:
    """Colours of all frames, laid out once as the last one wants it; what stands still is drawn once."""
    figure = animation.figure
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    moving = animation.draw(animation.count - 1)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    for number in range(animation.count):
        canvas.restore_region(still)
        for artist in sorted(animation.draw(number), key=Artist.get_zorder):
            figure.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int32) @ _PLACES


def _reduced(frames: list[Colours]) -> Iterator[Image.Image]:
    """Frames in one palette, so that what stands still does not flicker: the commonest colours, and white is white."""
    each = [np.unique(frame, return_inverse=True, return_counts=True) for frame in frames]
    colours, places = np.unique(np.concatenate([own for own, _, _ in each]), return_inverse=True)
    counts = np.bincount(places, np.concatenate([number for _, _, number in each]))
    palette = colours[np.argsort(-counts, kind="stable")[:_COLOURS]]
    # nearest entry of the palette for every colour
    distances = [((_parts(palette) - one) ** 2).sum(1) for one in _parts(colours)]
    nearest = np.argmin(distances, axis=1).astype(np.uint8)
    for own, found, _ in each:
        image = Image.fromarray(nearest[np.searchsorted(colours, own)][found].reshape(frames[0].shape))
        image.putpalette(_parts(palette).astype(np.uint8).tobytes())
        yield image


def _parts(colours: Colours) -> Colours:
    """Red, green and blue of packed colours, shape (n, 3)."""
    return colours[:, None] // _PLACES % 256
