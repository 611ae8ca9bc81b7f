"""Files: written whole or not at all, hashed, cloned."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

_FICLONE = 0x40049409
_CHUNK = 1 << 22


def dumps(value: Any) -> str:
    """JSON for people and for hashes alike: sorted keys, one space of indentation, a final newline."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """sha256 of plain data, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write_if_different(path: Path, text: str) -> bool:
    """Write ``text`` unless the file holds just that; True if it was written."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return False
    write(path, text)
    return True


def read_json(path: Path) -> Any:
    """Content of a JSON file, or None where there is none or it does not parse."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def read_object(path: Path) -> dict[str, Any]:
    """Content of a JSON file that holds an object; empty where there is none, or it holds something else."""
    found = read_json(path)
    return found if isinstance(found, dict) else {}


def hashes(path: Path) -> dict[str, Any]:
    """Size, sha256 (what receipts vouch for) and md5 (the name of the object in DVC's cache) of a file."""
    sha, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return {"md5": md5.hexdigest(), "sha256": sha.hexdigest(), "size": size}


def sha256(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(content: bytes) -> str:
    """sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def clone(source: Path, target: Path) -> None:
    """Copy a file in one step; shares the blocks where the file system can (reflink)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with source.open("rb") as reader, part.open("wb") as writer:
            try:
                fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
            except OSError:
                shutil.copyfileobj(reader, writer, _CHUNK)
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def listing(folder: Path) -> list[str]:
    """Relative names of all files below a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
