"""Live progress of trainings: a bar or lines on stderr, and a small file of each for whoever asks from outside."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pipeline import files
from pipeline.durations import clock
from pipeline.monitor.logbook import Page
from pipeline.monitor.progress import TOLD
from pipeline.monitor.teller import Teller

STATUS = "status.json"
NOTED = 2.0
"""Seconds between two versions of the status file."""


class Screen:
    """What the trainings of one process say: of one its own, of several that take turns one line for all.

    A build that shows bars is told twice a second. Elsewhere there is a line on stderr now and then, on a terminal as
    in a log: other processes write there too, so none may move its cursor.
    """

    def __init__(
        self, stream: TextIO | None = None, teller: Teller | None = None, modes: set[str] | None = None
    ) -> None:
        self.stream = stream or sys.stderr
        self.modes: set[str] = set() if modes is None else modes  # those that a training of this process began in
        self.teller = teller if teller is not None and teller.heard else None
        self.every = 10.0 if self.teller is None else TOLD
        self.reports: list[Report] = []
        self.next = 0.0
        self.told: set[str] = set()

    def show(self, now: float) -> None:
        """Write a line about all trainings that have begun, or tell of them, if it is time."""
        if not self.next:
            self.next = now + self.every
        if now < self.next:
            return
        self.next = now + self.every
        begun = [report for report in self.reports if report.start is not None]
        news: dict[str, list[Report]] = {}
        for report in begun:
            if report.mode != report.said:
                known = not report.said and report.mode in self.modes
                report.said = report.mode
                if known:  # as trainings before it
                    continue
                news.setdefault(report.mode, []).append(report)
        for mode, reports in news.items():
            self.modes.add(mode)
            print(f"{_names(reports)}  {mode}", file=self.stream, flush=True)
        words = _words(begun, now)
        if self.teller is not None:
            at = {report.node: [report.step, report.last_step] for report in begun}
            self.teller.tell(at=at, words=[*words[:1], *_seeds(begun), *words[1:]])
            return
        if all(report.rate(now) > 0 for report in begun):
            words.append(f"ETA {clock(max(report.eta(now) for report in begun))}")
        print("  ".join([_names(begun), *words]), file=self.stream, flush=True)

    def say(self, text: str, once: str) -> None:
        """Print a line of its own, the first time that ``once`` is to be said."""
        if once not in self.told:
            self.told.add(once)
            print(text, file=self.stream, flush=True)

    def leave(self, report: Report) -> None:
        """Say no more about a training."""
        self.reports.remove(report)


def _names(reports: list[Report]) -> str:
    """``directpred/sgd, shapes, seed 0, seed 1``: names that have their beginning in common."""
    first, *rest = [report.name for report in reports]
    return ", ".join([first, *(name.rpartition(", ")[2] for name in rest)])


def _seeds(reports: list[Report]) -> list[str]:
    """Which seed an epoch is of, since a bar is that of all seeds of a run: ``seed 1``, or ``3 seeds``."""
    if len(reports) > 1:
        return [f"{len(reports)} seeds"]
    last = reports[0].name.rpartition(", ")[2]
    return [last] if last.startswith("seed ") else []


def _words(reports: list[Report], now: float) -> list[str]:
    """Say how far trainings are, what matters most first.

    Epochs of the first and the last of them, means of what they say, and the sum of their images.
    """
    epochs = sorted({report.epoch for report in reports})
    place = "-".join(map(str, epochs[:1] + epochs[1:][-1:]))
    words = [f"epoch {place}/{max(report.epochs for report in reports)}"]
    rows = [report.rows[-1] for report in reports if report.rows]
    if rows:
        _, loss, spread, rank = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        words += [f"loss {loss:.4f}", f"std {spread:.2f}", f"rank {rank:.1f}"]
    if all(report.rate(now) > 0 for report in reports):
        words.append(f"{sum(report.images_per_second(now) for report in reports):.0f} images/s")
    return words


class Report:
    """Says how far a training is: on a screen, which others may share, and in a file.

    Reads host counters and finished epochs only, so it never makes the host wait for the device. With a folder it
    keeps ``status.json`` there: where the training is, for ``python -m pipeline runs``.

    Attributes:
        name: What a person calls it.
        node: The run and seed that it is, as folders call them; the name where there is no other.
        mode: How steps are taken; said before the first line, once for all trainings of a process that begin so, and
            again if it changes.
        said: What of it has been said.
        page: What tells a logger of its epochs; None where nobody asks for one.
    """

    def __init__(
        self,
        name: str,
        images_per_epoch: int,
        steps_per_epoch: int,
        stream: TextIO | None = None,
        folder: Path | None = None,
        screen: Screen | None = None,
        node: str = "",
        page: Page | None = None,
    ) -> None:
        self.name = name
        self.node = node or name
        self.images = images_per_epoch
        self.steps = steps_per_epoch
        self.screen = screen or Screen(stream)
        self.screen.reports.append(self)
        self.folder = folder
        self.start: float | None = None
        self.first = self.step = self.last_step = 0
        self.rows: Sequence[tuple[float, ...]] = ()
        self.note = 0.0
        self.due = 0.0
        self.mode = self.said = ""
        self.page = page

    def say(self, line: str) -> None:
        """Print a line at once, if no training on this screen has said it."""
        self.screen.say(f"{self.name}  {line}", line)

    def tick(self, step: int, last_step: int, rows: Sequence[tuple[float, ...]]) -> None:
        """Note that ``step`` steps of ``last_step`` are done; print and write the status file when it is time.

        Args:
            step: Steps since the start of the run.
            last_step: Steps at the last milestone that is asked for.
            rows: Epoch, loss, standard deviation and effective rank of the epochs that are finished.
        """
        if step != self.step + 1:
            self._goes_on(step - 1)
        self.step, self.last_step, self.rows = step, last_step, rows
        if self.page is not None:
            self.page.tell(rows)
        now = time.monotonic()
        if now < self.due:
            return
        if self.start is None:
            self.start, self.first = now, step
        if now >= self.note:
            self.note = now + NOTED
            self._note(now)
        self.screen.show(now)
        self.due = min(self.screen.next, self.note)

    def _goes_on(self, done: int) -> None:
        """Say from where the training goes on: from an earlier milestone, or from where it was killed."""
        epochs, beyond = divmod(done, self.steps)
        place = f"from step {done}, in epoch {epochs + 1}" if beyond else f"from epoch {epochs}"
        line = f"{self.name}  goes on {place}"
        self.screen.say(line, line)

    @property
    def epoch(self) -> int:
        """The epoch it is in, from 1."""
        return -(-self.step // self.steps)

    @property
    def epochs(self) -> int:
        """The last epoch that is asked for."""
        return -(-self.last_step // self.steps)

    def rate(self, now: float) -> float:
        """Steps per second since the first that was seen."""
        return (self.step - self.first) / max(now - (self.start or now), 1e-9)

    def images_per_second(self, now: float) -> float:
        """Images per second, each counted once for all its views."""
        return self.rate(now) * self.images / self.steps

    def eta(self, now: float) -> float:
        """Seconds to the end, where there is a rate."""
        return (self.last_step - self.step) / self.rate(now)

    def _note(self, now: float) -> None:
        """Replace the status file. A disk that refuses it costs nothing but the file."""
        if self.folder is None:
            return
        moves = self.rate(now) > 0
        loss = self.rows[-1][1] if self.rows else math.nan
        status = {
            "name": self.node,
            "called": self.name,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "step": self.step,
            "loss": loss if math.isfinite(loss) else None,
            "images_per_second": round(self.images_per_second(now), 1) if moves else None,
            "eta_seconds": round(self.eta(now), 1) if moves else None,
            "time": round(time.time(), 3),
            "pid": os.getpid(),
        }
        with contextlib.suppress(OSError):
            files.write(self.folder / STATUS, files.dumps(status))

    def close(self) -> None:
        """Leave the screen, tell a logger of the last epoch, and remove the status file: the training is over."""
        if self.page is not None:
            self.page.tell(self.rows)
            self.page.close()
        if self.folder is not None:
            with contextlib.suppress(OSError):
                (self.folder / STATUS).unlink(missing_ok=True)
        self.screen.leave(self)
