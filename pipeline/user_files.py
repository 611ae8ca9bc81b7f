"""Files and folders of the user's that a component reads: parameters of type ``Path``, known by what they hold.

What is in a key is the content: a file's hash, or the hash of a folder's listing with the hash of every file in it.
What file managers leave in folders is no content: no source reads it, and who looks at pictures has no other data set.
Where it lies on this machine is in none, so a folder that is moved changes nothing and a picture that is added does.
Contents are remembered by size, times and inode, so that a large folder is read once.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError, brief, plain

MEMORY = Path("keys/.user_files.json")
"""What is remembered: absolute path -> size, times and inode at which it had which sha256."""

_FRESH = 2 * 10**9
"""A file that was changed so short a time ago (ns) may change again without a change of its time."""

_LEFT_BEHIND = {"thumbs.db", "desktop.ini"}
"""Files that Windows writes into folders that it shows; those of others begin with a dot."""

_FIELDS = {"path", "content", "files"}


def described(text: Any, where: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """Describe a file or folder: ``path`` (absolute), ``content`` (one hash) and ``files`` (how many).

    Args:
        text: As it was declared: absolute, from the home folder (``~``), or relative to the first of ``folders`` that
            has it. What was described before is described anew.
        where: File, entry and key, for messages.
        folders: The user's own folder, if there is one, and the checkout.

    Raises:
        UserError: There is no such file or folder, or a part of it can't be read.
    """
    told = str(text["path"] if isinstance(text, Mapping) else text)
    path = _absolute(told, where, folders)
    found = listing(path, where)
    content = found[""] if "" in found else files.digest(found)
    return {"path": str(path), "content": content, "files": len(found)}


def _absolute(told: str, where: str, folders: tuple[Path, ...]) -> Path:
    try:
        given = Path(told).expanduser()
        tried = [(folder / given).resolve() for folder in folders or (Path(),)]
        path = next((path for path in tried if path.exists()), None)
    except (OSError, ValueError, RuntimeError):
        tried, path = [], None
    if path is None or told == "":
        looked = " or ".join(dict.fromkeys(map(str, tried))) or "that name"
        raise UserError(
            f"{where}: {brief(told)}: there is no file or folder {looked}; correct the path, or put it there"
        )
    return path


def listing(path: Path, where: str = "") -> dict[str, str]:
    """sha256 of every file of a folder by its name in it; of a file by the empty name.

    Names that begin with a dot, of files and of folders, are left out, and so are ``Thumbs.db`` and ``desktop.ini``.

    Raises:
        UserError: Something in it can't be read, or is neither file nor folder.
    """
    place = f"{where}: " if where else ""
    memory = _memory()
    try:
        if not path.is_dir():
            return {"": memory.sha256(path)}
        return {_name(below): memory.sha256(path / below) for below in sorted(_below(path))}
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{place}{error.filename or path}: {why}; make it readable, or take it away") from None
    finally:
        memory.save()


def _below(folder: Path) -> Iterator[str]:
    """Names of the files below a folder that are content, links followed, no folder twice within itself."""
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while waiting:
        inside, above = waiting.pop()
        about = (folder / inside).stat()
        place = (about.st_dev, about.st_ino)
        if place in above:
            continue
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                name = f"{inside}/{entry.name}".lstrip("/")
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append((name, above | {place}))
                elif entry.name.lower() not in _LEFT_BEHIND:
                    yield name


def _name(name: str) -> str:
    """A file's name as text that can be written down, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class _Memory:
    """Hashes of files by size, times and inode.

    Args:
        path: Where they are kept; None to keep none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = files.read_object(path) if path is not None else {}
        self._new = False

    def sha256(self, path: Path) -> str:
        """The hash of a file, read only if it is not the one that was read before.

        Raises:
            OSError: It can't be read, or is no file.
        """
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise OSError(0, "neither a file nor a folder", str(path))
        mark = [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
        name = _name(str(path))
        known = self._known.get(name)
        if isinstance(known, list) and known[:4] == mark and len(known) == 5 and isinstance(known[4], str):
            return known[4]
        found = files.sha256(path)
        if time.time_ns() - max(about.st_mtime_ns, about.st_ctime_ns) > _FRESH:
            self._known[name] = [*mark, found]
            self._new = True
        return found

    def save(self) -> None:
        """Write down what is new; a folder that cannot be written costs reading again."""
        if self._new and self._path is not None:
            with contextlib.suppress(OSError):
                files.write(self._path, json.dumps(self._known, sort_keys=True))
        self._new = False


@functools.cache
def _memory() -> _Memory:
    return _Memory(MEMORY)


def anew() -> None:
    """Trust nothing that is remembered from here on: every file is read once more by this process."""
    global _memory
    memory = _Memory(None)
    _memory = functools.cache(lambda: memory)


# -- in specs


def is_described(value: Any) -> bool:
    """Whether a value is what :func:`described` returns."""
    return isinstance(value, dict) and value.keys() == _FIELDS


def without_places(tree: Any) -> Any:
    """Params as they are in keys: what files hold, and not where they lie."""
    if is_described(tree):
        return {name: value for name, value in tree.items() if name != "path"}
    if isinstance(tree, dict):
        return {name: without_places(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [without_places(value) for value in tree]
    return tree


def places(tree: Any, prefix: str = "") -> dict[str, str]:
    """Where the files of a spec lie: dotted name of the param (``source.root``, ``source.roots.0``) -> path."""
    if is_described(tree):
        return {prefix: tree["path"]}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found: dict[str, str] = {}
    for name, value in items:
        found |= places(value, f"{prefix}.{name}" if prefix else str(name))
    return found


def contents(params: Any) -> Iterator[str]:
    """Every content that params of a key name."""
    if isinstance(params, dict) and params.keys() == _FIELDS - {"path"}:
        yield params["content"]
    elif isinstance(params, dict | list):
        for value in params.values() if isinstance(params, dict) else params:
            yield from contents(value)


def at(tree: Any, name: str) -> Any:
    """The value of a param by its dotted name, as :func:`places` gives it."""
    for part in name.split("."):
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    return tree


def put(tree: Any, found: Mapping[str, str]) -> Any:
    """Params in which paths stand where files are described."""
    tree = json.loads(json.dumps(tree)) if found else tree
    for name, path in found.items():
        above, _, last = name.rpartition(".")
        holder = at(tree, above) if above else tree
        holder[int(last) if isinstance(holder, list) else last] = path
    return tree


def check(params: Any, found: Mapping[str, str], remedy: str) -> None:
    """Refuse to go on where files are not what the key says.

    Args:
        params: Those of the key.
        found: Where its files lie.
        remedy: What to type.

    Raises:
        UserError: A file is another one now.
    """
    for name, path in found.items():
        now = described(path, name, (Path(),))
        if without_places(now) != at(params, name):
            raise UserError(f"{plain(path)}: changed since it was read for {name}; {remedy}")
