"""``restore``: a result and everything that it comes from, from the store or a remote, verified."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands import _targets
from pipeline.errors import UserError

HELP = "bring a result and what it comes from into place, verified, from the store or a remote"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``restore``."""
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="an artifact; or a data set, run or measurement")
    parser.add_argument("--remote", metavar="NAME", help="a DVC remote other than the default one")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Restore whole chains without computing anything; exit status 0 if all of them are in place."""
    from pathlib import Path

    from pipeline.ledger.workspace import Node, Workspace
    from pipeline.provenance import restore

    known = _targets.catalogue(arguments.config)
    workspace = Workspace(Path())
    receipts: dict[str, dict[str, Any]] = {}
    stale: list[str] = []
    for target in arguments.targets:
        _collect(workspace, target, known, receipts, stale)
    done = restore.restore(workspace, receipts, arguments.remote)
    for path in done.replaced:
        print(f"{path}: not what its receipt says; restored")
    for name, path in done.missing.items():
        print(f"missing: {path}: neither in the store nor in the remote; to make it again: rm {Node(name).receipt}")
    print(
        f"{len(done.restored)} nodes restored, {done.intact} were in place"
        f"{f', {done.fetched} objects from the remote' if done.fetched else ''}"
        f"; {done.size / 1e6:.1f} MB verified"
    )
    if stale:
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        print(f"to be computed, there is nothing to restore: {stale[0]}{more}; type: snakemake")
    return 1 if done.missing or stale else 0


def _collect(workspace: Any, target: str, known: Any, receipts: dict[str, dict[str, Any]], stale: list[str]) -> None:
    """Receipts of all nodes behind a target, and the nodes that have none that is valid.

    Raises:
        UserError: The target is nothing that has a receipt.
    """
    from pathlib import Path

    from pipeline.engine.grouping import jobs_of
    from pipeline.engine.sync_key_files import sync_key_files
    from pipeline.ledger.sources import Folder
    from pipeline.ledger.workspace import Node
    from pipeline.provenance.chain import walk
    from pipeline.provenance.identify import by_place

    origin = by_place(workspace, Path(target))
    if origin is None or origin.node.startswith("results/"):
        states = _targets.planned([target if origin is None else f"{origin.node}.csv"], known).states
        sync_key_files(states, jobs_of(states).values())
        for state in states:
            if state.receipt is None:
                stale.append(state.node.name)
            else:
                receipts[state.node.name] = state.receipt
        return
    chain = walk(Folder(workspace.root), [origin.node])
    for finding in chain.findings:
        raise UserError(finding.line())
    receipts |= {link.node.name: link.receipt for link in chain if link.node == Node(origin.node)}
