"""``runs``: every run with its state, what tells it from the others, and what was measured of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands import _targets

if TYPE_CHECKING:
    from pipeline.engine.state import States
    from pipeline.provenance.listing import Listing

HELP = "every run: how far it is, alive or failed, the params that tell it apart, its measurements"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``runs``."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="artifacts; all of the scale without any")
    parser.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="only runs with these params (optimizer.lr=0.1), or state=, dataset=, seed=",
    )
    parser.add_argument(
        "--sort",
        metavar="COLUMN",
        help="measurements from high to low, other columns from low to high; --sort=-COLUMN turns it round",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, for machines")
    form.add_argument("--csv", action="store_true", help="all params and measurements")
    form.add_argument(
        "--export",
        type=Path,
        metavar="TO",
        help="histories and what was measured along them: FILE.csv, FILE.jsonl (a row per number) or a folder",
    )
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """List the runs of targets from files alone, also while they train."""
    import json
    import sys

    from pipeline.provenance import runs
    from pipeline.provenance.listing import Listing

    found = _targets.planned(arguments.targets, _targets.catalogue(arguments.config))
    listing = Listing(runs.collect(found.plan, found.states))
    listing.where(arguments.where)
    if arguments.sort:
        listing.sort(arguments.sort)
    if arguments.json:
        print(json.dumps(listing.data(), indent=1, ensure_ascii=False))
    elif arguments.export is not None:
        print(_export(arguments.export, listing, found.states))
    elif arguments.csv:
        sys.stdout.write(listing.csv())
    else:
        print(listing.text())


def _export(target: Path, listing: Listing, states: States) -> str:
    """Write histories of the runs that have one; returns what was written, in a line."""
    from pipeline.errors import UserError
    from pipeline.provenance import histories
    from pipeline.provenance.curves import Reader
    from pipeline.provenance.live import statuses

    live, reader = statuses(states.workspace), Reader(states)
    known = [(run, reader.curves(run, live.get(run.folder))) for run in listing.runs]
    known = [(run, curves) for run, curves in known if curves.epoch > 0]
    if not known:
        raise UserError(f"--export {target}: no run that fits has a history yet; type: python -m pipeline runs")
    listing.runs = [run for run, _ in known]
    written = histories.write(target, known, listing)
    return f"{written[0]}: {len(known)} trainings" + (f", and {len(written) - 1} more files" if written[1:] else "")
