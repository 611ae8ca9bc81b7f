"""The store: every payload file by its content, in DVC's cache and in DVC's own layout.

Objects are ``files/md5/ab/cdef...`` (a folder is an object that lists its files, ``....dir``), so that ``dvc
push``, ``pull`` and ``gc`` handle them. Receipts stand beside them, ``receipts/ab/cdef....json`` by key.
Everything is done with plain file operations: importing DVC takes longer than restoring a stage.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import files


def _cache_folder(root: Path) -> Path:
    """Where DVC keeps its cache: the most local of DVC's configuration files decides."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for config in (root / ".dvc/config.local", root / ".dvc/config", home / "dvc/config"):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(config.read_text(encoding="utf-8"))
        except (OSError, configparser.Error):
            continue
        if parser.has_option("cache", "dir"):
            return (config.parent / parser.get("cache", "dir").strip("'\"")).resolve()
    return root / ".dvc/cache"


class Store:
    """Content-addressed objects from which any stage's outputs can be restored."""

    def __init__(self, root: Path) -> None:
        self.folder = _cache_folder(root)

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
        files.clone(path, target)  # also in the place of one that was damaged: the good file is at hand
        target.chmod(0o444)

    def put_folder(self, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, int, int]:
        """Keep the object that lists a folder's files; returns its md5 (with ``.dir``), total size, number of files."""
        found = dict(entries)
        listing = [{"md5": found[name]["md5"], "relpath": name} for name in sorted(found)]
        text = json.dumps(listing, sort_keys=True)
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
        files.write_if_different(self.object(md5), text)
        return md5, sum(entry["size"] for entry in found.values()), len(listing)

    def folder_of(self, path: Path) -> dict[str, str]:
        """md5 of the files that a ``.dvc`` file lists, by name; empty where the object that lists them is not here."""
        try:
            found = re.search(r"^- md5: ([0-9a-f]{32}\.dir)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        except (OSError, UnicodeDecodeError):
            return {}
        listing = files.read_json(self.object(found[1])) if found else None
        return {entry["relpath"]: entry["md5"] for entry in listing or []}

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

    def outline(self, digest: str) -> Path:
        """Where the functions of the module with this fingerprint are listed, or would be."""
        return self.folder / "outlines" / digest[:2] / f"{digest[2:]}.json"
