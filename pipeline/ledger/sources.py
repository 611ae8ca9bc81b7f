"""Where receipts and other files of a chain can be read: a checkout, a Git revision; a bundle is a third place."""

from __future__ import annotations

import subprocess
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from pipeline.errors import UserError


class Ledger(Protocol):
    """A place that holds a project's files under the paths that they have in a checkout."""

    title: str

    def read(self, path: str) -> bytes | None:
        """Content of the file at ``path``, relative to the project's root; None where there is none."""
        ...


class Folder:
    """A checkout as it lies on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.title = "working tree"

    def read(self, path: str) -> bytes | None:
        """See :class:`Ledger`."""
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None


class Revision:
    """The files that are committed at a Git revision, read in one process.

    Args:
        root: A folder of the repository: its top, or the project's folder in it.
        name: What Git understands: a hash, a branch, a tag, ``HEAD~1``.

    Raises:
        UserError: Git does not know the revision.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.commit = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        if not self.commit:
            raise UserError(f"{name}: Git knows no such revision here; type: git log --oneline")
        self.title = f"revision {name} ({self.commit[:10]})"
        self._reader: subprocess.Popen | None = None

    def read(self, path: str) -> bytes | None:
        """See :class:`Ledger`."""
        if self._reader is None:
            command = ["git", "-C", str(self.root), "cat-file", "--batch"]
            self._reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            weakref.finalize(self, _end, self._reader)
        assert self._reader.stdin is not None and self._reader.stdout is not None
        if "\n" in path:
            return None
        self._reader.stdin.write(f"{self.commit}:./{path}\n".encode())
        self._reader.stdin.flush()
        head = self._reader.stdout.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            if len(head) == 3 and head[1] in (b"tree", b"commit", b"tag"):
                self._reader.stdout.read(int(head[2]) + 1)
            return None
        return self._reader.stdout.read(int(head[2]) + 1)[:-1]

    def paths(self, below: str) -> list[str]:
        """Paths of all files below a folder."""
        found = git(self.root, "ls-tree", "-r", "-z", "--name-only", self.commit, "--", f"{below.rstrip('/')}/")
        return [path for path in found.split("\0") if path]


def _end(reader: subprocess.Popen) -> None:
    """Let a reader end, which it does when nothing more can be asked."""
    reader.communicate()


def blobs(root: Path, names: Iterable[str]) -> Iterator[bytes]:
    """Contents of files that Git holds, every content once; what is no file, or is not there, is left out.

    Args:
        root: A folder of the repository.
        names: Hashes, or ``COMMIT:./PATH``.

    Raises:
        CalledProcessError: Git fails: nothing may be taken for uncommitted then.
    """
    asked = "".join(f"{name}\n" for name in names).encode()
    if not asked:
        return
    command = ["git", "-C", str(root), "cat-file", "--batch"]
    found = subprocess.run(command, input=asked, capture_output=True, check=True).stdout
    at, seen = 0, set()
    while at < len(found):
        end = found.index(b"\n", at)
        head = found[at:end].split()
        at = end + 1
        if len(head) != 3:
            continue
        size = int(head[2])
        if head[1] == b"blob" and head[0] not in seen:
            seen.add(head[0])
            yield found[at : at + size]
        at += size + 1


def asked(root: Path, *arguments: str) -> str:
    """What a Git command prints; empty outside a repository.

    Raises:
        UserError: Git does not answer: nothing may be taken for uncommitted then.
    """
    if not in_repository(root):
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git: not found, and this is a repository: what is committed is not known") from None
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise UserError(f"git does not say what is committed ({why[0]}); nothing was touched; type: git status")
    return done.stdout.decode("utf-8", "replace")


def in_repository(root: Path) -> bool:
    """Whether a checkout is one of Git's, and no archive of it."""
    top = root.resolve()
    return any((folder / ".git").exists() for folder in (top, *top.parents))


def git(root: Path, *arguments: str) -> str:
    """What a Git command prints; empty where it fails.

    Raises:
        UserError: Git is not installed.
    """
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git: not found; install it, or leave out what asks for a revision") from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
