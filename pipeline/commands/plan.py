"""``plan``: what targets need, how much of it is there, and how long the rest will take."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline import durations, hardware
from pipeline.commands import _targets
from pipeline.durations import rough
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.engine.estimate import Forecast
    from pipeline.planning.catalogue import Catalogue
    from pipeline.planning.needs import RunPlan
    from pipeline.planning.overview import Demand

HELP = "what targets need: runs, stages, what is in place, time"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``plan``."""
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--all", action="store_true", help="every artifact at every scale, from nothing")
    parser.add_argument("--budget", metavar="TIME", help="which artifacts fit into 90min, 2h, ..., cheapest first")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--specs", action="store_true", help="also print the resolved spec of every run")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Say what the targets need, how much of it is there, and how long the rest will take."""
    from pipeline.engine import several_gpus
    from pipeline.engine.estimate import Forecast
    from pipeline.engine.state import EXECUTE
    from pipeline.planning import overridden

    if arguments.all:
        if arguments.targets or arguments.specs:
            raise UserError("--all: lists every target at every scale; leave the targets and --specs out")
        if arguments.budget is not None:
            raise UserError("--all: --budget is of one scale; type --budget with --config scale=NAME")
        _all(_targets.catalogue(arguments.config), as_json=arguments.json)
        return
    budget = durations.parse(arguments.budget) if arguments.budget is not None else None
    if arguments.budget is not None and budget is None:
        raise UserError(f"--budget {arguments.budget}: expected a length of time such as 45min or 2h")
    if budget is not None and arguments.specs:
        raise UserError("--budget: lists artifacts; leave --specs out")
    found = _targets.planned(arguments.targets, _targets.catalogue(arguments.config))
    if budget is not None:
        _budget(Forecast(found.states, found.scale), budget, arguments.config, as_json=arguments.json)
        return
    plan, states = found.plan, found.states
    stages: dict[str, Counter] = {}
    for state in states:
        stages.setdefault(state.key_file.stage, Counter())[state.status] += 1
    forecast = Forecast(states, found.scale)
    seconds, basis = forecast.seconds()
    runs = {(config, seed) for config, run in plan.runs.items() for seed, _ in run.milestones}
    if arguments.json:
        shown = {
            "artifacts": list(plan.artifacts),
            "runs": len(runs),
            "stages": {stage: {"total": sum(count.values()), **count} for stage, count in stages.items()},
            "elsewhere": [state.node.name for state in states.elsewhere()],
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
    for line in [*overridden.summaries(plan), *overridden.lines(plan)]:  # first: what people look for stands last
        print(line)
    print(
        f"{len(plan.artifacts)} artifact{'s' * (len(plan.artifacts) != 1)}, {len(runs)} runs of {len(plan.runs)} specs"
    )
    print(f"{'stage':<16}{'in all':>8}{'in place':>10}{'restorable':>12}{'to execute':>12}")
    for stage, count in stages.items():
        row = f"{count['in place']:>10}{count['restorable']:>12}{count['to execute']:>12}"
        print(f"{stage:<16}{sum(count.values()):>8}{row}")
    elsewhere = states.elsewhere()
    if elsewhere:
        size = sum(entry["size"] for one in elsewhere for entry in (one.receipt or {"outputs": {}})["outputs"].values())
        fetch = _targets.to_type(
            ["python", "-m", "pipeline", "restore", *(arguments.targets or ["TARGET"])], arguments.config
        )
        print(f"payload of {len(elsewhere)} nodes in place is not here ({size / 1e6:.1f} MB); to fetch it: {fetch}")
    if any(state.status == EXECUTE for state in states):
        amount = f"{seconds / 3600:.1f} GPU-hours" if found.scale.gpu else f"{rough(seconds)} of work for one worker"
        print(f"about {amount} ({basis})")
    else:
        print("nothing to compute")
    if found.scale.gpu and plan.catalogue.options.device != "cpu":
        advice = several_gpus.advice(several_gpus.trainings(forecast), len(hardware.gpus()))
        if advice is not None:
            print(advice)
    if arguments.specs:
        import yaml

        for config, run in plan.runs.items():
            print(f"\n{config}  (data/{run.data})")
            print(
                "  "
                + yaml.safe_dump(run.run, sort_keys=False, default_flow_style=None, width=110).replace("\n", "\n  ")
            )


def _budget(forecast: Forecast, budget: float, config: Sequence[str], *, as_json: bool) -> None:
    """Print which artifacts fit, and the line to type for them."""
    from pipeline.engine.budget import additions

    every = additions(forecast)
    fitting = [one for one in every if one.until <= budget]
    _, basis = forecast.seconds()
    if as_json:
        rows = [
            {
                "artifact": one.request.stem,
                "adds": round(one.adds, 1),
                "until": round(one.until, 1),
                "claims": one.claims,
            }
            for one in fitting
        ]
        print(json.dumps({"budget": budget, "artifacts": rows, "of": len(every), "basis": basis}, indent=1))
        return
    names = {one.request.stem: one.request.stem.split("/", 2)[2] for one in every}
    width = max(map(len, names.values())) + 2
    print(f"{'artifact':<{width}}{'adds':>9}{'until':>9}{'claims':>8}")
    for one in fitting:
        print(f"{names[one.request.stem]:<{width}}{rough(one.adds):>9}{rough(one.until):>9}{one.claims:>8}")
    print(
        f"{len(fitting)} of {len(every)} artifacts and {sum(one.claims for one in fitting)} of "
        f"{sum(one.claims for one in every)} claims fit into {rough(budget)} on one worker ({basis})"
    )
    if len(fitting) < len(every):
        beyond = every[len(fitting)]
        print(f"{names[beyond.request.stem]} would add {rough(beyond.adds)}")
    new = [one for one in fitting if one.adds]
    if new:
        files = [f"{one.request.stem}.{one.suffix}" for one in new]
        print(f"type: {_targets.to_type(['snakemake', *files, '--cores', '1'], config)}")


def _all(catalogue: Catalogue, *, as_json: bool) -> None:
    """Print what every artifact needs at every scale."""
    from pipeline.planning.overview import overview

    known = [(scale, overview(catalogue, scale)) for scale in catalogue.scales]
    found = dict(sorted(known, key=lambda one: (one[1].gpu, one[1].seconds)))
    if as_json:
        print(json.dumps({scale: asdict(one) for scale, one in found.items()}, indent=1))
        return
    rows = {scale: {row.name: row for row in one.rows} for scale, one in found.items()}
    names = list(dict.fromkeys(row.name for one in found.values() for row in one.rows))
    printed = {row.name for one in found.values() for row in one.rows if row.printed}
    width = max(map(len, names)) + 2
    print(" " * width + "".join(f"{scale:>24}" for scale in found))
    columns = "".join(f"{'runs':>8}{'shared':>8}{'GPU-h' if one.gpu else 'time':>8}" for one in found.values())
    print(f"{'target':<{width}}{columns}")
    for name in names:
        cells = "".join(_cells(rows[scale].get(name), gpu=one.gpu) for scale, one in found.items())
        print(f"{name if name in printed else name + ' *':<{width}}{cells}")
    ends = "".join(f"{one.runs:>8}{one.shared:>8}{_time(one.seconds, gpu=one.gpu):>8}" for one in found.values())
    print(f"{'all of them':<{width}}{ends}")
    targets = [name for name, row in catalogue.registry.items() if row.get("needs")]
    print(f"\n{len(printed)} of {len(targets)} targets of the papers, and {len(names) - len(printed)} of ours (*)")
    print("shared: runs that other targets need too; in the last line, trainings that are saved by it")
    for scale, one in found.items():
        print(f"{scale}: one worker, from nothing; {one.basis}")


def _cells(row: Demand | None, *, gpu: bool) -> str:
    if row is None:
        return f"{'':>8}{'':>8}{'-':>8}"
    shown = (row.runs or "", row.shared or "", _time(row.seconds, gpu=gpu))
    return "".join(f"{cell:>8}" for cell in shown)


def _time(seconds: float, *, gpu: bool) -> str:
    if not gpu:
        return rough(seconds)
    hours = seconds / 3600
    return f"{hours:.1f}" if hours < 100 else f"{hours:,.0f}"


def _milestones(run: RunPlan) -> list[list[Any]]:
    """Seed and name of every milestone."""
    return [[seed, str(at)] for seed, at in sorted(run.milestones)]
