"""Files of the user's that a stage opens though no parameter declares them: what they hold is in no key.

Python says what it opens (an audit event). A library that opens files in C or Rust does not, nor does another process,
so that nothing was seen is no proof; what was seen is noted in the record beside the receipt, and ``audit`` tells it.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.components import PACKAGE

MOST = 20
"""How many are noted."""

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/var", "/run", "/proc", "/sys", "/dev", "/nix",
           "/snap", "/System", "/Library", "/Applications", "/private/var")  # fmt: skip
_CODE = (".py", ".pyc", ".pth", ".so", ".pyd", ".dylib")

_seen: set[str] | None = None
_installed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or _seen is None:
        return
    path, mode, flags = arguments
    if isinstance(path, int) or (mode or "r")[0] != "r":
        return
    if mode is None and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
        return
    with contextlib.suppress(Exception):  # whatever it is, opening it is not ours to forbid
        _seen.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100  # cheap: links are followed later


class Opened:
    """What is opened for reading while it watches."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch within the block."""
        global _seen, _installed
        if not _installed:
            sys.addaudithook(_hook)  # there is no way to remove one
            _installed = True
        _seen = self.paths
        try:
            yield
        finally:
            _seen = None

    def undeclared(self, root: Path, extend: str | None, declared: Iterable[Path | str]) -> list[str]:
        """The user's files among them, sorted; those of Python, of the system and of this package are nobody's.

        Args:
            root: The checkout.
            extend: The user's own folder.
            declared: Files and folders that the stage may read.

        Returns:
            Paths as a person would name them: below the checkout relative to it, below the home folder with ``~``.
        """
        allowed = [*map(_real, declared), *_package(root)]
        theirs = [_real(folder) for folder in (extend, root) if folder is not None]
        found = set()
        for path in self.paths:
            real = _real(path)
            if real.endswith(_CODE) or _within(real, allowed) or not Path(real).is_file():
                continue
            if any(_within(real, [folder]) and not _hidden(real, folder) for folder in theirs) or not _of_machine(real):
                found.add(_named(real, _real(root)))
        return sorted(found)


def _real(path: Path | str) -> str:
    return os.path.realpath(path)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _hidden(path: str, folder: str) -> bool:
    """Whether a path below a folder has a part that begins with a dot: caches and settings of tools."""
    return any(part.startswith(".") for part in os.path.relpath(path, folder).split("/"))


def _package(root: Path) -> list[str]:
    """What belongs to the project itself: its code with the fonts beside it, and Python's own folders."""
    own = [_real(PACKAGE), *(_real(root / name) for name in ("pipeline", "keys", "jobs", "logs", "data/raw"))]
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *site.getsitepackages()]
    # a cluster's modules put libraries of other environments on the path
    others = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    return own + [_real(folder) for folder in (*python, *others, site.getusersitepackages()) if len(folder) > 1]


def _of_machine(path: str) -> bool:
    home = _real(Path.home())
    places = [*_SYSTEM, _real(tempfile.gettempdir())]
    return _within(path, places) or (_within(path, [home]) and _hidden(path, home))


def _named(path: str, root: str) -> str:
    home = _real(Path.home())
    if _within(path, [root]):
        return os.path.relpath(path, root)
    return f"~/{os.path.relpath(path, home)}" if len(home) > 1 and _within(path, [home]) else path
