"""The tangent kernel during training, and what it predicts; a figure of our own beside Tables 1 and 2 of Simon 2023."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.ranges import Inches

_KERNELS = {
    "distance to the final kernel": "distance to\n$K_{end}$",
    "alignment with the final kernel": "CKA with\n$K_{end}$",
    "alignment with the labels": "CKA with\nlabels",
}
_SPACES = {
    "a(P_exp,P_th)": "theory, now",
    "a(P_exp,P_NTK)": "eigenvectors\nof $K$, now",
    "a(P_end,P_th)": "theory, of\nthe end",
    "a(P_exp,P_end)": "embeddings,\nnow and end",
}
_CAPTION = (
    "Above: distance 1 - cos(K, K_end) of the tangent kernel from the last one, and its centred alignment (CKA) with "
    "the last one and with the kernel of labels. Below: alignment a of subspaces: embeddings with what the kernel of "
    "the same moment predicts and with its leading eigenvectors; the final embeddings with what the kernel of the "
    "moment predicts, and with the embeddings of the moment. Means over seeds."
)


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 3.0) -> Drawing:
    """One column of panels per method, everything against the epoch.

    Args:
        rows: The artifact's rows, with the axes method, epochs and quantity.
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    methods = axis_values(rows, "method")
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(2, len(methods), sharex=True, sharey="row", squeeze=False)
    records: list[dict[str, Any]] = []
    for column, method in enumerate(methods):
        own = [row for row in rows if row.role == CELL and same(row.axes["method"], method)]
        for axes, group in zip(grid[:, column], (_KERNELS, _SPACES), strict=True):
            ends = []
            for number, (quantity, label) in enumerate(group.items()):
                chosen = [row for row in own if same(row.axes["quantity"], quantity) and row.mean is not None]
                if not chosen:
                    continue
                x = [row.trained_epochs for row in chosen]
                y = [float(row.mean) for row in chosen if row.mean is not None]
                axes.plot(x, y, color=style.COLOURS[number], marker="o", markersize=2.5, linewidth=1.1)
                ends.append((x[-1], y[-1], label, style.COLOURS[number]))
                records += [
                    {"method": method, "epochs": a, "quantity": quantity, "value": b} for a, b in zip(x, y, strict=True)
                ]
            _finish(axes)
            if column == len(methods) - 1:
                drawing.label_ends(axes, ends, lines=2)
        grid[0, column].set_title(str(method))
        grid[1, column].set_xlabel("epoch")
    grid[0, 0].set_ylabel("kernels: distance, CKA")
    grid[1, 0].set_ylabel("alignment $a$ of subspaces")
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["method", "epochs"], records, _CAPTION)


def _finish(axes: Axes) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
