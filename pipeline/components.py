"""Components: the parts that a run is composed of, one file each, found by name.

A component of a category is one Python file in the category's folder; the function that the category names
(``build``, or ``loss`` for objectives) takes its parameters as keyword-only arguments with literal defaults.
Those arguments *are* the params of the spec: their names, types with ranges, and defaults are read from the source
with ``ast``, so that the plan can validate a spec without importing torch (:mod:`pipeline.annotations` does).

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
import json
import operator
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pipeline import user_files
from pipeline.bytecode import Loader
from pipeline.errors import UserError, brief, nearest

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Category:
    """A place in a run, or in an artifact, that one of several components fills.

    Args:
        folder: Of the library; the last part of it is its name in a paper's folder and in one of the user's.
        entry: Name of the function that is called.
        common: Params that every kind but ``none`` accepts: name, type, default.
        common_before: What the absence of those that came later has meant.
        optional: Params that every kind accepts and that a spec has only where they are given: name, type, default.
        finisher: Module of the library whose ``finish`` gets what was built, where a spec has some of these.
        owned: Whether a paper's folder holds such components under the paper's name (True) or for all (False); papers
            have none of a category where it is None.
    """

    folder: str
    entry: str = "build"
    common: tuple[tuple[str, str, Any], ...] = ()
    common_before: tuple[tuple[str, Any], ...] = ()
    optional: tuple[tuple[str, str, Any], ...] = ()
    finisher: str = ""
    owned: bool | None = None


CATEGORIES: dict[str, Category] = {
    "views": Category("views/policies"),
    "encoder": Category(
        "nets/encoders",
        optional=(("weights", "Path | None", None), ("weights_prefix", "str", "")),
        finisher="nets/given_weights.py",
    ),
    "projector": Category("nets/projectors"),
    "predictor": Category(
        "nets/predictors",
        common=(
            ("lr_multiplier", "NonNegative", 1.0),
            ("weight_decay", "NonNegative | None", None),
            ("scheduled", "bool", True),
        ),
        common_before=(("scheduled", True),),
    ),
    "target": Category("nets/targets"),
    "objective": Category("objectives", entry="loss"),
    "optimizer": Category("training/optimizers"),
    "schedule": Category("training/schedules"),
    "initialization": Category("nets/initializations"),
    "source": Category("data/sources"),
    "measure": Category("evaluation/measures", entry="measure", owned=False),
    "simulation": Category("simulations", entry="simulate", owned=True),
    "figure": Category("artifacts/figures", entry="draw", owned=True),
}


_SHIPPED = f"{PACKAGE}/"


@functools.cache
def papers() -> list[str]:
    """Keys of the papers that have a folder in the package."""
    return sorted(path.name for path in (PACKAGE / "papers").iterdir() if (path / "__init__.py").is_file())


def _known(places: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Components in folders, each folder with what stands before its names."""
    found: dict[str, Path] = {}
    for prefix, folder in places:
        for path in folder.glob("*.py"):
            if not path.name.startswith(("_", ".")):
                found.setdefault(prefix + path.stem, path)
    return found


@functools.cache
def _ours(category: str) -> dict[str, Path]:
    """Components of the library and of the papers by name: a plan asks for them thousands of times."""
    found = CATEGORIES[category]
    name = found.folder.rpartition("/")[2]
    places = [("", PACKAGE / found.folder)]
    if found.owned is not None:
        places += [(f"{paper}/" if found.owned else "", PACKAGE / "papers" / paper / name) for paper in papers()]
    return _known(places)


def kinds(category: str, extend: Path | None = None) -> list[str]:
    """Names of all components of a category; what an editor leaves beside a file (``.#mine.py``) is none."""
    theirs = _known([("", extend / CATEGORIES[category].folder.rpartition("/")[2])]) if extend else {}
    return sorted({*_ours(category), *theirs})


