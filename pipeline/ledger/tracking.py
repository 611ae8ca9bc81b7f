"""``.dvc`` files: one per data set, simulation, and seed of a run, each a function of the receipts.

A ``.dvc`` file lists what every valid receipt of its folder says, whether that payload is here or not: else a clone
that holds a part would shorten it, and ``dvc gc`` of whoever pulls that would delete the rest for good. So it can also
be written again at any time: after a merge that left conflict markers, an edit, a loss.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.ledger import receipt
from pipeline.ledger.families import ARTIFACT, PREPARE, SIMULATE
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Node, Workspace
from pipeline.locks import Lock

MEMORY = "jobs/.tracked.json"
"""Folder -> what its receipts looked like to the file system, and the hash of the ``.dvc`` file that was right then."""


def folder_of(node: Node) -> str | None:
    """The folder whose ``.dvc`` file lists a node's payload; None for tables and figures, which Git keeps."""
    if node.family is ARTIFACT:
        return None
    return node.name if node.family in (PREPARE, SIMULATE) else "/".join(node.name.split("/")[:3])


class Tracking:
    """The ``.dvc`` files of a checkout.

    Args:
        workspace: The checkout.
        store: Where folders' listings are kept.
    """

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self.workspace = workspace
        self.store = store

    def write(self, folder: str) -> str | None:
        """Make the ``.dvc`` file of a folder list what its receipts say; returns what was wrong with it, if anything.

        Other processes may work on other measures of the same run: each lists what all have made.
        """
        with Lock(self.workspace.scratch / "locks/track").held(wait=True):
            entries = self._entries(folder)
            if not entries:
                return None  # receipts that are lost are no reason to forget what they spoke of
            target = self.workspace.path(f"{folder}.dvc")
            md5, size, count = self.store.put_folder(entries.items())
            name = folder.rsplit("/", 1)[1]
            fault = _fault(target, md5, count, name)
            if fault is not None:
                text = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: {name}\n"
                files.write(target, text)
            return fault

    def repair(self, folders: Iterable[str]) -> list[str]:
        """Write the ``.dvc`` files anew that do not list what the receipts say; returns what was wrong, a line each.

        Receipts are read where the file system has seen a change of them since the last time (by their change times,
        which nobody can set), or where the ``.dvc`` file is another.
        """
        path = self.workspace.path(MEMORY)
        memory = files.read_object(path)
        known = dict(memory)
        found = []
        for folder in folders:
            look = [self._look(folder), _content(self.workspace.path(f"{folder}.dvc"))]
            if known.get(folder) == look:
                continue
            fault = self.write(folder)
            if fault is not None:
                found.append(f"{folder}.dvc: {fault}; written again from its receipts")
            known[folder] = [look[0], _content(self.workspace.path(f"{folder}.dvc"))]
        if known != memory:
            with contextlib.suppress(OSError):
                files.write(path, json.dumps(known))
        return found

    def _receipts(self, folder: str) -> Iterator[Path]:
        """Receipts and records of a folder."""
        root = self.workspace.path(f"receipts/{folder}")
        if folder.count("/") == 1:  # a data set or simulation: one receipt, in a folder with others
            yield from (path for path in (Path(f"{root}.json"), Path(f"{root}.execution.json")) if path.is_file())
            return
        waiting = [str(root)]
        while waiting:
            with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir():
                        waiting.append(entry.path)
                    elif entry.name.endswith(".json"):
                        yield Path(entry.path)

    def _look(self, folder: str) -> str:
        """What the receipts of a folder look like to the file system; empty where there are none."""
        seen = []
        for path in self._receipts(folder):
            with contextlib.suppress(OSError):
                about = path.stat()
                seen.append(f"{path} {about.st_ino} {about.st_size} {about.st_ctime_ns}")
        return hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest() if seen else ""

    def _entries(self, folder: str) -> dict[str, dict[str, Any]]:
        """What valid receipts of a folder list, by place in it, less what stayed on the machine that has made it."""
        root = self.workspace.root
        entries = {}
        for path in self._receipts(folder):
            if path.name.endswith(".execution.json"):
                continue
            found = receipt.read(path)
            node = Node.of_receipt(path.relative_to(root))
            if found is None:
                continue
            left = files.read_object(self.workspace.path(node.execution)).get("left", ())
            prefix = node.name.removeprefix(folder).lstrip("/")
            for name, entry in found["outputs"].items():
                if name not in left or self.store.has({name: entry}):
                    entries[f"{prefix}/{name}".lstrip("/")] = entry
        return entries


def _content(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _fault(path: Path, md5: str, count: int, name: str) -> str | None:
    """What is wrong with a ``.dvc`` file; None if it lists a folder as it should. A user's own keys are his."""
    import yaml  # where a kit is executed there may be none, and nothing is tracked

    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
        (out,) = found["outs"]
        listed, number, place, kind = out.get("md5"), out.get("nfiles"), out.get("path"), out.get("hash", "md5")
    except FileNotFoundError:
        return "not there"
    except (OSError, ValueError, yaml.YAMLError):
        return "conflict markers of a merge" if path.is_file() and b"<<<<<<<" in path.read_bytes() else "not readable"
    except (TypeError, KeyError, AttributeError):
        return "not what DVC reads"
    if (listed, place, kind) == (md5, name, "md5") and number in (None, count):
        return None
    return f"it lists {number} files, or others than the {count} that its receipts name"
