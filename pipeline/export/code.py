"""The code of a network, carried along: its module and what that imports of this package, under a name of its own."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.components import PACKAGE
from pipeline.errors import UserError

THEIRS = "theirs"
"""Folder of a component that is the user's own."""


def carried(source: Path, name: str) -> tuple[dict[str, str], str, list[str]]:
    """Modules that a component needs, with their imports renamed.

    Args:
        source: The component's file.
        name: Of the package that they become.

    Returns:
        Path in the package -> text; the dotted name of the component in it; names of what else has to be installed.

    Raises:
        UserError: A module imports the package in a way that cannot be renamed.
    """
    found: dict[str, str] = {}
    others: set[str] = set()
    waiting = [source.resolve()]
    while waiting:
        path = waiting.pop()
        place = _place(path, source.resolve())
        if place in found:
            continue
        text = path.read_text(encoding="utf-8")
        found[place] = _renamed(text, path, name)
        for dotted in _imports(ast.parse(text)):
            if dotted.split(".")[0] == PACKAGE.name:
                inside = _module(dotted)
                waiting += [inside] if inside is not None else []
            elif (own := _beside(dotted, source.resolve())) is not None and PACKAGE.resolve() not in path.parents:
                waiting.append(own)
            else:
                others.add(dotted.split(".")[0])
    for place in list(found):
        for folder in Path(place).parents:
            found.setdefault((folder / "__init__.py").as_posix(), "")
    dotted = ".".join((name, *Path(_place(source.resolve(), source.resolve())).with_suffix("").parts))
    return found, dotted, sorted(others)


def _place(path: Path, source: Path) -> str:
    if path.is_relative_to(PACKAGE.resolve()):
        return path.relative_to(PACKAGE.resolve()).as_posix()
    return f"{THEIRS}/{path.relative_to(source.parent).as_posix()}"


def _imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported anywhere in a module, but for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _imports(node)


def _module(dotted: str) -> Path | None:
    """File of the longest part of a name that is a module of the package; its own ``__init__`` does not count."""
    parts = dotted.split(".")[1:]
    for length in range(len(parts), 0, -1):
        place = PACKAGE.resolve().joinpath(*parts[:length])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None


def _beside(dotted: str, source: Path) -> Path | None:
    """A module of the user's own beside the component."""
    path = source.parent / f"{dotted.split('.')[0]}.py"
    return path if path.is_file() else None


def _renamed(text: str, path: Path, name: str) -> str:
    """A module's text with ``from pipeline...`` turned into ``from NAME...``, modules beside it likewise."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise UserError(
                f"{path}:{node.lineno}: a relative import can't be carried; write from pipeline... import ..."
            )
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE.name and alias.asname is None:
                    raise UserError(f"{path}:{node.lineno}: write from {alias.name} import ..., which can be carried")
        at = getattr(node, "lineno", 0) - 1
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines[at] = re.sub(rf"\b(from|import)(\s+){PACKAGE.name}\b", rf"\1\2{name}", lines[at])
            if isinstance(node, ast.ImportFrom) and node.module and PACKAGE.resolve() not in path.parents:
                first = node.module.split(".")[0]
                if (path.parent / f"{first}.py").is_file():
                    lines[at] = re.sub(rf"\bfrom(\s+){first}\b", rf"from\1{name}.{THEIRS}.{first}", lines[at])
    return "".join(lines)


def installed(needed: Iterable[str]) -> list[str]:
    """What of the imports comes from elsewhere than Python itself."""
    return [name for name in needed if name not in sys.stdlib_module_names and name != "annotated_types"]
