"""The files under params/: what they may say, and how their layers become the leaves of a run.

Precedence: defaults of the paper < its data set < method < what the artifact sweeps < flavour; the scale then sets
its own leaves for all methods alike. A swept leaf is left alone by the flavour, and a scale that sets it is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline import components
from pipeline.errors import UserError, nearest

Leaves = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RawFile(_Strict):
    """A file as its authors publish it; pipeline/data/raw.py says what the keys mean."""

    name: str
    url: str | None = None
    md5: str | None = None
    sha256: str | None = None
    checksum: Literal["unpublished"] | None = None
    bytes: int | None = None
    folder: str | list[str] | None = None
    contents: dict[str, str | None] | None = None
    unpack: bool | None = None
    optional: bool | None = None
    page: str | None = None
    layout: str | None = None


class Dataset(_Strict):
    """An entry of params/datasets.yaml."""

    title: str
    source: Leaves
    files: list[RawFile] = []
    licence: str | None = None
    citation: str | None = None
    homepage: str | None = None
    classes: int
    image_size: int | None = None
    splits: dict[str, int | None] = {}
    normalize: Leaves | None = None
    notes: str | None = None


class Claim(_Strict):
    """A sentence of a paper and the check that decides on it.

    ``greater: [A, B]`` compares two selections of cells (``by``: at least so many points); ``above`` and
    ``below`` bound the mean of the cells in ``where``; ``spread_above`` bounds their standard deviation;
    ``rising`` asks for a positive rank correlation with an axis. ``for_each`` names axes over which the check
    is repeated. A selection is a dict of axis values; a plain word is a value of the axis ``method``.
    """

    text: str
    greater: tuple[Leaves | str, Leaves | str] | None = None
    by: float = 0.0
    above: float | None = None
    below: float | None = None
    spread_above: float | None = None
    rising: str | None = None
    where: Leaves = {}
    for_each: list[str] = []
    scales: list[str] | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Claim:
        checks = ("greater", "above", "below", "spread_above", "rising")
        given = [name for name in checks if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected just one of {', '.join(checks)}")
        if self.by and self.greater is None:
            raise ValueError("by goes with greater")
        return self


class Published(_Strict):
    """Printed numbers: a file in params/published whose key columns are axes, optionally only some rows."""

    file: str
    where: Leaves = {}


class Artifact(_Strict):
    """A table or figure of a paper.

    Its cells are read off measurements of runs (``measure``) or off a simulation, whose records have the axes of the
    cells; ``unit`` and ``quantity`` then say what the numbers are.
    """

    title: str
    kind: Literal["table", "figure"] = "table"
    draw: Leaves | str | None = None
    rows: dict[str, list] = {}
    columns: dict[str, list] = {}
    fixed: Leaves = {}
    measure: str | None = None
    simulation: Leaves | str | None = None
    unit: str = ""
    quantity: str = ""
    seeds: int = 1
    published: Published | None = None
    claims: list[Claim] = []
    baselines: bool = True
    notes: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Artifact:
        if (self.measure is None) == (self.simulation is None):
            raise ValueError("expected measure or simulation, one of them")
        if self.measure is not None and (self.unit or self.quantity):
            raise ValueError("unit and quantity go with simulation; a measure has its own")
        return self

    def axes(self) -> dict[str, list]:
        """All axes with their values, rows first; a fixed axis has one value."""
        return {**self.rows, **self.columns, **{name: [value] for name, value in self.fixed.items()}}


class Measure(_Strict):
    """A number (or a set of them) read off a measurement."""

    measure: Leaves
    value: str
    unit: str = ""
    title: str | None = None


class Flavour(_Strict):
    """What a flavour changes: leaves of components, by category and kind, what an axis sets, and which value a measure
    reports."""

    kinds: dict[str, dict[str, Leaves]] = {}
    axes: dict[str, str | dict[str, Leaves]] = {}
    measures: dict[str, str] = {}


class Paper(_Strict):
    """A file of params/papers."""

    paper: str
    title: str
    authors: str
    year: int
    citation: str | None = None
    defaults: Leaves = {}
    datasets: dict[str, Leaves] = {}
    flavours: dict[str, Flavour] = {}
    methods: dict[str, Leaves] = {}
    axes: dict[str, str | dict[str, Leaves]] = {}
    measures: dict[str, Measure] = {}
    artifacts: dict[str, Artifact] = {}


class Estimate(_Strict):
    """Guess at durations for a machine that has no receipts yet (seconds)."""

    epoch: float
    measurement: float
    start: float = 5.0
    basis: str


class PaperScale(_Strict):
    """What a scale says for one paper: laid over what it says for all, for all methods of the paper alike."""

    datasets: dict[str, str | Leaves] = {}
    epochs: dict[int, int] = {}
    every_run: Leaves = {}
    estimate: Estimate | None = None


class Scale(_Strict):
    """A file of params/scales: how much of the paper's budget is spent."""

    title: str
    tracked: bool = False
    gpu: bool = False
    datasets: dict[str, str | Leaves] = {}
    epochs: dict[int, int] = {}
    max_epochs: int | None = None
    seeds: int | None = None
    baselines: bool = False
    every_run: Leaves = {}
    papers: dict[str, PaperScale] = {}
    measures: dict[str, Leaves] = {}
    replications: int | None = None
    estimate: Estimate

    def of(self, paper: str) -> Scale:
        """The scale as one paper sees it."""
        own = self.papers.get(paper, PaperScale())
        return self.model_copy(
            update={
                "datasets": {**self.datasets, **own.datasets},
                "epochs": own.epochs or self.epochs,
                "every_run": overlay(self.every_run, own.every_run),
                "estimate": own.estimate or self.estimate,
            }
        )

    def trained(self, epochs: int) -> int:
        """Epochs that stand for the paper's ``epochs``: linear between the given points, at least 1 from 1 on."""
        if not self.epochs:
            return epochs
        points = sorted({0: 0, **self.epochs}.items())
        for (left, low), (right, high) in itertools.pairwise(points):
            if epochs <= right:
                between = low + (high - low) * (epochs - left) / (right - left)
                return max(round(between), 1) if epochs else 0
        left, low = points[-1]
        return round(low * epochs / left)


