"""``accept``: a refactoring declared equivalent, so that a month of training need not run again."""

from __future__ import annotations

import argparse

from pipeline.commands import _targets
from pipeline.errors import UserError

HELP = "declare that changed code of a stage gives the same results, with a reason; undone by --revoke"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``accept``."""
    parser.add_argument("stage", metavar="STAGE", help="pretrain, linear_probe, table, ... as `why` names it")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--reason", metavar="TEXT", help="why results are the same; audit shows it")
    what.add_argument("--revoke", action="store_true", help="take back what was declared about this stage")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Declare that the code of a stage, as it is now, computes what it computed before."""
    from pathlib import Path

    from pipeline.ledger import accepted
    from pipeline.provenance.refactorings import refactorings

    known = _targets.catalogue(arguments.config)
    entries = known.accepted
    path = Path(accepted.FILE)
    mine = [entry for entry in entries if entry.stage == arguments.stage]
    if arguments.revoke:
        if not mine:
            stages = sorted({entry.stage for entry in entries})
            raise UserError(
                f"{accepted.FILE}: nothing about {arguments.stage}; there is: {', '.join(stages) or 'none'}"
            )
        accepted.save(path, [entry for entry in entries if entry not in mine])
        for entry in mine:
            print(f"revoked: {entry.stage}: {entry.reason} ({', '.join(sorted({*entry.was, *entry.now}))})")
        return
    reason = " ".join(arguments.reason.split())
    if not reason:
        raise UserError("--reason: expected a sentence that says why results are the same")
    found = refactorings(_targets.planned([], known).states, arguments.stage, reason)
    accepted.save(path, [*entries, *found])
    for entry, count in found.items():
        modules = ", ".join(sorted({*entry.was, *entry.now}))
        print(f"accepted for {count} {arguments.stage} stage{'s' * (count > 1)}: {modules}")
    print(f"{accepted.FILE} keeps it: commit it; to take it back: python -m pipeline accept {arguments.stage} --revoke")
