"""Command line: one sub-command per family of stages, and what explains them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, explain

STAGES = ("prepare", "pretrain", "measure", "table", "figure")


def _stage(arguments: argparse.Namespace) -> None:
    """Bring the nodes of the given receipts into place."""
    from pipeline.door import Door
    from pipeline.workspace import Node, Workspace

    Door(Workspace()).run([Node.of_receipt(path) for path in arguments.receipts])


def _scorecard(arguments: argparse.Namespace) -> None:
    """Collect claims and numbers of an edition."""
    from pipeline import files
    from pipeline.artifacts import metrics, scorecard

    table, view, numbers = map(Path, arguments.files)
    scorecard.write(map(Path, arguments.reports), table, view)
    files.write(numbers, files.dumps(metrics.collect(map(Path, arguments.reports))))


def _build(arguments: argparse.Namespace) -> Any:
    """Plan and states for the targets of a command line, without touching anything."""
    import yaml

    from pipeline.catalogue import Catalogue, Options
    from pipeline.plan import Plan
    from pipeline.state import States
    from pipeline.workspace import Workspace

    config = {}
    for item in arguments.config:
        name, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--config {item}: expected KEY=VALUE")
        config[name] = yaml.safe_load(value)
    catalogue = Catalogue(Options.parse(config, dict(os.environ)))
    requests = []
    for target in arguments.targets:
        path = target if Path(target).suffix else f"{target}.csv"
        if not path.startswith("results/"):
            path = f"results/{catalogue.options.edition()}/{path}" if "/" in path else f"results/{path}"
        request = catalogue.request(path)
        if request is None:
            raise UserError(f"{target}: not an artifact; type table8, directpred/table8 or results/table8.csv")
        requests.append(request)
    plan = Plan(catalogue, requests or catalogue.built())
    return plan, States(plan, Workspace()), catalogue.scale(requests[0].scale if requests else catalogue.options.scale)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _plan(arguments: argparse.Namespace) -> None:
    """Say what the targets need, how much of it is there, and how long the rest will take."""
    from pipeline.state import Estimate

    plan, states, scale = _build(arguments)
    stages: dict[str, Counter] = {}
    for state in states:
        stages.setdefault(state.key_file.stage, Counter())[state.status] += 1
    seconds, basis = Estimate(states, scale).seconds()
    runs = {(config, seed) for config, run in plan.runs.items() for seed, _ in run.milestones}
    if arguments.json:
        found = {
            "artifacts": list(plan.artifacts),
            "runs": len(runs),
            "stages": {stage: {"total": sum(count.values()), **count} for stage, count in stages.items()},
            "seconds": round(seconds, 1),
            "basis": basis,
            "specs": {config: {"data": run.data, "milestones": sorted(run.milestones), **run.run}
                      for config, run in plan.runs.items()},
            "datasets": {identity: data.leaves for identity, data in plan.data.items()},
            "measures": plan.measures,
        }  # fmt: skip
        print(json.dumps(found, indent=1, default=sorted))
        return
    print(
        f"{len(plan.artifacts)} artifact{'s' * (len(plan.artifacts) != 1)}, {len(runs)} runs of {len(plan.runs)} specs"
    )
    print(f"{'stage':<16}{'in all':>8}{'in place':>10}{'restorable':>12}{'to execute':>12}")
    for stage, count in stages.items():
        row = f"{count['in place']:>10}{count['restorable']:>12}{count['to execute']:>12}"
        print(f"{stage:<16}{sum(count.values()):>8}{row}")
    print(f"about {_duration(seconds)} of work for one worker ({basis})")
    if arguments.specs:
        import yaml

        for config, run in plan.runs.items():
            print(f"\n{config}  (data/{run.data})")
            print(
                "  "
                + yaml.safe_dump(run.run, sort_keys=False, default_flow_style=None, width=110).replace("\n", "\n  ")
            )


def _why(arguments: argparse.Namespace) -> None:
    """Name the leaf, module or input behind each stage that would execute or be restored."""
    from pipeline.state import IN_PLACE

    _, states, _ = _build(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for stage in STAGES:
        command = commands.add_parser(stage, help=f"what snakemake calls: the {stage} stages of the given receipts")
        command.add_argument("receipts", nargs="+", metavar="RECEIPT")
        command.set_defaults(call=_stage)
    command = commands.add_parser("scorecard", help="what snakemake calls: claims and numbers of an edition")
    command.add_argument("files", nargs=3, metavar="FILE", help="scorecard.csv, scorecard.md, metrics.json")
    command.add_argument("--reports", nargs="+", required=True, metavar="ARTIFACT.json")
    command.set_defaults(call=_scorecard)
    for name, call, text in (
        ("plan", _plan, "what targets need: runs, stages, what is in place, time"),
        ("why", _why, "which leaf, module or input is behind each stage that would execute"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("targets", nargs="*" if name == "plan" else "+", metavar="TARGET")
        command.add_argument("--json", action="store_true", help="for machines")
        command.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as snakemake's --config")
        if name == "plan":
            command.add_argument("--specs", action="store_true", help="also print the resolved spec of every run")
        command.set_defaults(call=call)
    return parser


def main() -> int:
    """Run one command; what goes wrong by the user's hand or the machine's ends in one line."""
    arguments = _parser().parse_args()
    try:
        arguments.call(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        line = explain(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
