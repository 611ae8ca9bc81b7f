"""Being told to stop: whoever lends the machine wants it back, and leaves a moment to save what is done.

SIGTERM is what schedulers, container runtimes and shells send before they kill; SIGUSR1 what SLURM sends some time
before a limit (``--signal=USR1@120``). A training hears of it where it can save its progress, and ends there. Whatever
saves by itself, or not at all, ends at once.

A job whose build is gone, killed so that it could tell nobody, is told as well: nobody waits for it, and the next build
would find it in its way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

from pipeline.locks import exists, started

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

BUILD = "SSL_BUILD"
"""Environment variable of a build on this machine, for its jobs: the number of its process, and when that began."""

ASKED = 1.0
"""Seconds between two looks at whether the build is still there."""


def lend_name() -> None:
    """Have jobs that this process starts end when it is gone."""
    os.environ[BUILD] = f"{os.getpid()} {started(os.getpid())}"


class Stopped(KeyboardInterrupt):
    """Work was ended by a signal. Like a Ctrl-C it is no fault of the work's, and nothing may catch it as one.

    Attributes:
        signal: The signal.
        goes_on: Whether the same work would go on from beyond where this process began.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number
        self.goes_on = False


class Stop:
    """Whether the work of this process is to end.

    Args:
        build: Whose work it is, as :data:`BUILD` has it; empty where it is nobody's, or does not matter.

    Attributes:
        saves: Whether what is at work saves its progress at moments of its own, and is to come to one of them first.
    """

    def __init__(self, build: str = "") -> None:
        self.saves = False
        self._told: signal.Signals | None = None
        self._build = build
        self._watches = _is_there(build)  # not where its number says nothing, as in a container
        self._asked = time.monotonic()

    @property
    def told(self) -> signal.Signals | None:
        """The signal that said so, SIGHUP where the build is gone; None while there is no reason to end."""
        now = time.monotonic()
        if self._watches and now - self._asked >= ASKED:
            self._asked = now
            if not _is_there(self._build):
                self._told = self._told or signal.SIGHUP
        return self._told

    def check(self) -> None:
        """End here if this process was told to.

        Raises:
            Stopped: It was.
        """
        if self.told is not None:
            raise Stopped(self.told)

    def _hear(self, number: int, _: object) -> None:
        self._told = self._told or signal.Signals(number)
        if not self.saves:
            self.check()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear signals within the block; only a process's main thread can.

        Raises:
            Stopped: One has come, in the block or at its end: who was told to stop does not take up anything else.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
            self.check()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_there(build: str) -> bool:
    pid, _, began = build.partition(" ")
    return pid.isdecimal() and exists(int(pid)) and started(int(pid)) == began
