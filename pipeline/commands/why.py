"""``why``: the param, module, function or input behind each stage that would execute."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pipeline.commands import _targets
from pipeline.ledger.families import ARTIFACT
from pipeline.ledger.workspace import Node

HELP = "which param, function or input is behind each stage that would execute"

SHOWN = 8
"""Reasons of one node that are printed; ``--json`` has all."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``why``."""
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--json", action="store_true", help="all reasons with their values, for machines")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Say what is at the bottom of it, then name the param, function or input behind each stage that would execute."""
    from pipeline.engine.state import IN_PLACE
    from pipeline.planning import overridden
    from pipeline.provenance import causes, why
    from pipeline.provenance.called import Called

    found = _targets.planned(arguments.targets, _targets.catalogue(arguments.config))
    states = found.states
    stale = [state for state in states if state.status != IN_PLACE]
    drawn = [state for state in stale if state.node.family is ARTIFACT]
    fresh = set[str]().union(*(causes.never_built(states, state) for state in drawn))
    reasons = {
        state.node.name: [why.NOTHING] if state.node.name in fresh and not state.waiting else why.explain(states, state)
        for state in stale
    }
    bottom = {s.node.name: causes.of_artifact(states, s) for s in drawn}
    if arguments.json:
        told = []
        for state in stale:
            name = state.node.name
            entry: dict[str, Any] = {"node": name, "stage": state.key_file.stage, "status": state.status}
            entry["reasons"] = [reason.data() for reason in reasons[name]]
            if name in bottom:
                entry["because"] = [{**reason.data(), "nodes": sorted(nodes)} for reason, nodes in bottom[name].items()]
            told.append(entry)
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return
    for sentence in overridden.lines(found.plan):
        print(sentence)
    if not stale:
        print("up to date: no stage would execute")
        return
    together: causes.Causes = {}
    for cause in bottom.values():
        causes.add(together, cause)
    for sentence in causes.sentences(together):
        print(f"because: {sentence}")
    # Nodes that are stale for the same reason are told once.
    called = Called(states)
    groups: dict[tuple, list[str]] = {}
    for state in stale:
        lines = tuple(called.line(reason, state.node) for reason in reasons[state.node.name])
        groups.setdefault((state.key_file.stage, state.status, lines), []).append(state.node.name)
    for (stage, status, told), names in groups.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"{stage}: {called.node(Node(names[0]))}{more}: {status}")
        for line in told[:SHOWN]:
            print(f"    {line}")
        if len(told) > SHOWN:
            print(f"    and {len(told) - SHOWN} more reasons")
