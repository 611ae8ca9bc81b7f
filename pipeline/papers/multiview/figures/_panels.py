"""What panels of one figure share: a legend of all that is drawn in any, and a word where nothing is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.artifacts import style


def finish(figure: Figure, panels: Iterable[Axes]) -> None:
    """Add the legend of all panels below them, and say in those without a point that nothing was measured.

    Args:
        figure: Laid out by matplotlib's constrained layout.
        panels: Its panels; what is drawn in them has labels.
    """
    named: dict[str, Any] = {}
    for axes in panels:
        if any(np.size(line.get_xdata()) for line in axes.lines):
            named |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
            continue
        axes.set_xscale("linear")  # a logarithmic axis has ticks without numbers
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=style.MUTED)
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=2)
