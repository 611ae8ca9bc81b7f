"""One file for a reviewer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger.workspace import Workspace
from pipeline.sharing import crate, index_page, names, signature, writer
from pipeline.sharing.collect import collect


@dataclass(frozen=True)
class Bundle:
    """What was written.

    Attributes:
        path: The zip.
        root: Its root hash.
        count: Number of members.
        size: Bytes of the zip.
    """

    path: Path
    root: str
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
    names_ = sorted(dict.fromkeys(artifacts))
    found = collect(workspace, states, names_, extend, weights)
    title = index_page.title(names_)
    members = found.members
    members[names.PAGE] = index_page.render(title, found.chain, members)
    members[names.CRATE] = crate.describe(title, found.chain, members, _licence(workspace.root))
    text = writer.manifest(names_, members).encode()
    members[names.MANIFEST] = text
    root = hashlib.sha256(text).hexdigest()
    if sign is not None:
        members[names.SIGNATURE] = signature.sign(root, sign)
    try:
        writer.write(path, members)
    except IsADirectoryError:
        raise UserError(f"{path}: a folder; name a file with -o") from None
    return Bundle(path, root, len(members), path.stat().st_size)


def _licence(root: Path) -> str:
    """The project's licence, as its citation file has it."""
    try:
        found = re.search(r"(?m)^license:\s*[\"']?([\w.+-]+)", (root / "CITATION.cff").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else "The licence is not stated; ask the authors."
