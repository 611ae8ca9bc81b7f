"""A plan's nodes as jobs: those of one rule and run, data set, simulation or artifact share one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.engine.jobs import Job, done, rule_of
from pipeline.engine.state import EXECUTE, IN_PLACE, RESTORABLE, States
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.workspace import Node


def jobs_of(states: States) -> dict[tuple[str, str], Job]:
    """All jobs of a plan, by rule and name, each after those that it reads from."""
    grouped: dict[tuple[str, str], list[Node]] = {}
    of_node: dict[str, tuple[str, str]] = {}
    for state in states:
        place = (rule_of(state.node, state.key_file.stage), state.node.config)
        grouped.setdefault(place, []).append(state.node)
        of_node[state.node.name] = place
    found = {}
    called = states.plan.called()
    for (rule, name), nodes in grouped.items():
        keys = {node.key for node in nodes}
        read = {
            done(*of_node[node.resolve_input(template).name])
            for node in nodes
            for template in states.keys[node.key].inputs.values()
        }
        run = states.plan.runs.get(name)
        processes = run.run["processes"] if run is not None and nodes[0].family is PRETRAIN else 1
        found[rule, name] = Job(
            rule,
            name,
            tuple(node.name for node in nodes),
            (*sorted(keys), *sorted(read)),
            processes * run.run["threads"] if run is not None else 1,
            processes * run.gpu if run is not None else 0,
            _what(states, nodes),
            called.get(name, name),
        )
    return found


def _what(states: States, nodes: Iterable[Node]) -> str:
    """``2 to execute, 1 in place; seeds 0, 1; epochs 8, 20``."""
    nodes = list(nodes)
    count = Counter(states.by_name[node.name].status for node in nodes)
    words = [", ".join(f"{count[status]} {status}" for status in (EXECUTE, RESTORABLE, IN_PLACE) if count[status])]
    for name, values in (("seed", {n.seed for n in nodes}), ("epoch", {n.epoch for n in nodes})):
        known = sorted(value for value in values if value is not None)
        if known:
            words.append(f"{name}{'s' * (len(known) > 1)} {', '.join(map(str, known))}")
    return "; ".join(words)
