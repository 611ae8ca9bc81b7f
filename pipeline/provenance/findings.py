"""What does not hold, one entry per file: the file, what is wrong with it, and what to type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import plain

CHANGED = "changed"
"""Its content is not what its receipt says."""
MISSING = "missing"
"""It is neither in place nor in the store."""
FOREIGN = "foreign"
"""No receipt speaks of it."""
STALE = "stale"
"""It is what was computed, but not with what is declared now."""
FORGED = "forged"
"""A receipt contradicts itself, its name, the receipts that read it, or what is known from outside."""


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold.

    Attributes:
        kind: ``changed``, ``missing``, ``foreign``, ``stale`` or ``forged``.
        path: The file, relative to the project's root.
        text: What is wrong with it.
        fix: What to type.
    """

    kind: str
    path: str
    text: str
    fix: str = ""

    def line(self) -> str:
        """The finding in one line; parts of it may come from a stranger."""
        return plain(f"{self.kind}: {self.path}: {self.text}" + (f"; {self.fix}" if self.fix else ""), 600)

    def data(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)
