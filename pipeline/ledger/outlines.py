"""Functions of modules as they were: from the store, from the files as they stand, or from Git."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline import components, files, user_files
from pipeline.errors import UserError, plain
from pipeline.ledger import fingerprint
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.sources import blobs, git
from pipeline.ledger.store import Store

VERSIONS = 200
"""How many commits of a module are searched for the version that a receipt names, the newest first."""

FILES = 5
"""How many files of a folder are told by name."""

CHANGED, NEW, GONE = "changed", "is new", "is gone"


def keep(store: Store, key_files: Iterable[KeyFile]) -> None:
    """List the functions of all modules that the given nodes run, so that a later change can be told by function."""
    for key_file in key_files:
        own = {fingerprint.label(path): path for path in map(_component, key_file.components.values())}
        for module, digest in key_file.code.items():
            path = store.outline(digest)
            if not path.is_file():
                with contextlib.suppress(OSError, SyntaxError):  # it only helps to explain
                    source = own.get(module, components.PACKAGE.parent / module).read_bytes()
                    store.write(path, files.dumps(fingerprint.outline(source)))


def keep_listings(store: Store, key_files: Iterable[KeyFile]) -> None:
    """List the files of the user's that nodes read, so that a later change can be told by file."""
    for key_file in key_files:
        for name, path in key_file.paths.items():
            kept = store.listing(user_files.at(key_file.params, name)["content"])
            if not kept.is_file():
                with contextlib.suppress(OSError, UserError):  # it only helps to explain
                    store.write(kept, files.dumps(user_files.listing(Path(path))))


class Outlines:
    """Outlines of modules by fingerprint.

    Args:
        store: Where ``keep`` has put some.
        root: Folder that the names of modules are relative to.
    """

    def __init__(self, store: Store, root: Path = components.PACKAGE.parent) -> None:
        self.store = store
        self.root = root
        self._known: dict[tuple[str, str], dict[str, str] | None] = {}

    def functions(self, module: str, old: str | None, new: str | None) -> list[tuple[str, str]]:
        """What differs between two versions of a module: (function, class or ``module level``; how).

        Empty where the module is new or gone, or one version is nowhere to be found.
        """
        if old is None or new is None:
            return []
        before, after = self.outline(module, old), self.outline(module, new)
        if before is None or after is None:
            return []
        return compare(before, after)

    def listed(self, old: str, new: str, path: str | None = None) -> list[tuple[str, str]]:
        """What differs between two states of a folder of the user's: (file, how); empty where one is not known.

        Args:
            old: Hash of its contents then.
            new: Hash of its contents now.
            path: Where it lies now.
        """
        before, after = (files.read_json(self.store.listing(content)) for content in (old, new))
        if after is None and path is not None:
            with contextlib.suppress(UserError):
                after = user_files.listing(Path(path))
        if not isinstance(before, dict) or not isinstance(after, dict):
            return []
        differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        told = [
            (plain(name or "the file"), CHANGED if name in before and name in after else NEW if name in after else GONE)
            for name in differing
        ]
        return told if len(told) <= FILES else [*told[:FILES], (f"{len(told) - FILES} more", "differ")]

    def outline(self, module: str, digest: str) -> dict[str, str] | None:
        """The functions of a module at a fingerprint; None where that version is nowhere to be found."""
        place = (module, digest)
        if place not in self._known:
            self._known[place] = self._find(module, digest)
        return self._known[place]

    def _find(self, module: str, digest: str) -> dict[str, str] | None:
        kept = files.read_json(self.store.outline(digest))
        if isinstance(kept, dict):
            return kept
        for source in self._sources(module):
            with contextlib.suppress(SyntaxError, ValueError):
                if fingerprint.digest(source) == digest:
                    return fingerprint.outline(source)
        return None

    def _sources(self, module: str) -> Iterator[bytes]:
        """Versions of a module: as it stands, then as it was committed, the newest first."""
        with contextlib.suppress(OSError):
            yield (self.root / module).read_bytes()
        try:
            commits = git(self.root, "log", "--all", "--format=%H", f"-{VERSIONS}", "--", module).split()
        except UserError:
            return  # there is no Git here
        yield from _committed(self.root, module, commits)


def compare(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str]]:
    """What differs between two outlines; a class that is new or gone is told without its methods."""
    found = []
    whole = {
        name.removesuffix("<body>"): name for name in before.keys() ^ after.keys() if name.endswith(".<body>")
    }  # ``Class.`` -> ``Class.<body>``
    for name in [*sorted((before.keys() | after.keys()) - {"<module>"}), "<module>"]:
        if before.get(name) == after.get(name):
            continue
        if any(name.startswith(prefix) and name != body for prefix, body in whole.items()):
            continue
        how = CHANGED if name in before and name in after else NEW if name in after else GONE
        if name == "<module>":
            what = "module level"
        elif name.endswith(".<body>"):
            what = ("body of class " if how == CHANGED else "class ") + name.removesuffix(".<body>")
        else:
            what = f"function {name}"
        found.append((what, how))
    return found or [("order of definitions", CHANGED)]


def _committed(root: Path, module: str, commits: list[str]) -> Iterator[bytes]:
    """A module's content at each of the commits, every content once."""
    with contextlib.suppress(subprocess.CalledProcessError):
        yield from blobs(root, [f"{commit}:./{module}" for commit in commits])


def _component(path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else components.PACKAGE.parent / path
