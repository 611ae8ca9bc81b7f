"""Which artifacts fit into a budget of time, the cheapest first; what they share is counted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.engine.estimate import Forecast
from pipeline.ledger.families import PRETRAIN
from pipeline.planning import costs
from pipeline.planning.catalogue import Request
from pipeline.planning.costs import Cost
from pipeline.planning.plan import ArtifactPlan, Plan


@dataclass(frozen=True)
class Addition:
    """An artifact, and what it adds to those before it.

    Attributes:
        request: The artifact.
        adds: Seconds on one worker.
        until: The same with all before it.
        claims: How many claims it has.
        kind: ``table`` or ``figure``.
    """

    request: Request
    adds: float
    until: float
    claims: int
    kind: str

    @property
    def suffix(self) -> str:
        """Of the file to ask for."""
        return "png" if self.kind == "figure" else "csv"


def additions(forecast: Forecast) -> list[Addition]:
    """Artifacts of a plan in the order in which each next one adds least, without those that show nothing at its scale.

    Args:
        forecast: Of the plan's nodes.
    """
    plan, parts = forecast.states.plan, forecast.parts()
    left = {
        stem: _parts_of(Plan(plan.catalogue, [artifact.request]), forecast, parts)
        for stem, artifact in plan.artifacts.items()
        if _shows(artifact)
    }
    found: list[Addition] = []
    done: set[str] = set()
    until = 0.0
    while left:
        cost = {stem: sum(parts[name] for name in names) for stem, names in left.items()}
        stem = min(cost, key=lambda one: (cost[one], one))
        done = left.pop(stem)
        until += cost[stem]
        artifact = plan.artifacts[stem]
        declared = artifact.declaration
        found.append(Addition(artifact.request, cost[stem], until, len(declared.claims), declared.kind))
        for names in left.values():
            names -= done
    return found


def _shows(artifact: ArtifactPlan) -> bool:
    """Whether the scale has what at least one cell needs."""
    cells = artifact.params["cells"]
    return not cells or any(not cell["missing"] for cell in cells)


def _parts_of(own: Plan, forecast: Forecast, parts: Mapping[str, float]) -> set[str]:
    """Names of the parts that one artifact needs.

    A training passes through the milestones that others want of it, so what it takes to come to them is its own too.
    """
    needed: set[str] = set()
    spent: dict[tuple[str, int | None], Cost] = {}
    for node in own.nodes():
        needed |= {node.name, forecast.job(node)}
        if node.family is PRETRAIN:
            place = (node.config, node.seed)
            spent[place] = max(spent.get(place, Cost()), costs.spent(own, node.config, node.at))
    for state in forecast.states:
        node = state.node
        if node.family is not PRETRAIN or (node.config, node.seed) not in spent:
            continue
        if costs.spent(own, node.config, node.at) <= spent[node.config, node.seed]:
            needed.add(node.name)
    return needed & parts.keys()
