"""A bundle in hand: every member looked at and hashed, text kept, nothing written to disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.sharing import member_checks, names
from pipeline.sharing.archive import Archive, Refused
from pipeline.sharing.unpacked import Unpacked

_KEPT, _JSON = 512 << 20, 64 << 20
"""Bytes of text and curves, and of JSON, that one bundle may have. (A run takes 15 kB.)"""


class Contents:
    """Members of a bundle; a ledger (see :mod:`pipeline.ledger.sources`) for the chain of receipts.

    Args:
        path: The zip, or the folder that it was unpacked into.

    Attributes:
        hashes: Member -> sha256.
        md5: Member -> md5, under which the store has it.
        sizes: Member -> bytes.
        values: Member -> what is in it, for JSON files.
        hidden: Members that are not what they should be, so that nothing follows from them.

    Raises:
        Refused: It is no bundle, or one that could do harm.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.title = str(path)
        self.archive = Unpacked(path) if path.is_dir() else Archive(path)
        self.hashes: dict[str, str] = {}
        self.md5: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.values: dict[str, Any] = {}
        self.hidden: set[str] = set()
        self._kept: dict[str, bytes] = {}
        sizes: dict[str, int] = {}
        for name in self.archive:
            kind = "arrays" if _only_hashed(name) else names.suffix(name)
            sizes[kind] = sizes.get(kind, 0) + self.archive.size(name)
        if sum(sizes.values()) - sizes.get("arrays", 0) > _KEPT or sizes.get(".json", 0) > _JSON:
            raise self._refused("more text than a bundle has")
        if names.MANIFEST not in self.archive:
            raise self._refused(f"not a bundle: it has no {names.MANIFEST}")
        for name in self.archive:
            self._take(name)

    def read(self, path: str) -> bytes | None:
        """Content of a member that was kept; None where there is none, or none to be trusted."""
        return None if path in self.hidden else self._kept.get(path)

    def close(self) -> None:
        """Close the file."""
        self.archive.close()

    def _take(self, name: str) -> None:
        size, arrays = self.archive.size(name), _only_hashed(name)
        digest, md5, kept, length = hashlib.sha256(), hashlib.md5(usedforsecurity=False), [], 0
        for piece in self.archive.chunks(name):
            digest.update(piece)
            md5.update(piece)
            if not arrays or length < member_checks.HEADER + 8:
                kept.append(piece)
            length += len(piece)
        whole = b"".join(kept)
        try:
            value = member_checks.check(name, whole, size)
        except member_checks.Unfit as error:
            raise self._refused(f"{names.plain(name)}: {error}") from None
        self.hashes[name], self.md5[name], self.sizes[name] = digest.hexdigest(), md5.hexdigest(), size
        if not arrays:
            self._kept[name] = whole
            if names.suffix(name) == ".json":
                self.values[name] = value

    def _refused(self, why: str) -> Refused:
        return Refused(f"{self.path}: refused: {why}; ask for the bundle again")


def _only_hashed(name: str) -> bool:
    """Whether a member is large arrays, of which the header is looked at; a simulation's curves are drawn again."""
    return names.suffix(name) == ".safetensors" and not name.startswith("simulations/")
