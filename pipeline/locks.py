"""Rights that go with their process, so that whoever was killed holds none.

``flock`` is such a right. Where a file system has none (ENOLCK: NFS without its lock service, some network and FUSE
mounts) a file stands for it that names process, start and machine: it counts as long as that process lives.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
"""What ``flock`` says of a lock that somebody holds; anything else says that there is no ``flock`` here."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        pid: His process; None where he has not said yet.
        host: His machine, where it is another one.
    """

    pid: int | None
    host: str | None = None

    def __str__(self) -> str:
        return f"process {self.pid or '?'}{f' on {self.host}' if self.host else ''}"


class Held(Exception):
    """Somebody else holds the lock."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


class Lock:
    """The right to work on something, as a file.

    Args:
        path: The file. It stays; that somebody holds it is not told by its being there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._mark: Path | None = None

    def take(self, *, wait: bool = False) -> None:
        """Take the right, and keep it until :meth:`free` or the end of this process.

        Args:
            wait: Whether to wait for whoever holds it.

        Raises:
            Held: Somebody else has it, and nobody waits.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            file.close()
            if error.errno in _TAKEN:
                raise Held(Holder(self.last())) from None
            self._mark = _take_mark(_mark(self.path), wait=wait)
            file = self.path.open("a+")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def free(self) -> None:
        """Give the right back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._mark is not None:
            self._mark.unlink(missing_ok=True)
            self._mark = None

    @contextlib.contextmanager
    def held(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the right within the block. See :meth:`take`."""
        self.take(wait=wait)
        try:
            yield
        finally:
            self.free()

    def last(self) -> int | None:
        """Return the process that has taken the right last, whether it still has it or not; None if none has."""
        try:
            return int(self.path.read_text(encoding="utf-8").strip())
        except (OSError, ValueError):
            return None

    def holder(self) -> Holder | None:
        """Who else holds the right now; None if nobody does."""
        try:
            file = self.path.open("rb")
        except OSError:
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return Holder(self.last()) if error.errno in _TAKEN else _marked(_mark(self.path))
        return None


def started(pid: int) -> str:
    """When a process began, as its system counts: tells it from a later one with its number; empty where unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def exists(pid: int) -> bool:
    """Whether a process of this number is on this machine."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")


def _marked(path: Path) -> Holder | None:
    """Whom a mark names, if he lives, as far as can be seen from here."""
    for _ in range(3):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            pid, host, began = int(found["pid"]), str(found["host"]), str(found["started"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            time.sleep(0.1)  # it is being written; one that stays so was cut short by a kill or a full disk
            continue
        if host != platform.node():
            return Holder(pid, host)
        return Holder(pid) if exists(pid) and started(pid) == began else None
    return None


def _take_mark(path: Path, *, wait: bool) -> Path:
    mine = json.dumps({"pid": os.getpid(), "host": platform.node(), "started": started(os.getpid())}).encode()
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            holder = _marked(path)
            if holder is None:
                path.unlink(missing_ok=True)
            elif not wait:
                raise Held(holder) from None
            else:
                time.sleep(0.05)
            continue
        try:
            os.write(handle, mine)
        finally:
            os.close(handle)
        return path
