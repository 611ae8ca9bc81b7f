"""Figure 1 of Tian 2021: the linear model with two branches, a predictor, a stop-gradient and an EMA target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipeline.artifacts import sketch, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches

_CAPTION = (
    "Two augmentations of one image. The online network W and the predictor follow the gradient of J (dashed), none "
    "goes through the target network, whose weights are a moving average of the online ones (Eqs. 1 to 4). Without "
    "the average, as in SimSiam, the target's weights are those of the online network."
)


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 1.75) -> Drawing:
    """One panel.

    Args:
        rows: None: nothing is measured.
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    sketch.canvas(axes, 13.2, 7.0)
    online, target, loss = style.COLOURS[0], style.COLOURS[2], style.COLOURS[1]
    up, low, middle = 5.2, 1.8, 3.5
    axes.text(0.35, middle, "$x$", ha="center", va="center")
    for y, name in ((up, "$x_1$"), (low, "$x_2$")):
        sketch.arrow(axes, (0.65, middle + (0.25 if y > middle else -0.25)), (1.65, y - (0.3 if y > middle else -0.3)))
        axes.text(2.0, y, name, ha="center", va="center")
        sketch.arrow(axes, (2.4, y), (3.3, y))
    sketch.small(axes, (0.1, up - 0.1), "augment", ha="left")
    sketch.box(axes, (4.1, up), (1.5, 1.2), "$W$", online)
    sketch.box(axes, (4.1, low), (1.5, 1.2), "$W_a$", target)
    sketch.small(axes, (4.1, up + 1.05), "online", color=online)
    sketch.small(axes, (4.1, low - 1.05), "target", color=target)
    sketch.arrow(axes, (4.1, up - 0.65), (4.1, low + 0.65), target, linestyle=(0, (4, 2)))
    sketch.small(axes, (4.3, middle), "EMA:\n$\\dot{W}_a = \\beta\\,(W - W_a)$", ha="left", color=target)
    sketch.arrow(axes, (4.9, up), (7.2, up))
    sketch.small(axes, (6.0, up + 0.45), "$f_1 = W x_1$")
    sketch.box(axes, (8.0, up), (1.5, 1.2), "$W_p$", online)
    sketch.small(axes, (8.0, up + 1.05), "predictor", color=online)
    axes.plot([8.8, 11.95], [up, up], color="black", linewidth=0.9)
    sketch.small(axes, (9.95, up + 0.45), "$W_p f_1$")
    axes.plot([4.9, 11.95], [low, low], color="black", linewidth=0.9)
    sketch.small(axes, (6.3, low + 0.5), "$f_{2a} = W_a x_2$")
    sketch.stop(axes, (9.2, low), 0.9, loss)
    sketch.small(axes, (9.2, low + 0.85), "stop-gradient", color=loss)
    sketch.arrow(axes, (11.95, up), (11.95, middle + 0.55))
    sketch.arrow(axes, (11.95, low), (11.95, middle - 0.55))
    sketch.box(axes, (11.95, middle), (1.2, 1.0), "$J$", loss)
    axes.plot([11.3, 8.0], [middle, middle], color=loss, linewidth=0.9, linestyle=(0, (3, 2)))
    sketch.arrow(axes, (8.0, middle), (8.0, up - 0.65), loss, linestyle=(0, (3, 2)))
    sketch.small(axes, (9.9, middle + 0.4), "gradient", color=loss)
    sketch.small(axes, (12.55, 0.65), "$J = \\frac{1}{2}E\\,\\Vert W_p f_1 - f_{2a}\\Vert^2$", ha="right")
    return Drawing(figure, [], [], _CAPTION)
