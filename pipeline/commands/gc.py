"""``gc``: what no declaration and no committed receipt needs."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from pipeline.commands import _targets

HELP = "list, or delete, what no current declaration and no committed receipt needs"

_KEPT = ("data", "checkpoints", "measurements", "simulations", "results", "receipts", ".scratch")
"""Folders that stay when they are empty: some are links to another disk."""

_WHAT = {
    "payload": "folders of data sets, checkpoints and measurements",
    "receipt": "receipts of those",
    "result": "files of results that are not declared any more",
    "object": "objects in the store, by which changing back costs nothing",
    "scratch": "scratch folders of work that nothing asks for",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``gc``."""
    parser.add_argument("--delete", action="store_true", help="delete what is listed; without it nothing is touched")
    parser.add_argument(
        "--shared-cache",
        action="store_true",
        help="also objects in a cache outside this checkout: whatever other checkouts keep there is lost",
    )
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """List what nothing needs, over all scales and flavours, and delete it if asked to."""
    from pipeline import files
    from pipeline.ledger.store import Store
    from pipeline.ledger.workspace import Workspace
    from pipeline.provenance import garbage

    workspace = Workspace(Path.cwd())
    found = garbage.collect(workspace, _targets.catalogue(arguments.config), arguments.shared_cache)
    store = Store(workspace.root).folder
    if garbage.outside(workspace) and not arguments.shared_cache:
        print(f"{store} lies outside this checkout, and others may use it: nothing in it is listed (--shared-cache)")
    for kind, text in _WHAT.items():
        these = [item for item in found if item.kind == kind]
        if not these:
            continue
        print(f"{len(these):>6}  {sum(item.size for item in these) / 1e6:>9.1f} MB  {text}")
        for item in these[:3]:
            print(f"{'':>22}{item.path.relative_to(Path.cwd()) if Path.cwd() in item.path.parents else item.path}")
    total = sum(item.size for item in found) / 1e6
    if not found:
        print("nothing to delete: everything is declared or committed")
    elif not arguments.delete:
        print(f"{total:.1f} MB that nothing needs; to delete it: python -m pipeline gc --delete")
    else:
        for item in found:
            files.discard(item.path)
            _prune(item.path.parent, [store, *map(workspace.path, _KEPT)])
        print(f"{total:.1f} MB deleted")


def _prune(folder: Path, kept: list[Path]) -> None:
    """Remove folders that deleting has emptied, below those that stay."""
    with contextlib.suppress(OSError):
        while folder not in kept and any(top in folder.parents for top in kept):
            folder.rmdir()
            folder = folder.parent
