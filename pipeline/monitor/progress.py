"""A line on stderr, or a bar, from measurements that take longer than a few seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from pipeline.monitor.stop import Stop
from pipeline.monitor.teller import Teller

TOLD = 0.5
"""Seconds between two looks of a build that shows bars."""


class Progress:
    """Prints how far a measurement is, at most every few seconds; one that is done sooner prints nothing.

    Where a build shows bars it is told twice a second, and nothing is printed.
    """

    def __init__(
        self,
        name: str,
        every: float = 5.0,
        stream: TextIO | None = None,
        teller: Teller | None = None,
        node: str = "",
        stop: Stop | None = None,
    ) -> None:
        """Start the clock.

        Args:
            name: What people call what is measured.
            every: Seconds between two lines.
            stream: Where to; stderr if ``None``.
            teller: Tells a build that shows bars; None: there is none.
            node: The node, for that build.
            stop: Whether the process is to end; None: it never is.
        """
        self.name = name
        self.node = node
        self.stop = stop or Stop()
        self.teller = teller if teller is not None and teller.heard else None
        self.every = every if self.teller is None else TOLD
        self.stream = stream or sys.stderr
        self._next = time.monotonic() + self.every
        self._what, self._start, self._first = "", 0.0, 0

    def tick(self, what: str, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` steps of ``what`` are done.

        Raises:
            Stopped: The process is to end.
        """
        self.stop.check()
        now = time.monotonic()
        if what != self._what or done < self._first:
            self._what, self._start, self._first = what, now, done
        if now >= self._next:
            self._next = now + self.every
            if self.teller is not None:
                self.teller.tell(at={self.node: [done, total]}, words=[f"{what} {done}/{total}"])
                return
            left = ""
            if done > self._first:
                seconds = (now - self._start) / (done - self._first) * (total - done)
                left = f", about {seconds:.0f} s left"
            print(f"{self.name}: {what} {done}/{total}{left}", file=self.stream, flush=True)
