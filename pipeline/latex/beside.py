"""The LaTeX file beside every table of results/: a view of its JSON file, in no receipt and no key.

A build brings all of its tables' views up to date at its end. One that is newer than its JSON file is not read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline import files
from pipeline.latex.mark import source

SUFFIX = ".tex"
"""What the file ends in; its name is the artifact's."""


def write(root: Path, stems: Iterable[str]) -> list[str]:
    """Bring the views of some tables up to date; returns a line for each that is somebody's own, or cannot be written.

    Args:
        root: The checkout.
        stems: ``results/EDITION/PAPER/ARTIFACT`` of tables.
    """
    remarks = []
    for stem in stems:
        path = root / f"{stem}{SUFFIX}"
        try:
            if not _stale(root / f"{stem}.json", path):
                continue
            if path.exists() and source(path) != stem:
                remarks.append(f"{stem}{SUFFIX} is not what a build writes there, and stays; move it elsewhere")
                continue
            text = content(root, stem)
            if text is not None and not files.write_if_different(path, text):
                os.utime(path)  # the same for a newer JSON file
        except OSError as error:
            remarks.append(f"{stem}{SUFFIX}: not written: {error.strerror}")
    return remarks


def _stale(json: Path, view: Path) -> bool:
    """Whether there is a JSON file, and no view that is newer, and not of a time to come, which would stay newer."""
    try:
        made = json.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    try:
        return not made <= view.stat().st_mtime_ns <= time.time_ns()
    except FileNotFoundError:
        return True


def content(root: Path, stem: str) -> str | None:
    """What the view has to hold; None where the table is not there as its stage has written it."""
    from pipeline.artifacts import words
    from pipeline.latex import written
    from pipeline.ledger import receipt
    from pipeline.ledger.workspace import Node

    known = receipt.read(root / Node(stem).receipt)
    path = root / f"{stem}.json"
    entry = (known or {"outputs": {}})["outputs"].get(path.name)
    if known is None or entry is None or files.sha256(path) != entry["sha256"]:
        return None
    report = words.as_printed(files.read_object(path), known["params"].get("published", ()))
    return written.table(stem, report, known["key"])


def is_view(root: Path, path: Path) -> bool:
    """Whether a file below results/ is the view of the artifact whose name it has."""
    return path.suffix == SUFFIX and source(path) == path.relative_to(root).with_suffix("").as_posix()


def holds(root: Path, stem: str) -> bool:
    """Whether a table's view is what its JSON file gives; where that file is not as written, nothing can be said."""
    wanted = content(root, stem)
    return wanted is None or (root / f"{stem}{SUFFIX}").read_bytes() == wanted.encode()
