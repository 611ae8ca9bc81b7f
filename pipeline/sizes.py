"""Sizes as people type them."""

from __future__ import annotations

import re


def parse(text: str, units: str) -> int | None:
    """Read ``64MB``, ``500KiB`` or ``1000``: bytes, or None where it is no size.

    Args:
        text: As typed.
        units: Letters that may stand before the B, from thousands on: ``KMGT``.
    """
    match = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*([{units}]?)(I?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        return None
    return int(float(match[1]) * (1024 if match[3] else 1000) ** f" {units}".index(match[2].upper() or " "))