def find(category: str, kind: str, extend: Path | None = None) -> Path:
    """Source file of a component.

    Raises:
        UserError: No such component; the message lists those that exist.
    """
    if len(kind) < 100 and (path := _ours(category).get(kind)) is not None:
        return path
    if extend and kind.isidentifier() and len(kind) < 100 and not kind.startswith("_"):
        path = extend / CATEGORIES[category].folder.rpartition("/")[2] / f"{kind}.py"
        if path.is_file():
            return path
    known = kinds(category, extend)
    raise UserError(f"{category}: there is no {category} called {brief(kind)}; {nearest(kind, known, 'choose one of')}")


def find_from(where: str, category: str, kind: str, extend: Path | None = None) -> Path:
    """The same, with the file and entry that name the component in the message."""
    try:
        return find(category, kind, extend)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


@functools.cache
def _when_first_asked(path: Path) -> int:
    return path.stat().st_mtime_ns


def _changed(path: Path) -> int:
    """When a component was last written; of those that ship as it was first asked: a plan asks 100,000 times."""
    return _when_first_asked(path) if str(path).startswith(_SHIPPED) else path.stat().st_mtime_ns


@functools.cache
def _body(path: Path, mtime_ns: int) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body


@functools.cache
def _function(path: Path, mtime_ns: int, entry: str) -> ast.FunctionDef:
    for node in _body(path, mtime_ns):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == entry:
            break
    else:
        raise UserError(f"{path}: expected a function called {entry!r}, whose keyword-only arguments are the params")
    if isinstance(node, ast.ClassDef):
        raise UserError(f"{path}: {entry!r} must be a function, not a class")
    return node


@functools.cache
def _entry(path: Path, mtime_ns: int, entry: str) -> tuple[tuple[str, str, Any, bool], ...]:
    node = _function(path, mtime_ns, entry)
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
    own = _entry(path, _changed(path), CATEGORIES[category].entry)
    found = {name: (annotation, default, required) for name, annotation, default, required in own}
    if kind != "none":
        for name, annotation, default in (*CATEGORIES[category].common, *CATEGORIES[category].optional):
            found.setdefault(name, (annotation, default, False))
    return found


def _optional(path: Path, category: str) -> dict[str, Any]:
    """The category's optional params with their defaults, but those that a component has as its own."""
    own = {name for name, *_ in _entry(path, _changed(path), CATEGORIES[category].entry)}
    return {name: default for name, _, default in CATEGORIES[category].optional if name not in own}


def finishes(category: str, spec: Mapping[str, Any], extend: Path | None = None) -> Path | None:
    """Source file of what completes a component as it was built; None where its spec does not ask for that."""
    optional = _optional(find(category, spec["kind"], extend), category)
    return PACKAGE / CATEGORIES[category].finisher if optional.keys() & spec.keys() else None


def unfinished(category: str, spec: Mapping[str, Any], extend: Path | None = None) -> dict[str, Any]:
    """A component without what would complete it."""
    optional = _optional(find(category, spec["kind"], extend), category)
    return {name: value for name, value in spec.items() if name not in optional}


@functools.cache
def _constant(path: Path, mtime_ns: int, name: str) -> Any:
    for node in _body(path, mtime_ns):
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except ValueError:
                raise UserError(f"{path}: {name} must be a literal") from None
    return None


def needs(category: str, kind: str, extend: Path | None = None) -> dict[str, str]:
    """Libraries that a component imports and that are no part of the environment, each with the extra that has it.

    Its module constant ``NEEDS``, such as ``{"timm": "timm"}``.
    """
    path = find(category, kind, extend)
    return dict(_constant(path, _changed(path), "NEEDS") or {})


def default_before(category: str, kind: str, extend: Path | None = None) -> dict[str, Any]:
    """Read what the absence of later params has meant: a component's ``DEFAULT_BEFORE``, and the category's own."""
    path = find(category, kind, extend)
    common = dict(CATEGORIES[category].common_before) if kind != "none" else {}
    return common | (_constant(path, _changed(path), "DEFAULT_BEFORE") or {})


