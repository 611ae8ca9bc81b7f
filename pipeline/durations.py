"""Lengths of time for people."""

from __future__ import annotations

import math
import re

_UNITS = {"s": 1, "min": 60, "h": 3600}


def parse(text: str) -> float | None:
    """Seconds of ``90s``, ``45min``, ``1.5 h``; None for what is none of these."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else math.inf
    return seconds if 0 < seconds < math.inf else None


def rough(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``10 min``, ``2.5 h``, ``30 days``: about two digits."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    days = seconds / 86400
    return f"{seconds / 3600:.1f} h" if days < 10 else f"{days:,.0f} days"


def clock(seconds: float) -> str:
    """``1:02:03``, or ``2:03`` for less than an hour: what counts down."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
