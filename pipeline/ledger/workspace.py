"""Where everything lies: the one place that knows the folder layout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.ledger import turns
from pipeline.ledger.families import ARTIFACT, BY_FOLDER, FAMILIES, MEASURE, Family

LOCAL = "local-"
"""Prefix of datasets and runs of untracked scales: Git ignores what starts with it."""

_NODE = re.compile("|".join(f"{family.folder}/{family.below}" for family in FAMILIES))

_RUN = re.compile(r"seed(\d+)/(?:epoch(\d+)|step(\d+))")
_SEED = re.compile(r"/seed(\d+)(?:/|$)")


@dataclass(frozen=True, order=True)
class Milestone:
    """Where a training is looked at: after some epochs, from which it can go on, or between two, where it cannot.

    Attributes:
        epoch: Epochs done; 0 where ``step`` says more.
        step: Optimiser steps done; 0 where ``epoch`` says it.
    """

    epoch: int = 0
    step: int = 0

    def __str__(self) -> str:
        """Name of its folder."""
        return f"step{self.step:06d}" if self.step else f"epoch{self.epoch:04d}"

    @property
    def words(self) -> str:
        """``epoch 8``, ``step 120``."""
        return f"step {self.step}" if self.step else f"epoch {self.epoch}"


@dataclass(frozen=True)
class Node:
    """One unit that the executor decides on, by its name: the folder (or stem) of its payload.

    ======================================================  =========================
    ``data/ID``                                             a dataset
    ``checkpoints/CONFIG/seedS/epochEEEE``                  a milestone of a run
    ``checkpoints/CONFIG/seedS/stepSSSSSS``                 the same, between two epochs
    ``measurements/CONFIG/seedS/epochEEEE/MEASURE``         a measurement of a milestone
    ``simulations/ID``                                      a simulation
    ``results/EDITION/PAPER/ARTIFACT``                      a table or figure
    ======================================================  =========================
    """

    name: str

    @property
    def family(self) -> Family:
        """What kind of node it is."""
        return BY_FOLDER[self.name.split("/", 1)[0]]

    @property
    def config(self) -> str:
        """What the node's key file is about: a dataset, a run without its seed, an artifact."""
        parts = self.name.split("/")
        return parts[1] if self.family is not ARTIFACT else "/".join(parts[1:])

    @property
    def seed(self) -> int | None:
        """Seed of a run, also in the name that all its milestones have in common; None where there is none."""
        found = _SEED.search(self.name)
        return int(found[1]) if found else None

    @property
    def epoch(self) -> int | None:
        """Epochs of the milestone; None for one between two epochs, and for datasets and artifacts."""
        found = _RUN.search(self.name)
        return int(found[2]) if found and found[2] else None

    @property
    def step(self) -> int | None:
        """Steps of a milestone between two epochs; None for all else."""
        found = _RUN.search(self.name)
        return int(found[3]) if found and found[3] else None

    @property
    def at(self) -> Milestone:
        """The milestone; that of an untrained network for datasets and artifacts."""
        return Milestone(self.epoch or 0, self.step or 0)

    @property
    def milestone(self) -> str:
        """``seedS/epochEEEE`` or ``seedS/stepSSSSSS``; empty for datasets and artifacts."""
        found = _RUN.search(self.name)
        return found[0] if found else ""

    def resolve_input(self, template: str) -> Node:
        """The node that ``template`` stands for here: ``{config}``, ``{milestone}`` and ``{seed}`` are this node's.

        Whoever asks what a node reads asks here: a key file serves all seeds and milestones of a config, and a reader
        that knew fewer of these names than there are failed on the one kind of measure that uses them.
        """
        own = {"{config}": self.config, "{milestone}": self.milestone, "{seed}": f"seed{self.seed}"}
        for name, value in own.items():
            template = template.replace(name, value)
        return Node(template)

    @property
    def receipt(self) -> str:
        """Path of the receipt, relative to the root."""
        return f"{self.name}.receipt.json" if self.family is ARTIFACT else f"receipts/{self.name}.json"

    @property
    def execution(self) -> str:
        """Path of the record of when, where and how long, relative to the root; part of no hash."""
        return f"{self.name}.execution.json" if self.family is ARTIFACT else f"receipts/{self.name}.execution.json"

    @property
    def key(self) -> str:
        """Path of the key file, relative to the root."""
        if self.family is MEASURE:
            return f"keys/measure/{self.name.rsplit('/', 1)[1]}/{self.config}.json"
        return f"keys/{self.family}/{self.config}.json"

    @classmethod
    def of_receipt(cls, path: str | Path) -> Node:
        """The node whose receipt lies at ``path`` (relative to the root)."""
        text = Path(path).as_posix()
        if text.startswith("receipts/"):
            return cls(text.removeprefix("receipts/").removesuffix(".json"))
        return cls(text.removesuffix(".receipt.json"))


def is_node(name: object) -> bool:
    """Whether something is the name of a node."""
    return isinstance(name, str) and _NODE.fullmatch(name) is not None and ".." not in name.split("/")


def checkpoint(config: str, seed: int, at: int | Milestone) -> Node:
    """The node of one milestone; a number is one of epochs."""
    return Node(f"checkpoints/{config}/seed{seed}/{Milestone(at) if isinstance(at, int) else at}")


def measurement(config: str, seed: int, at: int | Milestone, measure: str) -> Node:
    """The node of one measurement of a milestone; a number is one of epochs."""
    return Node(f"measurements/{config}/seed{seed}/{Milestone(at) if isinstance(at, int) else at}/{measure}")


@dataclass(frozen=True)
class Workspace:
    """A checkout of the project."""

    root: Path = Path()

    def path(self, relative: str) -> Path:
        """A path below the root."""
        return self.root / relative

    def payload(self, node: Node) -> Path:
        """Folder of the node's payload; for an artifact the folder in which its files lie."""
        return self.root / (Path(node.name).parent if node.family is ARTIFACT else node.name)

    @property
    def journal(self) -> Path:
        """What the executor decided."""
        return self.root / "logs/journal.jsonl"

    @property
    def scratch(self) -> Path:
        """Where stages work before their results are moved into place."""
        return self.root / ".scratch"

    @property
    def lock(self) -> bool:
        """Whether a snakemake builds here now, other than the one that asks. Locks of a killed one say nothing."""
        return turns.builder(self.root) is not None
