"""Jobs: what Snakemake sees of nodes. One per rule and run, data set, simulation or artifact.

Of a job Snakemake compares one file, ``jobs/RULE/NAME.done``: an index of the receipts of its nodes. Which nodes those
are stands in ``jobs/RULE/NAME.json``, written by whoever submits the job and read by whoever runs it, on this machine
or another. So a rule has one form, whatever seeds and milestones are asked for.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError
from pipeline.ledger import receipt
from pipeline.ledger.families import BY_FOLDER, MEASURE
from pipeline.ledger.workspace import Node, Workspace

FOLDER = "jobs"
RULES = {
    "linear_probe": "probe",
    "knn": "probe",
    "patch_probe": "probe",
    "spectrum": "spectrum",
    "eigenvalues": "spectrum",
    "ntk": "ntk",
    "ntk_evolution": "ntk",
    "learning_order": "ntk",
    "timing": "timing",
}
"""Measure -> the rule of the jobs that take it. Those of one rule share a process, and what is extracted of a
checkpoint; any other measure is taken by the rule ``measure``."""

DRAWN = ("csv", "json", "md", "png", "pdf", "gif", "receipt.json", "execution.json")
"""Suffixes of the files of a table or figure; others beside them are the user's."""


@dataclass(frozen=True)
class Job:
    """What one call of a stage brings into place.

    Attributes:
        rule: Name of the rule.
        name: The run without its seed, the data set, the simulation, or ``EDITION/PAPER/ARTIFACT``.
        nodes: Names of its nodes, each after those that it reads.
        inputs: Key files, and the index of every job that it reads from.
        threads: Threads that it takes.
        gpus: GPUs that it holds.
        what: What it will do, in words.
        called: What a person calls its run; the same as its name for jobs of none.
    """

    rule: str
    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    threads: int = 1
    gpus: int = 0
    what: str = ""
    called: str = ""

    @property
    def path(self) -> str:
        """Where this stands, for whoever runs the job."""
        return f"{FOLDER}/{self.rule}/{self.name}.json"

    @property
    def done(self) -> str:
        """The index of receipts: what Snakemake compares."""
        return done(self.rule, self.name)

    @property
    def drawn(self) -> bool:
        """Whether it makes a table or figure, whose files Snakemake compares themselves."""
        return self.rule in ("table", "figure")

    def present(self, root: Path) -> list[Path]:
        """Files of the table or figure that are there; none for other jobs."""
        found = [root / f"{self.nodes[0]}.{suffix}" for suffix in DRAWN] if self.drawn else []
        return [path for path in found if path.is_file()]


def done(rule: str, name: str) -> str:
    """Path of the index of a job."""
    return f"{FOLDER}/{rule}/{name}.done"


def rule_of(node: Node, stage: str) -> str:
    """The rule whose jobs make a node."""
    return RULES.get(stage, "measure") if node.family is MEASURE else stage


def write(workspace: Workspace, job: Job) -> None:
    """Write a job down for whoever runs it."""
    files.write_if_different(workspace.path(job.path), files.dumps(asdict(job)))


def load(workspace: Workspace, rule: str, name: str) -> Job:
    """Read what a job is to do.

    Raises:
        UserError: Nobody has written it.
    """
    path = f"{FOLDER}/{rule}/{name}.json"
    found: Any = files.read_json(workspace.path(path))
    try:
        job = Job(**{**found, "nodes": tuple(found["nodes"]), "inputs": tuple(found["inputs"])})
        whole = all(name.split("/", 1)[0] in BY_FOLDER for name in job.nodes) and all(map(str.strip, job.inputs))
    except (TypeError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise UserError(f"{path}: no readable job; type: snakemake, which writes it")
    return job


def called(workspace: Workspace, config: str) -> str:
    """What a person calls a run, as whoever planned it wrote it down; its folder where nobody did."""
    for path in sorted(workspace.path(FOLDER).glob(f"*/{glob.escape(config)}.json")):
        found = files.read_object(path).get("called")
        if isinstance(found, str) and found:
            return found
    return config


def index(keys: Mapping[str, str]) -> str:
    """Content of a job's index: node -> key of its receipt."""
    return files.dumps(dict(keys))


def finish(workspace: Workspace, job: Job) -> None:
    """Write the index of a job that was run.

    Raises:
        UserError: A receipt is missing.
    """
    found = {name: receipt.read(workspace.path(Node(name).receipt)) for name in job.nodes}
    keys = {name: one["key"] for name, one in found.items() if one is not None}
    if len(keys) < len(found):
        raise UserError(f"{job.done}: a receipt of its nodes is missing; type: snakemake again")
    files.write(workspace.path(job.done), index(keys))


def of_index(workspace: Workspace, path: str) -> Job:
    """The job whose index a path is."""
    parts = Path(path).with_suffix("").parts
    return load(workspace, parts[1], "/".join(parts[2:]))
