"""Ranks from 1, as rank 0 has them: started, watched, and ended with the training."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from pipeline import bytecode
from pipeline.components import PACKAGE
from pipeline.errors import UserError
from pipeline.training.processes import group, rank
from pipeline.training.processes.group import Group
from pipeline.training.processes.handover import Handover, packed
from pipeline.training.processes.run import device_of
from pipeline.work import Work

LOOK = 0.1
"""Seconds from one look at the processes to the next."""
GRACE = group.PATIENCE.total_seconds()
"""Seconds for rank 0 to find out that another one is gone, from whatever it waits in or is busy with."""


@dataclass(frozen=True)
class End:
    """How a rank ended before the training did.

    Attributes:
        rank: Its number.
        signal: Number of the signal that killed it; 0 where none did.
        why: What it said itself; empty where it said nothing.
        user: Whether that is a line for the user.
    """

    rank: int
    signal: int = 0
    why: str = ""
    user: bool = False

    def __str__(self) -> str:
        if self.signal:
            with contextlib.suppress(ValueError):
                return f"rank {self.rank} was killed ({signal.Signals(self.signal).name})"
            return f"rank {self.rank} was killed (signal {self.signal})"
        return f"rank {self.rank}: {self.why or 'ended without a word'}"


class Ranks:
    """The processes of a training that are not this one. Within its context they live; at its end they don't.

    Args:
        works: What this process does, and so do they.
        processes: How many there are, this one included.
        device: Where this process computes.
    """

    def __init__(self, works: Sequence[Work], processes: int, device: torch.device) -> None:
        self.processes, self.device = processes, device
        self._meeting = Path(tempfile.mkdtemp(prefix="ssl-ranks-"))
        self._ends: list[End] = []
        self._over, self._seen = threading.Event(), threading.Event()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._watch = threading.Thread(target=self._look_after, daemon=True)
        try:
            for number in range(1, processes):
                self._start(number, works)
        except BaseException:
            self._end()
            raise

    def _start(self, number: int, works: Sequence[Work]) -> None:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", rank.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
            start_new_session=True,  # a Ctrl-C is for rank 0
        )
        self._children[number] = child
        path = [str(Path(entry or ".").absolute()) for entry in sys.path]
        plain = packed(works, device_of(number, self.device))
        told = Handover(number, self.processes, str(self._meeting), path, plain)
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why, it says when it is asked whether it is ready
            child.stdin.write(told.dumps())
            child.stdin.flush()

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._end()

    def join(self) -> Group:
        """Wait until all are ready, and meet them.

        Raises:
            UserError: One of them says what the user has to do, or runs other code than this process.
            RuntimeError: One of them failed, or was killed.
        """
        for number, child in self._children.items():
            assert child.stdout is not None
            answer = _said(child.stdout.readline())
            if "ready" not in answer:
                child.wait()
                self._note(number, answer)
                raise RuntimeError("a rank ended before it was ready")
            for path, found in answer["ready"].items():
                if bytecode.LOADED.get(path, found) != found:
                    raise UserError(f"{path}: edited since this training began; type the same command again")
        self._watch.start()
        return group.join(self._meeting, 0, self.processes, self.device)

    def lost(self) -> End | None:
        """Tell which rank is gone, after something went wrong here; None if all are there."""
        if self._watch.is_alive():
            self._seen.wait(20 * LOOK)
        return min(self._ends, key=lambda end: (not end.signal, not end.why, end.rank), default=None)

    def _note(self, number: int, answer: dict[str, Any]) -> None:
        code = self._children[number].returncode
        why = answer.get("trace") or answer.get("failed", "")
        self._ends.append(End(number, max(-code, 0), why, bool(answer.get("user"))))

    def _look_after(self) -> None:
        """Notice whichever ends first. The others cannot go on, and what waits for them here must end too."""
        while not self._over.wait(LOOK):
            gone = [number for number, child in self._children.items() if child.poll() is not None]
            if not gone:
                continue
            for number in gone:
                stream = self._children[number].stdout
                self._note(number, _said(stream.readline()) if stream is not None else {})
            self._seen.set()
            self._kill()
            group.abort()
            if not self._over.wait(GRACE):
                # NCCL may wait in the GPU for ever; what was saved is there for whoever starts next
                print(f"{self.lost()}; rank 0 does not come back from waiting for it, and ends", file=sys.stderr)
                sys.stderr.flush()
                os._exit(1)
            return

    def _kill(self) -> None:
        for child in self._children.values():
            child.kill()

    def _end(self) -> None:
        self._over.set()
        self._kill()
        with contextlib.suppress(RuntimeError):
            group.leave()
        for child in self._children.values():
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        shutil.rmtree(self._meeting, ignore_errors=True)


def _said(line: bytes) -> dict[str, Any]:
    """What a rank has said; nothing where it was killed."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
