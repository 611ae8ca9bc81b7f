"""Families of nodes: what is prepared, trained, measured, simulated and drawn; each with all that is known of it.

A node's name begins with the folder of its family, so the family of any node, receipt or key file can be told from its
name. Whoever needs a noun, a module or a pattern for one asks here; a family that is added is added in this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Family:
    """One family of nodes.

    Attributes:
        name: Of its stage, or of what its stages have in common.
        folder: First part of its nodes' names: where their payload lies.
        noun: What people call a node of it.
        cost: What the time is spent on.
        about: What it makes of what.
        below: Regular expression for the rest of a node's name.
        modules: Stage -> module whose ``execute`` does the work; under the family's own name where all share one.
        writes: Files that each of its stages writes, whatever else; of an artifact they follow from its kind.
        writes_together: Files of which it writes all or none: a training that diverged has no weights.
        like: Receipts of the same kind below ``receipts/``, with which a new node is compared; a pattern with the
            node's ``config``, ``seed`` and ``milestone``. None where there is nothing to compare with.
    """

    name: str
    folder: str
    noun: str
    cost: str
    about: str
    below: str
    modules: Mapping[str, str]
    writes: frozenset[str] = frozenset()
    writes_together: tuple[str, ...] = ()
    like: str | None = None

    def __str__(self) -> str:
        return self.name

    def counted(self, number: int) -> str:
        """So many of its nodes in words: ``1 run``, ``2 runs``."""
        return f"{number} {self.noun}{'s' * (number != 1)}"

    @property
    def module(self) -> str:
        """The module that all its stages share."""
        return self.modules[self.name]


_PROCESSES = "processes"
_RUN = r"[^/\s]+/seed\d{1,9}/(?:epoch\d{4,9}|step\d{6,12})"

PREPARE = Family(
    name="prepare",
    folder="data",
    noun="data set",
    cost="data",
    about="Raw files to arrays",
    below=r"[^/\s]+",
    modules={"prepare": "pipeline/data/prepare.py"},
    writes=frozenset(("arrays.safetensors", "meta.json")),
    like="data/*.json",
)
PRETRAIN = Family(
    name="pretrain",
    folder="checkpoints",
    noun="run",
    cost="training",
    about="Arrays to networks, one per method and seed",
    below=_RUN,
    modules={"pretrain": "pipeline/training/pretrain.py", _PROCESSES: "pipeline/training/processes/stage.py"},
    writes=frozenset(("history.csv", "losses.safetensors", "summary.json")),
    writes_together=("model.safetensors", "state.safetensors"),
    like="checkpoints/*/seed{seed}/*.json",
)
MEASURE = Family(
    name="measure",
    folder="measurements",
    noun="measurement",
    cost="measuring",
    about="Networks to scores",
    below=_RUN + r"/[^/\s]+",
    modules={"measure": "pipeline/evaluation/measure.py"},
    writes=frozenset(("scores.json",)),
    like="measurements/{config}/{milestone}/*.json",
)
SIMULATE = Family(
    name="simulate",
    folder="simulations",
    noun="simulation",
    cost="simulating",
    about="Equations to curves and numbers",
    below=r"[^/\s]+",
    modules={"simulate": "pipeline/simulation/stage.py"},
    writes=frozenset(("records.json",)),
    like="simulations/*.json",
)
ARTIFACT = Family(
    name="artifact",
    folder="results",
    noun="artifact",
    cost="table or figure",
    about="Scores to tables and figures",
    below=r"[^/\s]+/[^/\s]+/[^/\s]+",
    modules={"table": "pipeline/artifacts/table.py", "figure": "pipeline/artifacts/figure.py"},
)

FAMILIES = (PREPARE, PRETRAIN, MEASURE, SIMULATE, ARTIFACT)
"""In the order of the work."""

BY_FOLDER = {family.folder: family for family in FAMILIES}
"""First part of a node's name -> its family."""


def trainer(processes: int) -> str:
    """The module that trains a run of so many processes: what only several need is in no key of one."""
    return PRETRAIN.module if processes == 1 else PRETRAIN.modules[_PROCESSES]
