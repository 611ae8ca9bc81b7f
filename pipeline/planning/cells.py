"""Cells of an artifact that reads measurements: one declaration to runs, milestones and measures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline import components
from pipeline.errors import UserError, nearest
from pipeline.ledger.workspace import Milestone
from pipeline.planning import composition, idle_views, names, overridden, params, spec
from pipeline.planning.catalogue import Request, shown
from pipeline.planning.needs import Needs
from pipeline.planning.params import PARTS, Params, nested, overlay, paths
from pipeline.planning.spec import Artifact, Derive, Measure, Paper, Pictures, Scale

UNTRAINED: Params = {
    "projector": "none",
    "predictor": "none",
    "target": "same",
    "initialization": "standard",
    "processes": 1,
    "sync_batchnorm": True,
}
"""The untrained-encoder baseline as a composition: the probe reads nothing but the encoder."""

PIXELS: Params = {**UNTRAINED, "encoder": "pixels"}
"""The raw-pixel baseline: nothing is learnt, the probe reads the image."""


@dataclass
class Cell:
    """One cell of an artifact: where it stands, and the nodes whose values it shows.

    Attributes:
        axes: Axis -> value, as declared.
        role: ``cell`` or the name of a baseline.
        dataset: Data set that was used.
        paper_dataset: Data set of the paper.
        epochs: Epochs of the paper that the cell stands for.
        trained_epochs: Epochs that were trained.
        nodes: Names of the measurement nodes, one per seed; of a derived cell all that it follows from.
        missing: Why the cell has no value, if it has none.
        value: Which value of the measurement it shows, where that is not the measure's own.
        steps: Steps of the paper at a milestone between epochs; 0 where ``epochs`` says it.
        trained_steps: Steps that were taken.
        instead: Path of a param -> its value in the paper and the one that the scale uses for it.
        derive: How its values follow from others: the rule with its options, and ``parts``, each with its place
            (``at``), its ``nodes`` by seed and those of the measures that the rule reads.
        setting: Of a configuration: the parameter (``of``), its ``value`` as text, and what it is ``declared`` to be
            where no scale changes it; a parameter that a run lacks is ``absent``, which says why.
    """

    axes: dict[str, Any]
    role: str = "cell"
    dataset: str = ""
    paper_dataset: str = ""
    epochs: int = 0
    trained_epochs: int = 0
    nodes: list[str] = field(default_factory=list)
    missing: str | None = None
    value: str | None = None
    steps: int = 0
    trained_steps: int = 0
    instead: dict[str, list[Any]] = field(default_factory=dict)
    derive: dict[str, Any] | None = None
    setting: dict[str, str] | None = None

    def params(self) -> Params:
        """The cell in the params of its artifact: what it has no use for is left out."""
        also = ("value", "steps", "trained_steps", "instead", "derive", "setting")
        return {name: value for name, value in vars(self).items() if name not in also or value}


_RESERVED = ("method", "dataset", "epochs", "steps", "measure")


@dataclass
class Directives:
    """What methods and axes say beside the params of a run.

    Attributes:
        reads: What comes behind the measure's value to name the one that a cell shows.
        reference: The method (or ``first``, ``last``) with whose checkpoint a cell's is compared.
        axes: The axes that name methods: those of what is compared, and none of what it is compared with.
        where: File and entry, for messages.
        swept: What the axes set, which a scale leaves alone.
        literal: Paths of what axes set that are no other paper's: a scale uses nothing in place of their values.
        derive: How the cell follows from others.
        method: The method that the cell starts from.
    """

    where: str = ""
    reads: list[str] = field(default_factory=list)
    reference: str | None = None
    axes: list[str] = field(default_factory=list)
    swept: list[Params] = field(default_factory=list)
    literal: set[str] = field(default_factory=set)
    derive: Derive | None = None
    method: str | None = None

    def take(self, layer: Params, axis: str) -> Params:
        """The layer without what is meant for here."""
        rest = dict(layer)
        for key in ("reads", "reference"):
            if key in rest and not isinstance(rest[key], str):
                raise UserError(f"{self.where}: {axis}: {key}: expected a name, found {rest[key]!r}")
        if "derive" in rest:
            if self.derive is not None:
                raise UserError(f"{self.where}: {axis}: derive: expected it on one axis, found it on two")
            self.derive = spec.parse(Derive, rest.pop("derive"), f"{self.where}: {axis}: derive")
        if "reads" in rest:
            self.reads.append(rest.pop("reads"))
        if "reference" in rest:
            self.reference = rest.pop("reference")
            self.axes.append(axis)
        return rest


def _keeps_kinds(layer: Params) -> bool:
    return not any(isinstance(value, dict) and "kind" in value for value in layer.values())


def method_layer(paper: Paper, name: str, where: str, seen: tuple[str, ...] = ()) -> Params:
    """What a method sets, the methods that it is like included.

    Raises:
        UserError: There is no such method, or some are like each other in a circle.
    """
    if name not in paper.methods:
        raise UserError(f"{where}: there is no method {name!r}; there are: {', '.join(paper.methods)}")
    if name in seen:
        raise UserError(f"{where}: methods: {' like '.join((*seen, name))}: goes in a circle")
    own = dict(paper.methods[name])
    like = own.pop("like", None)
    return overlay(method_layer(paper, like, where, (*seen, name)), own) if like else overlay({}, own)


class CellExpander:
    """Turns one declaration into cells, asking for what they need."""

    def __init__(
        self, needs: Needs, request: Request, paper: Paper, artifact: Artifact, scale: Scale, where: str
    ) -> None:
        self.needs, self.request, self.paper, self.artifact, self.scale, self.where = (
            needs, request, paper, artifact, scale, where,
        )  # fmt: skip
        self.flavour = paper.flavours.get(request.flavour, spec.Flavour())
        other = needs.catalogue.papers[paper.like].axes if paper.like else paper.axes
        self.own_axes = paper.axes.keys() - other.keys()
        self._runs_known: dict[str, tuple[str, str, dict[str, list[Any]]]] = {}
        self._methods_known: dict[str, Params | None] = {}
        shown_measures = [artifact.measure] if artifact.measure is not None else artifact.axes().get("measure", [])
        self.measures = {str(name): self._measure(str(name)) for name in shown_measures}
        most = scale.seeds or artifact.seeds
        if most < artifact.seeds and not needs.catalogue.options.seeds:
            needs.overridden.add(overridden.single(paper.paper, request.scale, "seeds", artifact.seeds, most))
        self.seeds = range(needs.catalogue.options.seeds or min(artifact.seeds, most))

    def _measure(self, name: str) -> Measure:
        if name not in self.paper.measures:
            raise UserError(f"{self.where}: measure: {name} is none of: {', '.join(self.paper.measures)}")
        measure = self.paper.measures[name]
        return measure.model_copy(update={"value": self.flavour.measures.get(name, measure.value)})

    def numbers(self) -> dict[str, Params]:
        """What is said of the numbers of each measure that the artifact shows, by its name."""
        return {
            name: {"value": found.value, "unit": found.unit, "title": found.title or name, "better": found.better}
            for name, found in self.measures.items()
        }

    def images(self, wanted: Pictures) -> Params:
        """What a figure is told of the images that it shows; asks for their data set.

        Raises:
            UserError: Nobody says under which licence they may be shown.
        """
        node = f"data/{self._data(wanted.dataset)}"
        name = self._used(wanted.dataset)[0]
        declared = self.needs.catalogue.datasets[name]
        if not (declared.licence or "").strip():
            raise UserError(
                f"{self.where}: images: {name} has no licence, which a figure with its images must name; add licence: "
                f"TEXT to {name} in {shown(self.needs.catalogue.datasets_path(name))}"
            )
        if self.needs.data[node.removeprefix("data/")].sharded:
            place = shown(self.needs.catalogue.datasets_path(name))
            raise UserError(
                f"{self.where}: images: expected a data set whose images lie in one file, which figures read, found "
                f"{name}; show those of another one, or set source.keep: pixels for {name} in {place}"
            )
        told = {key: getattr(declared, key) for key in ("title", "licence", "citation")}
        return {"node": node, "dataset": name, "paper_dataset": wanted.dataset, "split": wanted.split, **told}

    def cells(self) -> Iterator[Cell]:
        """All cells in the order of the declaration, then the baselines."""
        axes = self.artifact.axes()
        times = {"epochs", "steps"} & {*axes, *self.artifact.over}
        if "dataset" not in axes or len(times) != 1:
            raise UserError(f"{self.where}: rows, columns or fixed need the axes dataset and epochs (or steps)")
        first: dict[str, Params] = {}
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            together = self.artifact.combinations
            if together and not any(one.items() <= chosen.items() for one in together):
                continue
            cell = self._cell(chosen)
            cell.missing = self._left_out(cell)
            if cell.missing is None:
                params, directives = self._layers(chosen)
                first.setdefault(cell.paper_dataset, params)
                if directives.derive is not None:
                    self._derive(cell, directives.derive)
                elif times <= chosen.keys():
                    self._fill(cell, params, directives)
                else:
                    raise UserError(f"{self.where}: over: {', '.join(times)}: only cells that derive run over it")
            yield cell
        if self.scale.baselines and self.artifact.baselines:
            shown = [{"measure": name} for name in self.measures] if "measure" in axes else [{}]
            pairs = itertools.product((("raw pixels", PIXELS), ("untrained encoder", UNTRAINED)), shown)
            for (dataset, params), ((role, extra), measure) in itertools.product(first.items(), pairs):
                cell = Cell({"dataset": dataset, **measure}, role=role, paper_dataset=dataset)
                baseline = overlay(params, extra)
                baseline["encoder"] = components.unfinished("encoder", baseline["encoder"], self.needs.extend)
                self._fill(cell, baseline, Directives(), own=tuple(extra))
                yield cell

    def _cell(self, chosen: dict[str, Any]) -> Cell:
        cell = Cell(chosen, paper_dataset=str(chosen["dataset"]), epochs=chosen.get("epochs", 0))
        cell.steps = chosen.get("steps", 0)
        return cell

    def _derive(self, cell: Cell, rule: Derive) -> None:
        """Ask for all that a derived cell follows from."""
        if rule.minus is not None:
            unknown = [axis for axis in rule.minus if axis not in cell.axes]
            if unknown:
                raise UserError(
                    f"{self.where}: derive.minus: {nearest(unknown[0], list(cell.axes), 'the axes here are')}"
                )
            places = [cell.axes, {**cell.axes, **rule.minus}]
            at: list[Any] = ["this", "that"]
        else:
            if rule.axis not in self.artifact.over:
                known = ", ".join(self.artifact.over) or "none"
                raise UserError(f"{self.where}: derive: expected an axis in over ({known}), found {rule.axis!r}")
            at = self.artifact.over[rule.axis]
            places = [{**cell.axes, rule.axis: value} for value in at]
        cell.derive = {**rule.model_dump(exclude_none=True), "rule": rule.rule, "parts": []}
        for name in filter(None, (rule.by, rule.times)):
            read = self._measure(name)
            cell.derive |= {f"{name}.value": read.value, f"{name}.better": read.better, f"{name}.unit": read.unit}
        if isinstance(rule.reaching, dict):
            place = {**cell.axes, **rule.reaching}
            threshold = self._cell(place)
            if (reason := self._left_out(threshold)) is not None:
                cell.missing, cell.derive = reason, None
                return
            params, directives = self._layers(place)
            self._fill(threshold, params, directives)
            cell.derive["threshold"] = threshold.nodes
            cell.nodes += threshold.nodes
        for place, value in zip(places, at, strict=True):
            part = self._cell(place)
            if (reason := self._left_out(part)) is not None:
                if rule.minus is not None:
                    cell.missing = reason
                    return
                continue
            params, directives = self._layers(place)
            self._fill(part, params, directives)
            entry: Params = {"at": value, "nodes": part.nodes}
            if rule.times is not None and rule.axis in ("epochs", "steps"):  # what costs is what this scale trains
                trained = part.trained_epochs if rule.axis == "epochs" else part.trained_steps
                entry |= {"at": trained, "stands_for": value}
            for name in filter(None, (rule.by, rule.times)):
                beside = self._cell(place)
                self._fill(beside, params, directives, measure=self._measure(name))
                entry[name] = beside.nodes
                cell.nodes += beside.nodes
            cell.nodes += part.nodes
            cell.derive["parts"].append(entry)
            cell.dataset, cell.trained_epochs, cell.value = part.dataset, part.trained_epochs, part.value
            cell.instead |= part.instead
        cell.nodes = list(dict.fromkeys(cell.nodes))
        if not cell.derive["parts"]:
            cell.missing, cell.derive = f"no place of {rule.axis} is reached at this scale", None

    def _left_out(self, cell: Cell) -> str | None:
        chosen = self.needs.catalogue.options.datasets
        read = [cell.paper_dataset, *(self._measure_of(cell).data.values() if self.measures else ())]
        absent = [name for name in read if chosen and name not in chosen]
        if absent:
            return f"{absent[0]}: not among --config datasets={','.join(chosen)}"
        for name in read:
            if self.scale.datasets.get(name, name) is None:
                return f"{name}: scale {self.request.scale} has none"
        for axis, built in self.scale.only.items():
            if axis in cell.axes and not any(str(cell.axes[axis]) == str(value) for value in built):
                return f"{axis} {cell.axes[axis]}: not built at scale {self.request.scale}"
        if self.scale.max_epochs is not None and self.scale.trained(cell.epochs) > self.scale.max_epochs:
            return f"{cell.epochs} epochs: scale {self.request.scale} ends at {self.scale.max_epochs}"
        return None

    def _measure_of(self, cell: Cell) -> Measure:
        """The measure whose value a cell shows."""
        return self.measures.get(str(cell.axes.get("measure")), next(iter(self.measures.values())))

    def _fill(
        self,
        cell: Cell,
        params: Params,
        directives: Directives,
        own: tuple[str, ...] = (),
        measure: Measure | None = None,
    ) -> None:
        measure = measure or self._measure_of(cell)
        cell.trained_epochs = self.scale.trained(cell.epochs)
        cell.trained_steps = self.scale.taken(cell.steps) if cell.steps else 0
        at = Milestone(step=cell.trained_steps) if cell.steps else Milestone(cell.trained_epochs)
        if components.untrained(str(measure.measure.get("kind", "")), self.needs.extend):
            at = Milestone()
        compared = directives.reference or measure.measure.get("reference")
        last = self._last() if compared == "last" else None
        config = self._run(cell, params, directives, own, last.epoch if last else None)
        other_at = Milestone() if compared == "first" else last or at
        protocol = self._protocol(cell, config, measure, compared, other_at, directives)
        if directives.reads:
            cell.value = "_".join([measure.value, *directives.reads])
        self._check_value(measure, cell.value or measure.value)
        for seed in self.seeds:
            cell.nodes.append(self.needs.want(config, seed, at, protocol))

    def _used(self, dataset: str) -> tuple[str, Params]:
        """What the scale uses for a data set of the paper, and the params that it sets there.

        Raises:
            UserError: The scale has none, and what asks for it can't be left out.
        """
        given = self.scale.datasets.get(dataset, dataset)
        if given is None:
            raise UserError(
                f"{self._scale_file()}: datasets.{dataset}: expected a data set, which {self.where} needs, found null; "
                "name one, or type another scale"
            )
        given = {"name": given} if isinstance(given, str) else dict(given)
        return given.pop("name"), given

    def _data(self, dataset: str) -> str:
        """Plan what the scale uses for a data set of the paper; returns its identity."""
        name, given = self._used(dataset)
        said = f"{self._scale_file()}: datasets.{dataset}"
        return self.needs.add_data(name, given, self.scale.tracked, self.where, said)

    def _in_scale(self) -> str:
        """Where the scale says what it changes, for messages."""
        own = self.needs.catalogue.scale(self.request.scale).papers.get(self.request.paper)
        places = [f"papers.{self.request.paper}.every_run"] if own else []
        if own and self.request.artifact in own.artifacts:
            places.append(f"papers.{self.request.paper}.artifacts.{self.request.artifact}.every_run")
        keys = " or ".join(["every_run", *places])
        return f"{self._scale_file()}: {keys}"

    def _scale_file(self) -> str:
        return shown(self.needs.catalogue.scale_path(self.request.scale))

    def _run(
        self,
        cell: Cell,
        params: Params,
        directives: Directives,
        own: tuple[str, ...] = (),
        ends: int | None = None,
    ) -> str:
        """Plan the run of a cell, once the scale has set its params; returns its identity.

        A schedule, or a target, that names no end has that of the training: ``ends``, or the cell's milestone. Params
        that count epochs of the training are mapped as these are, unless the scale says them itself. What the artifact
        sweeps is laid over what the scale sets.
        """
        swept, literal = directives.swept, directives.literal
        place = (
            *(cell.paper_dataset, params, own, ends, swept, sorted(literal)),
            bool(cell.trained_epochs or cell.steps),
        )
        known = json.dumps(place, sort_keys=True, default=str)
        if known in self._runs_known:  # the same run at another milestone, or for another measure
            identity, cell.dataset, instead = self._runs_known[known]
            cell.instead |= instead
            return identity
        cell.dataset, given = self._used(cell.paper_dataset)
        data = self._data(cell.paper_dataset)
        run, open_end, replaced = self._composed(cell, params, directives, own, ends)
        if not own:
            self.needs.overridden |= replaced
        if cell.trained_epochs or cell.steps:
            declared = self.needs.catalogue.datasets[cell.dataset]
            side = given.get("size", declared.source.get("size", declared.image_size))
            idle_views.refuse(run["views"], side, self.where)
            components.check_relations("schedule", run["schedule"], self.where, self.needs.extend)
        identity = self.needs.add_run(run, data, cell.dataset, self.scale)
        self.needs.call(identity, *self._called(cell, run, directives, own, ends))
        if not open_end:  # else every milestone ends a training of its own
            self._runs_known[known] = identity, cell.dataset, dict(cell.instead)
        return identity

    def _composed(
        self, cell: Cell, params: Params, directives: Directives, own: tuple[str, ...], ends: int | None
    ) -> tuple[Params, bool, set[overridden.Override]]:
        """The complete run of a cell, whether its milestone ends it, and what the scale sets in the paper's place."""
        # What makes a cell a baseline is not for the scale to change.
        layer = {name: value for name, value in self.scale.every_run.items() if name not in own}
        layer = composition.only_known(layer, params, self._in_scale(), self.needs.extend)
        layer = composition.below(layer, directives.swept, self.needs.extend)
        replaced = set(overridden.compared(self.paper.paper, self.request.scale, params, layer)) if not own else set()
        params = overlay(params, layer)
        for sweep in directives.swept:
            params = overlay(params, sweep)
        params = self._instead(cell, params, directives.literal)
        statistics = self.needs.catalogue.datasets[cell.dataset].normalize
        params.setdefault("normalize", None if statistics is None else statistics.model_dump())
        run = composition.compose(params, self.where, self.needs.extend)
        if not own:  # a baseline has no step and so no objective, whatever the paper's default is
            components.check_objective(run, self.where, self.needs.extend)
        self._map_epochs(run, paths(layer))
        open_end = False
        for part in PARTS:
            if not components.open_end(part, run[part], self.needs.extend):
                continue
            if cell.steps:
                raise UserError(
                    f"{self.where}: {part}.epochs: expected a number where milestones are counted in steps, "
                    "found none: say how many epochs the training has"
                )
            run[part]["epochs"] = ends or cell.trained_epochs
            open_end = open_end or ends is None
        return run, open_end, replaced

    def _called(
        self, cell: Cell, run: Params, directives: Directives, own: tuple[str, ...], ends: int | None
    ) -> tuple[str, int | None]:
        """What a person calls a run, and in how many params it differs from its method; None for a baseline."""
        used, given = self._used(cell.paper_dataset)
        data = f"{used} for {cell.paper_dataset}" if given else used
        if own:
            return f"{cell.role}, {data}", None
        method = self._method_alone(cell, directives.method, ends)
        differs = [f"{axis} {value}" for axis, value in cell.axes.items() if axis not in _RESERVED]
        if method is not None:
            differs = names.differences(run, method)
        paper = self.paper.like or self.paper.paper
        return names.called(paper, directives.method, data, differs), len(differs)

    def _method_alone(self, cell: Cell, method: str | None, ends: int | None) -> Params | None:
        """The run of a method on a cell's data set with nothing swept; None where it is none by itself."""
        place = json.dumps([cell.paper_dataset, method, ends, cell.trained_epochs, bool(cell.steps)])
        if place not in self._methods_known:
            chosen = {"dataset": cell.paper_dataset, **({} if method is None else {"method": method})}
            like = Cell(chosen, dataset=cell.dataset, paper_dataset=cell.paper_dataset)
            like.trained_epochs, like.steps = cell.trained_epochs, cell.steps
            try:
                params, directives = self._layers(chosen)
                self._methods_known[place] = self._composed(like, params, directives, (), ends)[0]
            except UserError:  # what an axis sets is needed
                self._methods_known[place] = None
        return self._methods_known[place]

    def _instead(self, cell: Cell, params: Params, literal: Collection[str]) -> Params:
        """The same with what the scale uses in place of some values."""
        for path, used in self.scale.values.items():
            if path in literal:
                continue
            part, _, param = path.partition(".")
            found = params.get(part)
            found = found.get(param) if param and isinstance(found, dict) else found
            values: list[Any] = found if isinstance(found, list) else [found]
            if any(isinstance(value, str | int | float) and value in used for value in values):
                new = [used.get(value, value) for value in values]
                params = overlay(params, nested(path, new if isinstance(found, list) else new[0]))
                cell.instead[path] = [found, new if isinstance(found, list) else new[0]]
        return params

    def _map_epochs(self, run: Params, said: set[str]) -> None:
        """Map leaves that count epochs of the paper's training, where the scale has not ``said`` them, to its own."""
        for part in PARTS:
            for param in components.of_training(part, run[part]["kind"], self.needs.extend):
                value = run[part][param]
                if value is not None and f"{part}.{param}" not in said:
                    mapped = self.scale.mapped(value)
                    run[part][param] = max(round(mapped), 1) if isinstance(value, int) else mapped

    def _check_value(self, measure: Measure, name: str) -> None:
        """A measure may say which values it has; a wrong name would else be found when everything is measured."""
        kind = measure.measure.get("kind", "")
        known = components.values("measure", kind, self.needs.extend)
        if known and name not in known:
            raise UserError(
                f"{self.where}: {measure.title or kind}: the measure {kind} has no value {name!r} (its value, and what "
                f"axes and methods read of it, joined by _); {nearest(name, known, 'it has')}"
            )

    def _last(self) -> Milestone:
        """The last milestone that this scale reaches."""
        axes, most = {**self.artifact.over, **self.artifact.axes()}, self.scale.max_epochs
        if "steps" in axes:
            return Milestone(step=max(self.scale.taken(steps) for steps in axes["steps"]))
        trained = [self.scale.trained(epochs) for epochs in axes["epochs"]]
        return Milestone(max(epochs for epochs in trained if most is None or epochs <= most))

    def _protocol(
        self,
        cell: Cell,
        config: str,
        measure: Measure,
        compared: str | None,
        other_at: Milestone,
        directives: Directives,
    ) -> str:
        """Plan the measure of a cell; returns its identity.

        A measure with a param ``reference`` compares two checkpoints: the other is the same run's start or last one
        (``first``, ``last``) or that of another method with the same seed after as many epochs; it stands at
        ``other_at``.
        """
        declared = measure.measure
        kind = declared.get("kind", "")
        own = self.scale.measures.get(kind, {})
        self.needs.overridden |= {
            overridden.single(self.paper.paper, self.request.scale, f"{kind}.{param}", declared[param], value)
            for param, value in own.items()
            if declared.get(param, value) != value
        }
        params = {**declared, **own}
        if compared in ("first", "last"):
            params["reference"] = f"{{config}}/{{seed}}/{other_at}"
        elif compared is not None:
            chosen = {axis: value for axis, value in cell.axes.items() if axis not in directives.axes}
            below, beside = self._layers({**chosen, "method": compared})
            other = self._run(cell, below, beside)
            if other == config:
                raise UserError(f"{self.where}: reference: {compared} would be compared with itself in {cell.axes}")
            params["reference"] = f"{other}/{{seed}}/{other_at}"
        roles: dict[str, str] = {role: self._data(name) for role, name in measure.data.items()}
        identity = self.needs.add_measure(params, self.where, roles)
        if compared is not None:
            for seed in self.seeds:
                self.needs.want_reference(config, seed, params["reference"])
        return identity

    def _layers(self, chosen: dict[str, Any]) -> tuple[Params, Directives]:
        """Params of a cell before the scale: defaults < data set < method < sweeps, and the flavour's."""
        params = overlay({}, self.paper.defaults)
        dataset = str(chosen["dataset"])
        of_data = dict(self.paper.datasets.get(dataset, {}))
        if self._used(dataset)[0] != dataset:
            of_data.pop("normalize", None)  # statistics of one data set are none of what stands for it
        params = overlay(params, of_data)
        directives = Directives(self.where)
        if "method" in chosen:
            directives.method = str(chosen["method"])
            params = overlay(params, directives.take(method_layer(self.paper, directives.method, self.where), "method"))
        sweeps = []
        for name, value in chosen.items():
            if name not in _RESERVED:
                layer = directives.take(self._axis(name, value, dataset), name)
                if (like := layer.pop("like", None)) is not None:
                    directives.axes.append(name)
                    directives.method = str(like)
                    method = method_layer(self.paper, directives.method, self.where)
                    params = overlay(params, directives.take(method, name))
                sweeps.append(layer)
                if name in self.own_axes:
                    directives.literal |= paths(layer)
        # A layer that replaces a component comes before those that change its params, whatever their order.
        sweeps.sort(key=_keeps_kinds)
        swept = set().union(*map(paths, sweeps)) if sweeps else set()
        for layer in sweeps:
            params = overlay(params, layer)
        directives.swept = sweeps
        for part, by_kind in self.flavour.kinds.items():
            more = by_kind.get((params.get(part) or {}).get("kind", ""), {})
            more = {param: value for param, value in more.items() if f"{part}.{param}" not in swept}
            params = overlay(params, {part: more} if more else {})
        return params, directives

    def _axis(self, name: str, value: Any, dataset: str) -> Params:
        """What a value of an axis sets on a data set of the paper."""
        axis = self.flavour.axes.get(name, self.paper.axes.get(name))
        if axis is None:
            known = ", ".join([*_RESERVED, *self.paper.axes])
            raise UserError(f"{self.where}: {name}: no such axis; declare it under axes, or use one of: {known}")
        if isinstance(axis, str):
            try:
                return params.shaped(nested(axis, value))
            except ValueError as error:
                raise UserError(f"{self.where}: {name}: {error}") from None
        if str(value) not in axis:
            raise UserError(f"{self.where}: {name}: {value!r} is none of: {', '.join(axis)}")
        layer = dict(axis[str(value)])
        of_data = layer.pop("datasets", {})
        return overlay(overlay({}, layer), of_data.get(dataset, {}))
