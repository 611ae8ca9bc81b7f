"""What is training now, from files alone: status files, the executor's locks, Snakemake's locks, the journal."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.engine import jobs
from pipeline.engine.state import State
from pipeline.errors import UserError
from pipeline.ledger import receipt
from pipeline.ledger.journal import Journal
from pipeline.ledger.workspace import Node, Workspace
from pipeline.locks import Lock, exists
from pipeline.monitor.saver import PROGRESS

STATUS = "status.json"
"""What a training writes into its scratch folder."""


@dataclass(frozen=True)
class Status:
    """Where a training is, or was when it ended.

    Attributes:
        found: Content of its status file.
        folder: The folder of the training, named by its run key.
        resumable: Whether there is something to go on from.
    """

    found: dict[str, Any]
    folder: str
    resumable: bool

    @property
    def pid(self) -> int | None:
        """The process that wrote it, or None if that can't be read."""
        pid = self.found.get("pid")
        return pid if isinstance(pid, int) else None


def statuses(workspace: Workspace) -> dict[str, Status]:
    """Where trainings are, or were when they ended: ``checkpoints/CONFIG/seedS`` -> its latest status."""
    latest: dict[str, Status] = {}
    for path in workspace.scratch.glob(f"*/run/{STATUS}"):
        found = files.read_json(path)
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            known = latest.get(found["name"])
            if known is None or _time(known.found) < _time(found):
                latest[found["name"]] = Status(found, path.parts[-3], (path.parent / PROGRESS).is_file())
    return latest


def worker(workspace: Workspace, config: str) -> int | None:
    """The process that trains a run now, by the executor's lock; None if there is none."""
    lock = Lock(workspace.scratch / "locks" / f"pretrain-{config}")
    pid = lock.last()
    # A free lock is asked only where its last holder's number is in use: an executor that comes at this moment
    # would find it held.
    return pid if pid is not None and exists(pid) and lock.holder() is not None else None


def _time(found: dict[str, Any]) -> float:
    time = found.get("time")
    return time if isinstance(time, int | float) else 0.0


class Live:
    """One look at what goes on in a checkout. Changes nothing, and holds no lock for longer than it takes to ask.

    Args:
        workspace: The checkout.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.statuses = statuses(workspace)
        self.decisions: dict[str, dict[str, Any]] = {}
        for entry in Journal(workspace.journal).entries():
            if isinstance(entry.get("node"), str):
                self.decisions[entry["node"]] = entry
        self.asked = self._asked()

    def worker(self, config: str) -> int | None:
        """See :func:`worker`."""
        return worker(self.workspace, config)

    def failure(self, node: Node, since: float) -> str | None:
        """The line with which a node failed after ``since``; None if what was decided last is something else."""
        last = self.decisions.get(node.name)
        if last is None or last.get("decision") != "failed" or last.get("time", 0) < since:
            return None
        line = str(last.get("error", "?"))
        return None if line.startswith("KeyboardInterrupt") else line

    def _asked(self) -> set[str]:
        """Receipts of the nodes that a snakemake has to make which is at work here now."""
        folder = self.workspace.root / ".snakemake/locks"
        listed: set[str] = set()
        for path in folder.glob("*.output.lock"):
            with contextlib.suppress(OSError):
                listed |= set(path.read_text(encoding="utf-8").split("\n"))
        if not listed or not _snakemake(self.workspace.root.resolve()):
            return set()
        found: set[str] = set()
        for output in listed:
            with contextlib.suppress(UserError):
                if output.startswith(f"{jobs.FOLDER}/"):
                    found |= {Node(name).receipt for name in jobs.of_index(self.workspace, output).nodes}
        return found


def goes_on(status: Status, state: State) -> bool:
    """Whether a training that ended early is one of today's code, params and data, with something to go on from."""
    key_file = state.key_file
    if state.waiting or not status.resumable:
        return False
    key = receipt.key_of(key_file.stage, key_file.code, key_file.params, state.inputs, state.node.seed)
    return status.folder == key[:16]


def _snakemake(root: Path) -> bool:
    """Whether a snakemake runs in a folder; locks outlive one that was killed. True where that cannot be seen."""
    processes = list(Path("/proc").glob("[0-9]*"))
    for process in processes:
        with contextlib.suppress(OSError):
            if b"snakemake" in (process / "cmdline").read_bytes() and (process / "cwd").readlink() == root:
                return True
    return not processes
