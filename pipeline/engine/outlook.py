"""How far a build is, and when it will end: the plan's forecast, corrected by how fast it goes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.durations import clock
from pipeline.engine.estimate import Forecast
from pipeline.engine.jobs import Job
from pipeline.engine.state import IN_PLACE, States
from pipeline.ledger.families import PRETRAIN
from pipeline.monitor.bars import Row
from pipeline.planning.spec import Scale

LEAST = 1e-3
"""Seconds of a node of which nobody knows how long it takes: then nodes are counted."""

TRUSTED = 0.05
"""Share of the work after which the measured pace counts as much as the forecast."""

SURE = 10.0
"""Seconds of a training after which its steps count as much as the forecast, however long that is."""

DONE = ("executed", "restored", "unchanged")


@dataclass
class _AtWork:
    """A job that is at work.

    Attributes:
        since: When it was seen first.
        changed: When the share of it that is complete was seen to change.
        complete: That share, and what it was at first.
        moved: When its training was seen to move first, and the share that was done then.
        pace: Seconds that its training has taken since, and those of the forecast that are done of it since.
    """

    since: float
    changed: float
    complete: float
    first: float
    moved: tuple[float, float] | None = None
    pace: tuple[float, float] = (0.0, 0.0)


class Outlook:
    """Follows a build.

    Until something has moved the forecast stands as it is. Then what is left of a training follows its own steps, and
    all else how true the forecast of what was done has been.

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
        self.done: set[str] = set()
        self.start = start
        self._job = {name: job for job in jobs for name in job.nodes}
        self._total = sum(self.seconds.values()) + start * len({self._job[name].path for name in self.seconds})
        self._complete = 0.0
        self._begun: set[str] = set()  # jobs that have started to do something
        self._work: dict[str, _AtWork] = {}
        self._running = 0.0  # seconds of the forecast that jobs at work have done of what is not complete
        self._left: dict[str, float] = {}  # path of each of them -> seconds that it still takes
        self._timed: set[str] = set()  # jobs that are timed by their steps
        self._taken = self._expected = 0.0  # seconds of what is over, and those of its forecast

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
                seconds = entry.get("seconds")
                timed = self._job[name].path in self._timed
                if entry["decision"] == "executed" and isinstance(seconds, int | float) and not timed:
                    self._taken += seconds
                    self._expected += self.seconds[name]

    def rows(self, told: Mapping[str, Mapping[str, Any]], now: float) -> list[Row]:
        """What to show: a row per job that is at work, and one for the whole.

        Args:
            told: What each job tells, by its place; see :meth:`pipeline.monitor.teller.Teller.tell`.
            now: The time.
        """
        self._running = 0.0
        self._left = {}
        rows = [row for place, says in told.items() if (row := self._row(place, says, now)) is not None]
        for place in self._work.keys() - told.keys():
            taken, expected = self._work.pop(place).pace
            self._taken += taken
            self._expected += expected
        return [*rows, self._whole()] if self.seconds else rows

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
        trains = bool(says.get("at", {}).keys() - own.keys())
        left = self._seconds_left(job, work, whole, share, trains, now)
        if partly:
            self._begun.add(job.path)
        self._running += partly
        self._left[job.path] = max(left, self._left.get(job.path, 0.0))
        words = list(says.get("words", ())) or [f"running {clock(now - work.since)}"]
        return Row(job.called or job.name, share, words, left if left >= 1 else None, kind=job.rule)

    def _partly(self, own: Mapping[str, float], key: str, done: int, of: int) -> float:
        """Seconds of the forecast that are done of a node, or of a run and seed with all its milestones."""
        below = {name: value for name, value in own.items() if name == key or name.startswith(f"{key}/")}
        complete = sum(value for name, value in below.items() if name in self.done)
        reached = sum(below.values()) * min(done / max(of, 1), 1.0)
        return max(reached - complete, 0.0)

    def _seconds_left(self, job: Job, work: _AtWork, whole: float, share: float, trains: bool, now: float) -> float:
        """Seconds that a job still takes: a training by its steps, others by the plan and how true that was so far.

        Less than nothing where it takes longer than that.
        """
        if trains:
            if work.moved is None:
                work.moved = now, share
                self._timed.add(job.path)
            begun, before = work.moved
            work.pace = now - begun, (share - before) * whole
            return (1.0 - share) * whole * self._slowness(*work.pace, min(TRUSTED * whole, SURE))
        waited = now - work.changed
        more = whole - work.complete
        if work.complete > work.first:
            return more * (work.changed - work.since) / (work.complete - work.first) - waited
        more *= self._correction()
        if job.rule == PRETRAIN.name:  # which says itself when it moves; until then nothing is known but the plan
            return more + max(self.start - waited, 0.0)
        return more + self.start - waited

    def _slowness(self, taken: float, expected: float, early: float) -> float:
        """How many times as long as forecast a training takes; after ``early`` seconds half of that is measured.

        What is measured first are steps that compile something, or only a few: it has all the more weight the longer
        it has been measured.
        """
        if taken < 1 or expected <= 0:
            return self._correction()
        weight = taken / (taken + early)
        return math.exp(weight * math.log(taken / expected)) * self._correction() ** (1 - weight)

    def _correction(self) -> float:
        """How many times as long as forecast things have taken so far; 1 where nothing is known."""
        early = TRUSTED * self._total
        taken = self._taken + sum(work.pace[0] for work in self._work.values())
        expected = self._expected + sum(work.pace[1] for work in self._work.values())
        return (taken + early) / (expected + early)

    def _whole(self) -> Row:
        done = self._complete + self._running + self.start * len(self._begun)
        rest = {name: value for name, value in self.seconds.items() if name not in self.done}
        ahead = {name: value for name, value in rest.items() if self._job[name].path not in self._left}
        starts = self.start * len({self._job[name].path for name in ahead})
        at_work = [max(left, 0.0) for left in self._left.values()]
        left = max((sum(at_work) + sum(ahead.values()) * self._correction() + starts) / self.workers, *at_work, 0.0)
        label = f"build, {len(self.done)}/{len(self.seconds)} stages"
        return Row(label, min(done / self._total, 1.0), left=left if left >= 1 else None)
