"""Settings of runs beside those that a paper prints: text, equal or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

VALUE = "setting"
"""What the measure of an artifact is called that shows settings and no numbers."""

AS_PRINTED, BY_SCALE, DIFFERS = "as printed", "set by the scale", "other than printed"


STANDINGS = (AS_PRINTED, DIFFERS, BY_SCALE)


@dataclass
class Shown:
    """A setting as a table shows it.

    Attributes:
        of: Path of the parameter.
        value: What would run at this scale; None where the run lacks the parameter.
        declared: The same where no scale changes it.
        absent: Why there is no value.
        printed: What the paper prints; None where it prints nothing.
        note: What a reader must know about the print.
    """

    of: str
    value: str | None
    declared: str | None
    absent: str = ""
    printed: str | None = None
    note: str = ""

    def standing(self, same: Callable[[Any, Any], bool]) -> str | None:
        """How it stands to the print; None where nothing is printed.

        Args:
            same: Whether two texts say the same.
        """
        if self.printed is None:
            return None
        if self.declared is None or not same(self.declared, self.printed):
            return DIFFERS
        return AS_PRINTED if self.value is not None and same(self.value, self.printed) else BY_SCALE

    @property
    def words(self) -> str:
        """What a reader must know about it."""
        parts = [self.absent]
        if self.declared != self.value:
            parts.append(f"at scale paper: {'no such setting' if self.declared is None else self.declared}")
        parts.append(f"published: {self.note}" if self.note else "")
        return "; ".join(part for part in parts if part)


def shown(cell: Mapping[str, str]) -> Shown:
    """A setting as the plan writes it into its cell."""
    return Shown(cell["of"], cell.get("value"), cell.get("declared_value"), cell.get("absent", ""))
