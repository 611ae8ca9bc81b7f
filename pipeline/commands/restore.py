"""``restore``: a result and everything that it comes from, from the store or a remote, verified."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
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

    from pipeline.ledger.workspace import Workspace
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
    for line in _missing(done.missing):
        print(line)
    print(
        f"{len(done.restored)} nodes restored, {done.intact} were in place"
        f"{f', {done.fetched} objects from the remote' if done.fetched else ''}"
        f"; {done.size / 1e6:.1f} MB verified{f'; {len(done.missing)} nodes are missing' if done.missing else ''}"
    )
    if stale:
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        again = _targets.to_type(["snakemake", *stale], arguments.config)
        print(f"to be computed, there is nothing to restore: {stale[0]}{more}; type: {again}")
    return 1 if done.missing or stale else 0


def _missing(missing: Mapping[str, str]) -> list[str]:
    """One line per data set, run or artifact of which files are missing, and what to do about all of them.

    Args:
        missing: Node -> a file of it that is nowhere to be had.
    """
    if not missing:
        return []
    nodes: dict[str, list[str]] = {}
    for name in missing:
        nodes.setdefault("/".join(name.split("/")[:2]), []).append(name)
    lines = []
    for folder in sorted(nodes):
        names = nodes[folder]
        more = f" and of {len(names) - 1} more of its nodes" if len(names) > 1 else ""
        lines.append(f"missing: {missing[names[0]]}{more}")
    lines.append(
        "neither in the store nor in a remote: whoever has them types dvc push to one that dvc remote list shows. Data "
        "are prepared again where something new reads them; all else is computed again once its receipt is removed"
    )
    return lines


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
