"""One file for a reviewer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import files
from pipeline.engine.state import States
from pipeline.ledger.workspace import Workspace
from pipeline.sharing import crate, index_page, names, signature, writer
from pipeline.sharing.collect import collect


@dataclass(frozen=True)
class Bundle:
    """What was written.

    Attributes:
        path: The zip.
        root: Root hash of the chains of its artifacts, the same that ``audit`` prints for one of them.
        digest: sha256 of the zip, which binds also what is in no chain: declarations, pages, records.
        count: Number of members.
        size: Bytes of the zip.
    """

    path: Path
    root: str
    digest: str
    count: int
    size: int


def bundle(
    workspace: Workspace,
    states: States,
    artifacts: Sequence[str],
    path: Path,
    extend: Path | None = None,
    weights: bool = False,
    sign: Path | None = None,
) -> Bundle:
    """Write the bundle of some artifacts.

    Args:
        workspace: The checkout.
        states: What today's declarations ask for.
        artifacts: Names of their nodes.
        path: Where to.
        extend: Folder of the user's own components and declarations.
        weights: Whether networks and data sets go along.
        sign: File of the SSH key that signs.

    Raises:
        UserError: Something does not hold, is not there, or tells where it was written.
    """
    writer.check(path)
    names_ = sorted(dict.fromkeys(artifacts))
    found = collect(workspace, states, names_, extend, weights)
    title = index_page.title(names_)
    members = found.members
    members[names.PAGE] = index_page.render(title, found.chain, members)
    members[names.CRATE] = crate.describe(title, found.chain, members, _licence(workspace.root))
    text = writer.manifest(names_, members).encode()
    members[names.MANIFEST] = text
    if sign is not None:
        members[names.SIGNATURE] = signature.sign(files.sha256_of(text), sign)
    writer.write(path, members)
    return Bundle(path, found.chain.root(), files.sha256(path), len(members), path.stat().st_size)


def _licence(root: Path) -> str:
    """The project's licence, as its citation file has it."""
    try:
        found = re.search(r"(?m)^license:\s*[\"']?([\w.+-]+)", (root / "CITATION.cff").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else "The licence is not stated; ask the authors."
