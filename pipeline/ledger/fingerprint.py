"""Which code a stage runs, as hashes that comments, docstrings, ranges of parameters and formatting do not change.

The canonical form of a module is its syntax tree written out by this file, not by ``ast.dump`` or
``ast.unparse``, whose output differs between Python versions. Absent and empty fields are left out, so a field
that a newer Python adds to a node changes nothing.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.files import write_if_different

PACKAGE = Path(__file__).parent.parent
VERSION = 3
"""Of the canonical form; part of every fingerprint's cache entry."""

DECIDING = (
    "monitor", "planning", "ledger", "engine", "commands", "provenance", "comparing", "sharing", "latex", "site", "kit",
    "export",
)  # fmt: skip
"""Folders of what decides what to compute, or reads what was computed, and never what comes out: in no fingerprint."""
SHARED = (
    "__init__", "__main__", "annotations", "bytecode", "components", "durations", "entry", "errors", "files",
    "hardware", "install", "locks", "ranges", "sizes", "user_files", "work",
)  # fmt: skip
"""Modules at the top of the package of which the same is true."""

_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def _is_inert(node: ast.AST) -> bool:
    """A docstring or another bare string, ``pass``, or an import of ranges: statements that compute nothing."""
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, ast.ImportFrom):
        return node.module == f"{PACKAGE.name}.ranges"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _joined(values: list[ast.expr]) -> Iterator[ast.expr | str]:
    """Parts of an f-string with neighbouring literals merged: versions split them differently."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text += value.value
            continue
        if text:
            yield text
            text = ""
        yield value
    if text:
        yield text


def _unannotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """A function without the types of its arguments, which compute nothing unless a decorator reads them.

    So a parameter's range, which stands there, is in no key: who widens one trains nothing again.
    """
    if function.decorator_list:
        return function
    given = copy.copy(function.args)
    for name in ("posonlyargs", "args", "kwonlyargs"):
        setattr(given, name, [_bare(argument) for argument in getattr(given, name)])
    given.vararg, given.kwarg = _bare(given.vararg), _bare(given.kwarg)
    function = copy.copy(function)
    function.args = given
    return function


def _bare(argument: Any) -> Any:
    if argument is None or argument.annotation is None:
        return argument
    argument = copy.copy(argument)
    argument.annotation = None
    return argument


@functools.cache
def _fields(kind: type[ast.AST]) -> tuple[tuple[str, str], ...]:
    """Fields of a kind of node in the order in which they are written, and how each begins."""
    return tuple((name, f" {name}=") for name in sorted(kind._fields) if name not in _SKIPPED)


def _write(node: object, out: list[str]) -> None:
    if isinstance(node, ast.Constant):
        # ascii() and not repr(): what counts as printable depends on Python's Unicode tables.
        out.append(f"({type(node.value).__name__} {node.value!a})")
    elif isinstance(node, ast.JoinedStr):
        out.append("(JoinedStr")
        for part in _joined(node.values):
            _write(part, out)
        out.append(")")
    elif isinstance(node, ast.AST):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node = _unannotated(node)
        out.append(f"({type(node).__name__}")
        for name, begins in _fields(type(node)):  # type: ignore[arg-type]  # a class can be hashed
            value = getattr(node, name, None)
            if isinstance(value, list):
                value = [item for item in value if not (isinstance(item, ast.stmt) and _is_inert(item))]
            if value is None or value == []:
                continue
            out.append(begins)
            _write(value, out)
        out.append(")")
    elif isinstance(node, list):
        out.append("[")
        for item in node:
            _write(item, out)
            out.append(",")
        out.append("]")
    else:
        out.append(ascii(node))


def canonical(source: str, filename: str = "<source>") -> str:
    """Canonical form of a module's source, the same text on every supported Python.

    Raises:
        SyntaxError: The source does not parse.
    """
    out: list[str] = []
    _write(ast.parse(source, filename=filename), out)
    return "".join(out)


def digest(source: str | bytes, filename: str = "<source>") -> str:
    """Fingerprint of one module's source, as it stands in keys."""
    out: list[str] = []
    _write(ast.parse(source, filename=filename), out)
    return _short("".join(out))


