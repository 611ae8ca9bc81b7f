"""How a trained linear predictor is aligned with the eigenvectors of the embeddings' correlation (Halvagal 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.ranges import Inches

SPECTRUM = "spectrum"
"""The measure that is drawn."""
_CAPTION = (
    "Cosine of each eigenvector u of the embeddings' correlation with its image W_p u under the trained linear "
    "predictor, in the order of the eigenvalues, of the first seed; colour: epoch."
)


def draw(rows: Sequence[Row], params: Mapping[str, Any], *, width: Inches = 3.3, height: Inches = 1.7) -> Drawing:
    """One panel per method, one line per epoch.

    Args:
        rows: The artifact's rows, with the axes method, measure and epochs.
        params: The artifact's params.
        width: Inches.
        height: Inches.
    """
    cells = [row for row in rows if row.role == CELL and row.axes.get("measure") == SPECTRUM and not row.missing]
    methods = axis_values(cells, "method")
    last = max((row.trained_epochs for row in cells), default=1)
    colour = ScalarMappable(Normalize(0, last), style.RANKS)
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(1, max(len(methods), 1), sharey=True, squeeze=False)[0]
    records: list[dict[str, Any]] = []
    for axes, method in zip(grid, methods, strict=False):
        for row in cells:
            value = row.seeds[min(row.seeds)] if row.seeds else None
            if not same(row.axes["method"], method) or not isinstance(value, dict):
                continue
            points = [(mode, cosine) for mode, cosine in enumerate(value["alignment"], 1) if cosine is not None]
            tone = style.RANKS(row.trained_epochs / max(last, 1))
            axes.plot([m for m, _ in points], [c for _, c in points], color=tone, linewidth=0.8)
            at = {"method": method, "epochs": row.trained_epochs, "quantity": "alignment"}
            records += [{**at, "mode": mode, "value": cosine} for mode, cosine in points]
        axes.set_title(str(method))
        axes.set_xlabel("eigenvector")
        axes.set_ylim(-1.05, 1.05)
    grid[0].set_ylabel("cosine of $u$ and $W_p u$")
    figure.colorbar(colour, ax=list(grid), label="epoch", fraction=0.05)
    drawing.remark(figure, params, rows)
    return Drawing(figure, ["method", "epochs", "mode"], records, _CAPTION)
