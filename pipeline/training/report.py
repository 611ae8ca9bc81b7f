"""Live progress of a training: a line on stderr, and a small file for whoever asks from outside."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

from pipeline import files
from pipeline.training.history import History

STATUS = "status.json"
NOTED = 2.0
"""Seconds between two versions of the status file."""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Report:
    """On a terminal one line that is rewritten; elsewhere a line now and then.

    Reads host counters and finished epochs only, so it never makes the host wait for the device. With a folder it
    keeps ``status.json`` there: where the training is, for ``python -m pipeline runs``.

    Attributes:
        mode: How steps are taken; said before the first line, and again if it changes.
    """

    def __init__(
        self,
        name: str,
        images_per_epoch: int,
        steps_per_epoch: int,
        stream: TextIO | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.images = images_per_epoch
        self.steps = steps_per_epoch
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.every = 0.2 if self.live else 10.0
        self.folder = folder
        self.start: float | None = None
        self.first = 0
        self.next = 0.0
        self.note = 0.0
        self.due = 0.0
        self.mode = self._said = ""

    def tick(self, step: int, last_step: int, history: History) -> None:
        """Note that ``step`` steps of ``last_step`` are done; print and write the status file when it is time.

        Args:
            step: Steps since the start of the run.
            last_step: Steps at the last milestone that is asked for.
            history: Epochs that are finished.
        """
        now = time.monotonic()
        if now < self.due:
            return
        if self.start is None:
            self.start, self.first, self.next = now, step, now + self.every
        if now >= self.note:
            self.note = now + NOTED
            self._note(now, step, last_step, history)
        if now >= self.next:
            self.next = now + self.every
            line = self._line(now, step, last_step, history)
            if self.mode != self._said:
                self._said = self.mode
                print(f"{self.name}  {self.mode}", file=self.stream)
            print(line, end="" if self.live else "\n", file=self.stream, flush=True)
        self.due = min(self.next, self.note)

    def _rate(self, now: float, step: int) -> float:
        """Steps per second since the first that was seen."""
        return (step - self.first) / max(now - (self.start or now), 1e-9)

    def _note(self, now: float, step: int, last_step: int, history: History) -> None:
        """Replace the status file. A disk that refuses it costs nothing but the file."""
        if self.folder is None:
            return
        rate = self._rate(now, step)
        loss = history.rows[-1][1] if history.rows else math.nan
        status = {
            "name": self.name,
            "epoch": -(-step // self.steps),
            "epochs": -(-last_step // self.steps),
            "step": step,
            "loss": loss if math.isfinite(loss) else None,
            "images_per_second": round(rate * self.images / self.steps, 1) if rate > 0 else None,
            "eta_seconds": round((last_step - step) / rate, 1) if rate > 0 else None,
            "time": round(time.time(), 3),
            "pid": os.getpid(),
        }
        with contextlib.suppress(OSError):
            files.write(self.folder / STATUS, files.dumps(status))

    def _line(self, now: float, step: int, last_step: int, history: History) -> str:
        rate = self._rate(now, step)
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
        """End the live line, and remove the status file: the training is over."""
        if self.folder is not None:
            with contextlib.suppress(OSError):
                (self.folder / STATUS).unlink(missing_ok=True)
        if self.live and self.start is not None:
            print(
                "\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r",
                end="",
                file=self.stream,
                flush=True,
            )
