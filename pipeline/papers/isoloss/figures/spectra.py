"""Eigenvalues of the embeddings' correlation along training (Halvagal 2023, Fig. 3 and later spectra)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.artifacts.tracks import draw_tracks
from pipeline.ranges import Count, Inches

SPECTRUM, ACCURACY = "eigenvalues of C", "readout"
"""The measures that are drawn."""


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    *,
    layout: Literal["losses", "ema", "decay"] = "losses",
    modes: Count = 256,
    width: Inches = 3.3,
    panel: Inches = 1.1,
) -> Drawing:
    """Panels of spectra, one line per eigenvalue, and of accuracy, where it was measured.

    Args:
        rows: The artifact's rows, with the axes method, measure and epochs, and what the layout reads.
        params: The artifact's params.
        layout: ``losses``: one column per method, one line per loss, which methods are called ``METHOD, LOSS`` for;
            ``ema``: one column per value of the axis ema; ``decay``: one column per weight decay, one line per method.
        modes: Most eigenvalues that are drawn.
        width: Inches.
        panel: Height of one panel, inches.
    """

    def place(axes: Mapping[str, Any]) -> tuple[str, str]:
        method, _, loss = str(axes["method"]).partition(", ")
        if layout == "ema":
            return f"{axes['ema']} EMA", ""
        if layout == "decay":
            return f"weight decay {axes['weight_decay']:g}", method
        return method, loss

    return draw_tracks(
        rows,
        params,
        place=place,
        spectra={SPECTRUM: "eigenvalues of $C$"},
        numbers={ACCURACY: "top-1 in %"},
        modes=modes,
        decades=8,
        width=width,
        panel=panel,
    )
