"""What artifacts need: data sets, runs with their milestones, measurements, simulations; each once, whoever asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import components, user_files
from pipeline.ledger import naming
from pipeline.ledger.workspace import Milestone, Node, checkpoint, measurement
from pipeline.planning import composition, names
from pipeline.planning.catalogue import Catalogue, shown
from pipeline.planning.overridden import Override
from pipeline.planning.params import Params
from pipeline.planning.spec import Scale


@dataclass
class DataPlan:
    """A data set to prepare."""

    params: Params
    omitted_defaults: Params
    source: Path
    tracked: bool
    places: dict[str, str] = field(default_factory=dict)

    @property
    def sharded(self) -> bool:
        """Whether its images lie in many files beside the arrays (the param ``keep`` of its source)."""
        return self.params["source"].get("keep", "pixels") != "pixels"


@dataclass
class RunPlan:
    """A run without its seed, and what is wanted of it."""

    run: Params
    data: str
    tracked: bool
    gpu: bool = False
    milestones: set[tuple[int, Milestone]] = field(default_factory=set)
    measures: dict[str, set[tuple[int, Milestone]]] = field(default_factory=dict)


@dataclass
class SimulationPlan:
    """A simulation to run."""

    params: Params
    tracked: bool


def _text(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True, default=repr)


class Needs:
    """What has been asked for so far.

    Args:
        catalogue: The declarations.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.extend = catalogue.extend
        self.data: dict[str, DataPlan] = {}
        self.runs: dict[str, RunPlan] = {}
        self.measures: dict[str, Params] = {}
        self.simulations: dict[str, SimulationPlan] = {}
        self.overridden: set[Override] = set()
        self._called: dict[str, str] = {}
        self._differs: dict[str, int | None] = {}
        self._known: dict[str, str] = {}  # what was asked for before, as text -> its identity: thousands of cells ask

    def add_data(self, name: str, given: Params, tracked: bool, where: str, said: str) -> str:
        """Plan a data set; returns its identity, the name of its folder.

        Args:
            name: Which one.
            given: Params of its source that a scale sets.
            tracked: Whether the scale's runs are.
            where: Entry that asks for it, for messages.
            said: Entry that says what is ``given``, for messages.
        """
        asked = _text("data", name, given, tracked)
        if asked in self._known:
            return self._known[asked]
        declared = self.catalogue.dataset(name, where)
        source = {**declared.source, **given}
        said = said if given else f"{shown(self.catalogue.datasets_path(name))}: {name}"
        resolved = components.resolve("source", source, said, self.extend)
        kept, omitted_defaults = composition.prune({"source": resolved}, self.extend)
        listed = [file.model_dump(exclude_none=True) for file in declared.files]
        content = {"name": name, "classes": declared.classes, "files": listed, **kept}
        identity = naming.dataset(content, tracked)
        if identity not in self.data:
            # What helps to cite a data set or to describe it is no part of the key.
            also = {name: getattr(declared, name) for name in ("title", "homepage", "licence", "image_size", "splits")}
            path = components.find("source", resolved["kind"], self.extend)
            places = user_files.places({"source": resolved})
            self.data[identity] = DataPlan(content, {**omitted_defaults, **also}, path, tracked, places)
        self._known[asked] = identity
        return identity

    def add_run(self, run: Params, data: str, name: str, scale: Scale) -> str:
        """Plan a run; returns its identity. Runs of the same params are one run, whoever asks for them."""
        kept, _ = composition.prune(run, self.extend)
        identity = naming.run(kept, data, name, scale.tracked)
        self.runs.setdefault(identity, RunPlan(run, data, scale.tracked, scale.gpu))
        return identity

    def call(self, identity: str, name: str, differs: int | None) -> None:
        """Give a run a name; of several that one which says least about differences from a method, else the first.

        Args:
            identity: Of the run.
            name: What a person calls it.
            differs: In how many params it differs from the method that the name has; None for a baseline.
        """
        if identity not in self._called or (differs or 0) < (self._differs[identity] or 0):
            self._differs[identity], self._called[identity] = differs, name

    def called(self) -> dict[str, str]:
        """What a person calls each run.

        Those of which that is the same are told apart by what differs in them, but for baselines: nothing that could
        differ in them is used.
        """
        trained = {identity: name for identity, name in self._called.items() if self._differs[identity] is not None}
        return {**self._called, **names.apart(trained, {identity: self.runs[identity].run for identity in trained})}

    def add_measure(self, params: Params, where: str, data: Mapping[str, str] | None = None) -> str:
        """Plan a measurement protocol; returns its identity.

        Args:
            params: Of the measure.
            where: Entry that asks for it, for messages.
            data: Role -> identity of the data set that it reads in place of the run's own.
        """
        asked = _text("measure", params, dict(data or {}))
        if asked in self._known:
            return self._known[asked]
        resolved = components.resolve("measure", params, where, self.extend)
        if data:
            resolved["data"] = {role: f"data/{identity}" for role, identity in sorted(data.items())}
        kept, _ = composition.prune({"measure": resolved}, self.extend)
        identity = naming.measure(kept["measure"])
        self.measures[identity] = resolved
        self._known[asked] = identity
        return identity

    def add_simulation(self, params: Params, tracked: bool) -> str:
        """Plan a simulation; returns its identity."""
        kept, _ = composition.prune({"simulation": params}, self.extend)
        identity = naming.simulation(kept["simulation"], tracked)
        self.simulations[identity] = SimulationPlan(params, tracked)
        return identity

    def want(self, config: str, seed: int, at: Milestone, measure: str) -> str:
        """Ask for a measurement of a milestone; returns its node."""
        run = self.runs[config]
        run.milestones.add((seed, at))
        run.measures.setdefault(measure, set()).add((seed, at))
        return measurement(config, seed, at, measure).name

    def want_reference(self, config: str, seed: int, template: str) -> None:
        """Ask for the milestone that one of this run is compared with."""
        other = checkpoint(config, seed, 0).resolve_input(f"checkpoints/{template}")
        self.runs[other.config].milestones.add((seed, other.at))

    def references(self, config: str) -> Iterator[Node]:
        """Milestones with which those of a run are compared."""
        for measure, places in self.runs[config].measures.items():
            template = self.measures[measure].get("reference")
            if template is not None:
                yield from (checkpoint(config, *place).resolve_input(f"checkpoints/{template}") for place in places)
