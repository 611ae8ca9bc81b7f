"""How far a build is, and when it will end: the plan's forecast, corrected by how fast it goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.durations import clock
from pipeline.engine.estimate import Forecast
from pipeline.engine.jobs import Job
from pipeline.engine.state import IN_PLACE, States
from pipeline.monitor.bars import Row
from pipeline.planning.spec import Scale

LEAST = 1e-3
"""Seconds of a node of which nobody knows how long it takes: then nodes are counted."""

TRUSTED = 0.05
"""Share of the work after which the measured pace counts as much as the forecast."""

DONE = ("executed", "restored", "unchanged")


@dataclass
class _AtWork:
    """A job that is at work.

    Attributes:
        since: When it was seen first.
        changed: When the share of it that is complete was seen to change.
        complete: That share, and what it was at first.
        moved: When its training was seen to move first, and the share that was done then.
    """

    since: float
    changed: float
    complete: float
    first: float
    moved: tuple[float, float] | None = None


class Outlook:
    """Follows a build.

    Args:
        seconds: How long each node takes that is not in place, as far as that is known.
        jobs: The jobs of these nodes.
        workers: How many jobs run at once.
        now: The time, in seconds.
        start: Seconds that a job takes to begin and to end.
    """

    def __init__(
        self, seconds: Mapping[str, float], jobs: Iterable[Job], workers: float, now: float, start: float = 0.0
    ) -> None:
        self.seconds = {name: max(value, LEAST) for name, value in seconds.items()}
        self.workers = workers
        self.since = now
        self.done: set[str] = set()
        self.start = start
        self._job = {name: job for job in jobs for name in job.nodes}
        self._total = sum(self.seconds.values()) + start * len({self._job[name].path for name in self.seconds})
        self._complete = 0.0
        self._begun: set[str] = set()  # jobs that have started to do something
        self._work: dict[str, _AtWork] = {}
        self._running = 0.0  # seconds of the forecast that jobs at work have done of what is not complete
        self._left = 0.0  # seconds that the longest of them still takes

    @classmethod
    def of(cls, states: States, jobs: Sequence[Job], scale: Scale, cores: int, now: float) -> Outlook:
        """Expect of a build what ``plan`` says of it.

        Args:
            states: Of all planned nodes, as they were before the build.
            jobs: All planned jobs.
            scale: Whose guesses hold where no receipts of like runs do.
            cores: Processors that jobs share.
            now: The time.
        """
        parts = Forecast(states, scale).parts()
        seconds: dict[str, float] = {}
        weights: list[tuple[float, int]] = []
        for job in jobs:
            own = [name for name in job.nodes if states.by_name[name].status != IN_PLACE]
            if not own:
                continue
            seconds |= {name: parts.get(name, 0.0) for name in own}
            weights.append((LEAST + sum(seconds[name] for name in own), cores if job.gpus else job.threads))
        used = sum(weight * threads for weight, threads in weights) / max(sum(weight for weight, _ in weights), LEAST)
        workers = min(max(cores / max(used, 1.0), 1.0), max(len(weights), 1))
        return cls(seconds, jobs, workers, now, scale.estimate.start)

    def note(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take note of what the executor decided, as its journal has it."""
        for entry in entries:
            name = entry.get("node")
            if entry.get("decision") in DONE and name in self.seconds and name not in self.done:
                self.done.add(name)
                self._complete += self.seconds[name]
                self._begun.add(self._job[name].path)

    def rows(self, told: Mapping[str, Mapping[str, Any]], now: float) -> list[Row]:
        """What to show: a row per job that is at work, and one for the whole.

        Args:
            told: What each job tells, by its place; see :meth:`pipeline.monitor.teller.Teller.tell`.
            now: The time.
        """
        self._running = self._left = 0.0
        rows = [row for place, says in told.items() if (row := self._row(place, says, now)) is not None]
        for place in self._work.keys() - told.keys():
            del self._work[place]
        return [*rows, self._whole(now)] if self.seconds else rows

    def _row(self, place: str, says: Mapping[str, Any], now: float) -> Row | None:
        job = next((self._job[name] for name in says.get("nodes", ()) if name in self._job), None)
        if job is None:
            return None
        own = {name: self.seconds[name] for name in job.nodes if name in self.seconds}
        whole = sum(own.values()) or LEAST
        complete = sum(value for name, value in own.items() if name in self.done)
        partly = sum(self._partly(own, key, *count) for key, count in says.get("at", {}).items())
        work = self._work.setdefault(place, _AtWork(now, now, complete, complete))
        if complete != work.complete:
            work.complete, work.changed = complete, now
        share = min((complete + partly) / whole, 1.0)
        left = self._seconds_left(work, whole, share, says.get("at", {}).keys() - own.keys(), now)
        if partly:
            self._begun.add(job.path)
        self._running += partly
        self._left = max(self._left, left or 0.0)
        words = list(says.get("words", ())) or [f"running {clock(now - work.since)}"]
        return Row(job.called or job.name, share, words, left, kind=job.rule)

    def _partly(self, own: Mapping[str, float], key: str, done: int, of: int) -> float:
        """Seconds of the forecast that are done of a node, or of a run and seed with all its milestones."""
        below = {name: value for name, value in own.items() if name == key or name.startswith(f"{key}/")}
        complete = sum(value for name, value in below.items() if name in self.done)
        reached = sum(below.values()) * min(done / max(of, 1), 1.0)
        return max(reached - complete, 0.0)

    def _seconds_left(
        self, work: _AtWork, whole: float, share: float, trainings: Collection[str], now: float
    ) -> float | None:
        """Seconds that a job still takes: a training by its steps, others by the plan and how true that was so far."""
        if trainings:
            if work.moved is None:
                work.moved = now, share
            begun, before = work.moved
            return (1.0 - share) / (share - before) * (now - begun) if share > before and now - begun > 1 else None
        more = whole - work.complete
        if work.complete > work.first:
            more *= (work.changed - work.since) / (work.complete - work.first)
        else:
            more += self.start
        left = more - (now - work.changed)
        return left if left >= 1 else None

    def _whole(self, now: float) -> Row:
        done = self._complete + self._running + self.start * len(self._begun)
        early = TRUSTED * self._total
        pace = (done + early) / (now - self.since + early / self.workers)
        left = max((self._total - done) / max(pace, 1e-9), self._left)
        label = f"build, {len(self.done)}/{len(self.seconds)} stages"
        return Row(label, min(done / self._total, 1.0), left=left if left >= 1 else None)