def _leaf(type_: Any, default: Any, **more: Any) -> Any:
    """A leaf of a run. One that is added later says with ``absent=`` what its absence has meant."""
    extra = {"absent": more.pop("absent")} if "absent" in more else {}
    return Field(default, json_schema_extra=extra, **more)


class Run(_Strict):
    """The leaves of a run: a composition of components, and how it is trained.

    Its seed and its milestones are not leaves: they are in the name of a node.
    """

    views: Leaves
    encoder: Leaves
    projector: Leaves
    predictor: Leaves
    target: Leaves
    objective: Leaves
    optimizer: Leaves
    schedule: Leaves = _leaf(dict, {"kind": "constant"})
    initialization: Leaves = _leaf(dict, {"kind": "standard"}, absent={"kind": "standard"})
    normalize: Leaves | None = _leaf(dict, None)
    split: Literal["train", "train+unlabeled"] = _leaf(str, "train")
    batch_size: int = _leaf(int, 128, gt=0)
    precision: Literal["fp32", "tf32", "bf16"] = _leaf(str, "fp32")
    threads: int = _leaf(int, 1, gt=0)
    deterministic: bool = _leaf(bool, False, absent=False)


PARTS = ("views", "encoder", "projector", "predictor", "target", "objective", "optimizer", "schedule", "initialization")
"""The leaves of a run that are components."""


def _oneline(error: ValidationError, where: str) -> UserError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return UserError(f"{where}: {key}: unknown key")
    if first["type"] == "missing":
        return UserError(f"{where}: {key}: this key is needed")
    found = f", found {first['input']!r}" if not isinstance(first["input"], dict) else ""
    return UserError(f"{where}: {key}: {first['msg']}{found}")


def _suggest(model: type[BaseModel], error: ValidationError, where: str) -> UserError:
    """One line for a validation error, with the nearest key that exists or the list of them."""
    first = error.errors()[0]
    if first["type"] != "extra_forbidden":
        return _oneline(error, where)
    known: list[str] = list(model.model_fields)
    kind: Any = model
    for part in first["loc"][:-1]:
        field = kind.model_fields.get(part) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        found = [] if field is None else list(_models(field.annotation))
        if found:
            kind, known = found[0], list(found[0].model_fields)
    return UserError(f"{_oneline(error, where)}; {nearest(first['loc'][-1], known, 'the keys here are')}")


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def parse(model: type[_Strict], data: Any, where: str) -> Any:
    """Validate plain data.

    Raises:
        UserError: Naming the file, the key, what was expected, and the nearest key that exists.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _suggest(model, error, where) from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as people read it: ``yes`` and ``no`` are words, ``1e-4`` is a number, a key stands once."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict:
    loader.flatten_mapping(node)
    result: dict = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in result:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands here twice", key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp) for tag, regexp in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf)$|^\.nan$"),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


@cache
def _load(path: Path, mtime_ns: int) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not readable as YAML: {getattr(error, 'problem', error)}") from None


def load(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: Not there, or not YAML.
    """
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def overlay(base: Leaves, extra: Mapping[str, Any]) -> Leaves:
    """Leaves of ``base`` with those of ``extra`` on top.

    A component given by another kind (or by name alone) replaces the one below; leaves without a kind change it.
    """
    result = dict(base)
    for name, value in extra.items():
        if name in PARTS and isinstance(value, str):
            value = {"kind": value}
        if name in PARTS and isinstance(value, Mapping):
            below = result.get(name) or {}
            same = value.get("kind", below.get("kind")) == below.get("kind")
            result[name] = {**below, **value} if same else dict(value)
        else:
            result[name] = value
    return result


