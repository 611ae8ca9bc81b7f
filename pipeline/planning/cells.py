"""Cells of an artifact that reads measurements: one declaration to runs, milestones and measures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline import components
from pipeline.errors import UserError, nearest
from pipeline.planning import composition, overridden, params, spec
from pipeline.planning.catalogue import Request, shown
from pipeline.planning.needs import Needs
from pipeline.planning.params import PARTS, Params, nested, overlay, paths
from pipeline.planning.spec import Artifact, Paper, Scale

UNTRAINED: Params = {"projector": "none", "predictor": "none", "target": "same", "initialization": "standard"}
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
        nodes: Names of the measurement nodes, one per seed.
        missing: Why the cell has no value, if it has none.
        value: Which value of the measurement it shows, where that is not the measure's own.
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


_RESERVED = ("method", "dataset", "epochs")


@dataclass
class Directives:
    """What methods and axes say beside the params of a run.

    Attributes:
        reads: What comes behind the measure's value to name the one that a cell shows.
        reference: The method (or ``last``) with whose checkpoint a cell's is compared.
        axes: The axes that name methods: those of what is compared, and none of what it is compared with.
        where: File and entry, for messages.
        swept: What the axes set, which a scale leaves alone.
    """

    where: str = ""
    reads: list[str] = field(default_factory=list)
    reference: str | None = None
    axes: list[str] = field(default_factory=list)
    swept: list[Params] = field(default_factory=list)

    def take(self, layer: Params, axis: str) -> Params:
        """The layer without what is meant for here."""
        rest = dict(layer)
        for key in ("reads", "reference"):
            if key in rest and not isinstance(rest[key], str):
                raise UserError(f"{self.where}: {axis}: {key}: expected a name, found {rest[key]!r}")
        if "reads" in rest:
            self.reads.append(rest.pop("reads"))
        if "reference" in rest:
            self.reference = rest.pop("reference")
            self.axes.append(axis)
        return rest


def _keeps_kinds(layer: Params) -> bool:
    return not any(isinstance(value, dict) and "kind" in value for value in layer.values())


class CellExpander:
    """Turns one declaration into cells, asking for what they need."""

    def __init__(
        self, needs: Needs, request: Request, paper: Paper, artifact: Artifact, scale: Scale, where: str
    ) -> None:
        self.needs, self.request, self.paper, self.artifact, self.scale, self.where = (
            needs, request, paper, artifact, scale, where,
        )  # fmt: skip
        self.flavour = paper.flavours.get(request.flavour, spec.Flavour())
        if artifact.measure not in paper.measures:
            raise UserError(f"{where}: measure: {artifact.measure} is none of: {', '.join(paper.measures)}")
        self.measure = paper.measures[artifact.measure]
        self.value = self.flavour.measures.get(artifact.measure, self.measure.value)
        most = scale.seeds or artifact.seeds
        if most < artifact.seeds and not needs.catalogue.options.seeds:
            needs.overridden.add(overridden.single(paper.paper, request.scale, "seeds", artifact.seeds, most))
        self.seeds = range(needs.catalogue.options.seeds or min(artifact.seeds, most))

    def cells(self) -> Iterator[Cell]:
        """All cells in the order of the declaration, then the baselines."""
        axes = self.artifact.axes()
        if "dataset" not in axes or "epochs" not in axes:
            raise UserError(f"{self.where}: rows, columns or fixed need the axes dataset and epochs")
        first: dict[str, Params] = {}
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            cell = Cell(chosen, paper_dataset=str(chosen["dataset"]), epochs=chosen["epochs"])
            params, directives = self._layers(chosen)
            cell.missing = self._left_out(cell)
            if cell.missing is None:
                first.setdefault(cell.paper_dataset, params)
                self._fill(cell, params, directives)
            yield cell
        if self.scale.baselines and self.artifact.baselines:
            for dataset, params in first.items():
                for role, extra in (("raw pixels", PIXELS), ("untrained encoder", UNTRAINED)):
                    cell = Cell({"dataset": dataset}, role=role, paper_dataset=dataset)
                    self._fill(cell, overlay(params, extra), Directives(), own=tuple(extra))
                    yield cell

    def _left_out(self, cell: Cell) -> str | None:
        chosen = self.needs.catalogue.options.datasets
        if chosen and cell.paper_dataset not in chosen:
            return f"{cell.paper_dataset}: not among --config datasets={','.join(chosen)}"
        if self.scale.max_epochs is not None and self.scale.trained(cell.epochs) > self.scale.max_epochs:
            return f"{cell.epochs} epochs: scale {self.request.scale} ends at {self.scale.max_epochs}"
        return None

    def _fill(self, cell: Cell, params: Params, directives: Directives, own: tuple[str, ...] = ()) -> None:
        cell.trained_epochs = self.scale.trained(cell.epochs)
        compared = directives.reference or self.measure.measure.get("reference")
        last = self._last() if compared == "last" else None
        config = self._run(cell, params, own, ends=last, swept=directives.swept)
        protocol = self._protocol(cell, config, compared, last, directives)
        if directives.reads:
            cell.value = "_".join([self.value, *directives.reads])
        self._check_value(cell.value or self.value)
        for seed in self.seeds:
            cell.nodes.append(self.needs.want(config, seed, cell.trained_epochs, protocol))

    def _used(self, dataset: str) -> tuple[str, Params]:
        """What the scale uses for a data set of the paper, and the params that it sets there."""
        given = self.scale.datasets.get(dataset, dataset)
        given = {"name": given} if isinstance(given, str) else dict(given)
        return given.pop("name"), given

    def _in_scale(self) -> str:
        """Where the scale says what it changes, for messages."""
        own = self.request.paper in self.needs.catalogue.scale(self.request.scale).papers
        keys = f"every_run or papers.{self.request.paper}.every_run" if own else "every_run"
        return f"{self._scale_file()}: {keys}"

    def _scale_file(self) -> str:
        return shown(self.needs.catalogue.scale_path(self.request.scale))

    def _run(
        self,
        cell: Cell,
        params: Params,
        own: tuple[str, ...] = (),
        ends: int | None = None,
        swept: Sequence[Params] = (),
    ) -> str:
        """Plan the run of a cell, once the scale has set its params; returns its identity.

        A schedule, or a target, that names no end has that of the training: ``ends``, or the cell's milestone. Params
        that count epochs of the training are mapped as these are, unless the scale says them itself. What the artifact
        sweeps is laid over what the scale sets.
        """
        cell.dataset, given = self._used(cell.paper_dataset)
        said = f"{self._scale_file()}: datasets.{cell.paper_dataset}"
        data = self.needs.add_data(cell.dataset, given, self.scale.tracked, self.where, said)
        # What makes a cell a baseline is not for the scale to change.
        layer = {name: value for name, value in self.scale.every_run.items() if name not in own}
        layer = composition.only_known(layer, params, self._in_scale(), self.needs.extend)
        layer = composition.below(layer, swept, self.needs.extend)
        if not own:
            self.needs.overridden |= set(overridden.compared(self.paper.paper, self.request.scale, params, layer))
        params = overlay(params, layer)
        for sweep in swept:
            params = overlay(params, sweep)
        statistics = self.needs.catalogue.datasets[cell.dataset].normalize
        params.setdefault("normalize", None if statistics is None else statistics.model_dump())
        run = composition.compose(params, self.where, self.needs.extend)
        self._map_epochs(run, paths(layer))
        for part in PARTS:
            if components.open_end(part, run[part], self.needs.extend):
                run[part]["epochs"] = ends or cell.trained_epochs
        if cell.trained_epochs:
            components.check_relations("schedule", run["schedule"], self.where, self.needs.extend)
        return self.needs.add_run(run, data, cell.dataset, self.scale)

    def _map_epochs(self, run: Params, said: set[str]) -> None:
        """Map leaves that count epochs of the paper's training, where the scale has not ``said`` them, to its own."""
        for part in PARTS:
            for param in components.of_training(part, run[part]["kind"], self.needs.extend):
                value = run[part][param]
                if value is not None and f"{part}.{param}" not in said:
                    mapped = self.scale.mapped(value)
                    run[part][param] = max(round(mapped), 1) if isinstance(value, int) else mapped

    def _check_value(self, name: str) -> None:
        """A measure may say which values it has; a wrong name would else be found when everything is measured."""
        kind = self.measure.measure.get("kind", "")
        known = components.values("measure", kind, self.needs.extend)
        if known and name not in known:
            raise UserError(
                f"{self.where}: {self.artifact.measure}: the measure {kind} has no value {name!r} (its value, and what "
                f"axes and methods read of it, joined by _); {nearest(name, known, 'it has')}"
            )

    def _last(self) -> int:
        """Epochs of the last milestone that this scale reaches."""
        most = self.scale.max_epochs
        trained = [self.scale.trained(epochs) for epochs in self.artifact.axes()["epochs"]]
        return max(epochs for epochs in trained if most is None or epochs <= most)

    def _protocol(self, cell: Cell, config: str, compared: str | None, last: int | None, directives: Directives) -> str:
        """Plan the measure of a cell; returns its identity.

        A measure with a param ``reference`` compares two checkpoints: the other is the same run's last one (``last``)
        or that of another method with the same seed after as many epochs.
        """
        declared = self.measure.measure
        kind = declared.get("kind", "")
        own = self.scale.measures.get(kind, {})
        self.needs.overridden |= {
            overridden.single(self.paper.paper, self.request.scale, f"{kind}.{param}", declared[param], value)
            for param, value in own.items()
            if declared.get(param, value) != value
        }
        params = {**declared, **own}
        if last is not None:
            params["reference"] = f"{{config}}/{{seed}}/epoch{last:04d}"
        elif compared is not None:
            chosen = {axis: value for axis, value in cell.axes.items() if axis not in directives.axes}
            below, beside = self._layers({**chosen, "method": compared})
            other = self._run(cell, below, swept=beside.swept)
            if other == config:
                raise UserError(f"{self.where}: reference: {compared} would be compared with itself in {cell.axes}")
            params["reference"] = f"{other}/{{seed}}/epoch{cell.trained_epochs:04d}"
        identity = self.needs.add_measure(params, self.where)
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
            params = overlay(params, directives.take(self._method(str(chosen["method"]), ()), "method"))
        sweeps = []
        for name, value in chosen.items():
            if name not in _RESERVED:
                layer = directives.take(self._axis(name, value), name)
                if (like := layer.pop("like", None)) is not None:
                    directives.axes.append(name)
                    params = overlay(params, directives.take(self._method(str(like), ()), name))
                sweeps.append(layer)
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

    def _method(self, name: str, seen: tuple[str, ...]) -> Params:
        if name not in self.paper.methods:
            raise UserError(f"{self.where}: there is no method {name!r}; there are: {', '.join(self.paper.methods)}")
        if name in seen:
            raise UserError(f"{self.where}: methods: {' like '.join((*seen, name))}: goes in a circle")
        own = dict(self.paper.methods[name])
        like = own.pop("like", None)
        return overlay(self._method(like, (*seen, name)), own) if like else overlay({}, own)

    def _axis(self, name: str, value: Any) -> Params:
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
        return overlay({}, axis[str(value)])
