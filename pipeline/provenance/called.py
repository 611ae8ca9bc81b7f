"""Nodes of a plan, and those that they are compared with, by what a person calls their runs."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.engine import jobs
from pipeline.ledger.families import MEASURE, PRETRAIN
from pipeline.ledger.workspace import Node
from pipeline.planning import names
from pipeline.provenance.differences import Reason

if TYPE_CHECKING:
    from pipeline.engine.state import States


class Called:
    """What a person calls nodes.

    Args:
        states: Of a plan, which names its own runs; others are called what a plan before called them.
    """

    def __init__(self, states: States) -> None:
        self._planned = states.plan.called()
        self._before = functools.cache(functools.partial(jobs.called, states.workspace))

    def node(self, node: Node) -> str:
        """``directpred/ema, shapes, seed 0, epoch 8``, of a run or what is measured of it; the folder of others."""
        if node.family not in (PRETRAIN, MEASURE):
            return node.name
        return f"{names.of_seed(self._run(node.config), node.seed)}, {node.at.words}"

    def line(self, reason: Reason, node: Node) -> str:
        """A reason of a node's; the run that it is compared with by its name."""
        if node.family is not PRETRAIN or not reason.against:
            return reason.line()
        own, other = self._run(node.config), self._run(reason.against)
        return replace(reason, against=f"{other} as it was" if other == own else other).line()

    def _run(self, config: str) -> str:
        return self._planned.get(config) or self._before(config)