def paths(leaves: Mapping[str, Any]) -> set[str]:
    """Dotted names of the leaves that a layer sets."""
    found = set()
    for name, value in leaves.items():
        if name in PARTS and isinstance(value, Mapping):
            found |= {f"{name}.{leaf}" for leaf in value}
        else:
            found.add(f"{name}.kind" if name in PARTS else name)
    return found


def nested(path: str, value: Any) -> Leaves:
    """``optimizer.lr``, 0.1 -> ``{"optimizer": {"lr": 0.1}}``."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def only_known(leaves: Mapping[str, Any], run: Mapping[str, Any], where: str, extend: Path | None) -> Leaves:
    """The leaves of a scale's layer that the components of this run have; unknown to all kinds is an error."""
    kept: Leaves = {}
    for name, value in leaves.items():
        if name not in Run.model_fields:
            hint = nearest(name, Run.model_fields, "the keys here are")
            raise UserError(f"{where}.{name}: unknown key; {hint}")
        if name not in PARTS or not isinstance(value, Mapping) or "kind" in value:
            kept[name] = value
            continue
        kind = (run.get(name) or {}).get("kind")
        known = components.leaves(name, kind, extend) if kind else {}
        for leaf in value:
            if leaf not in known and not any(
                leaf in components.leaves(name, k, extend) for k in components.kinds(name, extend)
            ):
                raise UserError(f"{where}: {name}.{leaf}: no {name} has such a key")
        kept[name] = {leaf: set_to for leaf, set_to in value.items() if leaf in known}
    return kept


def _contradictions(run: Leaves, where: str) -> None:
    predictor, target = run["predictor"], run["target"]
    if target["kind"] == "ema" and target.get("stop_gradient") is False:
        raise UserError(f"{where}: target.stop_gradient: an EMA target gets no gradient; use target: {{kind: same}}")
    if predictor["kind"] == "none":
        for leaf in ("lr_multiplier", "weight_decay"):
            if leaf in predictor:
                raise UserError(f"{where}: predictor.{leaf}: there is no predictor; remove {leaf}")
    if run["projector"]["kind"] == "none" and run["encoder"]["kind"] == "pixels" and run["objective"] is None:
        raise UserError(f"{where}: nothing to train")


_HINTS = {
    ("predictor", "directpred", "hidden"): "directpred sets one linear map from F and has no hidden layer; "
    "remove hidden, or use predictor: {kind: mlp}",
    ("predictor", "directpred", "layers"): "directpred sets one linear map from F and is no two-layer predictor; "
    "remove layers, or use predictor: {kind: mlp}",
    ("predictor", "directpred", "symmetric"): "directpred is symmetric by construction; remove symmetric",
    ("predictor", "directpred", "bias"): "directpred has no bias; remove bias, or use predictor: {kind: linear}",
    ("predictor", "optimal", "symmetric"): "the optimal predictor is solved for, not trained; remove symmetric",
    ("target", "same", "momentum"): "the target is the online network; remove momentum, or use target: {kind: ema}",
}


def compose(leaves: Leaves, where: str, extend: Path | None = None) -> Leaves:
    """The complete spec of a run from the leaves that its layers set.

    Raises:
        UserError: Unknown or contradictory keys, wrong types; the message says what to change.
    """
    for part in PARTS:
        given = leaves.get(part)
        if isinstance(given, Mapping):
            for leaf in given:
                hint = _HINTS.get((part, str(given.get("kind")), str(leaf)))
                if hint:
                    raise UserError(f"{where}: {part}.{leaf}: {hint}")
    run = parse(Run, leaves, where).model_dump()
    for part in PARTS:
        run[part] = components.resolve(part, run[part], where, extend)
    _contradictions(run, where)
    return run


def prune(run: Leaves, extend: Path | None = None) -> tuple[Leaves, Leaves]:
    """Split a spec into the leaves that are in its key and those that equal what their absence meant.

    A component says the latter in a module constant, ``ABSENT = {"nesterov": False}``, a field of
    :class:`Run` in its ``absent``; so a field added later renames no run, and a changed default does.
    """
    kept: Leaves = {}
    silent: Leaves = {}
    for name, value in run.items():
        extra = Run.model_fields[name].json_schema_extra if name in Run.model_fields else None
        if isinstance(extra, dict) and "absent" in extra and extra["absent"] == value:
            silent[name] = value
            continue
        if name in components.CATEGORIES and isinstance(value, dict) and "kind" in value:
            absent = components.absent(name, value["kind"], extend)
            quiet = {leaf: v for leaf, v in value.items() if leaf in absent and absent[leaf] == v}
            kept[name] = {leaf: v for leaf, v in value.items() if leaf not in quiet}
            if quiet:
                silent[name] = quiet
        else:
            kept[name] = value
    return kept, silent
