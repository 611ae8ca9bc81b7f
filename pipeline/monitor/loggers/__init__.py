"""Loggers: what is told of every epoch of a training as it ends, live; one file each, found by name.

A logger is ``loggers/NAME.py``, here or in a folder of the user's (``--config extend=FOLDER``), with a function or
class ``begin`` that is called once per training with a :class:`Logged` and returns a :class:`Logger`. It is called by
the process that trains, so a training waits for one that is slow. Nothing that it does is in a key.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.components import PACKAGE
from pipeline.errors import UserError, brief, nearest

FOLDER = "loggers"
"""Folder of loggers, here and in one of the user's."""

ENTRY = "begin"
"""What is called of a logger's file."""


@dataclass(frozen=True)
class Logged:
    """One training, as a logger is told of it.

    Attributes:
        name: What a person calls it: ``directpred/sgd, shapes, seed 0``.
        config: The folder of the run, without its seed: ``shapes-sgd-1a2b3c4d``.
        seed: The seed.
        folder: Where a logger may write, ``logs/LOGGER/CONFIG/seedS``; it is there, and is kept.
        step: The last step that this logger was told of; 0 for a training of which it knows nothing yet.
    """

    name: str
    config: str
    seed: int
    folder: Path
    step: int


class Logger(Protocol):
    """What ``begin`` returns."""

    def log(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Take note of an epoch that has ended; no epoch of a training is told twice.

        Args:
            step: Steps since the start of the run.
            epoch: The epoch, from 1.
            values: ``loss``, ``embedding_std`` and ``effective_rank``; NaN where the training has diverged.
        """

    def close(self) -> None:
        """Take note that the training is over. One that is killed does not say so."""


def names(extend: Path | None = None) -> list[str]:
    """Names of all loggers."""
    folders = (Path(__file__).parent, *([extend / FOLDER] if extend else []))
    return sorted({path.stem for folder in folders for path in folder.glob("*.py") if path.name[0] not in "_."})


def find(name: str, extend: Path | None = None) -> Path:
    """File of a logger, whose imports are there.

    Args:
        name: Of the logger.
        extend: Folder of the user's own.

    Raises:
        UserError: There is none of this name, it has no ``begin``, or a package that it imports is not installed.
    """
    known = names(extend)
    if name not in known:
        raise UserError(f"there is no logger {brief(name)}; {nearest(name, known)}")
    path = Path(__file__).with_name(f"{name}.py")
    if not path.is_file():
        assert extend is not None
        path = extend / FOLDER / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    if ENTRY not in set(_defined(tree)):
        raise UserError(f"{path}: expected a function or class called {ENTRY}, which takes a training; define one")
    for package in sorted(set(_imported(tree))):
        if importlib.util.find_spec(package) is None:
            ours = path.is_relative_to(PACKAGE)
            remedy = f"make setup EXTRAS={name}" if ours else f"pip install {package}"
            raise UserError(f"{path.name} imports {package}, which is not installed here; type: {remedy}")
    return path


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that a module defines by a statement of its own."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else []
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _imported(node: ast.AST) -> Iterator[str]:
    """Packages that a module imports anywhere but in a ``try``, which says what it does without them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module.partition(".")[0]
        elif not isinstance(child, ast.Try):
            yield from _imported(child)
