"""What the Snakefile asks: it reads the plan once, settles keys and times, and knows each job's files."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.settle import settle
from pipeline.engine.state import States
from pipeline.errors import UserError, explain
from pipeline.ledger.workspace import Node, Workspace, checkpoint, measurement
from pipeline.planning.catalogue import Catalogue, Request
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

_VIEW = re.compile(r"results/[^/]+/(scorecard\.csv|scorecard\.md|metrics\.json)")
"""Views of a whole edition."""


@dataclass(frozen=True)
class Shape:
    """Jobs of one rule: configs that want the same nodes (seeds and milestones, and measurements of them)."""

    rule: str
    nodes: tuple[str, ...]
    configs: str


class Build:
    """One reading of the Snakefile.

    Args:
        config: Snakemake's ``config``.
        targets: What the user asked for; empty for the default target.
        root: The checkout.
    """

    def __init__(self, config: dict[str, Any], targets: Sequence[str], root: Path = Path()) -> None:
        self.started = time.time()
        self.workspace = Workspace(root)
        self.catalogue = Catalogue(Options.parse(config, dict(os.environ)))
        self.requests = self._requests(targets)
        self.plan = Plan(self.catalogue, self.requests)
        self.states = States(self.plan, self.workspace)
        self.notices = settle(self.states)
        self._relink()

    def _requests(self, targets: Sequence[str]) -> list[Request]:
        """The artifacts to plan: those that the targets name, all of the scale where a target names none."""
        requests = []
        everything = not targets
        for target in targets:
            if Path(target).is_absolute():
                raise UserError(f"{target}: expected a path relative to the project; type results/ARTIFACT.csv")
            target = os.path.normpath(target)
            request = self.catalogue.request(target)
            if request is not None:
                requests.append(request)
            elif target.startswith("results/") and not _VIEW.fullmatch(target):
                raise UserError(
                    f"{target}: not the path of an artifact; type results/ARTIFACT.csv (or .md, .png, .pdf)"
                )
            else:
                everything = True
        if everything:
            scales = {self.catalogue.options.scale}
            scales |= {s for s in self.catalogue.scales for t in targets if t.startswith(f"results/{s}/")}
            requests += [request for scale in sorted(scales) for request in self.catalogue.built(scale)]
        return requests

    def _relink(self) -> None:
        """Remove short names that point into another edition or nowhere, or that an editor has replaced by a file:
        Snakemake would take them for up to date."""
        if self.workspace.lock:
            return
        for request in self.requests:
            short = self.catalogue.short(request)
            if short is None or request.edition != self.catalogue.options.edition():
                continue
            for link in self.workspace.path("results").glob(f"{request.artifact}.*"):
                if not link.is_symlink():
                    self.notices.append(f"results/{link.name} is not the link that was written")
                    link.unlink()
                elif str(link.readlink()) != self.link(link.name) or not link.exists():
                    link.unlink()

    # -- files of jobs

    def link(self, name: str) -> str:
        """What the short name ``table8.csv`` points to, relative to results/."""
        request = self.catalogue.request(f"results/{name}")
        assert request is not None
        return f"{request.edition}/{request.paper}/{name}"

    def artifacts(self, kind: str | None = None) -> list[str]:
        """``EDITION/PAPER/ARTIFACT`` of the planned artifacts, of one kind."""
        found = self.plan.artifacts.items()
        return [stem.removeprefix("results/") for stem, a in found if kind in (None, a.declaration.kind)]

    def results(self) -> list[str]:
        """Main file of every planned artifact."""
        return [f"results/{name}.csv" for name in self.artifacts()]

    def reports(self, wildcards: Any) -> list[str]:
        """What the scorecard of an edition collects."""
        found = [name for name in self.artifacts() if name.startswith(f"{wildcards.edition}/")]
        return [f"results/{name}.json" for name in found]

    def scorecards(self) -> list[str]:
        """The scorecard of every planned edition."""
        return sorted({f"results/{name.split('/')[0]}/scorecard.csv" for name in self.artifacts()})

    def receipts(self, family: str) -> list[str]:
        """Receipts of all planned nodes of a family."""
        return [node.receipt for node in self.plan.nodes() if node.family == family]

    def inputs(self, name: str) -> list[str]:
        """Receipts that an artifact reads."""
        return [Node(node).receipt for node in self.plan.artifacts[f"results/{name}"].nodes]

    def data(self, config: str) -> str:
        """Receipt of the data set that a run is trained on."""
        return Node(f"data/{self.plan.runs[config].data}").receipt

    def checkpoints(self, config: str) -> list[str]:
        """Receipts of a run's milestones that are measured, and of those that they are compared with."""
        run = self.plan.runs[config]
        found = {node.receipt for node in self.plan.references(config)}
        for places in run.measures.values():
            found |= {checkpoint(config, seed, epoch).receipt for seed, epoch in places}
        return sorted(found)

    def measure_keys(self, config: str) -> list[str]:
        """Key files of all measurements of a run."""
        return [measurement(config, 0, 0, measure).key for measure in sorted(self.plan.runs[config].measures)]

    def pretrain_shapes(self) -> list[Shape]:
        """One rule for all configs that want the same seeds and milestones."""
        wanted = {
            config: tuple(checkpoint("{config}", *place).receipt for place in sorted(run.milestones))
            for config, run in self.plan.runs.items()
        }
        return _shapes("pretrain", wanted)

    def measure_shapes(self) -> list[Shape]:
        """One rule for all configs of which the same is measured."""
        wanted = {
            config: tuple(
                measurement("{config}", *place, measure).receipt
                for measure in sorted(run.measures)
                for place in sorted(run.measures[measure])
            )
            for config, run in self.plan.runs.items()
        }
        return _shapes("measure", wanted)

    def gpus(self, config: str) -> int:
        """GPUs that a job of this run holds: trainings take turns on a card, and need none on a CPU."""
        return int(self.plan.runs[config].gpu)

    def threads(self, config: str) -> int:
        """A training's own number of threads, whatever --cores says."""
        return self.plan.runs[config].run["threads"]


def _shapes(rule: str, wanted: dict[str, tuple[str, ...]]) -> list[Shape]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for config, nodes in wanted.items():
        if nodes:
            groups.setdefault(nodes, []).append(config)
    shapes = []
    names: set[str] = set()
    for nodes, configs in groups.items():
        seeds = len(set(re.findall(r"seed\d+", " ".join(nodes))))
        name = f"{rule}_{seeds}_seed{'s' * (seeds > 1)}_{len(nodes)}_node{'s' * (len(nodes) > 1)}"
        while name in names:
            name += "_also"
        names.add(name)
        shapes.append(Shape(name, nodes, "|".join(map(re.escape, configs))))
    return shapes


def read(config: dict[str, Any]) -> Build:
    """Read the plan for the Snakefile that is being parsed; a wrong declaration ends in one line.

    The targets are taken from the command line with snakemake's own parser: its workflow object does not know
    them yet at this point.
    """
    from snakemake.cli import parse_args

    try:
        _, arguments = parse_args(sys.argv[1:])
        targets = [str(target) for target in arguments.targets or ()]
    except (Exception, SystemExit):
        targets = []  # snakemake was called from Python: plan everything
    try:
        build = Build(config, targets)
    except UserError as error:
        sys.exit(f"error: {error}")
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        if explain(error) is None:
            raise
        sys.exit(f"error: {explain(error)}")
    for notice in build.notices:
        print(f"{notice}: restoring it", file=sys.stderr)
    return build
