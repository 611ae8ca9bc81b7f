"""Restore: bring a result and everything that it comes from into place, verified, without computing anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline import files
from pipeline.engine.executor import Executor, is_as_written
from pipeline.ledger import receipt
from pipeline.ledger.remote import fetch
from pipeline.ledger.workspace import Node, Workspace


@dataclass
class Restored:
    """What a restore did.

    Attributes:
        intact: Nodes whose receipts were in place, and files as these say.
        restored: Names of nodes of which files or the receipt were brought into place.
        replaced: Files that were not what their receipts say, and are now.
        fetched: Objects that came from the remote.
        missing: Nodes of which a file is nowhere to be had, and such a file.
        size: Bytes of all nodes that are in place now.
    """

    intact: int = 0
    restored: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    fetched: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    size: int = 0


def restore(workspace: Workspace, receipts: Mapping[str, dict[str, Any]], remote: str | None = None) -> Restored:
    """Bring the nodes of the given receipts into place: from where they are, the store, or the remote, in this order.

    Args:
        workspace: The checkout.
        receipts: Receipts by the names of their nodes.
        remote: Name of a DVC remote; the default one where it is None and something is missing.

    Raises:
        UserError: Another process works on one of the runs; or the remote cannot be read.
    """
    executor = Executor(workspace)
    result = Restored(size=sum(entry["size"] for found in receipts.values() for entry in found["outputs"].values()))
    wanted = {name: found["outputs"] for name, found in receipts.items()}
    with tqdm(total=result.size, unit="B", unit_scale=True, desc="verify", leave=False, disable=None) as bar:
        wrong = _wrong(workspace, wanted, bar)
    # Payload without its receipt is nothing that anybody could trust, or that snakemake would find.
    for name in sorted(receipts.keys() - wrong.keys()):
        path = workspace.path(Node(name).receipt)
        if receipts[name]["node"] == name and receipt.read(path) != receipts[name]:
            files.write(path, files.dumps(receipts[name]))
            result.restored.append(name)
    result.intact = len(receipts) - len(wrong) - len(result.restored)
    absent = {entry["md5"]: entry for name in wrong for entry in wanted[name].values()}
    absent = {md5: entry for md5, entry in absent.items() if not executor.store.has({"": entry})}
    # What is in place and right need not come from a remote.
    at_hand = _at_hand(workspace, wrong, wanted)
    for path, entry in at_hand.items():
        if entry["md5"] in absent:
            executor.store.put(path, entry)
            del absent[entry["md5"]]
    if absent:
        result.fetched = fetch(workspace.root, sorted(absent), remote)
    for name in tqdm(sorted(wrong), unit="node", desc="restore", leave=False, disable=None):
        changed = [str(workspace.payload(Node(name)) / file) for file in wrong[name]]
        result.replaced += [path for path in changed if Path(path).exists()]
        if executor.install(Node(name), receipts[name]):
            result.restored.append(name)
        else:
            file = next((file for file, entry in wanted[name].items() if not executor.store.has({file: entry})), "")
            result.missing[name] = f"{workspace.payload(Node(name)) / file}"
            result.size -= sum(entry["size"] for entry in wanted[name].values())
    return result


def _wrong(workspace: Workspace, wanted: Mapping[str, Mapping[str, Any]], bar: Any) -> dict[str, list[str]]:
    """Nodes of which a file is absent or not what it should be, with those files."""

    def check(job: tuple[str, str]) -> tuple[str, str, bool]:
        name, file = job
        entry = wanted[name][file]
        right = is_as_written(workspace.payload(Node(name)) / file, entry)
        bar.update(entry["size"])
        return name, file, right

    jobs = [(name, file) for name, outputs in wanted.items() for file in outputs]
    found: dict[str, list[str]] = {}
    with ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1))) as pool:
        for name, file, right in pool.map(check, jobs):
            if not right:
                found.setdefault(name, []).append(file)
    return found


def _at_hand(
    workspace: Workspace, wrong: Mapping[str, list[str]], wanted: Mapping[str, Mapping[str, Any]]
) -> dict[Path, Mapping[str, Any]]:
    """Right files of nodes that are not all right."""
    return {
        workspace.payload(Node(name)) / file: entry
        for name, bad in wrong.items()
        for file, entry in wanted[name].items()
        if file not in bad
    }
