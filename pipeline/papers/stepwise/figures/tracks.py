"""Loss and eigenvalues along training (Simon 2023, Figs. 1CD, 2C-F, 3, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.artifacts.tracks import draw_tracks
from pipeline.ranges import Count, Inches, NonNegative


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    eigenvalues: list[str],
    labels: list[str],
    threshold: NonNegative = 0.1,
    modes: Count = 50,
    width: Inches = 3.3,
    panel: Inches = 1.05,
) -> Drawing:
    """One column of panels per method: the loss where it was measured, then each kind of eigenvalues.

    Args:
        rows: The artifact's rows, with the axes method, measure and steps (or epochs).
        params: The artifact's params.
        eigenvalues: Names of the measures that are lists of eigenvalues.
        labels: What they are, one for each.
        threshold: Where the dashed line lies; 0: none.
        modes: Most eigenvalues that are drawn.
        width: Inches.
        panel: Height of one panel, inches.
    """
    spectra = dict(zip(eigenvalues, labels, strict=True))
    return draw_tracks(rows, params, spectra=spectra, threshold=threshold, modes=modes, width=width, panel=panel)
