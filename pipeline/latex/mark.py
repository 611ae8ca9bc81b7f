"""What files that are written here say of themselves: by it they are known as such, and what they are made from."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.latex.escape import START

HEAD = f"{START}tex"
"""First words of such a file."""

_LINE = re.compile(rf"{re.escape(HEAD)} from (\S+)\.json \(key [0-9a-f]+\); written anew, not edited")

_DRAWN = "Drawn by python -m pipeline tex from"
_INSIDE = re.compile(rf"\({_DRAWN} (\S+), key [0-9a-f]+\)".encode())
"""What a PDF file has as its subject."""


def head(stem: str, key: str) -> str:
    """The line, for a file that is made from an artifact with a key."""
    return f"{HEAD} from {stem}.json (key {key[:16]}); written anew, not edited"


def drawn_from(stem: str, key: str) -> str:
    """The subject of a figure that is drawn anew."""
    return f"{_DRAWN} {stem}, key {key[:16]}"


def source(path: Path) -> str | None:
    """The artifact that a file is made from; None where the file is none of these.

    Raises:
        OSError: It cannot be read.
    """
    if not path.is_file():
        return None
    if path.suffix == ".pdf":
        inside = _INSIDE.search(path.read_bytes())
        return inside[1].decode("utf-8", "replace") if inside else None
    with path.open("rb") as file:
        found = _LINE.fullmatch(file.readline(4096).decode("utf-8", "replace").rstrip("\r\n"))
    return found[1] if found else None
