"""Whose turn it is in a checkout: one snakemake at a time builds, and one that was killed holds nothing up.

Snakemake's own locks are files that outlive it. A snakemake that builds also holds a lock that ends with its process
(``.scratch/locks/snakemake``), from the reading of the Snakefile on, so what it has left behind can be told from what
it still needs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from pipeline.locks import Held, Holder, Lock

_TAKEN: dict[Path, Lock] = {}
"""Locks of this process, by checkout: they end with it."""

_LOOKS = ("-n", "--dry-run", "--dryrun", "--unlock", "--lint", "--report", "--dag", "--rulegraph", "--filegraph")
"""With one of these a snakemake locks nothing."""


def _lock(root: Path) -> Lock:
    return Lock(root / ".scratch/locks/snakemake")


def builder(root: Path) -> Holder | None:
    """The snakemake, other than this process, that builds in a checkout now; None if there is none."""
    root = root.resolve()
    if root in _TAKEN:
        return None
    return _lock(root).holder() or (_unheard(root) if left(root) else None)


def take(root: Path) -> Holder | None:
    """Take the turn for as long as this process lives; returns who has it, if somebody else has."""
    root = root.resolve()
    if root in _TAKEN:
        return None
    lock = _lock(root)
    for attempt in range(10):
        try:
            lock.take()
        except Held as held:
            if attempt == 9:
                return held.holder
            time.sleep(0.05)  # somebody may only be asking
            continue
        break
    holder = _unheard(root) if left(root) else None
    if holder is not None:
        lock.free()
        return holder
    _TAKEN[root] = lock
    return None


def left(root: Path) -> list[Path]:
    """Snakemake's own locks, whoever has made them."""
    folder = root / ".snakemake/locks"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def clear(root: Path) -> list[str]:
    """Remove locks of a snakemake that is no more; returns what to tell the user."""
    found = left(root)
    if not found or builder(root) is not None:
        return []
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return ["an earlier snakemake was killed here: its lock is removed, what it had begun is looked at again"]


def _unheard(root: Path) -> Holder | None:
    """A snakemake that runs here without having said so: one of an older revision, or whose .scratch was removed."""
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        if pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            python = Path(words[0]).name.startswith(("python", "snakemake"))
            called = python and any(Path(word).name == "snakemake" for word in words[:5])
            if called and not set(words) & set(_LOOKS) and (process / "cwd").readlink() == root:
                return Holder(pid)
    return None
