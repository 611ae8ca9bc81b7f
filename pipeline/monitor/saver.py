"""When the progress of a training is worth saving."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from pipeline.monitor.stop import Stop

PROGRESS = "progress.bin"
"""The file in a scratch folder from which what was killed goes on."""

OTHERS = 3
"""Turns that a training takes after its last save where others take turns with it: each of these comes to a moment at
which it can save within as many, since only the two steps around the last full minibatch of an epoch are none."""


class Saver:
    """Decides when progress is worth saving: at most 2 % of the time goes into it, that of others included.

    The environment variable ``SSL_PROGRESS_SECONDS`` sets the interval to that many seconds instead. When a
    save happens changes no result. In a process that is told to stop a training saves at once, and ends.

    Attributes:
        urged: Whether it saves at the next moment at which that is possible.
    """

    def __init__(self, save: Callable[[], None] | None, among: int = 1, stop: Stop | None = None) -> None:
        """Nothing is saved yet.

        Args:
            save: Saves the progress; None: never.
            among: Trainings that take turns in this process, and save each for itself.
            stop: Whether the process was told to stop; None: it never is.
        """
        self.stop = stop or Stop()
        self.stop.saves = save is not None
        self._left: int | None = None  # turns until it ends, once it has saved for the last time
        self.save = save
        self.among = among
        fixed = os.environ.get("SSL_PROGRESS_SECONDS")
        self.fixed = float(fixed) if fixed else None
        self.interval = 2.0 * among if self.fixed is None else self.fixed
        self.last = time.monotonic()
        self.urged = False

    def request_save(self) -> None:
        """Save at the next moment at which progress can be saved; ``urged`` is true until then."""
        self.urged = self.save is not None

    def maybe_save(self) -> None:
        """Save if the interval has passed. A full or read-only disk costs the progress, not the training.

        Raises:
            Stopped: The process was told to stop, and all of its trainings could save.
        """
        if self.stop.told is not None:
            self._save_and_stop()
        elif self.save is not None and (self.urged or time.monotonic() - self.last >= self.interval):
            self._save()

    def _save_and_stop(self) -> None:
        if self._left is None:
            self._left = OTHERS if self.among > 1 else 0
            self._save()
        if self._left <= 0:
            self.stop.check()
        self._left -= 1

    def _save(self) -> None:
        if self.save is None:
            return
        self.urged = False
        start = time.monotonic()
        try:
            self.save()
        except OSError as error:
            print(f"{error.filename or 'disk'}: progress is not saved ({error.strerror})", file=sys.stderr)
        self.last = time.monotonic()
        if self.fixed is None:
            self.interval = self.among * max(2.0, 50.0 * (self.last - start))
