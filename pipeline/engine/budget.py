"""Which artifacts fit into a budget of time, the cheapest first; what they share is counted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.engine.estimate import Forecast
from pipeline.ledger.families import PRETRAIN
from pipeline.planning.catalogue import Request
from pipeline.planning.plan import Plan


@dataclass(frozen=True)
class Addition:
    """An artifact, and what it adds to those before it.

    Attributes:
        request: The artifact.
        seconds: On one worker.
        until: The same with all before it.
        claims: How many claims it has.
    """

    request: Request
    seconds: float
    until: float
    claims: int


def additions(forecast: Forecast) -> list[Addition]:
    """All artifacts of a plan in the order in which each next one adds least.

    Args:
        forecast: Of the plan's nodes.
    """
    plan, parts = forecast.states.plan, forecast.parts()
    left = {stem: _parts_of(Plan(plan.catalogue, [found.request]), forecast, parts) for stem, found in plan.artifacts.items()}
    found: list[Addition] = []
    done: set[str] = set()
    until = 0.0
    while left:
        cost = {stem: sum(parts[name] for name in names) for stem, names in left.items()}
        stem = min(cost, key=lambda one: (cost[one], one))
        done = left.pop(stem)
        until += cost[stem]
        artifact = plan.artifacts[stem]
        found.append(Addition(artifact.request, cost[stem], until, len(artifact.declaration.claims)))
        for names in left.values():
            names -= done
    return found


def _parts_of(own: Plan, forecast: Forecast, parts: Mapping[str, float]) -> set[str]:
    """Names of the parts that one artifact needs.

    A training passes through the milestones that others want of it, so what it takes to come to them is its own too.
    """
    needed: set[str] = set()
    furthest: dict[tuple[str, int | None], float] = {}
    for node in own.nodes():
        needed.add(node.name)
        if parts.get(node.name) is not None or forecast.job(node) in parts:
            needed.add(forecast.job(node))
        if node.family is PRETRAIN:
            place = (node.config, node.seed)
            furthest[place] = max(furthest.get(place, 0.0), _position(forecast, node))
    for state in forecast.states:
        node = state.node
        if node.family is PRETRAIN and _position(forecast, node) <= furthest.get((node.config, node.seed), -1.0):
            needed.add(node.name)
    return needed & parts.keys()
