"""The files under params/: what they may say.

Precedence of their layers: defaults of the paper < its data set < method < flavour < the scale, which sets its own
leaves for all methods alike < what the artifact sweeps. So what an artifact sweeps has in it the values that it says,
at every scale.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline import annotations as param_types
from pipeline.errors import UserError, brief, nearest
from pipeline.planning.params import NAMES, Params, overlay, shaped
from pipeline.ranges import (
    Epochs,
    Fraction,
    Interval,
    Len,
    NonNegative,
    Positive,
    PositiveFraction,
    Real,
    Replications,
    Seeds,
    Side,
)  # fmt: skip

Layer = Annotated[Params, AfterValidator(shaped)]
"""Params of a run, as one layer sets them."""


def _by_dataset(layer: Params) -> Params:
    """What a value of an axis sets, and under ``datasets`` what else it sets on one of them."""
    of_data = layer.get("datasets", {})
    if not isinstance(of_data, dict) or not all(isinstance(more, dict) for more in of_data.values()):
        raise ValueError(f"datasets: expected what is set on each, as {{NAME: {{...}}}}, found {brief(of_data)}")
    for name, more in of_data.items():
        try:
            shaped(more)
        except ValueError as error:
            raise ValueError(f"datasets.{name}: {error}") from None
        for key in ("datasets", "derive", *NAMES):
            if key in more:
                raise ValueError(f"datasets.{name}: {key}: expected params of a run; say it for all data sets alike")
    return shaped(layer)


AxisLayer = Annotated[Params, AfterValidator(_by_dataset)]
"""A layer that may differ by data set."""
NAME = r"[A-Za-z0-9][_A-Za-z0-9-]{0,99}"  # the underscore first: Sphinx takes a word that ends in one for a link
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
"""A name that becomes that of a file."""
Images = Annotated[int, Interval(ge=1, le=1_000_000_000)]
"""How many images."""


class Strict(BaseModel):
    """Plain data without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DeclaredFile(Strict):
    """A file as its authors publish it; pipeline/data/raw.py says what the keys mean."""

    name: str
    url: str | None = None
    md5: str | None = None
    sha256: str | None = None
    checksum: Literal["unpublished"] | None = None
    bytes: Annotated[int, Interval(ge=0, le=10**15)] | None = None
    folder: str | list[str] | None = None
    contents: dict[str, str | None] | None = None
    unpack: bool | None = None
    optional: bool | None = None
    instead: dict[str, str] | None = None
    page: str | None = None
    layout: str | None = None


class Normalize(Strict):
    """What is subtracted from every channel, and what it is divided by."""

    mean: Annotated[list[Fraction], Len(1, 64)]
    std: Annotated[list[PositiveFraction], Len(1, 64)]

    @model_validator(mode="before")
    @classmethod
    def _of_intensities(cls, found: Any) -> Any:
        for name, values in found.items() if isinstance(found, dict) else ():
            numbers = [value for value in values if isinstance(value, int | float)] if isinstance(values, list) else []
            if max(numbers, default=0) > 1:
                raise ValueError(f"{name}: expected intensities from 0 to 1, found {brief(values)}; divide them by 255")
        return found

    @model_validator(mode="after")
    def _as_many(self) -> Normalize:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"expected one std per channel, as many as mean has: {len(self.mean)}, not {len(self.std)}"
            )
        return self


class Dataset(Strict):
    """An entry of params/datasets.yaml."""

    title: str
    source: Params
    files: list[DeclaredFile] = []
    licence: str | None = None
    citation: str | None = None
    homepage: str | None = None
    classes: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    image_size: Side | None = None
    splits: dict[str, Images | None] = {}
    normalize: Normalize | None = None
    notes: str | None = None


