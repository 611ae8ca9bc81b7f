"""What jobs state to the scheduler of a cluster, and what a job does that is told of its limit."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.engine import requeue
from pipeline.engine.demands import LEAST, UNTOLD, Demands
from pipeline.engine.grouping import jobs_of
from pipeline.engine.jobs import Job
from pipeline.engine.state import IN_PLACE, States
from pipeline.ledger.workspace import Workspace
from pipeline.monitor.stop import Stopped
from pipeline.planning import costs
from pipeline.planning.catalogue import Catalogue, Request
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

SPEED, MEMORY, START = GUESSES = (25_000, 8_000, 20.0)
"""What the scale gpu guesses."""


@dataclass
class Planned:
    """A table of several runs and a figure of a simulation, of which nothing is there yet.

    Attributes:
        root: Where receipts are looked for.
    """

    root: Path

    def __post_init__(self) -> None:
        catalogue = Catalogue(Options(scale="gpu"))
        self.scale = catalogue.scale("gpu")
        artifacts = (("directpred", "table8"), ("stepwise", "fig1ab"))
        self.plan = Plan(catalogue, [Request("gpu", "gpu", "paper", *artifact) for artifact in artifacts])
        self.states = States(self.plan, Workspace(self.root))
        self.jobs: dict[str, Job] = {}
        for job in jobs_of(self.states).values():
            self.jobs.setdefault(job.rule, job)

    def demands(self) -> Demands:
        """What jobs state with the receipts that are there now."""
        return Demands(self.states, [self.scale])

    def work(self, job: Job) -> float:
        """Multiply-adds of all seeds of a run."""
        last: dict[int, float] = {}
        for seed, at in self.plan.runs[job.name].milestones:
            last[seed] = max(last.get(seed, 0.0), costs.spent(self.plan, job.name, at).operations)
        return sum(last.values())

    def epochs(self, job: Job) -> float:
        """Epochs of all seeds of a run."""
        image = costs.step_image(self.plan.runs[job.name].run, costs.side(self.plan, job.name))
        return self.work(job) / (costs.epoch_images(self.plan, job.name) * image)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    found = Planned(tmp_path_factory.mktemp("planned"))
    assert (found.scale.estimate.speed, found.scale.estimate.memory, found.scale.estimate.start) == GUESSES
    return found


def test_without_receipts_the_scale_says_what_a_job_states(planned: Planned) -> None:
    train, demands = planned.jobs["pretrain"], planned.demands()
    guess = START + planned.work(train) / (1e9 * SPEED)
    assert demands.minutes(train) == pytest.approx(4 * guess / 60, abs=1) and demands.minutes(train) > LEAST
    assert train.name.startswith("stl10-")
    images = (5_000 + 8_000 + 100_000) * 3 * 96**2 / 2**20
    assert MEMORY + images <= demands.memory(train) < MEMORY + images + 100
    assert demands.memory(train) % 100 == 0
    assert demands.minutes(planned.jobs["simulate"]) == UNTOLD


def test_a_set_in_many_files_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    catalogue = Catalogue(Options(scale="gpu"))
    plan = Plan(catalogue, [Request("gpu", "gpu", "paper", "directpred", "sec3_simsiam_imagenet")])
    assert [data.sharded for data in plan.data.values()] == [True]  # of ImageNet, 200 GB
    states = States(plan, Workspace(tmp_path))
    demands = Demands(states, [catalogue.scale("gpu")])
    jobs = jobs_of(states).values()
    assert {demands.memory(job) for job in jobs if job.rule in ("pretrain", "probe")} == {MEMORY}


def test_receipts_of_like_runs_say_more(planned: Planned) -> None:
    train = planned.jobs["pretrain"]
    folder = planned.root / f"receipts/checkpoints/{train.name[:-10]}{'a' * 10}/seed0"
    folder.mkdir(parents=True)
    record = {"seconds": 36_000.0, "epochs": 100, "gpu": "a card", "memory_mb": 3_010}
    (folder / "epoch0100.execution.json").write_text(json.dumps(record))
    try:
        demands = planned.demands()
        assert demands.minutes(train) == pytest.approx(2 * (START + 360.0 * planned.epochs(train)) / 60, abs=1)
        assert demands.memory(train) == 4_600  # half as much again, in whole hundreds
        assert demands.minutes(planned.jobs["simulate"]) == UNTOLD
    finally:
        shutil.rmtree(planned.root / "receipts")


def test_of_what_is_in_place_a_job_states_little(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    train = planned.jobs["pretrain"]
    for name in train.nodes:
        monkeypatch.setattr(planned.states.by_name[name], "status", IN_PLACE)
    assert planned.demands().minutes(train) == LEAST


def test_what_is_not_trained_states_little(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder as it was initialised costs nothing, and that is known."""
    monkeypatch.setattr(costs, "spent", lambda *_: costs.Cost())
    assert planned.demands().minutes(planned.jobs["pretrain"]) == LEAST


def stopped(number: signal.Signals, *, goes_on: bool) -> Stopped:
    error = Stopped(number)
    error.goes_on = goes_on
    return error


def test_only_the_warning_of_a_limit_asks_for_another_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(requeue.JOB, raising=False)
    assert not requeue.asked(stopped(signal.SIGUSR1, goes_on=True))
    monkeypatch.setenv(requeue.JOB, "7")
    assert requeue.asked(stopped(signal.SIGUSR1, goes_on=True))
    assert not requeue.asked(
        stopped(signal.SIGTERM, goes_on=True)
    )  # SLURM puts it back itself, or somebody cancelled it


@pytest.mark.parametrize(
    ("goes_on", "said"),
    [
        (False, "error: job 7 comes to its time limit and has saved nothing to go on from; give its rule more minutes"),
        (True, "error: job 7 is not put back into the queue ([Errno 2] No such file or directory: 'scontrol'); type"),
    ],
)
def test_a_job_that_is_not_put_back_says_why(goes_on, said, monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv(requeue.JOB, "7")
    monkeypatch.setenv("PATH", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    try:
        requeue.requeue(stopped(signal.SIGUSR1, goes_on=goes_on))
    finally:
        signal.signal(signal.SIGTERM, before)
    told = capsys.readouterr().err
    assert told.startswith(said) and told.count("\n") == 1