def reads(category: str, kind: str, extend: Path | None = None) -> tuple[str, ...]:
    """Which params of the run a measure reads: its module constant ``READS``."""
    path = find(category, kind, extend)
    return tuple(_constant(path, _changed(path), "READS") or ())


def records_read(kind: str, extend: Path | None = None) -> tuple[str, ...]:
    """Which records of the training a measure reads beside its weights: its module constant ``RECORDS``."""
    path = find("measure", kind, extend)
    return tuple(_constant(path, _changed(path), "RECORDS") or ())


def untrained(kind: str, extend: Path | None = None) -> bool:
    """Whether a measure is one of the run and not of its weights: its module constant ``UNTRAINED``."""
    path = find("measure", kind, extend)
    return bool(_constant(path, _changed(path), "UNTRAINED"))


def relations(category: str, kind: str, extend: Path | None = None) -> tuple[tuple[str, str, str], ...]:
    """What must hold between two params of a component: its module constant ``RELATIONS``, such as ``("a", "<", "b")``.

    The word between them is one of :data:`HOLDS`. Of lists with a value per view every pair is compared.
    """
    path = find(category, kind, extend)
    return tuple(_constant(path, _changed(path), "RELATIONS") or ())


def applies(category: str, spec: Mapping[str, Any], param: str, extend: Path | None = None) -> bool:
    """Whether a param means anything beside the others of a component.

    The module constant ``APPLIES`` says so: ``{"epochs": {"schedule": "cosine"}}`` where ``epochs`` is read only if
    ``schedule`` is ``cosine``. What it leaves out always applies.

    Args:
        category: One of :data:`CATEGORIES`.
        spec: ``kind`` and all params.
        param: Name of one.
        extend: Folder of the user's own components.
    """
    path = find(category, spec["kind"], extend)
    company = (_constant(path, _changed(path), "APPLIES") or {}).get(param, {})
    return all(spec[other] == value for other, value in company.items())


def open_end(category: str, spec: Mapping[str, Any], extend: Path | None = None) -> bool:
    """Whether a component counts up to the end of the training and is not told it: its param ``epochs`` is null.

    Args:
        category: One of :data:`CATEGORIES`.
        spec: ``kind`` and all params.
        extend: Folder of the user's own components.
    """
    return spec.get("epochs", 0) is None and applies(category, spec, "epochs", extend)


def _check_idle(category: str, spec: Mapping[str, Any], where: str, extend: Path | None) -> None:
    """Refuse a param that is set where it means nothing: the run would have the name of another."""
    for name, (_, default, required) in params(category, spec["kind"], extend).items():
        if required or spec.get(name, default) == default or applies(category, spec, name, extend):
            continue
        path = find(category, spec["kind"], extend)
        company = _constant(path, _changed(path), "APPLIES")[name]
        words = [f"{other}: {json.dumps(value)}" for other, value in company.items()]
        found = [f"{other}: {brief(spec[other], json.dumps)}" for other in company]
        raise UserError(
            f"{where}: {category}.{name}: expected beside {' and '.join(words)} alone, found {' and '.join(found)}; "
            f"remove {name}, or set {' and '.join(words)}"
        )


HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "as many as": lambda one, other: len(one) == len(other),
}


