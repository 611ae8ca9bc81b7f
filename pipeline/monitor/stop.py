"""Being told to stop: whoever lends the machine wants it back, and leaves a moment to save what is done.

SIGTERM is what schedulers, container runtimes and shells send before they kill; SIGUSR1 what SLURM sends some time
before a limit (``--signal=USR1@120``). A training hears of it where it can save its progress, and ends there. Whatever
saves by itself, or not at all, ends at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


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

    Attributes:
        told: The signal that said so; None while none has.
        saves: Whether what is at work saves its progress at moments of its own, and is to come to one of them first.
    """

    def __init__(self) -> None:
        self.told: signal.Signals | None = None
        self.saves = False

    def check(self) -> None:
        """End here if this process was told to.

        Raises:
            Stopped: It was.
        """
        if self.told is not None:
            raise Stopped(self.told)

    def _hear(self, number: int, _: object) -> None:
        self.told = self.told or signal.Signals(number)
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
