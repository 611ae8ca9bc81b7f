"""The look of all figures. A module and no style sheet, so that a change of it is a change of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.colors import ListedColormap

COLUMN = 3.3
"""Width of a figure in one column of a paper, inches (85 mm)."""

PAGE = 7.0
"""Width of a figure across both columns, inches."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision; without yellow, too light for a line."""

RANKS = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, 256)), "ranks")
"""Colour map for ordered modes; without its lightest end, which is lost on white."""

MUTED = "0.35"
"""Remarks, guides."""

SMALL = 7.0
"""Smallest font size, points."""

PARAMETERS = {
    "font.family": "DejaVu Sans",  # ships inside matplotlib: the same glyphs on every machine
    "font.size": 7.5,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 7.5,
    "axes.titlepad": 4.0,
    "axes.labelsize": 7.5,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.unicode_minus": True,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.constrained_layout.h_pad": 0.03,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # outlines that editors can read, not bitmaps of glyphs
    "path.simplify": False,
}


@contextmanager
def applied() -> Iterator[None]:
    """Matplotlib with this style alone, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in PARAMETERS.items():
            matplotlib.rcParams[name] = value  # type: ignore[index]  # the stub knows each name by heart
        yield
