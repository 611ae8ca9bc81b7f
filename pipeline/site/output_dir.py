"""Writing a folder whole: whoever looks sees the old site or the new one, and nobody's files are overwritten."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline import files
from pipeline.errors import UserError

MARK = ".site.json"
"""Lies in every site: only a folder that has it is replaced."""

_HERE, _EXCHANGE = -100, 2


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``target`` once all is written.

    Raises:
        UserError: ``target`` is something else than a site.
    """
    target = Path(os.path.realpath(target))
    check(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".part", dir=target.parent))
    try:
        part.chmod(0o755)
        files.write(part / MARK, files.dumps({"made_by": "python -m pipeline site", "version": 1}))
        yield part
        if target.exists():
            _exchange(part, target)
        else:
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check(target: Path) -> None:
    """Refuse a target that is not ours.

    Raises:
        UserError: It is a file, or a folder with something in it that is not a site.
    """
    fix = "type another folder after -o, or remove this one"
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: expected a folder for the site, found a file; {fix}")
    if target.is_dir() and any(target.iterdir()):
        found = files.read_json(target / MARK)
        if not isinstance(found, dict) or found.get("made_by") != "python -m pipeline site":
            raise UserError(f"{target}: there are files in it, and no {MARK}: it is not a site of this project; {fix}")


def _exchange(part: Path, target: Path) -> None:
    """Swap two folders in one step where the system can; else by two renames."""
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
        if swap(_HERE, os.fsencode(part), _HERE, os.fsencode(target), _EXCHANGE) == 0:
            return
    except (OSError, AttributeError):
        pass
    old = part.with_suffix(".old")
    target.rename(old)
    try:
        part.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Remove what a killed process has left beside the site."""
    for path in target.parent.glob(f".{target.name}.*.part"):
        process = path.name.removeprefix(f".{target.name}.").split(".")[0]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
