"""What a reader of the page of ``watch`` has chosen, as its address says it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

_MOST = 1000
"""Values in an address; with more it is taken for empty."""


@dataclass(frozen=True)
class Choice:
    """What a reader has chosen, as the address says it.

    Attributes:
        find: Words of names, and ``KEY=VALUE`` as ``runs --where`` takes it.
        runs: Runs to draw, by their folder or its last part; those that are active or newest if empty.
        curves: Quantities to draw; the usual ones if empty.
        by: The param that chooses colours; each run has its own if empty.
        log: Whether vertical axes are logarithmic.
    """

    find: str = ""
    runs: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    by: str = ""
    log: bool = False

    @classmethod
    def of(cls, query: str) -> Choice:
        """Read an address; several values of one name may stand apart or behind commas."""
        try:
            found = parse_qs(query, max_num_fields=_MOST)
        except ValueError:  # nobody has typed that
            found = {}

        def several(name: str) -> tuple[str, ...]:
            parts = (part.strip() for value in found.get(name, []) for part in value.split(","))
            return tuple(dict.fromkeys(part for part in parts if part))

        def one(name: str) -> str:
            return found.get(name, [""])[-1].strip()

        return cls(one("find"), several("runs"), several("curve"), one("by"), one("log") not in ("", "0"))
