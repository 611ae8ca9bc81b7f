"""Figure 2, A and B, of Simon 2023: loss and eigenvalues of C of a wide network, measured and predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.papers.stepwise.figures._staircase import marks, staircase
from pipeline.ranges import Inches

_CAPTION = (
    "A: loss of the network against t = learning rate x step, measured; dashed: the predicted times tau_j of the steps "
    "(Eq. 16) from the tangent kernel and the outputs at initialisation (Prop. 5.1, Eq. 42). B: eigenvalues of C, "
    "measured (solid) and predicted (Eq. 40, dashed). Colour: mode j, from the largest gamma_j; those without a number "
    "are learnt later than training lasts."
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
        curves: ``time``, ``loss``, ``measured``, ``predicted``, ``tau``.
        width: Inches.
        height: Inches.
        data: What stands above the figure where the crops are not of the paper's images.
    """
    return Drawing(staircase(curves, width, height, data), ["mode", "t"], marks(curves), _CAPTION)
