"""Tar files that came back, read with suspicion: nothing is written before all of them have been looked at.

What a stranger could do with them is refused whole: names that lead elsewhere, links, a name twice, files that are not
what their receipt says, receipts that contradict themselves, more bytes than a kit returns.
"""

from __future__ import annotations

import hashlib
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError
from pipeline.kit.harvest import LOG
from pipeline.kit.needs import FAMILIES
from pipeline.kit.parts import ABOUT, VERSION
from pipeline.ledger import receipt
from pipeline.ledger.workspace import Node
from pipeline.sharing import member_checks, names
from pipeline.sharing.archive import Refused

LARGEST, TOTAL, MEMBERS = 64 << 20, 1 << 30, 100_000
"""Bytes of one tar file and of all, and members of one."""
_RECORD: dict[str, type | tuple[type, ...]] = {
    "finished": str, "seconds": (int, float), "commit": (str, type(None)), "processor": (str, type(None)),
    "cores": (int, type(None)), "gpu": (str, type(None)), "memory_mb": int, "system": str, "versions": dict,
    "epochs": int,
}  # fmt: skip
"""What an execution record may say; see :mod:`pipeline.ledger.machine`."""
_WORDS = 200
_WORD = re.compile(r"[\w.+-]+(/[\w.+-]+)*")
_CONFIG = ("scale", "flavour", "datasets", "seeds", "interleave", "device", "memory", "images", "readers")
"""What the plan of a kit may have been made with: no folders."""


@dataclass
class ReturnedNode:
    """One node that came back.

    Attributes:
        receipt: Its receipt.
        execution: When, where and how long.
        files: Those of its files that came along.
    """

    receipt: dict[str, Any]
    execution: dict[str, Any] | None = None
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Returned:
    """What is in some tar files of one kit.

    Attributes:
        targets: What the kit was packed for.
        config: As snakemake's ``--config``.
        nodes: All nodes that were to be executed.
        entries: Those that were.
    """

    targets: list[str]
    config: dict[str, Any]
    nodes: list[str]
    entries: dict[str, ReturnedNode]


def read(paths: Iterable[Path]) -> Returned:
    """Read tar files that ``kit run`` has written.

    Raises:
        Refused: One of them is none, or could do harm.
        UserError: There is no such file.
    """
    abouts: list[dict[str, Any]] = []
    members: dict[str, tuple[Path, bytes]] = {}
    total = 0
    for path in paths:
        own: set[str] = set()
        for name, data in _members(path):
            place = names.same_place(name)
            if place in own:
                raise _refused(path, name, "it is there twice")
            own.add(place)
            total += len(data)
            if total > TOTAL:
                raise _refused(path, name, f"more than {TOTAL >> 30} GiB in all")
            try:
                value = member_checks.check(name, data, len(data))
            except member_checks.Unfit as error:
                raise _refused(path, name, str(error)) from None
            if name == ABOUT:
                abouts.append(_about(path, value))
            elif name != LOG and members.setdefault(name, (path, data))[1] != data:
                raise _refused(path, name, f"{members[name][0]} has another; enter what one call has written")
        if ABOUT not in own:
            raise _refused(path, ABOUT, "it is not there: nothing that kit run has written")
        if abouts[-1] != abouts[0]:
            raise _refused(path, ABOUT, "of another kit than the first; enter one after the other")
    return Returned(abouts[0]["targets"], abouts[0]["config"], abouts[0]["nodes"], _entries(members))


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        found = path.stat()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; type the name of a tar file that kit run has written") from None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: not a plain file; type the name of a tar file that kit run has written")
    size = found.st_size
    if size > LARGEST:
        raise _refused(path, "", f"{size:,} bytes, more than any that kit run writes")
    try:
        with tarfile.open(path, "r:") as archive:
            for count, member in enumerate(archive):
                name = member.name
                why = _fault(name)
                if member.type != tarfile.REGTYPE or member.issparse():
                    why = why or "it is a link, a folder or a device, not a plain file"
                if member.pax_headers:
                    why = why or "it carries something beside its content"
                if count >= MEMBERS:
                    why = f"more than {MEMBERS:,} members"
                if not 0 <= member.size <= size:
                    why = "it is longer than the tar file"
                if why is not None:
                    raise _refused(path, name, why)
                opened = archive.extractfile(member)
                data = opened.read() if opened is not None else b""
                if len(data) != member.size:
                    raise _refused(path, name, "the file ends in it")
                yield name, data
            with path.open("rb") as whole:
                whole.seek(archive.offset)
                if whole.read(1024) != bytes(1024):
                    raise _refused(path, "", "the file ends before the tar's last blocks")
    except (tarfile.TarError, ValueError, EOFError, OverflowError, MemoryError, OSError) as error:
        raise _refused(path, "", f"not a whole tar file ({names.plain(error, 80)})") from None


