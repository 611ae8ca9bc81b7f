"""A zip whose bytes follow from its content alone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.sharing import names

Content = bytes | Path
"""A member's content, or the file that has it."""

_DENSE = {".safetensors", ".png", ".pdf", ".gif"}
_DATE, _MODE, _FOLDER = (1980, 1, 1, 0, 0, 0), 0o100644 << 16, 0o040755 << 16 | 0x10


def manifest(artifacts: list[str], members: Mapping[str, Content]) -> str:
    """Text of the manifest: every member with its hash and size; a signature is one of its own sha256."""
    entries = {name: _entry(content) for name, content in members.items()}
    return files.dumps({"version": 1, "artifacts": sorted(artifacts), "files": entries})


def check(path: Path) -> None:
    """Refuse to write over anything but an earlier bundle.

    Raises:
        UserError: Something else is there.
    """
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if names.MANIFEST in archive.NameToInfo:  # the list of members may be longer than what is looked at below
            return
    files.ours(path, b"PK\3\4", names.MANIFEST.encode(), "bundle")


def write(path: Path, members: Mapping[str, Content]) -> None:
    """Write the zip whole or not at all: members sorted by name, one date, one mode.

    Folders at the top are members of their own, since readers of RO-Crates look for them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            folders = {f"{name.split('/', 1)[0]}/" for name in members if "/" in name}
            for name in sorted(folders | members.keys()):
                if name in folders:
                    archive.writestr(_info(name, _FOLDER, zipfile.ZIP_STORED), b"")
                else:
                    _add(archive, name, members[name])
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> None:
    info = _info(name, _MODE, zipfile.ZIP_STORED if names.suffix(name) in _DENSE else zipfile.ZIP_DEFLATED)
    if isinstance(content, bytes):
        archive.writestr(info, content)
        return
    info.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _info(name: str, mode: int, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system, info.external_attr, info.compress_type = 3, mode, method
    return info


def _entry(content: Content) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    found = files.hashes(content)
    return {"sha256": found["sha256"], "size": found["size"]}
