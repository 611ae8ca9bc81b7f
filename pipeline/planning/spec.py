"""The files under params/: what they may say.

Precedence of their layers: defaults of the paper < its data set < method < what the artifact sweeps < flavour; the
scale then sets its own params for all methods alike. A swept param is left alone by the flavour, and a scale that sets
it is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UserError, nearest
from pipeline.planning.params import Params, overlay


class Strict(BaseModel):
    """Plain data without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RawFile(Strict):
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


class Dataset(Strict):
    """An entry of params/datasets.yaml."""

    title: str
    source: Params
    files: list[RawFile] = []
    licence: str | None = None
    citation: str | None = None
    homepage: str | None = None
    classes: int
    image_size: int | None = None
    splits: dict[str, int | None] = {}
    normalize: Params | None = None
    notes: str | None = None


class Claim(Strict):
    """A sentence of a paper and the check that decides on it.

    ``greater: [A, B]`` compares two selections of cells (``by``: at least so many points); ``at_least: [A, B]`` asks
    that A falls short of B by less than ``within`` points; ``above`` and ``below`` bound the mean of the cells in
    ``where``; ``spread_above`` bounds their standard deviation; ``rising`` asks for numbers that rise along an axis.
    ``for_each`` names axes over which the check is repeated. A selection is a dict of axis values; a plain word is a
    value of the axis ``method``. ``ours`` marks a sentence that no paper states; ``because`` says of one that does not
    show why: the paper errs, or our setting is not the one that it speaks of.
    """

    text: str
    greater: tuple[Params | str, Params | str] | None = None
    by: float = 0.0
    at_least: tuple[Params | str, Params | str] | None = None
    within: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    above: float | None = None
    below: float | None = None
    spread_above: float | None = None
    rising: str | None = None
    where: Params = {}
    for_each: list[str] = []
    scales: list[str] | None = None
    ours: bool = False
    because: Literal["error in print", "limit of our setting"] | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Claim:
        checks = ("greater", "at_least", "above", "below", "spread_above", "rising")
        given = [name for name in checks if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected just one of {', '.join(checks)}")
        if self.by and self.greater is None:
            raise ValueError("by goes with greater")
        if (self.within is None) != (self.at_least is None):
            raise ValueError("at_least and within go together: by how much A may fall short of B")
        return self


class Published(Strict):
    """Printed numbers: a file in params/published whose key columns are axes, optionally only some rows."""

    file: str
    where: Params = {}


class Artifact(Strict):
    """A table or figure of a paper.

    Its cells are read off measurements of runs (``measure``) or off a simulation, whose records have the axes of the
    cells; ``unit`` and ``quantity`` then say what the numbers are. ``ours`` marks an artifact that is in no paper, with
    all its claims.
    """

    title: str
    kind: Literal["table", "figure"] = "table"
    draw: Params | str | None = None
    rows: dict[str, list] = {}
    columns: dict[str, list] = {}
    fixed: Params = {}
    measure: str | None = None
    simulation: Params | str | None = None
    unit: str = ""
    quantity: str = ""
    seeds: int = 1
    published: Published | None = None
    claims: list[Claim] = []
    baselines: bool = True
    ours: bool = False
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


class Measure(Strict):
    """A number (or a set of them) read off a measurement."""

    measure: Params
    value: str
    unit: str = ""
    title: str | None = None


class Flavour(Strict):
    """What a flavour changes: params of components, by category and kind, what an axis sets, and which value a measure
    reports."""

    kinds: dict[str, dict[str, Params]] = {}
    axes: dict[str, str | dict[str, Params]] = {}
    measures: dict[str, str] = {}


class Paper(Strict):
    """A file of params/papers."""

    paper: str
    title: str
    authors: str
    year: int
    citation: str | None = None
    defaults: Params = {}
    datasets: dict[str, Params] = {}
    flavours: dict[str, Flavour] = {}
    methods: dict[str, Params] = {}
    axes: dict[str, str | dict[str, Params]] = {}
    measures: dict[str, Measure] = {}
    artifacts: dict[str, Artifact] = {}


class Estimate(Strict):
    """Guess at durations for a machine that has no receipts yet (seconds)."""

    epoch: float
    measurement: float
    start: float = 5.0
    basis: str


class PaperScale(Strict):
    """What a scale says for one paper: laid over what it says for all, for all methods of the paper alike."""

    datasets: dict[str, str | Params] = {}
    epochs: dict[int, int] = {}
    every_run: Params = {}
    estimate: Estimate | None = None


class Scale(Strict):
    """A file of params/scales: how much of the paper's budget is spent."""

    title: str
    tracked: bool = False
    gpu: bool = False
    datasets: dict[str, str | Params] = {}
    epochs: dict[int, int] = {}
    max_epochs: int | None = None
    seeds: int | None = None
    baselines: bool = False
    every_run: Params = {}
    papers: dict[str, PaperScale] = {}
    measures: dict[str, Params] = {}
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


def parse(model: type[Strict], data: Any, where: str) -> Any:
    """Validate plain data.

    Raises:
        UserError: Naming the file, the key, what was expected, and the nearest key that exists.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _suggest(model, error, where) from None
