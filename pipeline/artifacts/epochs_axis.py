"""A logarithmic axis of epochs with a place for epoch 0."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator


def log_epochs(axes: Axes, last: int) -> None:
    """Make the x axis logarithmic from epoch 1 on, with ticks at 0 and at powers, as many as there is room for.

    Args:
        axes: Those that share the axis are changed with it.
        last: The last epoch that is drawn.
    """
    base = 4 if last >= 16 else 2
    powers = [base**k for k in range(int(math.log(max(last, 1), base) + 1e-9) + 1)]
    axes.set_xscale("symlog", linthresh=1, linscale=0.6, base=2)
    axes.set_xlim(-0.25, 1.25 * max(last, 1))
    axes.xaxis.set_major_locator(FixedLocator([0, *powers]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([0, *powers], ["0", *map(str, powers)])
    axes.set_xlabel("epoch")
