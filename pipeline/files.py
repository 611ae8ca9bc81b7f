"""Files: written whole or not at all, hashed, cloned."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

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
        return parse(path.read_bytes())
    except OSError:
        return None


def parse(content: bytes) -> Any:
    """Parse JSON in UTF-8; None where it does not parse or could not be written down again.

    The latter is what nests beyond measure, or has half a character in it (a lone surrogate).
    """
    try:
        text = content.decode("utf-8")
        value = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value


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


def move(source: Path, target: Path) -> None:
    """Move a file or folder to a name that is free, or a file over a file.

    Whole or not at all, also from one file system to another, where it is copied beside the target first.

    Raises:
        OSError: ``target`` cannot be written; ``source`` is still there.
    """
    try:
        source.replace(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if source.is_dir():
            shutil.copytree(source, part)
        else:
            shutil.copyfile(source, part)
        part.replace(target)
    except BaseException:
        discard(part)
        raise
    discard(source)


def discard(path: Path) -> None:
    """Remove a file or folder, as far as that is possible; a link is removed and not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def writable(folder: Path) -> None:
    """Make a folder, and see that files can be made in it, before any work is done that would be lost otherwise.

    Raises:
        OSError: They cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def ours(path: Path, starts: bytes, holds: bytes, what: str) -> None:
    """Refuse to write over what is not a file of the kind that is about to be written.

    Args:
        path: Where to.
        starts: First bytes of every file of this kind.
        holds: What stands somewhere in its first or last 64 kB.
        what: The kind, for the message.

    Raises:
        UserError: Something else is there.
    """
    try:
        if not path.exists():
            return
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            head = file.read(1 << 16)
            file.seek(max(file.seek(0, os.SEEK_END) - (1 << 16), 0))
            found = head + file.read()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name another file") from None
    if not (found.startswith(starts) and holds in found):
        kind = "a folder" if path.is_dir() else "a file, and no earlier " + what
        raise UserError(f"{path}: {kind}: it is not written over; name another file, or remove this one")


def listing(folder: Path) -> list[str]:
    """Relative names of all files below a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
