"""The look of all figures. A module and no style sheet, so that a change of it is a change of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.colors import ListedColormap
from matplotlib.font_manager import FontEntry, fontManager

COLUMN = 3.3
"""Width of every figure, inches (85 mm): one column of a paper, so that nothing shrinks in print."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision; without yellow, too light for a line."""

RANKS = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, 256)), "ranks")
"""Colour map for ordered modes; without its lightest end, which is lost on white."""

MUTED = "0.35"
"""Remarks, guides."""

SMALL = 6.0
"""Smallest font size, points: what most journals still print."""

_SANS = "SSL Sans"
"""Liberation Sans, under a name that no font of the machine has."""

_FONTS = Path(__file__).parent / "fonts"
"""Liberation Sans 2.1.5, with the widths of Arial, which journals ask for, and with a licence to be passed on."""

for _cut, _style, _weight in (("Regular", "normal", 400), ("Italic", "italic", 400), ("Bold", "normal", 700)):
    _file = str(_FONTS / f"LiberationSans-{_cut}.ttf")
    fontManager.ttflist.append(
        FontEntry(fname=_file, name=_SANS, style=_style, weight=_weight, variant="normal", size="scalable")
    )

PARAMETERS = {
    "font.family": [_SANS, "DejaVu Sans"],  # both are shipped: the same glyphs on every machine
    "font.size": 6.5,
    "mathtext.fontset": "custom",
    "mathtext.rm": _SANS,
    "mathtext.it": f"{_SANS}:italic",
    "mathtext.bf": f"{_SANS}:bold",
    "mathtext.sf": _SANS,
    "mathtext.cal": f"{_SANS}:italic",
    "mathtext.tt": "DejaVu Sans Mono",
    "mathtext.fallback": "stixsans",
    "axes.titlesize": 6.5,
    "axes.titlepad": 3.0,
    "axes.labelsize": 6.5,
    "axes.labelpad": 1.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.unicode_minus": True,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.minor.size": 1.2,
    "ytick.minor.size": 1.2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.pad": 1.5,
    "ytick.major.pad": 1.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.5,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.0,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.dpi": 300,  # as in the file: of fewer pixels letters have other widths, and texts end beyond the edge
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
