"""Tables and figures that are to be made again, kept until they are.

Snakemake deletes them before their job runs, and a job that fails (its inputs are out of reach, the disk is full) or is
killed would leave nothing where something was.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable

from pipeline.engine.jobs import Job
from pipeline.ledger.workspace import Node, Workspace

FOLDER = ".scratch/before"


def keep(workspace: Workspace, drawn: Iterable[Job]) -> None:
    """Keep a copy of every file of jobs that are to run, as it is now."""
    for job in drawn:
        for path in job.present(workspace.root):
            copy = workspace.path(f"{FOLDER}/{path.relative_to(workspace.root)}")
            with contextlib.suppress(OSError):  # a full disk is no reason not to begin
                here, there = path.stat(), copy.stat() if copy.exists() else None
                if there is None or (here.st_size, here.st_mtime_ns) != (there.st_size, there.st_mtime_ns):
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, copy)


def put_back(workspace: Workspace) -> list[str]:
    """Put back what a build that failed or was killed has taken away and not replaced; returns the artifacts' names."""
    found = []
    folder = workspace.path(FOLDER)
    for receipt in sorted(folder.glob("results/*/*/*.receipt.json")) if folder.is_dir() else ():
        name = receipt.relative_to(folder).as_posix().removesuffix(".receipt.json")
        if workspace.path(Node(name).receipt).exists():
            continue
        for copy in sorted(folder.glob(f"{name}.*")):
            path = workspace.path(copy.relative_to(folder).as_posix())
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(copy, path)
        found.append(name)
    return found


def drop(workspace: Workspace) -> None:
    """Forget the copies: everything was made."""
    shutil.rmtree(workspace.path(FOLDER), ignore_errors=True)
