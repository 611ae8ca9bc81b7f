"""What people see while a stage works, and when it saves its progress.

The executor hands a monitor to every stage. Nothing here is part of what is computed, so nothing here is in a key: a
reworded line or another interval makes no training stale.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, cast

from pipeline.monitor.logbook import Logbook
from pipeline.monitor.progress import Progress
from pipeline.monitor.report import Report, Screen
from pipeline.monitor.saver import Saver
from pipeline.monitor.stop import Stop
from pipeline.monitor.teller import Teller


class Monitor:
    """Watches the stages of one process.

    Args:
        stream: Where lines go; stderr if None.
        called: What a person calls a node; its own name without it.
        stop: Whether the process was told to stop; None: it never is.
        teller: Tells a build that shows bars; None: a new one.
        modes: How trainings of the process took their steps before, which is not said again; None: none did.
        logbook: Tells a logger of the epochs of trainings; None: there is none.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        called: Callable[[str], str] = str,
        stop: Stop | None = None,
        teller: Teller | None = None,
        modes: set[str] | None = None,
        logbook: Logbook | None = None,
    ) -> None:
        self.stream = stream
        self.called = called
        self.stop = stop or Stop()
        self.teller = teller or Teller()
        self.screen = Screen(stream, self.teller, modes)
        self.logbook = logbook

    def training(self, name: str, images: int, steps: int, folder: Path | None) -> Report:
        """Watch a training.

        Args:
            name: The run and seed.
            images: Images per epoch.
            steps: Steps per epoch.
            folder: Where its status file is kept, named for what is trained; None for none.
        """
        called, page = self.called(name), None
        if self.logbook is not None:
            page = self.logbook.training(called, name, steps, str(folder or ""), self._say)
        return Report(called, images, steps, folder=folder, screen=self.screen, node=name, page=page)

    def _say(self, line: str) -> None:
        self.screen.say(line, line)

    def saver(self, save: Callable[[], None] | None, among: int = 1) -> Saver:
        """Decide when a training saves its progress; see :class:`pipeline.monitor.saver.Saver`."""
        return Saver(save, among, self.stop)

    def unseen(self) -> Monitor:
        """A monitor for a process that does what another one shows and saves."""
        return _Unseen()

    def measurement(self, name: str) -> Progress:
        """Watch a measurement."""
        return Progress(self.called(name), stream=self.stream, teller=self.teller, node=name, stop=self.stop)


class _Unseen(Monitor):
    """Watches a training of which nobody here is told, and of which nothing is saved."""

    def __init__(self) -> None:
        super().__init__(cast(TextIO, _Nowhere()), teller=Teller(silent=True))

    def training(self, name: str, images: int, steps: int, folder: Path | None) -> Report:
        """Watch it without a status file."""
        return super().training(name, images, steps, None)

    def saver(self, save: Callable[[], None] | None, among: int = 1) -> Saver:
        """Save nothing."""
        return super().saver(None, among)


class _Nowhere(io.TextIOBase):
    """Where lines go that nobody is to see."""

    def write(self, text: str) -> int:
        """Forget it."""
        return len(text)
