"""Components: the parts that a run is composed of, one file each, found by name.

A component of a category is one Python file in the category's folder; the function that the category names
(``build``, or ``loss`` for objectives) takes its parameters as keyword-only arguments with literal defaults.
Those arguments *are* the params of the spec: their names, types and defaults are read from the source with
``ast``, so that the plan can validate a spec without importing torch.

Three places are searched: the library's own folder of the category; the folder of every paper (``papers/KEY/``), for
what a paper brings along; and a folder given by the user (``--config extend=FOLDER``), which has the layout of a
paper's. What a paper simulates and draws is its own and named for it: ``stepwise/fig1ab``. What it measures is for
all: ``ntk``.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import UserError, nearest

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Category:
    """A place in a run, or in an artifact, that one of several components fills.

    Args:
        folder: Of the library; the last part of it is its name in a paper's folder and in one of the user's.
        entry: Name of the function that is called.
        common: Params that every kind but ``none`` accepts: name, type, default.
        owned: Whether a paper's folder holds such components under the paper's name (True) or for all (False); papers
            have none of a category where it is None.
    """

    folder: str
    entry: str = "build"
    common: tuple[tuple[str, str, Any], ...] = ()
    owned: bool | None = None


CATEGORIES: dict[str, Category] = {
    "views": Category("views/policies"),
    "encoder": Category("nets/encoders"),
    "projector": Category("nets/projectors"),
    "predictor": Category(
        "nets/predictors", common=(("lr_multiplier", "float", 1.0), ("weight_decay", "float | None", None))
    ),
    "target": Category("nets/targets"),
    "objective": Category("objectives", entry="loss"),
    "optimizer": Category("training/optimizers"),
    "schedule": Category("training/schedules"),
    "initialization": Category("nets/initializations"),
    "source": Category("data/sources"),
    "measure": Category("evaluation/measures", entry="measure", owned=False),
    "simulation": Category("simulations", entry="simulate", owned=True),
    "figure": Category("figures", entry="draw", owned=True),
}


@functools.cache
def papers() -> list[str]:
    """Keys of the papers that have a folder in the package."""
    return sorted(path.name for path in (PACKAGE / "papers").iterdir() if (path / "__init__.py").is_file())


def _places(category: str, extend: Path | None) -> list[tuple[str, Path]]:
    """Folders of a category in the order in which they are searched, each with what stands before its names."""
    found = CATEGORIES[category]
    name = found.folder.rpartition("/")[2]
    places = [("", PACKAGE / found.folder)]
    if found.owned is not None:
        places += [(f"{paper}/" if found.owned else "", PACKAGE / "papers" / paper / name) for paper in papers()]
    return places + ([("", extend / name)] if extend else [])


def kinds(category: str, extend: Path | None = None) -> list[str]:
    """Names of all components of a category."""
    return sorted(
        {
            prefix + path.stem
            for prefix, folder in _places(category, extend)
            for path in folder.glob("*.py")
            if not path.name.startswith("_")
        }
    )


def find(category: str, kind: str, extend: Path | None = None) -> Path:
    """Source file of a component.

    Raises:
        UserError: No such component; the message lists those that exist.
    """
    owner, slash, name = kind.rpartition("/")
    if name.isidentifier() and not name.startswith("_"):
        for prefix, folder in _places(category, extend):
            if prefix == owner + slash and (path := folder / f"{name}.py").is_file():
                return path
    known = kinds(category, extend)
    raise UserError(f"{category}: there is no {category} called {kind!r}; {nearest(kind, known, 'choose one of')}")


@functools.cache
def _entry(path: Path, mtime_ns: int, entry: str) -> tuple[tuple[str, str, Any, bool], ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == entry:
            break
    else:
        raise UserError(f"{path}: expected a function called {entry!r}, whose keyword-only arguments are the params")
    if isinstance(node, ast.ClassDef):
        raise UserError(f"{path}: {entry!r} must be a function, not a class")
    params = []
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        annotation = ast.unparse(argument.annotation) if argument.annotation else "Any"
        try:
            value = ast.literal_eval(default) if default is not None else None
        except ValueError:
            raise UserError(f"{path}: the default of {argument.arg!r} must be a literal") from None
        params.append((argument.arg, annotation, value, default is None))
    return tuple(params)


def params(category: str, kind: str, extend: Path | None = None) -> dict[str, tuple[str, Any, bool]]:
    """Params of a component: name -> (type, default, required), read from its source without importing it."""
    path = find(category, kind, extend)
    own = _entry(path, path.stat().st_mtime_ns, CATEGORIES[category].entry)
    found = {name: (annotation, default, required) for name, annotation, default, required in own}
    if kind != "none":
        for name, annotation, default in CATEGORIES[category].common:
            found.setdefault(name, (annotation, default, False))
    return found


@functools.cache
def _constant(path: Path, mtime_ns: int, name: str) -> Any:
    for node in ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except ValueError:
                raise UserError(f"{path}: {name} must be a literal") from None
    return None


def default_before(category: str, kind: str, extend: Path | None = None) -> dict[str, Any]:
    """Read what the absence of a component's later params has meant: its module constant ``DEFAULT_BEFORE``."""
    path = find(category, kind, extend)
    return _constant(path, path.stat().st_mtime_ns, "DEFAULT_BEFORE") or {}


