"""A run with all its seeds, as the page of ``watch`` lists it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pipeline.provenance.curves import Curves
from pipeline.provenance.live import Status
from pipeline.provenance.runs import KnownRun, progress
from pipeline.site.overlay import Shown

ACTIVE = ("running", "interrupted", "failed")
"""States of runs that are listed first, in this order."""


@dataclass
class Entry:
    """One run with all its seeds.

    Attributes:
        config: Its folder.
        seeds: Its trainings.
        curves: Seed -> what is known of it.
        status: Seed -> where its training is, or was when it ended.
    """

    config: str
    seeds: list[KnownRun]
    curves: dict[int, Curves] = field(default_factory=dict)
    status: dict[int, Status] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The part of its folder by which addresses name it."""
        return self.seeds[0].short

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.seeds[0].name

    @property
    def epoch(self) -> float:
        """The last epoch that anything is known of."""
        return max((one.epoch for one in self.curves.values()), default=0.0)

    @property
    def live(self) -> list[KnownRun]:
        """Its seeds that are being trained now."""
        return [run for run in self.seeds if run.state == "running"]

    @property
    def states(self) -> list[tuple[str, str]]:
        """State, and in words what is to be said of it: live seeds one by one, of others their number."""
        found = []
        for run in self.live:
            status = self.status.get(run.seed)
            found.append(("running", f"seed {run.seed}: {progress(status.found) if status else run.detail}"))
        rest: dict[str, list[KnownRun]] = {}
        for run in self.seeds:
            if run.state != "running":
                rest.setdefault(run.state, []).append(run)
        for state, those in rest.items():
            seeds = f"{len(those)} seed{'' if len(those) == 1 else 's'}"
            told = "" if state in ("done", "restorable", "waiting") else those[0].detail
            if state in ("declared", "waiting") and those[0].present:
                told = _part(those[0])
            found.append((state, f"{seeds}{f': {told}' if told else ''}"))
        return found

    @property
    def seen(self) -> bool:
        """Whether there is something to look at: a curve, or a training that has begun."""
        return any(one.epoch > 0 for one in self.curves.values()) or any(run.state in ACTIVE for run in self.seeds)

    def of(self, seeds: Collection[int]) -> Entry:
        """The same with some of its seeds alone."""
        return Entry(
            self.config,
            [run for run in self.seeds if run.seed in seeds],
            {seed: one for seed, one in self.curves.items() if seed in seeds},
            {seed: one for seed, one in self.status.items() if seed in seeds},
        )

    def shown(self, place: int) -> Shown:
        """The run for charts."""
        return Shown(self.name, self.curves, place, bool(self.live))


def _part(run: KnownRun) -> str:
    """How far a run is that is not done, by what is made from it where that is known."""
    milestones = f"{len(run.present)} of {len(run.wanted)} milestones"
    if not run.artifacts:
        return milestones
    results = f"{len(run.artifacts)} result{'' if len(run.artifacts) == 1 else 's'}"
    return f"done for {len(run.served)} of {results}, {milestones} of all of them"
