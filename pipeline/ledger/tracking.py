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
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.ledger import receipt, staging
from pipeline.ledger.families import ARTIFACT, PREPARE, SIMULATE
from pipeline.ledger.store import Store, listed_as
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
            known = self._known(folder)
            if not any(one.here for one in known.values()):
                return None  # receipts that are lost are no reason to forget what they spoke of
            md5, size, count = self.store.put_folder((place, one.entry) for place, one in known.items() if one.here)
            fault = self._fault(folder, known)
            if fault is not None:
                target, name = self.workspace.path(f"{folder}.dvc"), folder.rsplit("/", 1)[1]
                text = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: {name}\n"
                files.write(target, text)
                staging.stage(self.workspace.root, target)
            return fault

    def fault(self, folder: str) -> str | None:
        """What is wrong with the ``.dvc`` file of a folder, in words; None if it lists what the receipts say.

        A user's own keys in it are his.
        """
        return self._fault(folder, self._known(folder))

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

    def _known(self, folder: str) -> dict[str, _Known]:
        """What valid receipts of a folder list, by place in it."""
        known = {}
        for path in self._receipts(folder):
            found = None if path.name.endswith(".execution.json") else receipt.read(path)
            if found is None:
                continue
            node = Node.of_receipt(path.relative_to(self.workspace.root))
            left = files.read_object(self.workspace.path(node.execution)).get("left", ())
            prefix = node.name.removeprefix(folder).lstrip("/")
            for name, entry in found["outputs"].items():
                here = name not in left or self.store.has({name: entry})
                known[f"{prefix}/{name}".lstrip("/")] = _Known(entry, here)
        return known

    def _fault(self, folder: str, known: Mapping[str, _Known]) -> str | None:
        """As :meth:`fault`, with what the receipts say."""
        try:
            out = _out(self.workspace.path(f"{folder}.dvc"))
        except _NotReadable as error:
            return str(error)
        if (out.get("path"), out.get("hash", "md5")) != (folder.rsplit("/", 1)[1], "md5"):
            return "it stands for another folder than its own"
        md5 = str(out.get("md5"))
        for all_of_it in (False, True):  # the list itself may be elsewhere: it can be told from what the receipts give
            listed = {place: one.entry["md5"] for place, one in known.items() if one.here or all_of_it}
            if listed_as({place: known[place].entry for place in listed})[0] == md5:
                break
        else:
            found = files.read_json(self.store.object(md5)) if re.fullmatch(r"[0-9a-f]{32}\.dir", md5) else None
            if found is None:
                return f"it lists a folder ({md5}) that is not in the store, and no receipts give it"
            try:
                listed = {str(entry["relpath"]): entry["md5"] for entry in found}
            except (TypeError, KeyError):
                return "what it points to lists no files"
        for place in sorted(listed):
            if place not in known:
                return f"it lists {place}, and no receipt does"
            if listed[place] != known[place].entry["md5"]:
                return f"it lists another {place} than its receipt"
        wanted = sum(one.here for one in known.values())
        if len([place for place in listed if known[place].here]) < wanted:
            return f"it lists {len(listed)} files of the {wanted} that its receipts name"
        total = sum(known[place].entry["size"] for place in listed)
        if out.get("size", total) != total or out.get("nfiles", len(listed)) != len(listed):
            count, size = out.get("nfiles"), out.get("size")
            return f"it says {count} files of {size} bytes; its receipts say {len(listed)} of {total}"
        return None


@dataclass(frozen=True)
class _Known:
    """A file that a receipt lists.

    Attributes:
        entry: Its hashes and size.
        here: Whether it is to be listed: it did not stay on the machine that has made it, or came since.
    """

    entry: dict[str, Any]
    here: bool


class _NotReadable(Exception):
    """A ``.dvc`` file says nothing; why."""


def _content(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _out(path: Path) -> dict[str, Any]:
    """The only output of a ``.dvc`` file.

    Raises:
        _NotReadable: There is no such file, or it has not one output.
    """
    import yaml  # where a kit is executed there may be none, and nothing is tracked

    try:
        (out,) = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"]
    except FileNotFoundError:
        raise _NotReadable("not there") from None
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError):
        merged = path.is_file() and b"<<<<<<<" in path.read_bytes()
        raise _NotReadable("conflict markers of a merge" if merged else "not what DVC reads") from None
    if not isinstance(out, dict):
        raise _NotReadable("not what DVC reads")
    return out