def check_relations(
    category: str, spec: Mapping[str, Any], where: str, extend: Path | None = None, mapped: bool = True
) -> None:
    """Refuse params of a component that contradict each other.

    Args:
        category: One of :data:`CATEGORIES`.
        spec: ``kind`` and all params, each in its range. Where one of a pair is null, nothing is compared.
        where: File and entry, for messages.
        extend: Folder of the user's own components.
        mapped: Whether what counts epochs of the training counts those of the scale already; else it is not compared.

    Raises:
        UserError: A relation does not hold.
    """
    related = relations(category, spec["kind"], extend)
    later = of_training(category, spec["kind"], extend) if related and not mapped else ()
    for one, word, other in related:
        left, right = spec[one], spec[other]
        if left is None or right is None or one in later or other in later:
            continue
        if word != "as many as":
            count = max(len(value) if isinstance(value, list) else 1 for value in (left, right))
            pairs = list(zip(_each(left, count), _each(right, count), strict=False))
        else:
            pairs = [(left, right)]
        if not all(HOLDS[word](*pair) for pair in pairs):
            raise UserError(
                f"{where}: {category}.{one}: expected {word} {other}, found {one}: {brief(left)} and {other}: "
                f"{brief(right)}; change one of them"
            )


def _each(value: Any, count: int) -> list[Any]:
    return value if isinstance(value, list) else [value] * count


def values(category: str, kind: str, extend: Path | None = None) -> tuple[str, ...]:
    """Names of the values that a measure returns: its module constant ``VALUES``; empty where it does not say."""
    path = find(category, kind, extend)
    return tuple(_constant(path, _changed(path), "VALUES") or ())


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
        UserError: Unknown kind, unknown param, missing param, a value of the wrong type or out of its range.
    """
    kind = given.get("kind")
    if not isinstance(kind, str):
        raise UserError(f"{where}: {category}: expected a kind; choose one of: {', '.join(kinds(category, extend))}")
    find_from(where, category, kind, extend)
    known = params(category, kind, extend)
    for name in given:
        if name != "kind" and name not in known:
            others = [k for k in kinds(category, extend) if k != kind and name in params(category, k, extend)]
            hint = nearest(name, known, "its keys are")
            if others:
                hint += f"; {name} belongs to kind: {' or '.join(others)}"
            raise UserError(f"{where}: {category}.{brief(name, str)}: {kind} has no such key; {hint}")
    resolved: dict[str, Any] = {"kind": kind}
    optional = _optional(find(category, kind, extend), category)
    for name, (annotation, default, required) in known.items():
        if name in optional and given.get(name, default) == default:
            continue
        if name in given or (default is not None and "Path" in annotation):
            value = given.get(name, default)
            resolved[name] = _checked(category, kind, name, known[name], value, where, extend)
        elif required:
            raise UserError(f"{where}: {category}.{name}: {kind} needs this key ({_told(annotation)})")
        else:
            resolved[name] = list(default) if isinstance(default, tuple) else default
    check_relations(category, resolved, where, extend, mapped=False)
    _check_idle(category, resolved, where, extend)
    return resolved


def check(category: str, kind: str, name: str, value: Any, where: str, extend: Path | None = None) -> Any:
    """The value of one param as its type has it: a whole number becomes a float where one is wanted.

    Raises:
        UserError: The value has another type, is out of its range or not finite.
    """
    return _checked(category, kind, name, params(category, kind, extend)[name], value, where, extend)


def _checked(
    category: str, kind: str, name: str, param: tuple[str, Any, bool], value: Any, where: str, extend: Path | None
) -> Any:
    from pipeline import annotations  # needs pydantic, which who executes a stage may lack

    annotation, default, required = param
    try:
        of_files = "Path" in annotation and annotations.of_files(annotation)
        if of_files and category == "figure":
            raise UserError(
                "a figure draws measurements alone, so that anybody can draw it again; have a measure read it"
            )
        found = annotations.checked(_told_of_files(value) if of_files else value, annotation)
    except ValueError as error:
        such = "" if required or default is None else f"; type for instance {name}: {brief(default, json.dumps)}"
        raise UserError(f"{where}: {category}.{name}: expected {error}, found {brief(value)}{such}") from None
    except UserError as error:  # the source says what cannot be
        raise UserError(f"{find(category, kind, extend)}: {name}: {error}") from None
    return _described(found, f"{where}: {category}.{name}", extend) if of_files else found


def _told_of_files(value: Any) -> Any:
    """Paths as they were declared, where they may be described already."""
    if isinstance(value, list | tuple):
        return list(map(_told_of_files, value))
    return value["path"] if user_files.is_described(value) else value


def _described(value: Any, where: str, extend: Path | None) -> Any:
    """A value that names files: each as what it holds, read from where the user's folder or the checkout has it."""
    if isinstance(value, list):
        return [_described(one, where, extend) for one in value]
    folders = (extend, Path()) if extend else (Path(),)
    return user_files.described(value, where, folders) if isinstance(value, str) else value


