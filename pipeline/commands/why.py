"""``why``: the leaf, module, function or input behind each stage that would execute."""

from __future__ import annotations

import argparse
import json

from pipeline.commands import _targets

HELP = "which leaf, module or input is behind each stage that would execute"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``why``."""
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--json", action="store_true", help="for machines")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Name the leaf, module or input behind each stage that would execute or be restored."""
    from pipeline.state import IN_PLACE

    states = _targets.planned(arguments.targets, _targets.catalogue(arguments.config)).states
    stale = [state for state in states if state.status != IN_PLACE]
    reasons = {state.node.name: states.explain(state) for state in stale}
    if arguments.json:
        found = [
            {"node": s.node.name, "stage": s.key_file.stage, "status": s.status, "reasons": reasons[s.node.name]}
            for s in stale
        ]
        print(json.dumps(found, indent=1))
        return
    if not stale:
        print("up to date: no stage would execute")
        return
    # Nodes that are stale for the same reason are told once.
    groups: dict[tuple, list[str]] = {}
    for state in stale:
        key = (state.key_file.stage, state.status, tuple(reasons[state.node.name]))
        groups.setdefault(key, []).append(state.node.name)
    for (stage, status, told), names in groups.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"{stage}: {names[0]}{more}: {status}")
        for reason in told[:8]:
            print(f"    {reason}")
        if len(told) > 8:
            print(f"    and {len(told) - 8} more reasons")
