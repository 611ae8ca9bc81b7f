"""The plan: which runs, measurements and data sets the requested artifacts need. Pure data; no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import accepted, components, naming, spec
from pipeline.catalogue import Catalogue, Request, _shown
from pipeline.errors import UserError, nearest
from pipeline.fingerprint import Fingerprints, label
from pipeline.keys import Key
from pipeline.spec import Artifact, Leaves, Paper, Scale
from pipeline.workspace import Node, checkpoint, measurement

MODULES = {
    "prepare": "pipeline/data/prepare.py",
    "pretrain": "pipeline/training/pretrain.py",
    "measure": "pipeline/evaluation/measure.py",
    "simulate": "pipeline/theory/simulate.py",
    "table": "pipeline/artifacts/table.py",
    "figure": "pipeline/artifacts/figure.py",
}
"""Stage (or family of stages) -> the module whose ``execute`` does the work."""

ARRAYS = ["arrays.safetensors", "meta.json"]
"""What stages read of a data set."""

WEIGHTS = ["model.safetensors", "summary.json"]
"""What measurements read of a checkpoint."""

UNTRAINED: Leaves = {"projector": "none", "predictor": "none", "target": "same", "initialization": "standard"}
"""The untrained-encoder baseline as a composition: the probe reads nothing but the encoder."""

PIXELS: Leaves = {**UNTRAINED, "encoder": "pixels"}
"""The raw-pixel baseline: nothing is learnt, the probe reads the image."""


@dataclass
class DataPlan:
    """A data set to prepare."""

    leaves: Leaves
    silent: Leaves
    source: Path
    tracked: bool


@dataclass
class RunPlan:
    """A run without its seed, and what is wanted of it."""

    run: Leaves
    data: str
    tracked: bool
    gpu: bool = False
    milestones: set[tuple[int, int]] = field(default_factory=set)
    measures: dict[str, set[tuple[int, int]]] = field(default_factory=dict)


@dataclass
class SimulationPlan:
    """A simulation to run."""

    leaves: Leaves
    tracked: bool


@dataclass
class Cell:
    """One cell of an artifact: where it stands, and the nodes whose values it shows.

    Attributes:
        axes: Axis -> value, as declared.
        role: ``cell`` or the name of a baseline.
        dataset: Data set that was used.
        stands_for: Data set of the paper.
        epochs: Epochs of the paper that the cell stands for.
        trained_epochs: Epochs that were trained.
        nodes: Names of the measurement nodes, one per seed.
        missing: Why the cell has no value, if it has none.
        value: Which value of the measurement it shows, where that is not the measure's own.
    """

    axes: dict[str, Any]
    role: str = "cell"
    dataset: str = ""
    stands_for: str = ""
    epochs: int = 0
    trained_epochs: int = 0
    nodes: list[str] = field(default_factory=list)
    missing: str | None = None
    value: str | None = None


@dataclass
class ArtifactPlan:
    """A table or figure to render."""

    request: Request
    declaration: Artifact
    leaves: Leaves
    nodes: list[str]


class Plan:
    """Everything that a set of artifacts needs.

    Args:
        catalogue: The declarations.
        requests: The artifacts; shared runs are planned once.

    Raises:
        UserError: A declaration is wrong; the message names the file, the entry and the key.
    """

    def __init__(self, catalogue: Catalogue, requests: Iterable[Request]) -> None:
        self.catalogue = catalogue
        self.extend = catalogue.extend
        self.data: dict[str, DataPlan] = {}
        self.runs: dict[str, RunPlan] = {}
        self.measures: dict[str, Leaves] = {}
        self.simulations: dict[str, SimulationPlan] = {}
        self.artifacts: dict[str, ArtifactPlan] = {}
        for request in requests:
            self.add(request)

    def add(self, request: Request) -> None:
        """Plan one more artifact.

        Raises:
            UserError: As of the class.
        """
        if request.stem not in self.artifacts:
            self.artifacts[request.stem] = self._artifact(request)

    # -- expansion

    def _artifact(self, request: Request) -> ArtifactPlan:
        paper = self.catalogue.papers[request.paper]
        artifact = paper.artifacts[request.artifact]
        scale = self.catalogue.scale(request.scale).of(request.paper)
        where = f"{_shown(self.catalogue.paths[request.paper])}: {request.artifact}"
        if artifact.simulation is None:
            reader = _Reader(self, request, paper, artifact, scale, where)
            cells = list(reader.cells())
            measure = reader.measure
            number = {"value": reader.value, "unit": measure.unit, "title": measure.title or artifact.measure}
        else:
            cells = list(self._simulated(artifact, scale, where))
            number = {"value": "value", "unit": artifact.unit, "title": artifact.quantity or artifact.title}
        leaves: Leaves = {
            "paper": {"key": paper.paper, "title": paper.title, "authors": paper.authors, "year": paper.year},
            "artifact": request.artifact,
            "title": artifact.title,
            "kind": artifact.kind,
            "rows": list(artifact.rows),
            "columns": list(artifact.columns),
            "fixed": artifact.fixed,
            "measure": number,
            "claims": [claim.model_dump(exclude_defaults=True) for claim in artifact.claims],
            "notes": artifact.notes,
            "scale": {"key": request.scale, "title": scale.title},
            "flavour": request.flavour,
            "published": self._published(artifact, where),
            "cells": [{k: v for k, v in asdict(cell).items() if k != "value" or v is not None} for cell in cells],
        }
        if artifact.draw:
            given = {"kind": artifact.draw} if isinstance(artifact.draw, str) else artifact.draw
            leaves["figure"] = components.resolve("figure", given, where, self.extend)
        elif artifact.kind == "figure":
            raise UserError(f"{where}: draw: a figure names the function that draws it; add draw: NAME")
        nodes = sorted({node for cell in cells for node in cell.nodes})
        return ArtifactPlan(request, artifact, leaves, nodes)

    def add_data(self, name: str, given: Leaves, tracked: bool, where: str) -> str:
        """Plan a data set; returns its identity, the name of its folder."""
        declared = self.catalogue.dataset(name, where)
        source = {**declared.source, **given}
        resolved = components.resolve("source", source, f"params/datasets.yaml: {name}", self.extend)
        kept, silent = spec.prune({"source": resolved}, self.extend)
        listed = [file.model_dump(exclude_none=True) for file in declared.files]
        content = {"name": name, "classes": declared.classes, "files": listed, **kept}
        identity = naming.dataset(content, tracked)
        if identity not in self.data:
            # What helps to cite a data set or to describe it is no part of the key.
            also = {name: getattr(declared, name) for name in ("title", "homepage", "licence", "image_size", "splits")}
            path = components.find("source", resolved["kind"], self.extend)
            self.data[identity] = DataPlan(content, {**silent, **also}, path, tracked)
        return identity

    def add_run(self, run: Leaves, data: str, name: str, scale: Scale) -> str:
        """Plan a run; returns its identity. Runs of the same leaves are one run, whoever asks for them."""
        kept, _ = spec.prune(run, self.extend)
        identity = naming.run(kept, data, name, scale.tracked)
        self.runs.setdefault(identity, RunPlan(run, data, scale.tracked, scale.gpu))
        return identity

    def _simulated(self, artifact: Artifact, scale: Scale, where: str) -> Iterator[Cell]:
        """Cells of an artifact that shows one simulation."""
        assert artifact.simulation is not None
        given = {"kind": artifact.simulation} if isinstance(artifact.simulation, str) else artifact.simulation
        resolved = components.resolve("simulation", given, where, self.extend)
        if scale.replications is not None and "replications" in resolved:
            resolved["replications"] = min(resolved["replications"], scale.replications)
        kept, _ = spec.prune({"simulation": resolved}, self.extend)
        identity = naming.simulation(kept["simulation"], scale.tracked)
        self.simulations[identity] = SimulationPlan(resolved, scale.tracked)
        axes = artifact.axes()
        for values in itertools.product(*axes.values()):
            yield Cell(dict(zip(axes, values, strict=True)), nodes=[f"simulations/{identity}"])

    def _published(self, artifact: Artifact, where: str) -> list[dict[str, Any]]:
        """Rows of printed numbers that belong to an artifact."""
        declared = artifact.published
        if declared is None:
            return []
        rows = self.catalogue.published(declared.file, where)
        return [row for row in rows if all(row.get(k) == str(v) for k, v in declared.where.items())]

    def add_measure(self, leaves: Leaves, where: str) -> str:
        """Plan a measurement protocol; returns its identity."""
        resolved = components.resolve("measure", leaves, where, self.extend)
        kept, _ = spec.prune({"measure": resolved}, self.extend)
        identity = naming.measure(kept["measure"])
        self.measures[identity] = resolved
        return identity

    def want(self, config: str, seed: int, epoch: int, measure: str) -> str:
        """Ask for a measurement of a milestone; returns its node."""
        run = self.runs[config]
        run.milestones.add((seed, epoch))
        run.measures.setdefault(measure, set()).add((seed, epoch))
        return measurement(config, seed, epoch, measure).name

    def want_reference(self, config: str, seed: int, template: str) -> None:
        """Ask for the milestone that one of this run is compared with."""
        other = checkpoint(config, seed, 0).below(f"checkpoints/{template}")
        self.runs[other.config].milestones.add((seed, other.epoch or 0))

    def references(self, config: str) -> Iterator[Node]:
        """Milestones with which those of a run are compared."""
        for measure, places in self.runs[config].measures.items():
            template = self.measures[measure].get("reference")
            if template is not None:
                yield from (checkpoint(config, *place).below(f"checkpoints/{template}") for place in places)

    # -- nodes and keys

    def nodes(self) -> Iterator[Node]:
        """All nodes, every one after those that it reads."""
        for identity in self.data:
            yield Node(f"data/{identity}")
        for config, run in self.runs.items():
            for seed, epoch in sorted(run.milestones):
                yield checkpoint(config, seed, epoch)
        for config, run in self.runs.items():
            for measure, places in sorted(run.measures.items()):
                for seed, epoch in sorted(places):
                    yield measurement(config, seed, epoch, measure)
        for identity in self.simulations:
            yield Node(f"simulations/{identity}")
        for stem in self.artifacts:
            yield Node(stem)

    def keys(self, fingerprints: Fingerprints) -> dict[str, Key]:
        """All key files: path -> content."""
        found: dict[str, Key] = {}
        options = self.catalogue.options
        entries = self.catalogue.accepted
        context = {
            name: value for name in ("raw_dir", "device", "extend", "memory") if (value := getattr(options, name))
        }

        def made(stage: str, module: str, parts: dict[str, Path], together: int = 1, **more: Any) -> Key:
            roots = [components.PACKAGE.parent / module, *parts.values()]
            named = {category: _portable(path) for category, path in parts.items()}
            code = fingerprints.code(roots)
            equal = accepted.earlier(stage, code, entries)
            here = context | ({"together": together} if together > 1 else {})
            return Key(stage=stage, module=module, code=code, components=named, context=here, accepted=equal, **more)

        for identity, data in self.data.items():
            found[Node(f"data/{identity}").key] = made(
                "prepare",
                MODULES["prepare"],
                {"source": data.source},
                leaves=data.leaves,
                silent=data.silent,
                tracked=data.tracked,
            )
        for config, run in self.runs.items():
            kept, silent = spec.prune(run.run, self.extend)
            parts = {part: components.find(part, run.run[part]["kind"], self.extend) for part in spec.PARTS}
            found[checkpoint(config, 0, 0).key] = made(
                "pretrain",
                MODULES["pretrain"],
                parts,
                options.at_once(run.gpu),
                leaves=kept,
                silent=silent,
                inputs={"data": f"data/{run.data}"},
                tracked=run.tracked,
                reads={"data": ARRAYS},
            )
            for measure in run.measures:
                leaves = self.measures[measure]
                kind = leaves["kind"]
                read = components.reads("measure", kind, self.extend)
                chosen = {"measure": leaves, "threads": run.run["threads"], **{name: run.run[name] for name in read}}
                kept, silent = spec.prune(chosen, self.extend)
                named = {"measure": components.find("measure", kind, self.extend)}
                named |= {part: parts[part] for part in read if part in parts}
                inputs = {"checkpoint": f"checkpoints/{config}/{{milestone}}", "data": f"data/{run.data}"}
                reads = {"checkpoint": WEIGHTS, "data": ARRAYS}
                if "reference" in leaves:
                    reference = checkpoint(config, 0, 0).below(f"checkpoints/{leaves['reference']}")
                    other = self.runs[reference.config].run
                    of_other, quiet = spec.prune({name: other[name] for name in read}, self.extend)
                    kept["reference"], silent["reference"] = of_other, quiet
                    named |= {
                        f"reference.{part}": components.find(part, other[part]["kind"], self.extend)
                        for part in read
                        if part in parts
                    }
                    inputs["reference"] = f"checkpoints/{leaves['reference']}"
                    reads["reference"] = WEIGHTS
                found[measurement(config, 0, 0, measure).key] = made(
                    kind,
                    MODULES["measure"],
                    named,
                    leaves=kept,
                    silent=silent,
                    inputs=inputs,
                    reads=reads,
                    tracked=run.tracked,
                )
        for identity, simulation in self.simulations.items():
            kept, silent = spec.prune({"simulation": simulation.leaves}, self.extend)
            found[Node(f"simulations/{identity}").key] = made(
                "simulate",
                MODULES["simulate"],
                {"simulation": components.find("simulation", simulation.leaves["kind"], self.extend)},
                leaves=kept,
                silent=silent,
                tracked=simulation.tracked,
            )
        for stem, artifact in self.artifacts.items():
            kind = artifact.declaration.kind
            parts = {}
            if "figure" in artifact.leaves:
                parts["figure"] = components.find("figure", artifact.leaves["figure"]["kind"], self.extend)
            found[Node(stem).key] = made(
                kind,
                MODULES[kind],
                parts,
                leaves=artifact.leaves,
                inputs={node: node for node in artifact.nodes},
                tracked=self.catalogue.scale(artifact.request.scale).tracked,
            )
        return found


class _Reader:
    """Turns one declaration into cells, asking the plan for what they need."""

    def __init__(
        self, plan: Plan, request: Request, paper: Paper, artifact: Artifact, scale: Scale, where: str
    ) -> None:
        self.plan, self.request, self.paper, self.artifact, self.scale, self.where = (
            plan, request, paper, artifact, scale, where,
        )  # fmt: skip
        self.flavour = paper.flavours.get(request.flavour, spec.Flavour())
        if artifact.measure not in paper.measures:
            raise UserError(f"{where}: measure: {artifact.measure} is none of: {', '.join(paper.measures)}")
        self.measure = paper.measures[artifact.measure]
        self.value = self.flavour.measures.get(artifact.measure, self.measure.value)
        self.seeds = range(plan.catalogue.options.seeds or min(artifact.seeds, scale.seeds or artifact.seeds))

    def cells(self) -> Iterator[Cell]:
        """All cells in the order of the declaration, then the baselines."""
        axes = self.artifact.axes()
        if "dataset" not in axes or "epochs" not in axes:
            raise UserError(f"{self.where}: rows, columns or fixed need the axes dataset and epochs")
        first: dict[str, Leaves] = {}
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            cell = Cell(chosen, stands_for=str(chosen["dataset"]), epochs=chosen["epochs"])
            leaves, aside = self._layers(chosen)
            cell.missing = self._left_out(cell)
            if cell.missing is None:
                first.setdefault(cell.stands_for, leaves)
                self._fill(cell, leaves, aside)
            yield cell
        if self.scale.baselines and self.artifact.baselines:
            for dataset, leaves in first.items():
                for role, extra in (("raw pixels", PIXELS), ("untrained encoder", UNTRAINED)):
                    cell = Cell({"dataset": dataset}, role=role, stands_for=dataset)
                    self._fill(cell, spec.overlay(leaves, extra), _Aside(), own=tuple(extra))
                    yield cell

    def _left_out(self, cell: Cell) -> str | None:
        chosen = self.plan.catalogue.options.datasets
        if chosen and cell.stands_for not in chosen:
            return f"{cell.stands_for}: not among --config datasets={','.join(chosen)}"
        if self.scale.max_epochs is not None and self.scale.trained(cell.epochs) > self.scale.max_epochs:
            return f"{cell.epochs} epochs: scale {self.request.scale} ends at {self.scale.max_epochs}"
        return None

    def _fill(self, cell: Cell, leaves: Leaves, aside: _Aside, own: tuple[str, ...] = ()) -> None:
        cell.trained_epochs = self.scale.trained(cell.epochs)
        compared = aside.reference or self.measure.measure.get("reference")
        last = self._last() if compared == "last" else None
        config = self._run(cell, leaves, own, ends=last)
        protocol = self._protocol(cell, config, compared, last, aside)
        if aside.reads:
            cell.value = "_".join([self.value, *aside.reads])
        self._check_value(cell.value or self.value)
        for seed in self.seeds:
            cell.nodes.append(self.plan.want(config, seed, cell.trained_epochs, protocol))

    def _in_scale(self) -> str:
        """Where the scale says what it changes, for messages."""
        own = self.request.paper in self.plan.catalogue.scale(self.request.scale).papers
        keys = f"every_run or papers.{self.request.paper}.every_run" if own else "every_run"
        return f"params/scales/{self.request.scale}.yaml: {keys}"

    def _run(self, cell: Cell, leaves: Leaves, own: tuple[str, ...] = (), ends: int | None = None) -> str:
        """Plan the run of a cell, once the scale has set its leaves; returns its identity.

        A schedule that names no end has that of the training: ``ends``, or the cell's milestone.
        """
        given = self.scale.datasets.get(cell.stands_for, cell.stands_for)
        given = {"name": given} if isinstance(given, str) else dict(given)
        cell.dataset = given.pop("name")
        data = self.plan.add_data(cell.dataset, given, self.scale.tracked, self.where)
        # What makes a cell a baseline is not for the scale to change.
        layer = {name: value for name, value in self.scale.every_run.items() if name not in own}
        leaves = spec.overlay(leaves, spec.only_known(layer, leaves, self._in_scale(), self.plan.extend))
        leaves.setdefault("normalize", self.plan.catalogue.datasets[cell.dataset].normalize)
        run = spec.compose(leaves, self.where, self.plan.extend)
        if run["schedule"].get("epochs", 0) is None:
            run["schedule"]["epochs"] = ends or cell.trained_epochs
        return self.plan.add_run(run, data, cell.dataset, self.scale)

    def _check_value(self, name: str) -> None:
        """A measure may say which values it has; a wrong name would else be found when everything is measured."""
        kind = self.measure.measure.get("kind", "")
        known = components.values("measure", kind, self.plan.extend)
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

    def _protocol(self, cell: Cell, config: str, compared: str | None, last: int | None, aside: _Aside) -> str:
        """Plan the measure of a cell; returns its identity.

        A measure with a leaf ``reference`` compares two checkpoints: the other is the same run's last one (``last``) or
        that of another method with the same seed after as many epochs.
        """
        declared = self.measure.measure
        leaves = {**declared, **self.scale.measures.get(declared.get("kind", ""), {})}
        if last is not None:
            leaves["reference"] = f"{{config}}/{{seed}}/epoch{last:04d}"
        elif compared is not None:
            chosen = {axis: value for axis, value in cell.axes.items() if axis not in aside.axes}
            other = self._run(cell, self._layers({**chosen, "method": compared})[0])
            if other == config:
                raise UserError(f"{self.where}: reference: {compared} would be compared with itself in {cell.axes}")
            leaves["reference"] = f"{other}/{{seed}}/epoch{cell.trained_epochs:04d}"
        identity = self.plan.add_measure(leaves, self.where)
        if compared is not None:
            for seed in self.seeds:
                self.plan.want_reference(config, seed, leaves["reference"])
        return identity

    def _layers(self, chosen: dict[str, Any]) -> tuple[Leaves, _Aside]:
        """Leaves of a cell before the scale: defaults < data set < method < sweeps, and the flavour's."""
        leaves = spec.overlay({}, self.paper.defaults)
        dataset = str(chosen["dataset"])
        of_data = dict(self.paper.datasets.get(dataset, {}))
        used = self.scale.datasets.get(dataset, dataset)
        if (used if isinstance(used, str) else used.get("name")) != dataset:
            of_data.pop("normalize", None)  # statistics of one data set are none of what stands for it
        leaves = spec.overlay(leaves, of_data)
        aside = _Aside(self.where)
        if "method" in chosen:
            leaves = spec.overlay(leaves, aside.take(self._method(str(chosen["method"]), ()), "method"))
        sweeps = []
        for name, value in chosen.items():
            if name not in _RESERVED:
                layer = aside.take(self._axis(name, value), name)
                if (like := layer.pop("like", None)) is not None:
                    aside.axes.append(name)
                    leaves = spec.overlay(leaves, aside.take(self._method(str(like), ()), name))
                sweeps.append(layer)
        # A layer that replaces a component comes before those that change its leaves, whatever their order.
        sweeps.sort(key=_keeps_kinds)
        swept = set().union(*map(spec.paths, sweeps)) if sweeps else set()
        for layer in sweeps:
            leaves = spec.overlay(leaves, layer)
        clash = sorted(swept & spec.paths(self.scale.every_run))
        if clash:
            raise UserError(
                f"{self._in_scale()}: {clash[0]}: {self.request.paper}/{self.request.artifact} sweeps this leaf; "
                "remove it from the scale"
            )
        for part, by_kind in self.flavour.kinds.items():
            more = by_kind.get((leaves.get(part) or {}).get("kind", ""), {})
            more = {leaf: value for leaf, value in more.items() if f"{part}.{leaf}" not in swept}
            leaves = spec.overlay(leaves, {part: more} if more else {})
        return leaves, aside

    def _method(self, name: str, seen: tuple[str, ...]) -> Leaves:
        if name not in self.paper.methods:
            raise UserError(f"{self.where}: there is no method {name!r}; there are: {', '.join(self.paper.methods)}")
        if name in seen:
            raise UserError(f"{self.where}: methods: {' like '.join((*seen, name))}: goes in a circle")
        own = dict(self.paper.methods[name])
        like = own.pop("like", None)
        return spec.overlay(self._method(like, (*seen, name)), own) if like else spec.overlay({}, own)

    def _axis(self, name: str, value: Any) -> Leaves:
        axis = self.flavour.axes.get(name, self.paper.axes.get(name))
        if axis is None:
            known = ", ".join([*_RESERVED, *self.paper.axes])
            raise UserError(f"{self.where}: {name}: no such axis; declare it under axes, or use one of: {known}")
        if isinstance(axis, str):
            return spec.nested(axis, value)
        if str(value) not in axis:
            raise UserError(f"{self.where}: {name}: {value!r} is none of: {', '.join(axis)}")
        return spec.overlay({}, axis[str(value)])


_RESERVED = ("method", "dataset", "epochs")


@dataclass
class _Aside:
    """What methods and axes say beside the leaves of a run.

    Attributes:
        reads: What comes behind the measure's value to name the one that a cell shows.
        reference: The method (or ``last``) with whose checkpoint a cell's is compared.
        axes: The axes that name methods: those of what is compared, and none of what it is compared with.
        where: File and entry, for messages.
    """

    where: str = ""
    reads: list[str] = field(default_factory=list)
    reference: str | None = None
    axes: list[str] = field(default_factory=list)

    def take(self, layer: Leaves, axis: str) -> Leaves:
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


def _keeps_kinds(layer: Leaves) -> bool:
    return not any(isinstance(value, dict) and "kind" in value for value in layer.values())


def _portable(path: Path) -> str:
    name = label(path)
    return name if name.startswith(f"{components.PACKAGE.name}/") else str(path.resolve())