class Claim(Strict):
    """A sentence of a paper and the check that decides on it.

    ``greater: [A, B]`` compares two selections of cells (``by``: at least so many points); ``at_least: [A, B]`` asks
    that A falls short of B by less than ``within`` points; ``above`` and ``below`` bound the mean of the cells in
    ``where``; ``spread_above`` bounds their standard deviation; ``rising`` asks for numbers that rise along an axis;
    ``together: [A, B]`` for two that rise and fall with each other ``along`` an axis. ``as_printed`` asks that a
    setting is what the paper prints.
    ``for_each`` names axes over which the check is repeated. A selection is a dict of axis values; a plain word is a
    value of the axis ``method``. ``ours`` marks a sentence that no paper states; ``because`` says of one that does not
    show why: the paper errs, or our setting is not the one that it speaks of.
    """

    text: str
    greater: Annotated[tuple[Params | str, Params | str], Field(strict=False)] | None = None
    by: NonNegative = 0.0
    at_least: Annotated[tuple[Params | str, Params | str], Field(strict=False)] | None = None
    within: Positive | None = None
    above: Real | None = None
    below: Real | None = None
    spread_above: NonNegative | None = None
    rising: str | None = None
    together: Annotated[tuple[Params | str, Params | str], Field(strict=False)] | None = None
    along: str | None = None
    as_printed: Literal[True] | None = None
    where: Params = {}
    for_each: list[str] = []
    scales: list[str] | None = None
    ours: bool = False
    because: Literal["error in print", "limit of our setting"] | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Claim:
        checks = ("greater", "at_least", "above", "below", "spread_above", "rising", "together", "as_printed")
        given = [name for name in checks if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected just one of {', '.join(checks)}")
        if self.by and self.greater is None:
            raise ValueError("by goes with greater")
        if (self.within is None) != (self.at_least is None):
            raise ValueError("at_least and within belong to each other: by how much A may fall short of B")
        if (self.along is None) != (self.together is None):
            raise ValueError("together and along belong to each other: the axis along which A and B are compared")
        return self


class Published(Strict):
    """Printed numbers: a file in params/published whose key columns are axes, optionally only some rows."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,99}\.csv$")]
    where: Params = {}


class Spaced(Strict):
    """Values of an axis at equal ratios, rounded to whole numbers: what a logarithmic axis wants.

    Attributes:
        start: The first.
        stop: The last.
        count: How many, before those that are rounded to the same number become one.
    """

    start: Annotated[int, Interval(ge=1, le=10**9)]
    stop: Annotated[int, Interval(ge=2, le=10**9)]
    count: Annotated[int, Interval(ge=2, le=10_000)]

    @model_validator(mode="after")
    def _rises(self) -> Spaced:
        if self.start >= self.stop:
            raise ValueError(f"start: expected a number below stop ({self.stop}), found {self.start}")
        return self

    def values(self) -> list[int]:
        """The values, without repetition."""
        ratio = math.log(self.stop / self.start) / (self.count - 1)
        return list(dict.fromkeys(round(self.start * math.exp(ratio * k)) for k in range(self.count)))


def _spaced(given: Any) -> Any:
    return Spaced.model_validate(given).values() if isinstance(given, dict) else given


Axis = Annotated[list[str | int | float | bool], Len(1, 10_000), BeforeValidator(_spaced)]
"""Values of an axis: a list, or ``{start, stop, count}`` for a logarithmic one."""


class Derive(Strict):
    """How a cell follows from others, which run over an axis in the artifact's ``over``.

    Just one of these says how: ``best``, the value where ``by`` is best on the mean over seeds; ``place``, where that
    is; ``first``, where each seed first reaches ``reaching``, a number or axes of another cell, seed by seed;
    ``minus``, what the cell has above one that differs from it in these axes. ``by`` and ``times`` name measures: a
    choice must not be made on what it is judged by, so ``by`` is one on images held out of the training set; ``times``
    multiplies a place (epochs) by another number of the same run (minutes of an epoch).
    """

    best: str | None = None
    place: str | None = None
    first: str | None = None
    minus: Params | None = None
    by: str | None = None
    reaching: Real | Params | None = None
    times: str | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Derive:
        rules = ("best", "place", "first", "minus")
        given = [name for name in rules if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected just one of {', '.join(rules)}")
        if (self.by is not None) != (given[0] in ("best", "place")):
            raise ValueError("by goes with best and place, and they need it: the measure on which the choice is made")
        if (self.reaching is not None) != (given[0] == "first"):
            raise ValueError("reaching goes with first, and first needs it")
        if self.times is not None and given[0] not in ("first", "place"):
            raise ValueError("times goes with first and place")
        return self

    @property
    def rule(self) -> str:
        """Which of the rules it is."""
        return next(name for name in ("best", "place", "first", "minus") if getattr(self, name) is not None)

    @property
    def axis(self) -> str | None:
        """The axis that it runs over; None for a difference."""
        return self.best or self.place or self.first


def _of(given: Any) -> Any:
    return {"of": given} if isinstance(given, str) else given


class Setting(Strict):
    """What a table of settings shows of a resolved run: a parameter, in the paper's words.

    Attributes:
        of: Path of the parameter (``optimizer.lr``), ``measures.NAME.PARAM`` of a protocol, ``epochs`` that are
            trained, or ``resolution``, the side of the images that the network sees.
        lacking: In place of a path, why no run here has such a setting.
        over: What the number is divided by.
        words: What values are called; one without a word stands as it is.
        form: How the value is written, with ``{}`` in its place.
    """

    of: str = ""
    lacking: str = ""
    over: Positive | None = None
    words: dict[str | int | float, str] = {}
    form: str | None = None

    @model_validator(mode="after")
    def _a_place(self) -> Setting:
        if bool(self.of) == bool(self.lacking):
            raise ValueError("expected just one of of, lacking")
        if self.form is not None and "{}" not in self.form:
            raise ValueError(f"form: expected text with {{}} where the value stands, found {brief(self.form)}")
        return self


class Pictures(Strict):
    """Images of a data set that a figure shows: ``split`` of ``dataset``, or of what a scale uses for it."""

    dataset: str
    split: Literal["train", "test"] = "train"


class Artifact(Strict):
    """A table or figure of a paper.

    Its cells are read off measurements of runs (``measure``, or an axis of that name for several), off a simulation,
    whose records have the axes of the cells (``unit`` and ``quantity`` then say what the numbers are), or off the
    specifications of runs as they would be trained (``configuration``: what the axis ``setting`` names). A figure with
    none of these is a drawing without cells. ``images`` hands the component that draws the images of a data set. Cells
    that follow from others (:class:`Derive`) run over the axes in ``over``, which the artifact does not show. Where
    ``combinations`` is given only cells that have the values of one of them exist: ragged tables. ``ours``
    marks an artifact that is in no paper, with all its claims.
    """

    title: str
    kind: Literal["table", "figure"] = "table"
    draw: Params | str | None = None
    rows: dict[str, Axis] = {}
    columns: dict[str, Axis] = {}
    fixed: dict[str, str | int | float | bool] = {}
    over: dict[str, Axis] = {}
    combinations: list[dict[str, str | int | float | bool]] = []
    measure: str | None = None
    simulation: Params | str | None = None
    configuration: dict[str, Annotated[Setting, BeforeValidator(_of)]] = {}
    images: Pictures | None = None
    unit: str = ""
    quantity: str = ""
    seeds: Seeds = 1
    published: Published | None = None
    claims: list[Claim] = []
    baselines: bool = True
    ours: bool = False
    notes: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _settings_are_rows(cls, found: Any) -> Any:
        """The settings of a configuration are its rows, unless an axis of that name says where they stand."""
        settings = found.get("configuration") if isinstance(found, dict) else None
        places = [found.get(name) or {} for name in ("rows", "columns", "fixed")] if settings else []
        if not isinstance(settings, dict) or not all(isinstance(place, dict) for place in places):
            return found
        if not settings or any("setting" in place for place in places):
            return found
        return {**found, "rows": {"setting": list(settings), **places[0]}}

    @property
    def source(self) -> str | None:
        """What its cells are read off: ``measure``, ``simulation``, ``configuration``; None for a drawing."""
        if self.configuration:
            return "configuration"
        if self.simulation is not None:
            return "simulation"
        return "measure" if self.measure is not None or "measure" in self.axes() else None

    @model_validator(mode="after")
    def _one_source(self) -> Artifact:
        given = [self.measure is not None, self.simulation is not None, bool(self.configuration)]
        drawn = self.kind == "figure" and not (self.axes() or self.over)
        if sum(given) > 1 or (self.source is None and not drawn):
            raise ValueError("expected measure, simulation or configuration, one of them")
        if self.measure is not None and "measure" in self.axes():
            raise ValueError("measure: expected it once, as a key or as an axis")
        if self.source != "simulation" and (self.unit or self.quantity):
            raise ValueError("unit and quantity go with simulation; a measure has its own")
        if self.source is None and (self.claims or self.published):
            raise ValueError("claims and published go with cells; a drawing has none: add measure or simulation")
        if self.images is not None and self.kind != "figure":
            raise ValueError("images go with kind: figure")
        unknown = [name for name in self.axes().get("setting", []) if str(name) not in self.configuration]
        if self.configuration and unknown:
            raise ValueError(f"setting: {nearest(str(unknown[0]), list(self.configuration), 'configuration has')}")
        return self

    @model_validator(mode="after")
    def _epochs_are_numbers(self) -> Artifact:
        for axis, kind in (("epochs", "Epochs"), ("steps", "Steps")) if self.source != "simulation" else ():
            for value in [*self.axes().get(axis, []), *self.over.get(axis, [])]:
                try:
                    param_types.checked(value, kind)
                except ValueError as error:
                    raise ValueError(f"{axis}: expected {error}, found {brief(value)}") from None
        return self

    def axes(self) -> dict[str, list]:
        """All axes with their values, rows first; a fixed axis has one value."""
        return {**self.rows, **self.columns, **{name: [value] for name, value in self.fixed.items()}}


class Measure(Strict):
    """A number (or a set of them) read off a measurement.

    ``better`` says which is best in a column of a table: the higher (the default), the lower, or neither. ``data``
    names other data sets than the run's own: ``fit`` for what is fitted (split ``train``), ``evaluate`` for what it is
    tested on (split ``test``).
    """

    measure: Params
    value: str
    unit: str = ""
    better: Literal["higher", "lower", "neither"] = "higher"
    title: str | None = None
    data: dict[Literal["fit", "evaluate"], str] = {}


class Flavour(Strict):
    """What a flavour changes.

    Params of components, by category and kind, what an axis sets, and which value a measure reports.
    """

    kinds: dict[str, dict[str, Params]] = {}
    axes: dict[str, str | dict[str, AxisLayer]] = {}
    measures: dict[str, str] = {}


class Paper(Strict):
    """A file of params/papers.

    ``like`` names another paper that this one starts from: what that declares beside artifacts, and what a scale says
    for it.
    """

    paper: Name
    like: Name | None = None
    title: str
    authors: str
    year: Annotated[int, Interval(ge=1900, le=2200)]
    citation: str | None = None
    defaults: Layer = {}
    datasets: dict[str, Layer] = {}
    flavours: dict[Name, Flavour] = {}
    methods: dict[str, Layer] = {}
    axes: dict[str, str | dict[str, AxisLayer]] = {}
    measures: dict[str, Measure] = {}
    artifacts: dict[Name, Artifact] = {}

    def after(self, other: Paper) -> Paper:
        """The same laid over a paper that it is like; artifacts are its own alone."""
        datasets = {name: overlay(layer, self.datasets.get(name, {})) for name, layer in other.datasets.items()}
        return self.model_copy(
            update={
                "defaults": overlay(other.defaults, self.defaults),
                "datasets": {**self.datasets, **datasets},
                "flavours": {**other.flavours, **self.flavours},
                "methods": {**other.methods, **self.methods},
                "axes": {**other.axes, **self.axes},
                "measures": {**other.measures, **self.measures},
            }
        )


class Estimate(Strict):
    """Guess at durations (seconds) and memory for a machine that has no receipts yet.

    ``speed`` counts the billions of multiply-adds of forward passes that a training gets through in a second, the rest
    of its steps included (``pipeline/planning/costs.py``); ``step`` is what each view adds to a step, however small its
    batch is. ``memory`` counts the megabytes that a job holds beside the images of its
    data set, those of a GPU not included.
    """

    speed: Positive = 1.0
    step: NonNegative = 0.0
    measurement: NonNegative = 5.0
    start: NonNegative = 5.0
    memory: Positive = 2000.0
    basis: str = "one core of a CPU"


def _named(used: Params) -> Params:
    """What stands for a data set says which one it is."""
    if not isinstance(used.get("name"), str):
        raise ValueError("expected a data set with its name, such as {name: shapes, train: 192}")
    return used


Used = str | Annotated[Params, AfterValidator(_named)]
"""What stands for a data set: its name, or that and params of its source. None: the scale has none."""
Points = dict[Annotated[int, Interval(ge=1, le=100_000)], Epochs]
"""Epochs of the paper and those that are trained for them."""
StepPoints = dict[Annotated[int, Interval(ge=2, le=10**9)], Annotated[int, Interval(ge=2, le=10**9)]]
"""Steps of the paper and those that are taken for them."""


Values = dict[str, dict[str | int | float, str | int | float]]
"""Path of a param -> value of the paper -> what is used for it."""


class ArtifactScale(Strict):
    """What a scale says for one artifact: laid over what it says for the paper, for all methods alike."""

    every_run: Layer = {}
    epochs: Points = {}
    steps: StepPoints = {}
    seeds: Seeds | None = None
    only: dict[str, Annotated[list[str | int | float | bool], Len(1, 10_000)]] = {}


class PaperScale(Strict):
    """What a scale says for one paper: laid over what it says for all, for all methods of the paper alike.

    ``values`` says what is used in place of values of a parameter, swept or not, as ``epochs`` does of epochs.
    ``artifacts`` says it for one of them: what theirs is to show may need other settings, and wide grids may do with
    fewer seeds than the scale has for all.
    """

    datasets: dict[str, Used | None] = {}
    epochs: Points = {}
    steps: StepPoints = {}
    every_run: Layer = {}
    values: Values = {}
    artifacts: dict[Name, ArtifactScale] = {}

    def after(self, other: PaperScale) -> PaperScale:
        """The same laid over what is said for a paper that this one is like, but for artifacts of that one."""
        return PaperScale(
            datasets={**other.datasets, **self.datasets},
            epochs=self.epochs or other.epochs,
            steps=self.steps or other.steps,
            every_run=overlay(other.every_run, self.every_run),
            values={**other.values, **self.values},
            artifacts=self.artifacts,
        )


class Scale(Strict):
    """A file of params/scales: how much of the paper's budget is spent."""

    title: str
    tracked: bool = False
    gpu: bool = False
    datasets: dict[str, Used | None] = {}
    epochs: Points = {}
    steps: StepPoints = {}
    max_epochs: Epochs | None = None
    seeds: Seeds | None = None
    baselines: bool = False
    every_run: Layer = {}
    papers: dict[str, PaperScale] = {}
    measures: dict[str, Params] = {}
    replications: Replications | None = None
    estimate: Estimate = Estimate()
    values: Values = {}
    only: dict[str, Annotated[list[str | int | float | bool], Len(1, 10_000)]] = {}

    def of(self, paper: str, artifact: str | None = None) -> Scale:
        """The scale as one paper sees it, or one of the paper's artifacts."""
        own = self.papers.get(paper, PaperScale())
        this = own.artifacts.get(artifact or "", ArtifactScale())
        return self.model_copy(
            update={
                "datasets": {**self.datasets, **own.datasets},
                "epochs": this.epochs or own.epochs or self.epochs,
                "steps": this.steps or own.steps or self.steps,
                "every_run": overlay(overlay(self.every_run, own.every_run), this.every_run),
                "seeds": this.seeds or self.seeds,
                "only": {**self.only, **this.only},
                "values": own.values,
            }
        )

    def trained(self, epochs: int) -> int:
        """Epochs that stand for the paper's ``epochs``, at least 1 from 1 on."""
        return max(round(self.mapped(epochs)), 1) if epochs else 0

    def taken(self, steps: int) -> int:
        """Steps that stand for the paper's ``steps``, at least 1: linear between the given points, in logarithms.

        So the first step stands for the first, and early steps, which a logarithmic axis is for, do not fall together.
        """
        if not self.steps:
            return steps
        points = sorted({1: 1, **self.steps}.items())
        for (left, low), (right, high) in itertools.pairwise(points):
            if steps <= right:
                way = math.log(steps / left) / math.log(right / left)
                return max(round(low * (high / low) ** way), 1)
        left, low = points[-1]
        return round(low * steps / left)

    def mapped(self, epochs: float) -> float:
        """When in a training is what the paper has after ``epochs``: linear between the given points."""
        if not self.epochs:
            return epochs
        points = sorted({0: 0, **self.epochs}.items())
        for (left, low), (right, high) in itertools.pairwise(points):
            if epochs <= right:
                return low + (high - low) * (epochs - left) / (right - left)
        left, low = points[-1]
        return low * epochs / left


def _place(model: type[BaseModel], loc: tuple[Any, ...]) -> tuple[list[str], Any]:
    """Where in a file an error is, and the type that is expected there (None for what can be no key)."""
    keys: list[str] = []
    of: Any = model
    for at, part in enumerate(loc):
        of, rest = param_types.unwrapped(of), loc[at:]
        if isinstance(of, type) and issubclass(of, BaseModel):
            if part not in of.model_fields:
                return [*keys, *map(str, rest)], None
            of = param_types.field(of, str(part))
        elif param_types.alternatives(of):
            # pydantic names the alternative that it tried; what was expected is any of them
            inside = [one for one in param_types.alternatives(of) if param_types.inner(one) is not None]
            if len(rest) == 1 or not inside:
                return keys, of
            of = inside[0]
            continue
        elif part == "[key]":
            return keys, str
        elif (found := param_types.inner(of, part)) is not None:
            of = found
        else:
            return [*keys, *map(str, rest)], None
        keys.append(str(part))
    return keys, of


def _oneline(model: type[BaseModel], error: ValidationError, where: str) -> UserError:
    """One line for a validation error: the key, what is expected, what was found, and of unknown keys the nearest."""
    errors = error.errors()
    first = errors[0]
    # of a union pydantic tells what each alternative says: the word of a validator of ours is the one to hear
    above = first["loc"][:-1]
    first = next((e for e in errors if e["type"] == "value_error" and e["loc"][: len(above)] == above), first)
    keys, of = _place(model, first["loc"])
    place = ": ".join([where, *([".".join(brief(key, str) for key in keys)] if keys else [])])
    if first["type"] == "extra_forbidden":
        known = _fields(model, first["loc"][:-1])
        return UserError(f"{place}: unknown key; {nearest(str(first['loc'][-1]), known, 'the keys here are')}")
    if first["type"] == "missing":
        return UserError(f"{place}: this key is needed")
    found = f", found {brief(first['input'])}" if not isinstance(first["input"], BaseModel) else ""
    if first["type"] == "value_error":
        return UserError(f"{place}: {first['msg'].removeprefix('Value error, ')}")
    if first["type"] == "string_pattern_mismatch":
        wanted = (
            "a name of letters, digits, - and _" if r"\." not in str(first["ctx"]) else "the name of a file, NAME.csv"
        )
        return UserError(f"{place}: expected {wanted}{found}")
    if of is None or param_types.models(of):
        wanted = (
            "a mapping (key: value, ...)"
            if "dictionary" in first["msg"]
            else "a list"
            if "list" in first["msg"]
            else "text"
        )
        return UserError(f"{place}: expected {wanted}{found}")
    return UserError(f"{place}: expected {param_types.words(of)}{found}")


def _fields(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Keys of the model at a place."""
    kind = model
    for part in loc:
        field = kind.model_fields.get(str(part))
        kind = next(iter(param_types.models(field.annotation)), kind) if field is not None else kind
    return list(kind.model_fields)


def parse(model: type[Strict], data: Any, where: str) -> Any:
    """Validate plain data.

    Raises:
        UserError: Naming the file, the key, what was expected, and the nearest key that exists.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _oneline(model, error, where) from None
    except RecursionError:
        raise UserError(f"{where}: nested too deeply; write it with fewer levels") from None