OBJECTIVE_READS = ("predictions", "targets", "embeddings", "matrix", "step")
"""What an objective may read, by the names of its arguments before the ``*``: of every view the predictor's output, the
target embedding and the online embedding; the predictor's matrix; how many steps are done. What each of them is, says
:meth:`pipeline.training.step.TrainingStep.loss`."""


def objective_reads(kind: str, extend: Path | None = None) -> tuple[str, ...]:
    """Read from its source what an objective reads: the names of its arguments that are no params.

    Raises:
        UserError: One of the names is unknown, or there is an argument that has none (``*args``).
    """
    path = find("objective", kind, extend)
    arguments = _function(path, _changed(path), CATEGORIES["objective"].entry).args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        raise UserError(
            f"{path}: loss: expected arguments that are read by their names, found *, ** or /; choose from "
            f"{', '.join(OBJECTIVE_READS)}, and put params behind a plain *"
        )
    names = tuple(argument.arg for argument in arguments.args)
    for name in names:
        if name not in OBJECTIVE_READS:
            raise UserError(
                f"{path}: loss: expected arguments called {', '.join(OBJECTIVE_READS)}, found {name}; "
                "rename it, or put it behind the * if it is a param"
            )
    return names


def _has(predictor: Mapping[str, Any], what: str, extend: Path | None) -> dict[str, Any] | None:
    """Params with which a predictor has something, by its module constant ``HAS``; None where it never does."""
    path = find("predictor", predictor["kind"], extend)
    return (_constant(path, _changed(path), "HAS") or {}).get(what)


def check_objective(run: Mapping[str, Any], where: str, extend: Path | None = None) -> None:
    """Refuse a run whose predictor or target does not go with what its objective reads and where it stops gradients.

    A predictor says with ``HAS = {"matrix": {"bias": False}}`` that it is one matrix where those params have those
    values, and with ``OWN_RULE = True`` that it does not only learn by gradient. An objective says with
    ``STOPS_GRADIENT = True`` that none reaches its targets, whatever the target strategy is.

    Args:
        run: The complete spec of a run.
        where: File and entry, for messages.
        extend: Folder of the user's own components.

    Raises:
        UserError: The objective reads what is unknown or not there, or would leave a param of another part idle.
    """
    objective, predictor = run["objective"]["kind"], run["predictor"]
    read = objective_reads(objective, extend)
    if "matrix" in read:
        with_params = _has(predictor, "matrix", extend)
        if with_params is None:
            known = [k for k in kinds("predictor", extend) if _has({"kind": k}, "matrix", extend) is not None]
            raise UserError(
                f"{where}: predictor.kind: expected a predictor that is one matrix, which the objective {objective} "
                f"reads, found {predictor['kind']}; choose one of: {', '.join(known)}"
            )
        for param, value in with_params.items():
            if predictor[param] != value:
                raise UserError(
                    f"{where}: predictor.{param}: expected {json.dumps(value)}, with which {predictor['kind']} is the "
                    f"one matrix that the objective {objective} reads, found {brief(predictor[param], json.dumps)}"
                )
    if "predictions" not in read and predictor["kind"] != "none":
        path = find("predictor", predictor["kind"], extend)
        if not _constant(path, _changed(path), "OWN_RULE"):
            raise UserError(
                f"{where}: predictor.kind: expected a predictor that is set by a rule of its own, since the objective "
                f"{objective} does not read predictions and gives it no gradient, found {predictor['kind']}; choose "
                f"directpred, or an objective that reads predictions"
            )
    path = find("objective", objective, extend)
    if run["target"].get("stop_gradient") is False and _constant(path, _changed(path), "STOPS_GRADIENT"):
        raise UserError(
            f"{where}: target.stop_gradient: expected true, since the objective {objective} has a stop-gradient of its "
            "own, found false; remove stop_gradient"
        )


