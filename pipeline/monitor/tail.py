"""What is appended to a file, as whole lines."""

from __future__ import annotations

import re
from pathlib import Path

_MOVES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b[^\[]|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]")
"""Escape sequences but for those of colours, and control characters: they would move the cursor of a terminal."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m?")


class Tail:
    """Reads what others append to a file.

    Args:
        path: The file; it need not be there yet.
        offset: Bytes of it that are of no interest.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self._offset = offset
        self._rest = b""

    def lines(self) -> list[str]:
        """Lines that have been completed since the last call.

        Of one that was rewritten (carriage returns) the last version counts; one that was wiped in the end is none.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except OSError:
            return []
        self._offset += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        found = []
        for line in whole:
            text = _last(line)
            if text or b"\r" not in line.rstrip(b"\r"):
                found.append(text)
        return found

    @property
    def rest(self) -> str:
        """The line that is not complete yet, without colours; empty where there is none."""
        return _COLOURS.sub("", _last(self._rest)).strip()

    @property
    def rewritten(self) -> bool:
        """Whether that line says something, and is one that is rewritten as it changes: somebody's bar."""
        return b"\r" in self._rest and bool(self.rest)


def _last(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r")
    return _MOVES.sub("", text.rpartition("\r")[2].rstrip())
