"""The plan: which runs, measurements and data sets the requested artifacts need. Pure data; no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import accepted, components, naming, spec
from pipeline.catalogue import Catalogue, Request, _shown
from pipeline.cells import Cell, Reader
from pipeline.errors import UserError
from pipeline.fingerprint import Fingerprints, label
from pipeline.keys import Key
from pipeline.spec import Artifact, Leaves, Scale
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
            reader = Reader(self, request, paper, artifact, scale, where)
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


def _portable(path: Path) -> str:
    name = label(path)
    return name if name.startswith(f"{components.PACKAGE.name}/") else str(path.resolve())
