"""A kit on disk: folders ``part1``, ``part2``, ..., each with all that is small and some of the pieces.

Every part has the same ``kit.json``: the jobs, key files, receipts, and where each piece of each file is. So parts
may arrive in any order. ``pieces-K.bin`` holds the pieces of part K, one after the other, ``wheels/`` packages to
install.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import files
from pipeline.errors import UserError
from pipeline.kit import pieces
from pipeline.ledger import machine

if TYPE_CHECKING:  # the machine that executes a kit reads no declarations, and may lack what reads them
    from pipeline.kit.needs import Packing

VERSION = 1
ABOUT, WHEELS = "kit.json", "wheels"


@dataclass
class Kit:
    """What every part says.

    Attributes:
        targets: What the user asked for.
        config: As snakemake's ``--config``, without folders of the machine where it was packed.
        commit: Of the checkout where it was packed.
        jobs: Names of nodes, grouped by job.
        keys: Key files by path.
        receipts: Receipts of carried nodes.
        files: Of these nodes; each with ``node``, ``name`` and its ``pieces``.
        wheels: Packages, where they lie: ``part1/wheels/...``.
        parts: How many there are.
    """

    targets: list[str]
    config: dict[str, Any]
    commit: str | None
    jobs: list[list[str]]
    keys: dict[str, dict[str, Any]]
    receipts: dict[str, dict[str, Any]]
    files: list[dict[str, Any]] = field(default_factory=list)
    wheels: list[str] = field(default_factory=list)
    parts: int = 0
    version: int = VERSION

    def text(self) -> str:
        """Content of ``kit.json``."""
        return files.dumps(asdict(self))

    @property
    def id(self) -> str:
        """Identify the kit: what its parts have in common."""
        return files.sha256_of(self.text().encode())[:16]

    @property
    def nodes(self) -> list[str]:
        """Names of all nodes that are to be executed, in order."""
        return [name for job in self.jobs for name in job]

    def in_parts(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Every file with each of its pieces."""
        return ((file, piece) for file in self.files for piece in file["pieces"])


def pieces_of(number: int) -> str:
    """Name of the file with the pieces of a part: it is known by it, whatever its folder is called after a journey."""
    return f"pieces-{number}.bin"


def load(path: Path) -> Kit:
    """Read ``kit.json``.

    Raises:
        UserError: It is none, or of another version of this project.
    """
    found = files.read_json(path)
    try:
        kit = Kit(**found)
    except TypeError:
        raise UserError(f"{path}: not the list of a kit; carry the part again") from None
    if kit.version != VERSION:
        raise UserError(f"{path}: a kit of version {kit.version}, expected {VERSION}; pack it with this checkout")
    return kit


def write(
    folder: Path, needs: Packing, targets: list[str], config: dict[str, Any], limit: int, wheels: Sequence[Path] = ()
) -> tuple[Kit, list[int]]:
    """Write the parts of a kit.

    Args:
        folder: Where to; parts of an earlier kit there are replaced.
        needs: What goes in.
        targets: What the user asked for.
        config: Options that the plan was made with.
        limit: Bytes that a part may have, all its files together.
        wheels: Packages to install.

    Returns:
        The kit, and the bytes of every part.

    Raises:
        UserError: Something does not fit into a part, or other files lie in the folder.
    """
    _clear(folder)
    kit = Kit(
        targets=targets,
        config=config,
        commit=machine.record(0.0)["commit"],
        jobs=[[node.name for node in job] for job in needs.jobs],
        keys={path: json.loads(key.text()) for path, key in needs.keys.items()},
        receipts=needs.receipts,
        wheels=[f"part{10**6}/{WHEELS}/{path.name}" for path in wheels],
    )
    pool = folder / f".pieces.{os.getpid()}"
    try:
        with pool.open("w+b") as packed:
            largest = max(1 << 12, min(pieces.LARGEST, limit // 8))
            for (node, name), path in sorted(needs.files.items()):
                found = []
                for about, content in pieces.pack(path, largest):
                    packed.write(content)
                    found.append(about | {"packed": len(content), "sha256": files.sha256_of(content)})
                kit.files.append({"node": node, "name": name, "pieces": found})
            sizes = _assign(kit, limit, wheels)
            packed.seek(0)
            _write(folder, kit, packed, wheels)
    finally:
        pool.unlink(missing_ok=True)
    return kit, sizes


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if not (path / ABOUT).is_file():
            raise UserError(f"{path}: not a part of a kit; name an empty folder with --to")
    for path in folder.iterdir():
        shutil.rmtree(path)


def _assign(kit: Kit, limit: int, wheels: Iterable[Path]) -> list[int]:
    """Say of every piece in which part it is, as early as it fits; returns the parts' sizes."""
    for _, piece in kit.in_parts():
        piece["part"] = 10**6  # as long as any number will be
    kit.parts = 10**6
    listed = len(kit.text().encode())
    sizes = [listed]

    def put(size: int, what: str, first: int) -> int:
        if listed + size > limit:
            raise UserError(f"--part: expected {listed + size:,} bytes or more, for {what}; found {limit:,}")
        for number in range(first, len(sizes) + 1):
            if number == len(sizes):
                sizes.append(listed)
            if sizes[number] + size <= limit:
                sizes[number] += size
                return number
        raise AssertionError

    kit.wheels = [f"part{put(path.stat().st_size, path.name, 0) + 1}/{WHEELS}/{path.name}" for path in wheels]
    first = 0  # pieces stay in order, so that a part is one stretch of few files
    for file, piece in kit.in_parts():
        first = put(piece["packed"], f"a piece of {file['node']}", first)
        piece["part"] = first + 1
    kit.parts = len(sizes)
    return sizes


def _write(folder: Path, kit: Kit, packed: Any, wheels: Iterable[Path]) -> None:
    text = kit.text()
    for number in range(1, kit.parts + 1):
        files.write(folder / f"part{number}" / ABOUT, text)
    for place, path in zip(kit.wheels, wheels, strict=True):
        files.clone(path, folder / place)
    for number, found in itertools.groupby((piece for _, piece in kit.in_parts()), key=lambda piece: piece["part"]):
        with (folder / f"part{number}" / pieces_of(number)).open("wb") as target:
            for piece in found:
                target.write(packed.read(piece["packed"]))
