"""Which node a file belongs to: by where it lies, by what it carries inside, or by its content."""

from __future__ import annotations

import csv
import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.ledger import families, receipt
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Node, Workspace

_PLACES = (
    r"((?:data|simulations)/[^/]+-[0-9a-f]{8})(?:/.*)?",
    *(rf"({family.folder}/{family.below})(?:/.*)?" for family in (families.PRETRAIN, families.MEASURE)),
    r"receipts/((?:data|checkpoints|measurements|simulations)/.+?)(?:\.execution)?\.json",
    r"(results/[^/]+/[^/]+/[^/.]+)(?:\.\w+)+",
)

ARTIFACT, KEY = "pipeline:artifact", "pipeline:key"
"""What results carry: the name of their node and the key of their receipt."""


@dataclass(frozen=True)
class Origin:
    """Where a file comes from.

    Attributes:
        node: Name of the node.
        name: Name of the file among the node's outputs; empty where the whole node is meant.
        receipt: The receipt that knows the file, if it is not the one in the ledger.
        how: In words, how it was found.
    """

    node: str
    name: str = ""
    receipt: dict[str, Any] | None = None
    how: str = "by its place"


def by_place(workspace: Workspace, path: Path) -> Origin | None:
    """The node in whose folder a path lies, links of short names followed; None for other places."""
    inside = _inside(workspace, path)
    for pattern in _PLACES:
        found = re.fullmatch(pattern, inside) if inside else None
        if inside and found:
            node = Node(found[1])
            name = (
                inside.removeprefix(f"{node.name}/")
                if node.family is not families.ARTIFACT
                else inside.rsplit("/", 1)[1]
            )
            about_it = inside in (node.name, node.receipt, node.execution)
            return Origin(node.name, "" if about_it else name)
    return None


def _inside(workspace: Workspace, path: Path) -> str | None:
    """A path relative to the root; a short name (a link) stands for what it points to."""
    root = workspace.root.resolve()
    absolute = path if path.is_absolute() else Path.cwd() / path
    absolute = absolute.resolve() if absolute.is_symlink() else absolute.parent.resolve() / absolute.name
    try:
        return absolute.relative_to(root).as_posix()
    except ValueError:
        return None


def by_content(workspace: Workspace, path: Path) -> Origin | None:
    """The node that a stray copy of a result or of payload (``dvc get``) comes from; None if nothing here knows it.

    A picture and a JSON file carry the key of their receipt, so that a changed copy is known too. A CSV file is
    known by its hash, by its columns, or by what a receipt that was sent along names; what it should be is always
    what a receipt of this checkout says.
    """
    carried = identity(path)
    if carried is not None:
        found = _with_key(workspace, carried[KEY])
        if found is not None:
            return Origin(found["node"], _output(found, path), found, "by the key that it carries")
    digest = files.sha256(path)
    for found in itertools.chain(_receipts(workspace), _of_payload(workspace)):
        for name, entry in found["outputs"].items():
            if entry["sha256"] == digest:
                return Origin(found["node"], name, found, "by its content")
    beside = receipt.read(path.with_name(f"{path.stem}.receipt.json"))
    if beside is not None:  # it may name a node, and vouches for nothing: whoever sent the copy has sent it too
        found = _with_key(workspace, beside["key"]) or _of_node(workspace, beside["node"])
        if found is not None:
            return Origin(found["node"], _output(found, path), found, "by the receipt beside it")
    return _by_columns(workspace, path)


def _by_columns(workspace: Workspace, path: Path) -> Origin | None:
    """The node that a CSV file says it is of, where there is a receipt of that node."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file), None)
    except (OSError, ValueError, csv.Error):
        return None
    if not row or not all(row.get(name) for name in ("paper", "artifact", "scale", "flavour")):
        return None
    edition = row["scale"] if row["flavour"] == "paper" else f"{row['scale']}-{row['flavour']}"
    name = f"results/{edition}/{row['paper']}/{row['artifact']}"
    found = _of_node(workspace, name)
    return None if found is None else Origin(name, _output(found, path), found, "by its columns")


def _of_node(workspace: Workspace, name: str) -> dict[str, Any] | None:
    """The receipt of a result by its name, that in the ledger before an earlier one."""
    return next((found for found in _receipts(workspace) if found["node"] == name), None)


def identity(path: Path) -> dict[str, str] | None:
    """What a result carries inside: node and key; None if it carries nothing."""
    try:
        return carried(path.read_bytes())
    except OSError:
        return None


def carried(content: bytes) -> dict[str, str] | None:
    """As :func:`identity`, of a file's content."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        found = dict(_texts(content))
    else:  # a PDF file's keywords (NAME=VALUE) or a JSON file's entries ("NAME": "VALUE"), damaged ones included
        pattern = rb'%s(?:=|": ")([\w/.-]+)'
        matches = {name: re.search(pattern % name.encode(), content) for name in (ARTIFACT, KEY)}
        found = {name: match[1].decode() for name, match in matches.items() if match}
    both = {name: found.get(name) for name in (ARTIFACT, KEY)}
    return both if all(isinstance(value, str) for value in both.values()) else None  # type: ignore[return-value]


def _texts(content: bytes) -> Iterator[tuple[str, str]]:
    """Text chunks of a PNG file; what is damaged ends the list."""
    at = 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        name, _, rest = data.partition(b"\0")
        if kind == b"tEXt":
            yield name.decode("latin-1"), rest.decode("latin-1")
        elif kind == b"iTXt" and rest[:1] == b"\0":
            yield name.decode("latin-1"), rest[2:].split(b"\0", 2)[-1].decode("utf-8", "replace")
        elif kind == b"zTXt":
            try:
                yield name.decode("latin-1"), zlib.decompressobj().decompress(rest[1:], 1 << 16).decode("latin-1")
            except zlib.error:
                return
        at += 12 + length


def _output(found: dict[str, Any], path: Path) -> str:
    """The output of a receipt that a copy stands for, by its suffix."""
    return next((name for name in found["outputs"] if Path(name).suffix == path.suffix), path.name)


def _with_key(workspace: Workspace, key: str) -> dict[str, Any] | None:
    for found in _receipts(workspace):
        if found["key"] == key:
            return found
    stored = receipt.read(Store(workspace.root).receipt(key)) if re.fullmatch(r"[0-9a-f]{64}", key) else None
    return stored if stored is not None and stored["key"] == key else None


def _receipts(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Receipts of all results, those in the ledger before earlier ones in the store."""
    for path in sorted(workspace.path("results").glob("*/*/*.receipt.json")):
        found = receipt.read(path)
        if found is not None:
            yield found
    yield from (found for found in _stored(workspace) if found["node"].startswith("results/"))


def _of_payload(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Receipts of data sets, checkpoints, measurements and simulations, those in the ledger before earlier ones."""
    for path in sorted(workspace.path("receipts").rglob("*.json")):
        found = None if path.name.endswith(".execution.json") else receipt.read(path)
        if found is not None:
            yield found
    yield from (found for found in _stored(workspace) if not found["node"].startswith("results/"))


def _stored(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Receipts that the store keeps."""
    for path in sorted((Store(workspace.root).folder / "receipts").glob("??/*.json")):
        found = None if path.name.endswith(".execution.json") else receipt.read(path)
        if found is not None:
            yield found
