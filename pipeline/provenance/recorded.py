"""What else speaks of the files of a chain: the store's receipts, the ``.dvc`` files, the measurements themselves.

A receipt is bound by those that have read its files. What nobody reads (tables, figures, the state for resuming) is
bound by nothing else in the ledger, so it is compared with what was noted elsewhere when it was made.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.ledger import receipt
from pipeline.ledger.families import ARTIFACT
from pipeline.ledger.store import Store
from pipeline.ledger.tracking import Tracking, folder_of
from pipeline.ledger.workspace import LOCAL, Node, Workspace
from pipeline.provenance import recompute
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.findings import CHANGED, FORGED, Finding


def against_store(workspace: Workspace, chain: Chain) -> Iterator[Finding]:
    """Receipts of which the store has another of the same key: one of the two was edited."""
    store = Store(workspace.root)
    for link in chain:
        kept = store.written(link.receipt)
        if kept is link.receipt:
            continue
        names = receipt.differing(kept["outputs"], link.receipt["outputs"])
        text = f"it says otherwise of {', '.join(names[:3])} than the store's receipt of the same key"
        if link.node.family is ARTIFACT:
            fix = f"type: rm {link.node.receipt}, and: snakemake {link.node.name}.csv"
            yield Finding(FORGED, link.node.receipt, text, fix)
        else:  # two machines may have executed it, with other roundings
            text += ": it was edited, or executed twice"
            fix = f"type: git log -- {link.node.receipt}, and restore the one that you trust"
            yield Finding(CHANGED, link.node.receipt, text, fix)


def open_store(workspace: Workspace) -> Iterator[str]:
    """A remark where others may write into the store: whoever can may make an object and its receipt agree."""
    folder = Store(workspace.root).folder
    try:
        mode = folder.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield (
            f"others may write into the store {folder}: what object and receipt there agree on is believed; "
            "--revision or --expect asks somebody else"
        )


def against_measurements(
    workspace: Workspace, chain: Chain, link: Link, omitted_defaults: dict[str, Any], parts: dict[str, Path] | None
) -> tuple[list[Finding], list[str]]:
    """Whether a table or figure follows from its measurements, computed again; findings and remarks.

    Args:
        workspace: The checkout.
        chain: What it comes from, whose files must have been hashed.
        link: The artifact.
        omitted_defaults: Its params that are in no key.
        parts: Its components, where they are not this package's.
    """
    try:
        found = recompute.again(link.receipt, omitted_defaults, _reader(workspace, chain), parts, _images(workspace))
    except (UserError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        why = error if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        again = f"type: snakemake {link.node.name}.csv"
        return [Finding(FORGED, link.node.receipt, f"it cannot be computed again: {why}", again)], []
    fix = f"type: rm {link.node.receipt}, and: snakemake {link.node.name}.csv"
    if not found["code"]:
        told = "made by other code than is here now; tables and figures were not computed again"
        return [], [f"{link.node.name}: {told}"]
    remarks = [f"{link.node.name}: {found['note']}"] if found["note"] else []
    return [*recompute.findings(link, found, fix)], [*remarks, *recompute.remarks(link, found)]


def _images(workspace: Workspace) -> Callable[[str], Path | None]:
    """Where the images of a data set are; what others could have put there has been hashed."""

    def folder(node: str) -> Path | None:
        place = workspace.payload(Node(node))
        return place if place.is_dir() else None

    return folder


def _reader(workspace: Workspace, chain: Chain) -> Callable[[str], bytes | None]:
    store = Store(workspace.root)

    def read(path: str) -> bytes | None:
        """A file in place, else from the store."""
        folder, _, name = path.rpartition("/")
        link = chain.links.get(folder)
        entry = link.receipt["outputs"].get(name) if link is not None else None
        for place in (workspace.path(path), *([store.object(entry["md5"])] if entry else [])):
            if place.is_file():
                return place.read_bytes()
        return None

    return read


def against_dvc(workspace: Workspace, chain: Chain) -> Iterator[Finding]:
    """``.dvc`` files that list something else than the receipts of what they stand for."""
    tracking = Tracking(workspace, Store(workspace.root))
    folders = (folder_of(link.node) for link in chain if not link.node.config.startswith(LOCAL))
    for folder in dict.fromkeys(folder for folder in folders if folder is not None):
        if workspace.path(f"{folder}.dvc").is_file():
            why = tracking.fault(folder)
            if why is not None:
                again = f"type: rm {folder}.dvc, and snakemake, which writes it again; or git checkout {folder}.dvc"
                yield Finding(CHANGED, f"{folder}.dvc", why, again)
