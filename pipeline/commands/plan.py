"""``plan``: what targets need, how much of it is there, and how long the rest will take."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pipeline.commands import _targets
from pipeline.durations import rough

if TYPE_CHECKING:
    from pipeline.planning.needs import RunPlan

HELP = "what targets need: runs, stages, what is in place, time"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``plan``."""
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--specs", action="store_true", help="also print the resolved spec of every run")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Say what the targets need, how much of it is there, and how long the rest will take."""
    from pipeline.engine.estimate import Estimate
    from pipeline.planning import overridden

    found = _targets.planned(arguments.targets, _targets.catalogue(arguments.config))
    plan, states = found.plan, found.states
    stages: dict[str, Counter] = {}
    for state in states:
        stages.setdefault(state.key_file.stage, Counter())[state.status] += 1
    seconds, basis = Estimate(states, found.scale).seconds()
    runs = {(config, seed) for config, run in plan.runs.items() for seed, _ in run.milestones}
    if arguments.json:
        shown = {
            "artifacts": list(plan.artifacts),
            "runs": len(runs),
            "stages": {stage: {"total": sum(count.values()), **count} for stage, count in stages.items()},
            "seconds": round(seconds, 1),
            "basis": basis,
            "specs": {config: {"data": run.data, "milestones": _milestones(run), **run.run}
                      for config, run in plan.runs.items()},
            "datasets": {identity: data.params for identity, data in plan.data.items()},
            "measures": plan.measures,
            "overridden": [vars(override) for override in sorted(plan.overridden)],
        }  # fmt: skip
        print(json.dumps(shown, indent=1, default=sorted))
        return
    print(
        f"{len(plan.artifacts)} artifact{'s' * (len(plan.artifacts) != 1)}, {len(runs)} runs of {len(plan.runs)} specs"
    )
    print(f"{'stage':<16}{'in all':>8}{'in place':>10}{'restorable':>12}{'to execute':>12}")
    for stage, count in stages.items():
        row = f"{count['in place']:>10}{count['restorable']:>12}{count['to execute']:>12}"
        print(f"{stage:<16}{sum(count.values()):>8}{row}")
    amount = f"{seconds / 3600:.1f} GPU-hours" if found.scale.gpu else f"{rough(seconds)} of work for one worker"
    print(f"about {amount} ({basis})")
    for line in [*overridden.summaries(plan), *overridden.lines(plan)]:
        print(line)
    if arguments.specs:
        import yaml

        for config, run in plan.runs.items():
            print(f"\n{config}  (data/{run.data})")
            print(
                "  "
                + yaml.safe_dump(run.run, sort_keys=False, default_flow_style=None, width=110).replace("\n", "\n  ")
            )


def _milestones(run: RunPlan) -> list[list[Any]]:
    """Seed and name of every milestone."""
    return [[seed, str(at)] for seed, at in sorted(run.milestones)]
