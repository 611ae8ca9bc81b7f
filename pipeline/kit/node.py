"""Executing the jobs of a kit, one process each, until they are done or the time is over.

Every job goes through the executor, in a child of this process that has torch imported already. So a job that ends
badly (a sticky error of the GPU, no memory) leaves nothing behind for the next, and one whose time is over is
interrupted as by Ctrl-C: what a training has saved of its progress stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from pipeline import files
from pipeline.engine.executor import Executor
from pipeline.errors import UserError, explain
from pipeline.ledger import receipt
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.journal import Journal
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node, Workspace

GRACE = 20.0
"""Seconds that an interrupted job has to end by itself."""
LEAST = 0.5
"""Seconds below which no job is begun."""


@dataclass
class Outcome:
    """How the nodes of a kit fared.

    Attributes:
        log: A line per decision: what, which node, how many seconds, why.
        decided: Node -> executed, restored, unchanged or failed.
        stopped: Whether the time was over before all was done.
    """

    log: list[str] = field(default_factory=list)
    decided: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    @classmethod
    def load(cls, path: Path) -> Self:
        """How the nodes of this kit fared before; nothing is left of why it was stopped."""
        found = files.read_json(path)
        return cls(found["log"], found["decided"]) if isinstance(found, dict) else cls()

    def save(self, path: Path) -> None:
        """Keep it for the next call with the same kit."""
        files.write(path, files.dumps(asdict(self)))

    def note(self, node: str, decision: str, seconds: float, why: str = "") -> None:
        """Write down a decision."""
        self.decided[node] = decision
        self.log.append(f"{decision:10}{seconds:9.1f} s  {node}{f': {why}' if why else ''}")

    def named(self, *decisions: str) -> list[str]:
        """Nodes on which one of these decisions was taken."""
        return [node for node, decision in self.decided.items() if decision in decisions]


class Runner:
    """Executes jobs.

    Args:
        workspace: The checkout.
        until: When to stop (``time.monotonic``).
        outcome: Where decisions are noted.
        done: Called after every job that has decided something.
    """

    def __init__(self, workspace: Workspace, until: float, outcome: Outcome, done: Callable[[], None]) -> None:
        self.workspace, self.until, self.outcome, self.done = workspace, until, outcome, done
        self.journal = Journal(workspace.journal)

    def run(self, jobs: Sequence[Sequence[Node]]) -> None:
        """Execute jobs in this order; one that fails stops no other.

        Raises:
            KeyboardInterrupt: The user has had enough. What was executed is noted and handed over.
        """
        _prepare()
        with _terminable():
            for job in jobs:
                nodes = [node for node in job if self._readable(node)]
                if nodes and not self._job(nodes):
                    self.outcome.stopped = True
                    return

    def _readable(self, node: Node) -> bool:
        """Say whether all that a node reads is there: it may have failed."""
        key = KeyFile.load(self.workspace.path(node.key))
        below = [node.resolve_input(template) for template in key.inputs.values()]
        return all(receipt.read(self.workspace.path(found.receipt)) is not None for found in below)

    def _job(self, nodes: list[Node]) -> bool:
        """Bring nodes into place; False if the time was over first.

        Where some are left after an error, every seed, or measurement, has another try by itself.
        """
        before = time.time() - 0.002  # the journal's times are rounded
        ended, error = self._child(nodes)
        in_time = ended == "in time"
        entries = {entry["node"]: entry for entry in self.journal.entries(before)}
        decided = {name for name, entry in entries.items() if entry["decision"] not in ("failed", "stopped")}
        left = [node for node in nodes if node.name not in decided]
        for node in nodes:
            if node.name in decided:
                self.outcome.note(node.name, entries[node.name]["decision"], entries[node.name]["seconds"])
        units = _units(left)
        if in_time and len(units) == 1:
            for node in left:
                entry = entries.get(node.name, {})
                self.outcome.note(node.name, "failed", entry.get("seconds", 0.0), entry.get("error") or error)
        if decided or (in_time and len(units) == 1):
            self.done()
        if ended == "interrupted":
            raise KeyboardInterrupt
        if not in_time:
            return False
        return len(units) < 2 or all(self._job(unit) for unit in units)

    def _child(self, nodes: list[Node]) -> tuple[str, str]:
        """Send nodes through the executor in a process of their own.

        Returns:
            Whether it ended ``in time``, ``late`` or was ``interrupted`` by the user, and what it died of.
        """
        if self.until - time.monotonic() < LEAST:
            return "late", ""
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _work(self.workspace, nodes)
        ended = "late"
        try:
            status = _wait(child, self.until)
            if status is not None:
                return "in time", _said(status)
        except KeyboardInterrupt:
            ended = "interrupted"
        _end(child)
        return ended, ""


def _prepare() -> None:
    """Import once what takes seconds. No GPU is touched: a child could not use it any more."""
    try:
        import safetensors.torch  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{error.name}: not installed, and a kit is executed with it; install torch and the kit's wheels "
            "(python -m pip install --no-deps FOLDER/part*/wheels/*.whl)"
        ) from None


def _work(workspace: Workspace, nodes: list[Node]) -> None:
    """Never returns: what the parent has in hand is not touched again."""
    code = 1
    try:
        os.setsid()  # a Ctrl-C in the terminal is the parent's to pass on
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        Executor(workspace).run(nodes)
        code = 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        line = explain(error) if isinstance(error, Exception) else None
        if line is None:
            traceback.print_exc()
        else:
            print(f"error: {line}", file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, until: float) -> int | None:
    """How a child ended; None if it has not until then."""
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.02)
    return None


def _end(child: int) -> None:
    """Interrupt a child, and kill it if that does not help: progress files are whole at any moment."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGINT)
    if _wait(child, time.monotonic() + GRACE) is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _said(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"the process was killed ({signal.Signals(os.WTERMSIG(status)).name})"
    return f"the process ended with status {os.waitstatus_to_exitcode(status)}; what it said is above"


def _units(nodes: list[Node]) -> list[list[Node]]:
    """Part a job into what may fail by itself: the milestones of one seed, a measurement."""
    units: dict[object, list[Node]] = {}
    for node in nodes:
        units.setdefault(node.seed if node.family is PRETRAIN else node.name, []).append(node)
    return list(units.values())


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is what a machine sends before it is taken away: it ends a job as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
