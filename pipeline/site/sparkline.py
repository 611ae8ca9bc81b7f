"""Small curves of a training's history, one line per seed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from html import escape

WIDE, HIGH = 180.0, 44.0


def columns(history: bytes) -> dict[str, list[float]]:
    """Columns of a ``history.csv`` by name, without the epoch; what is no number is nan."""
    found: dict[str, list[float]] = {}
    for row in csv.DictReader(io.StringIO(history.decode("utf-8", "replace"))):
        for name, text in row.items():
            if name and name != "epoch":
                found.setdefault(name, []).append(_number(text))
    return found


def svg(name: str, lines: Mapping[int, list[float]]) -> str:
    """Curves on common axes.

    Args:
        name: What is drawn.
        lines: Seed -> values by epoch.
    """
    finite = [value for line in lines.values() for value in line if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    longest = max(map(len, lines.values()))
    paths = []
    for line in lines.values():
        points = [
            f"{WIDE * k / max(longest - 1, 1):.1f} {HIGH - 3 - (HIGH - 6) * (value - low) / ((high - low) or 1):.1f}"
            for k, value in enumerate(line)
            if math.isfinite(value)
        ]
        if points:
            paths.append(f'<path d="M{"L".join(points)}"/>')
    label = f"{name} over {longest} epochs, {len(lines)} seeds: from {low:.3g} to {high:.3g}"
    return (
        f'<svg class="spark" role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDE:g} {HIGH:g}" '
        f'width="{WIDE:g}" height="{HIGH:g}">{"".join(paths)}</svg>'
    )


def ends(lines: Mapping[int, list[float]]) -> tuple[str, str]:
    """First and last value, mean over the seeds that have one."""
    found = []
    for at in (0, -1):
        values = [line[at] for line in lines.values() if line and math.isfinite(line[at])]
        found.append(f"{sum(values) / len(values):.3g}" if values else "–")
    return found[0], found[1]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