def _fault(name: str) -> str | None:
    """Why no file of this name may come back."""
    if name in (ABOUT, LOG):
        return None
    why = names.fault(name)
    if why is None and name.split("/")[0] not in ("receipts", "checkpoints", "measurements"):
        why = "no file that a kit returns lies there"
    return why


def _about(path: Path, found: Any) -> dict[str, Any]:
    try:
        whole = found["version"] == VERSION and set(found) == {"version", "kit", "targets", "config", "nodes"}
        whole = whole and all(_WORD.fullmatch(target) for target in found["targets"])
        whole = whole and all(names.is_node(name) for name in found["nodes"])
        for name, value in found["config"].items():
            values = value if isinstance(value, list) else [value]
            whole = whole and name in _CONFIG and all(_WORD.fullmatch(str(each)) for each in values)
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise _refused(path, ABOUT, "not as kit run writes it")
    return found


def _entries(members: dict[str, tuple[Path, bytes]]) -> dict[str, ReturnedNode]:
    """The nodes whose receipts are there; every other member must belong to one of them."""
    entries: dict[str, ReturnedNode] = {}
    rest: list[str] = []
    for name, (path, data) in members.items():
        if name.startswith("receipts/") and not name.endswith(".execution.json"):
            entries[Node.of_receipt(name).name] = ReturnedNode(_receipt(path, name, data))
        else:
            rest.append(name)
    for name in rest:
        path, data = members[name]
        execution = name.startswith("receipts/")
        node = name.removeprefix("receipts/").removesuffix(".execution.json")
        if not execution:
            node = next((node for node in _above(name) if node in entries), "")
        if node not in entries:
            raise _refused(path, name, "its receipt did not come with it; enter all tar files of one call together")
        entry = entries[node]
        if execution:
            entry.execution = _execution(path, name, data)
            continue
        inside = name.removeprefix(f"{node}/")
        told = entry.receipt["outputs"].get(inside)
        if told is None:
            raise _refused(path, name, "its receipt does not speak of it")
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()  # the store's name for it
        if {"md5": md5, "sha256": files.sha256_of(data), "size": len(data)} != told:
            raise _refused(path, name, "it is not what its receipt says")
        entry.files[inside] = data
    return entries


def _above(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))


def _receipt(path: Path, name: str, data: bytes) -> dict[str, Any]:
    node = Node.of_receipt(name)
    if not names.is_node(node.name) or node.family not in FAMILIES:
        raise _refused(path, name, "not the receipt of a training or measurement")
    found = member_checks.strict(member_checks.text(data))
    fault = receipt.fault(found)
    if fault is None and files.dumps(found).encode() != data:
        fault = "not as the executor writes it: it was edited"
    if fault is None and (found["node"], found["seed"], found["epoch"], found.get("step")) != (
        node.name,
        node.seed,
        node.epoch,
        node.step,
    ):
        fault = "it is the receipt of another node"
    if fault is None and any(not names.safe(output) for output in found["outputs"]):
        fault = "it names a file that leads elsewhere"
    if fault is not None:
        raise _refused(path, name, f"forged: {fault}")
    return found


def _execution(path: Path, name: str, data: bytes) -> dict[str, Any]:
    found = member_checks.strict(member_checks.text(data))
    whole = isinstance(found, dict) and all(
        isinstance(found[key], kind) for key, kind in _RECORD.items() if key in found
    )
    whole = whole and found.keys() <= _RECORD.keys() and all(map(_plain, found.values()))
    whole = whole and all(_plain(key) and _plain(value) for key, value in found.get("versions", {}).items())
    if not whole or {"finished", "seconds"} - found.keys():
        raise _refused(path, name, "not a record of an execution as the executor writes it")
    return found


def _plain(value: Any) -> bool:
    return not isinstance(value, str) or (len(value) <= _WORDS and value.isprintable())


def _refused(path: Path, name: str, why: str) -> Refused:
    where = f"{names.plain(name)}: " if name else ""
    return Refused(f"{path}: refused: {where}{why}; nothing was entered; carry it back again")
