"""What goes back: receipts, records and small payload, as tar files that are written anew after every job."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import files
from pipeline.errors import UserError
from pipeline.kit.parts import ABOUT, VERSION, Kit
from pipeline.ledger import receipt
from pipeline.ledger.workspace import Node, Workspace

LOG = "kit.log"
LIMIT = 16 << 20
"""Bytes below which every tar file stays."""
_ENDS = 10240 + 512
"""What a tar file has beside its members, at most."""

_STARTS = ABOUT.encode() + b"\0"
"""First bytes of every tar file that is written here: the name of its first member."""


def write(
    workspace: Workspace, kit: Kit, nodes: Sequence[str], log: str, out: Path, largest: int, limit: int = LIMIT
) -> list[Path]:
    """Write what was executed; replaces what an earlier call has written.

    Args:
        workspace: Where it was executed.
        kit: What was to be executed.
        nodes: What was.
        log: Text for people.
        out: The tar file; where that would be too large, others called ``NAME-2.tar`` and so on are beside it.
        largest: Bytes that a payload file may have; larger ones stay.
        limit: Bytes below which a tar file stays.

    Returns:
        The files.
    """
    about = {"version": VERSION, "kit": kit.id, "targets": kit.targets, "config": kit.config, "nodes": kit.nodes}
    head = [(ABOUT, files.dumps(about).encode())]
    groups, size = [[*head, (LOG, log.encode())]], 0
    for name, content in groups[0]:
        size += _taken(name, content)
    for name, content in _members(workspace, nodes, largest):
        taken = _taken(name, content)
        if size + taken + _ENDS >= limit:
            groups.append(list(head))
            size = _taken(*head[0])
        groups[-1].append((name, content))
        size += taken
    paths = [out, *(out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(2, len(groups) + 1))]
    for path, members in zip(paths, groups, strict=True):
        _write(path, members)
    number = len(paths) + 1
    while _is_own(old := out.with_name(f"{out.stem}-{number}{out.suffix}")):
        old.unlink()
        number += 1
    return paths


def check(out: Path, largest: int) -> None:
    """Refuse what ``write`` could not do, before hours of work.

    Raises:
        UserError: A single file might be too large for a tar file, or the place cannot be written.
    """
    if largest > LIMIT - (1 << 20):
        raise UserError(f"--largest: expected at most 15MB, found {largest:,} bytes: a tar file has less than 16 MiB")
    if out.is_dir() or out.suffix != ".tar":
        raise UserError(f"--out {out}: expected the name of a tar file, such as {out.with_suffix('')}.tar")
    files.ours(out, _STARTS, _STARTS, "file of kit run")
    out.parent.mkdir(parents=True, exist_ok=True)


def _is_own(path: Path) -> bool:
    """Whether an earlier call has written a file."""
    try:
        with path.open("rb") as file:
            return file.read(len(_STARTS)) == _STARTS
    except OSError:
        return False


def _members(workspace: Workspace, nodes: Sequence[str], largest: int) -> Iterator[tuple[str, bytes]]:
    for node in map(Node, nodes):
        path = workspace.path(node.receipt)
        found = receipt.read(path)
        if found is None:
            continue
        yield node.receipt, path.read_bytes()
        with contextlib.suppress(OSError):
            yield node.execution, workspace.path(node.execution).read_bytes()
        for name, entry in sorted(found["outputs"].items()):
            if entry["size"] <= largest:
                with contextlib.suppress(OSError):
                    yield f"{node.name}/{name}", (workspace.payload(node) / name).read_bytes()


def _taken(name: str, content: bytes) -> int:
    return 512 + -(-len(content) // 512) * 512


def _write(path: Path, members: list[tuple[str, bytes]]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0o644
                archive.addfile(info, io.BytesIO(content))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