def outline(source: str | bytes) -> dict[str, str]:
    """Hashes of a module's functions and methods by qualified name: which of two versions differ, without either.

    ``CLASS.<body>`` stands for what a class holds besides its methods, ``<module>`` for the rest.

    Raises:
        SyntaxError: The source does not parse.
    """
    found: dict[str, list[str]] = {}
    _outline(ast.parse(source).body, "", "<module>", found)
    return {name: _short("".join(texts)) for name, texts in sorted(found.items())}


def _outline(body: list[ast.stmt], prefix: str, rest: str, found: dict[str, list[str]]) -> None:
    found.setdefault(rest, [])
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _write(node, found.setdefault(prefix + node.name, []))
        elif isinstance(node, ast.ClassDef):
            own = f"{prefix}{node.name}.<body>"
            for part in (node.decorator_list, node.bases, node.keywords):
                _write(part, found.setdefault(own, []))
            _outline(node.body, f"{prefix}{node.name}.", own, found)
        elif not _is_inert(node):
            _write(node, found[rest])


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Name | ast.Attribute):
        return False
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _imported(tree: ast.AST, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Dotted names of what a module imports, relative imports resolved against its own ``parts``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.expr) or _type_checking(node):  # no expression imports
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                base = parts[: len(parts) - node.level] + base
            for alias in node.names:
                yield (*base, alias.name)
        else:
            yield from _imported(node, parts)


def _module(parts: tuple[str, ...]) -> Path | None:
    """File of the longest prefix of ``parts`` that is a module of the package."""
    if not parts or parts[0] != PACKAGE.name:
        return None
    for length in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[1:length])
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        if (path / "__init__.py").is_file():
            return path / "__init__.py"
    return None


def _beside(path: Path, parts: tuple[str, ...]) -> Path | None:
    """File of a module of the user's own that a component in ``path`` imports: from its folder or one above it."""
    if PACKAGE.resolve() in path.parents:
        return None
    for base in path.parents[:3]:
        for length in range(len(parts), 0, -1):
            place = base.joinpath(*parts[:length])
            for candidate in (place.with_suffix(".py"), place / "__init__.py"):
                if candidate.is_file():
                    return candidate
    return None


def _packages(folder: Path) -> Iterator[Path]:
    """The ``__init__`` files that run before a module in a folder of the package does."""
    root = PACKAGE.resolve()
    for place in (folder, *folder.parents):
        if place != root and root not in place.parents:
            return
        if (place / "__init__.py").is_file():
            yield place / "__init__.py"


_EMPTY = digest("")


def label(path: Path) -> str:
    """Name of a module in keys and messages: the same on every machine."""
    path = Path(path).resolve()
    with contextlib.suppress(ValueError):
        return f"{PACKAGE.name}/{path.relative_to(PACKAGE.resolve()).as_posix()}"
    return f"{path.parent.name}/{path.name}"


def decides(name: str) -> bool:
    """Whether a module, by its label, decides and does not compute."""
    package, _, rest = name.partition("/")
    folder, inside, _ = rest.partition("/")
    return package == PACKAGE.name and (folder in DECIDING if inside else rest.removesuffix(".py") in SHARED)


@functools.cache
def _own_source() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


_PARSED: dict[tuple[bool, str], list] = {}
"""What this process has parsed: (whether it is the user's, hash of the source) -> hash of the form, imports."""


