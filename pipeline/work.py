"""What the executor hands to a stage: one unit of work, resolved to plain data and paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.monitor import Monitor


@dataclass
class Work:
    """One node that has to be executed.

    A stage is a function ``execute(works: list[Work]) -> Iterator[Work]``: it writes the payload of each work
    into ``work.out`` (an empty folder) and yields the work once that folder is complete, which is when the
    executor hashes it, stores it and moves it into place. Works come in the order of their milestones; those of a
    training may be of several runs that differ in their seed alone, and then come seed by seed and may end in any
    order.

    Attributes:
        name: The node, for messages and progress lines (``checkpoints/shapes-sgd-1a2b3c4d/seed0/epoch0008``).
        spec: The params that this stage reads, nested plain data, complete (every default filled in).
        out: Where the payload goes.
        inputs: Payload folders of the nodes below, by role (``data``, ``checkpoint``), verified. A table has
            one per measurement, by the name of its node.
        seed: Seed of the run; 0 for stages that have none.
        key: The node's key, for what carries it inside.
        epoch: Milestone that the payload stands for; 0 for stages that have none.
        step: The same for a milestone between two epochs; None for all others.
        resume: Payload folder of the nearest earlier milestone of the same run, if there is one. A hint: the
            result must not depend on it.
        scratch: A folder that survives a crash and belongs to this run alone (all milestones of one seed), or to this
            measurement.
        components: Source file of each component that ``spec`` names, by category.
        context: Where things are on this machine (``raw_dir``, ``device``) and what it has (``memory``); never part of
            a key.
        monitor: Shows how far the work is, and decides when progress is saved; never part of a key.
        trained_epochs: Set by a training: epochs done when the payload was complete.
        failed: Set by a stage that ends with an error and was at work on several runs: it came from this one.
    """

    name: str
    spec: dict[str, Any]
    out: Path
    inputs: dict[str, Path] = field(default_factory=dict)
    key: str = ""
    seed: int = 0
    epoch: int = 0
    step: int | None = None
    resume: Path | None = None
    scratch: Path | None = None
    components: dict[str, Path] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    monitor: Monitor = field(default_factory=Monitor)
    trained_epochs: float = 0.0
    failed: bool = False
