"""Sizes in the options of a kit; read here without the declarations, whose parser a GPU's machine may lack."""

from __future__ import annotations

from pipeline import sizes
from pipeline.errors import UserError


def size(option: str, text: str) -> int:
    """Bytes of ``64MB``, ``500KiB`` or ``1000``.

    Raises:
        UserError: It is no such size.
    """
    found = sizes.parse(text, "KMG")
    if found is None:
        raise UserError(f"{option}: expected a size such as 64MB or 500KiB, found {text!r}")
    return found
