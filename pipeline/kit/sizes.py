"""Sizes as people type them; read here without the declarations, whose parser a GPU's machine may lack."""

from __future__ import annotations

import re

from pipeline.errors import UserError


def size(option: str, text: str) -> int:
    """Bytes of ``64MB``, ``500KiB`` or ``1000``.

    Raises:
        UserError: It is no such size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(I)?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise UserError(f"{option}: expected a size such as 64MB or 500KiB, found {text!r}")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** " KMG".index(match[2].upper() or " "))
