"""What is seen of a figure once it is laid out: its texts and legends with their places."""

from __future__ import annotations

import itertools

from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from pipeline.artifacts.drawing import Drawing


def seen(drawing: Drawing) -> list[tuple[str, Bbox]]:
    """All texts that are seen, with their places, a legend as one; ticks beyond the limits have labels that are not."""
    figure = drawing.figure
    figure.draw_without_rendering()
    hidden = set()
    for panel in figure.findobj(lambda part: hasattr(part, "xaxis")):
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                inside = low - 1e-9 <= tick.get_loc() <= high + 1e-9 and panel.axison
                hidden |= set() if inside else {tick.label1, tick.label2}
    legends = [legend for legend in figure.findobj(Legend) if legend.get_visible()]
    inside_legends = {text for legend in legends for text in legend.findobj(Text)}
    texts = [
        text
        for text in figure.findobj(lambda part: isinstance(part, Text) and part.get_visible())
        # where a text in three dimensions stands is known when it is projected
        if text.get_text().strip() and text not in hidden | inside_legends and not hasattr(text, "get_position_3d")
    ]
    named = [(", ".join(text.get_text() for text in legend.get_texts()), legend) for legend in legends]
    return [(name, part.get_window_extent()) for name, part in [(text.get_text(), text) for text in texts] + named]


def crossings(drawing: Drawing, least: float = 0.7) -> list[tuple[str, str]]:
    """Texts and legends that stand on each other, by more than ``least`` pixels."""
    found = []
    for (one, first), (other, second) in itertools.combinations(seen(drawing), 2):
        crossing = Bbox.intersection(first, second)
        if crossing is not None and min(crossing.width, crossing.height) >= least:
            found.append((one, other))
    return found