def reads(category: str, kind: str, extend: Path | None = None) -> tuple[str, ...]:
    """Which params of the run a measure reads: its module constant ``READS``."""
    path = find(category, kind, extend)
    return tuple(_constant(path, path.stat().st_mtime_ns, "READS") or ())


def values(category: str, kind: str, extend: Path | None = None) -> tuple[str, ...]:
    """Names of the values that a measure returns: its module constant ``VALUES``; empty where it does not say."""
    path = find(category, kind, extend)
    return tuple(_constant(path, path.stat().st_mtime_ns, "VALUES") or ())


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
}


def _fits(value: Any, annotation: str) -> bool:
    for part in annotation.split("|"):
        part = part.strip()
        if part == "Any":
            return True
        base = part.split("[")[0]
        if base in ("list", "tuple", "dict"):
            if isinstance(value, dict if base == "dict" else (list, tuple)):
                return True
            continue
        if base == "Literal":
            if value in ast.literal_eval(part[len("Literal") :]) or [value] == ast.literal_eval(part[7:]):
                return True
            continue
        if isinstance(value, bool) and base != "bool":
            continue
        if isinstance(value, _TYPES.get(base, ())):
            return True
    return False


def resolve(category: str, given: Mapping[str, Any], where: str, extend: Path | None = None) -> dict[str, Any]:
    """Check the params of one component and fill in its defaults.

    Args:
        category: One of :data:`CATEGORIES`.
        given: ``kind`` and the params that the user set.
        where: File and entry, for messages.
        extend: Folder of the user's own components.

    Returns:
        ``{"kind": ..., param: value, ...}`` with every param of the component.

    Raises:
        UserError: Unknown kind, unknown param, wrong type, missing param.
    """
    kind = given.get("kind")
    if not isinstance(kind, str):
        raise UserError(f"{where}: {category}: expected a kind; choose one of: {', '.join(kinds(category, extend))}")
    try:
        known = params(category, kind, extend)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    for name in given:
        if name != "kind" and name not in known:
            others = [k for k in kinds(category, extend) if k != kind and name in params(category, k, extend)]
            hint = nearest(name, known, "its keys are")
            if others:
                hint += f"; {name} belongs to kind: {' or '.join(others)}"
            raise UserError(f"{where}: {category}.{name}: {kind} has no such key; {hint}")
    resolved: dict[str, Any] = {"kind": kind}
    for name, (annotation, default, required) in known.items():
        if name not in given:
            if required:
                raise UserError(f"{where}: {category}.{name}: {kind} needs this key ({annotation})")
            resolved[name] = default
            continue
        value = given[name]
        if not _fits(value, annotation):
            raise UserError(f"{where}: {category}.{name}: expected {annotation}, found {value!r}")
        if isinstance(value, int) and not isinstance(value, bool) and "float" in annotation and "int" not in annotation:
            value = float(value)
        resolved[name] = list(value) if isinstance(value, tuple) else value
    return resolved


def load(path: Path) -> ModuleType:
    """Import the component in ``path``: as a module of the package, or from the user's own folder."""
    path = path.resolve()
    try:
        name = ".".join(("pipeline", *path.relative_to(PACKAGE.resolve()).with_suffix("").parts))
    except ValueError:
        name = f"pipeline_extension.{path.parent.name}.{path.stem}"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
        return sys.modules[name]
    return importlib.import_module(name)


def make(path: Path, spec: Mapping[str, Any], *args: Any, **context: Any) -> Any:
    """Call the ``build`` function of a component with the params of ``spec`` (``kind`` and common params aside)."""
    known = {name for name, *_ in _entry(path, path.stat().st_mtime_ns, "build")}
    chosen = {name: value for name, value in spec.items() if name in known}
    builder: Callable[..., Any] = load(path).build
    return builder(*args, **context, **chosen)
