"""``kit``: what a machine without network executes, carried there in parts, and its results carried back."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands import _targets

HELP = "have stages executed on a machine without network: pack, run there, enter here"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the three verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    pack = verbs.add_parser("pack", help="write a kit: what some results need and is to be executed elsewhere")
    pack.add_argument("targets", nargs="+", metavar="TARGET", help="an artifact")
    pack.add_argument("--to", required=True, metavar="FOLDER", help="where part1, part2, ... are written")
    pack.add_argument("--part", default="64MB", metavar="SIZE", help="bytes that a part may have (64MB)")
    pack.add_argument("--wheels", metavar="PYTHON", help="also packages to install there, for this version (3.12)")
    _targets.add_config(pack)
    execute = verbs.add_parser("run", help="there: execute a kit, for so many minutes")
    execute.add_argument("folders", nargs="+", metavar="FOLDER", help="parts, or folders of parts")
    execute.add_argument("--minutes", type=_minutes, required=True, metavar="N", help="stop after so long; may be 0.5")
    execute.add_argument("--out", required=True, metavar="FILE.tar", help="what is to be carried back")
    execute.add_argument("--largest", default="1MB", metavar="SIZE", help="payload files above it stay there (1MB)")
    enter = verbs.add_parser("enter", help="here again: check what came back, and take it over")
    enter.add_argument("files", nargs="+", metavar="FILE.tar", help="what run has written")


def _minutes(text: str) -> float:
    """A positive number."""
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError
    return value


def run(arguments: argparse.Namespace) -> int:
    """Pack what is to be executed elsewhere, execute it there, enter what came back."""
    return {"pack": _pack, "run": _run, "enter": _enter}[arguments.verb](arguments)


def _pack(arguments: argparse.Namespace) -> int:
    import tempfile
    from pathlib import Path

    from pipeline.kit import needs, parts, sizes, wheels

    limit = sizes.size("--part", arguments.part)
    known = _targets.catalogue(arguments.config)
    planned = _targets.planned(arguments.targets, known)
    scale = next(iter(planned.plan.artifacts.values())).request.scale
    typed = [f"scale={scale}", *(item for item in arguments.config if not item.startswith("scale="))]
    found = needs.needs(planned.states, typed)
    if not found.jobs:
        files = [f"{_targets.request(target, known).stem}.csv" for target in arguments.targets]
        again = _targets.to_type(["snakemake", *files], arguments.config)
        print(f"nothing is to be executed elsewhere; type: {again}")
        return 0
    options = known.options
    config: dict[str, Any] = {"scale": options.scale, "flavour": options.flavour}
    for name in ("seeds", "interleave", "device", "memory", "images", "readers"):
        if getattr(options, name) is not None:
            config[name] = getattr(options, name)
    if options.datasets:
        config["datasets"] = list(options.datasets)
    with tempfile.TemporaryDirectory() as folder:
        packages = wheels.needed(found.keys.values()) if arguments.wheels else {}
        extra = wheels.download(packages, arguments.wheels, Path(folder)) if arguments.wheels else []
        kit, lengths = parts.write(Path(arguments.to), found, arguments.targets, config, limit, extra)
    for number, length in enumerate(lengths, 1):
        print(f"{Path(arguments.to) / f'part{number}'}: {length / 1e6:.1f} MB")
    stages = [sum(node.family is family for job in found.jobs for node in job) for family in needs.FAMILIES]
    print(f"{stages[0]} milestones and {stages[1]} measurements in {len(kit.jobs)} jobs")
    print(f"there: python -m pipeline kit run {Path(arguments.to).name} --minutes 10 --out back.tar")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    import time
    from pathlib import Path

    until = time.monotonic() + 60 * arguments.minutes
    from pipeline.kit import harvest, node, sizes
    from pipeline.kit.carried import Carried
    from pipeline.ledger.workspace import Node, Workspace

    out, largest = Path(arguments.out), sizes.size("--largest", arguments.largest)
    harvest.check(out, largest)
    workspace = Workspace(Path())
    carried = Carried(workspace, map(Path, arguments.folders))
    missing = carried.unpack()
    if missing:
        which = ", ".join(f"part{number}" for number in missing)
        print(f"unpacked; still missing: {which} of {carried.kit.parts}; type the same command with it")
        return 0
    memory = carried.folder / "outcome.json"
    outcome = node.Outcome.load(memory)
    before = len(outcome.log)

    def write() -> None:
        outcome.save(memory)
        returned = outcome.named("executed", "restored", "unchanged")
        names = [name for name in carried.kit.nodes if name in returned]
        harvest.write(workspace, carried.kit, names, "".join(f"{line}\n" for line in outcome.log), out, largest)

    runner = node.Runner(workspace, until, outcome, write)
    try:
        runner.run([[Node(name) for name in job] for job in carried.kit.jobs])
    finally:
        write()
        for line in outcome.log[before:]:
            print(line)
        _say(carried.kit.nodes, outcome, before, out)
    return 1 if outcome.named("failed") else 0


def _say(nodes: list[str], outcome: Any, before: int, out: Any) -> None:
    """The last line: what was executed, what failed, what is left."""
    from collections import Counter

    counts = Counter(line.split()[0] for line in outcome.log[before:])
    failed = [name for name in nodes if outcome.decided.get(name) == "failed"]
    left = [name for name in nodes if name not in outcome.decided]
    parts = [f"{counts['executed']} executed, {counts['unchanged'] + counts['restored']} were there"]
    parts.append(f"{len(failed)} failed{f' ({failed[0]}, ...)' if failed else ''}")
    again = "the time was over; type the same command again" if outcome.stopped else "they read what failed"
    parts.append(f"{len(left)} left{f' ({again})' if left else ''}")
    print(f"{out}: {', '.join(parts)}", flush=True)


def _enter(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from pipeline.engine.grouping import jobs_of
    from pipeline.engine.sync_key_files import sync_key_files
    from pipeline.kit import returned
    from pipeline.kit.enter import enter

    found = returned.read(map(Path, arguments.files))
    config = [f"{name}={_typed(value)}" for name, value in found.config.items()]
    states = _targets.planned(found.targets, _targets.catalogue(config)).states
    sync_key_files(states, jobs_of(states).values())
    result = enter(states, found)
    for line in result.lines():
        print(line)
    return 1 if result.refused else 0


def _typed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
