"""Live progress of a training on stderr."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from pipeline.training.history import History


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Report:
    """On a terminal one line that is rewritten; elsewhere a line now and then.

    Reads host counters and finished epochs only, so it never makes the host wait for the device.
    """

    def __init__(self, name: str, images_per_epoch: int, steps_per_epoch: int, stream: TextIO | None = None) -> None:
        self.name = name
        self.images = images_per_epoch
        self.steps = steps_per_epoch
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.every = 0.2 if self.live else 10.0
        self.start: float | None = None
        self.first = 0
        self.next = 0.0

    def tick(self, step: int, last_step: int, history: History) -> None:
        """Note that ``step`` steps of ``last_step`` are done, and print if it is time.

        Args:
            step: Steps since the start of the run.
            last_step: Steps at the last milestone that is asked for.
            history: Epochs that are finished.
        """
        now = time.monotonic()
        if self.start is None:
            self.start, self.first, self.next = now, step, now + self.every
        if now < self.next:
            return
        self.next = now + self.every
        print(
            self._line(now, step, last_step, history),
            end="" if self.live else "\n",
            file=self.stream,
            flush=True,
        )

    def _line(self, now: float, step: int, last_step: int, history: History) -> str:
        rate = (step - self.first) / max(now - (self.start or now), 1e-9)
        parts = [self.name, f"epoch {-(-step // self.steps)}/{-(-last_step // self.steps)}"]
        if history.rows:
            _, loss, spread, rank = history.rows[-1]
            parts += [f"loss {loss:.4f}", f"std {spread:.2f}", f"rank {rank:.1f}"]
        if rate > 0:
            parts += [
                f"{rate * self.images / self.steps:.0f} images/s",
                f"ETA {_clock((last_step - step) / rate)}",
            ]
        line = "  ".join(parts)
        if not self.live:
            return line
        width = shutil.get_terminal_size().columns - 1
        return "\r" + line[:width].ljust(width)

    def close(self) -> None:
        """End the live line."""
        if self.live and self.start is not None:
            print(
                "\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r",
                end="",
                file=self.stream,
                flush=True,
            )
