"""Lengths of time for people."""

from __future__ import annotations


def rough(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``10 min``, ``2.5 h``: about two digits."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def clock(seconds: float) -> str:
    """``1:02:03``, or ``2:03`` for less than an hour: what counts down."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
