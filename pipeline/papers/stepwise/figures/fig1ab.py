"""Figure 1, A and B, of Simon 2023: loss and eigenvalues of C of the linear model, measured and predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.papers.stepwise.figures._staircase import growing, marks, staircase
from pipeline.ranges import Inches

_CAPTION = (
    "A: loss of the linear model against t = learning rate x step, measured; dashed: the predicted times tau_j of the "
    "steps (Eq. 16) from the effective initial singular values of this W(0) (Eq. 19); triangles: the same from "
    "alpha sqrt(d - j + 1) (Eq. 21). B: eigenvalues of C, measured (solid) and predicted, gamma_j s_j(t)^2 (dashed). "
    "Colour: mode j, from the largest gamma_j."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, NDArray[Any]],
    *,
    width: Inches = 3.3,
    height: Inches = 3.6,
    data: str = "",
) -> Drawing:
    """Two panels over one logarithmic axis of time.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: ``time``, ``loss``, ``measured``, ``predicted``, ``tau``, ``estimated``.
        width: Inches.
        height: Inches.
        data: What stands above the figure where the crops are not of the paper's images.
    """
    still, moving = staircase(curves, width, height, data), growing(curves, width, height, data)
    return Drawing(still, ["mode", "t"], marks(curves), _CAPTION, moving)
