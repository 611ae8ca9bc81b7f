"""The store: every payload file by its content, in DVC's cache and in DVC's own layout.

Objects are ``files/md5/ab/cdef...`` (a folder is an object that lists its files, ``....dir``), so that ``dvc
push``, ``pull`` and ``gc`` handle them. Receipts stand beside them, ``receipts/ab/cdef....json`` by key.
Everything is done with plain file operations: importing DVC takes longer than restoring a stage.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.ledger import receipt
from pipeline.ledger.cache import cache


class Store:
    """Content-addressed objects from which any stage's outputs can be restored."""

    def __init__(self, root: Path) -> None:
        found = cache(root)
        self.folder = found.folder
        self._shared = found.shared

    def object(self, md5: str) -> Path:
        """Where the object with this md5 is, or would be."""
        return self.folder / "files/md5" / md5[:2] / md5[2:]

    def has(self, outputs: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether all files of a receipt are here (by name and size; ``fetch`` checks the content)."""
        for entry in outputs.values():
            try:
                if self.object(entry["md5"]).stat().st_size != entry["size"]:
                    return False
            except OSError:
                return False
        return True

    def put(self, path: Path, entry: Mapping[str, Any]) -> None:
        """Keep a copy of ``path``, whose hashes are ``entry``."""
        target = self.object(entry["md5"])
        with contextlib.suppress(OSError):
            if target.stat().st_size == entry["size"] and files.hashes(target)["md5"] == entry["md5"]:
                return
        self._ready(target)
        files.clone(path, target)  # also in the place of one that was damaged: the good file is at hand
        with contextlib.suppress(OSError):  # DVC does the same: some file systems know no permissions
            target.chmod(0o444)

    def write(self, path: Path, text: str) -> None:
        """Write a receipt or a listing of the store."""
        self._ready(path)
        files.write(path, text)

    def _ready(self, path: Path) -> None:
        """Make the folders of an object; those of a cache that a group shares are the group's."""
        made = [folder for folder in path.parents if self._shared and not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.chmod(0o2775)

    def put_folder(self, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, int, int]:
        """Keep the object that lists a folder's files; returns its md5 (with ``.dir``), total size, number of files."""
        found = dict(entries)
        md5, text = listed_as(found)
        there = None
        with contextlib.suppress(OSError, UnicodeDecodeError):
            there = self.object(md5).read_text(encoding="utf-8")
        if there != text:
            self.write(self.object(md5), text)
        return md5, sum(entry["size"] for entry in found.values()), len(found)

    def fetch(self, outputs: Mapping[str, Mapping[str, Any]], folder: Path) -> bool:
        """Copy all files of a receipt into ``folder``; False if one is missing or is not what it should be.

        An object whose content does not match its own name is removed: it can only do harm. One that is what its name
        says stays, whatever the receipt says: it may be what another receipt lists.
        """
        if not self.has(outputs):
            return False
        for name, entry in outputs.items():
            source = self.object(entry["md5"])
            files.clone(source, folder / name)
            if files.sha256(folder / name) != entry["sha256"]:
                with contextlib.suppress(OSError):
                    if files.hashes(source)["md5"] != entry["md5"]:
                        source.unlink()
                return False
        return True

    def receipt(self, key: str) -> Path:
        """Where the receipt with this key is, or would be."""
        return self.folder / "receipts" / key[:2] / f"{key[2:]}.json"

    def listing(self, content: str) -> Path:
        """Where the user's files with these contents are listed, or would be."""
        return self.folder / "listings" / content[:2] / f"{content[2:]}.json"

    def written(self, found: dict[str, Any]) -> dict[str, Any]:
        """The receipt that was stored under the key of another, where that says otherwise of the outputs."""
        kept = receipt.read(self.receipt(found["key"]))
        return found if kept is None or kept["key"] != found["key"] or kept["outputs"] == found["outputs"] else kept

    def outline(self, digest: str) -> Path:
        """Where the functions of the module with this fingerprint are listed, or would be."""
        return self.folder / "outlines" / digest[:2] / f"{digest[2:]}.json"


def listed_as(entries: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return the md5 (with ``.dir``) and the text of the object that lists a folder's files, as DVC writes it.

    Args:
        entries: Name in the folder -> its entry in a receipt.
    """
    text = json.dumps([{"md5": entries[name]["md5"], "relpath": name} for name in sorted(entries)], sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir", text
