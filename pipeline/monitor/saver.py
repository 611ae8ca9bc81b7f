"""When the progress of a training is worth saving."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable


class Saver:
    """Decides when progress is worth saving: at most 2 % of the time goes into it, that of others included.

    The environment variable ``SSL_PROGRESS_SECONDS`` sets the interval to that many seconds instead. When a
    save happens changes no result.

    Attributes:
        urged: Whether it saves at the next moment at which that is possible.
    """

    def __init__(self, save: Callable[[], None] | None, among: int = 1) -> None:
        """Nothing is saved yet.

        Args:
            save: Saves the progress; None: never.
            among: Trainings that take turns in this process, and save each for itself.
        """
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
        """Save if the interval has passed. A full or read-only disk costs the progress, not the training."""
        if self.save is None or (not self.urged and time.monotonic() - self.last < self.interval):
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
