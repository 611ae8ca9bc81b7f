"""A line on stderr from measurements that take longer than a few seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """Prints how far a measurement is, at most every few seconds; one that is done sooner prints nothing."""

    def __init__(self, name: str, every: float = 5.0, stream: TextIO | None = None) -> None:
        """Start the clock.

        Args:
            name: The node that is measured.
            every: Seconds between two lines.
            stream: Where to; stderr if ``None``.
        """
        self.name = name
        self.every = every
        self.stream = stream or sys.stderr
        self._next = time.monotonic() + every
        self._what, self._start, self._first = "", 0.0, 0

    def tick(self, what: str, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` steps of ``what`` are done."""
        now = time.monotonic()
        if what != self._what or done < self._first:
            self._what, self._start, self._first = what, now, done
        if now >= self._next:
            self._next = now + self.every
            left = ""
            if done > self._first:
                seconds = (now - self._start) / (done - self._first) * (total - done)
                left = f", about {seconds:.0f} s left"
            print(f"{self.name}: {what} {done}/{total}{left}", file=self.stream, flush=True)
