"""The plan: which runs, measurements and data sets the requested artifacts need. Pure data; no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline import components
from pipeline.errors import UserError
from pipeline.ledger.workspace import Node, checkpoint, measurement
from pipeline.planning.catalogue import Catalogue, Request, shown
from pipeline.planning.cells import Cell, CellExpander
from pipeline.planning.configuration import ConfigurationExpander
from pipeline.planning.needs import Needs
from pipeline.planning.overridden import single
from pipeline.planning.params import Params
from pipeline.planning.spec import Artifact, Scale


@dataclass
class ArtifactPlan:
    """A table or figure to render."""

    request: Request
    declaration: Artifact
    params: Params
    nodes: list[str]


class Plan(Needs):
    """Everything that a set of artifacts needs.

    Args:
        catalogue: The declarations.
        requests: The artifacts; shared runs are planned once.

    Raises:
        UserError: A declaration is wrong; the message names the file, the entry and the key.
    """

    def __init__(self, catalogue: Catalogue, requests: Iterable[Request]) -> None:
        super().__init__(catalogue)
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
        paper = self.catalogue.paper(request.paper)
        artifact = paper.artifacts[request.artifact]
        scale = self.catalogue.scale(request.scale).of(request.paper, request.artifact)
        where = f"{shown(self.catalogue.paths[request.paper])}: {request.artifact}"
        random: Params = {}
        numbers: dict[str, Params] = {}
        if artifact.source == "configuration":
            cells = list(ConfigurationExpander(self, request, paper, artifact, where).cells())
            number = {"value": "setting", "unit": "", "title": "configuration", "better": "neither"}
        elif artifact.source is None:
            cells, number = [], {"value": "", "unit": "", "title": "drawing", "better": "neither"}
        elif artifact.source == "measure":
            reader = CellExpander(self, request, paper, artifact, scale, where)
            cells = list(reader.cells())
            numbers = reader.numbers()
            several = {"value": "", "unit": "", "title": "several measures", "better": "neither"}
            number = next(iter(numbers.values())) if len(numbers) == 1 else several
        else:
            simulation = self._resolved(request, artifact, scale, where)
            random = {name: simulation[name] for name in ("seed", "replications") if name in simulation}
            cells = list(self._simulated(artifact, scale, simulation))
            number = {"value": "value", "unit": artifact.unit, "title": artifact.quantity or artifact.title}
        params: Params = {
            "paper": {"key": paper.paper, "title": paper.title, "authors": paper.authors, "year": paper.year},
            "artifact": request.artifact,
            "title": artifact.title,
            "kind": artifact.kind,
            "rows": list(artifact.rows),
            "columns": list(artifact.columns),
            "fixed": artifact.fixed,
            "measure": number,
            "claims": [
                claim.model_dump(exclude_defaults=True) | ({"ours": True} if artifact.ours else {})
                for claim in artifact.claims
            ],
            "notes": artifact.notes,
            "scale": {"key": request.scale, "title": scale.title},
            "flavour": request.flavour,
            "published": self._published(artifact, where),
            "cells": [cell.params() for cell in cells],
        }
        if "measure" in artifact.axes() and numbers:
            params["measures"] = numbers
        if random:  # which an artifact's page tells; empty if nothing is drawn
            params["random"] = random
        if artifact.draw:
            given = {"kind": artifact.draw} if isinstance(artifact.draw, str) else artifact.draw
            params["figure"] = components.resolve("figure", given, where, self.extend)
        elif artifact.kind == "figure":
            raise UserError(f"{where}: draw: a figure names the function that draws it; add draw: NAME")
        nodes = {node for cell in cells for node in cell.nodes}
        if artifact.images is not None:
            params["images"] = CellExpander(self, request, paper, artifact, scale, where).images(artifact.images)
            nodes.add(params["images"]["node"])
        return ArtifactPlan(request, artifact, params, sorted(nodes))

    def _simulated(self, artifact: Artifact, scale: Scale, simulation: Params) -> Iterator[Cell]:
        """Cells of an artifact that shows one simulation."""
        identity = self.add_simulation(simulation, scale.tracked)
        axes = artifact.axes()
        for values in itertools.product(*axes.values()):
            yield Cell(dict(zip(axes, values, strict=True)), nodes=[f"simulations/{identity}"])

    def _resolved(self, request: Request, artifact: Artifact, scale: Scale, where: str) -> dict[str, Any]:
        """Params of an artifact's simulation."""
        assert artifact.simulation is not None
        given = {"kind": artifact.simulation} if isinstance(artifact.simulation, str) else artifact.simulation
        resolved = components.resolve("simulation", given, where, self.extend)
        most = scale.replications
        if most is not None and resolved.get("replications", most) > most:
            path = f"{resolved['kind']}.replications"
            self.overridden.add(single(request.paper, request.scale, path, resolved["replications"], most))
            resolved["replications"] = most
        return resolved

    def _published(self, artifact: Artifact, where: str) -> list[dict[str, Any]]:
        """Rows of printed numbers that belong to an artifact."""
        return self.catalogue.published(artifact.published, artifact, where) if artifact.published else []

    def nodes(self) -> Iterator[Node]:
        """All nodes, every one after those that it reads."""
        for identity in self.data:
            yield Node(f"data/{identity}")
        for config, run in self.runs.items():
            for seed, at in sorted(run.milestones):
                yield checkpoint(config, seed, at)
        for config, run in self.runs.items():
            for measure, places in sorted(run.measures.items()):
                for seed, at in sorted(places):
                    yield measurement(config, seed, at, measure)
        for identity in self.simulations:
            yield Node(f"simulations/{identity}")
        for stem in self.artifacts:
            yield Node(stem)