def of_training(category: str, kind: str, extend: Path | None = None) -> list[str]:
    """The params of a component that count epochs of the training."""
    from pipeline import annotations

    known = params(category, kind, extend)
    return [name for name, (annotation, *_) in known.items() if annotations.of_training(annotation)]


def _told(annotation: str) -> str:
    from pipeline import annotations

    return annotations.told(annotation)


EXTENSION = "pipeline_extension"
"""First part of the names of modules from a user's own folder."""


def load(path: Path) -> ModuleType:
    """Import the component in ``path``: as a module of the package, or from the user's own folder.

    Raises:
        UserError: A module that it imports is not installed.
    """
    path = path.resolve()
    try:
        if path.is_relative_to(PACKAGE.resolve()):
            name = ".".join(("pipeline", *path.relative_to(PACKAGE.resolve()).with_suffix("").parts))
            return _with_paths(importlib.import_module(name), path)
        return _with_paths(_theirs(path), path)
    except ModuleNotFoundError as error:
        if not error.name or error.name.split(".")[0] == "pipeline":
            raise
        what = error.name.split(".")[0]
        raise UserError(f"{path}: imports {what}, which is not installed here; type: pip install {what}") from error


def _with_paths(module: ModuleType, path: Path) -> ModuleType:
    """A module whose entry function gets a ``Path`` where it says so: specs are plain data, and hold its text."""
    if "Path" not in path.read_text(encoding="utf-8"):
        return module
    for entry in {category.entry for category in CATEGORIES.values()}:
        function = getattr(module, entry, None)
        if not isinstance(function, FunctionType) or function.__module__ != module.__name__:
            continue
        names = [n for n, a, *_ in _entry(path, _changed(path), entry) if re.search(r"\bPath\b", a)]
        if names and not hasattr(function, "__wrapped__"):
            setattr(module, entry, _given_paths(function, names))
    return module


def _given_paths(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    def path(value: Any) -> Any:
        return list(map(path, value)) if isinstance(value, list) else Path(value) if isinstance(value, str) else value

    @functools.wraps(function)
    def called(*args: Any, **params: Any) -> Any:
        return function(*args, **{name: path(value) if name in names else value for name, value in params.items()})

    return called


def _theirs(path: Path) -> ModuleType:
    name = f"{EXTENSION}.{path.parent.name}.{path.stem}"
    if name not in sys.modules or sys.modules[name].__file__ != str(path):  # a folder of theirs is not another's
        spec = importlib.util.spec_from_file_location(name, path, loader=Loader(name, str(path)))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def make(path: Path, spec: Mapping[str, Any], *args: Any, **context: Any) -> Any:
    """Call the ``build`` function of a component with the params of ``spec`` (``kind`` and common params aside).

    What it built is handed on to the finisher of its category, where ``spec`` has optional params of that.
    """
    known = {name for name, *_ in _entry(path, _changed(path), "build")}
    chosen = {name: value for name, value in spec.items() if name in known}
    builder: Callable[..., Any] = load(path).build
    built = builder(*args, **context, **chosen)
    for category in CATEGORIES.values():
        given = {name: spec[name] for name, *_ in category.optional if name in spec and name not in known}
        if given:
            built = load(PACKAGE / category.finisher).finish(built, **given)
    return built