class Fingerprints:
    """Fingerprints of modules, remembered by the hash of their source.

    Args:
        memory: A file that keeps results between calls; what it says is only looked up by content, and only believed
            where this very code has written it. Without one all modules are read anew, and parsed by this process: so
            do the executor and audit.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known: dict[str, list] = {}
        self._changed = False
        self._seal = _short(f"{VERSION} {_own_source()}")
        if memory is not None:
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(memory.read_text(encoding="utf-8"))
                self._known = found if isinstance(found, dict) else {}

    def _recall(self, content: str) -> list | None:
        """What is remembered of a source, by its hash; None where nothing is, or it was not written by this code."""
        found = self._known.get(content)
        if not isinstance(found, list) or len(found) != 3:
            return None
        return found[:2] if found[2] == self._sealed(content, *found[:2]) else None

    def _remember(self, content: str, found: list) -> None:
        if self._memory is not None:
            self._known[content] = [*found, self._sealed(content, *found)]
            self._changed = True

    def _sealed(self, content: str, digest: object, imports: object) -> str:
        return _short(f"{self._seal} {content} {json.dumps([digest, imports])}")

    @functools.cache  # noqa: B019 - one short-lived object per process
    def _label(self, path: Path) -> str:
        return label(path)

    @functools.cache  # noqa: B019 - as above
    def _read(self, path: Path) -> tuple[str, tuple[str, ...]]:
        """Hash of a module's canonical form and the package files that it imports."""
        source = path.read_bytes()
        name = self._label(path)
        content = hashlib.sha256(f"{VERSION} {name}\n".encode() + source).hexdigest()
        recalled = self._recall(content)
        theirs = PACKAGE.resolve() not in path.resolve().parents
        if recalled is None and (theirs, content) in _PARSED:
            recalled = _PARSED[theirs, content]
            self._remember(content, recalled)
        if recalled is None:
            tree = ast.parse(source, filename=str(path))
            parts = tuple(Path(name).with_suffix("").parts)
            parts = (*parts[:-1], "__init__") if path.name == "__init__.py" else parts
            found = {".".join(dotted) for dotted in _imported(tree, parts) if theirs or dotted[0] == PACKAGE.name}
            imports = sorted(found)
            out: list[str] = []
            _write(tree, out)
            recalled = _PARSED[theirs, content] = [_short("".join(out)), imports]
            self._remember(content, recalled)
        digest, imports = recalled
        return digest, tuple(imports)

    @functools.cache  # noqa: B019 - as above
    def _below(self, path: Path) -> tuple[Path, ...]:
        """Modules of the package that run because ``path`` does; for a component of the user's own, theirs too."""
        _, imports = self._read(path)
        found = [one for one in self._packages(path.parent) if one != path]
        for name in imports:
            place = self._module(name)
            if place is None and (place := _beside(path, tuple(name.split(".")))) is not None:
                place = place.resolve()
            if place is not None:
                found.append(place)
        return tuple(found)

    @functools.cache  # noqa: B019 - as above
    def _module(self, name: str) -> Path | None:
        place = _module(tuple(name.split(".")))
        return None if place is None else place.resolve()

    @functools.cache  # noqa: B019 - as above
    def _packages(self, folder: Path) -> tuple[Path, ...]:
        return tuple(_packages(folder))

    @functools.cache  # noqa: B019 - as above
    def _closure(self, root: Path) -> dict[str, str]:
        found: dict[str, str] = {}
        seen: set[Path] = set()
        waiting = [root]
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            name = self._label(path)
            if decides(name):
                continue
            digest, _ = self._read(path)
            if path.name == "__init__.py" and digest == _EMPTY:
                continue
            found[name] = digest
            waiting += self._below(path)
        return found

    def code(self, roots: Iterable[Path]) -> dict[str, str]:
        """Fingerprint of everything that ``roots`` run: module -> hash, for them and all that they import.

        Raises:
            SyntaxError: One of the modules does not parse.
        """
        found: dict[str, str] = {}
        for root in roots:
            found |= self._closure(Path(root).resolve())
        return dict(sorted(found.items()))

    def save(self) -> None:
        """Write what was learnt, if anything was."""
        if self._memory is not None and self._changed:
            with contextlib.suppress(OSError):
                write_if_different(self._memory, json.dumps(self._known))
