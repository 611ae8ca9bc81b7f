"""How far a build is, and when it will end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.engine import outlook
from pipeline.engine.jobs import Job
from pipeline.engine.outlook import Outlook

TRAIN = Job("pretrain", "c", ("checkpoints/c/seed0/epoch0001", "checkpoints/c/seed0/epoch0004",
                              "checkpoints/c/seed1/epoch0004"), (), called="p/m, d")  # fmt: skip
PROBE = Job("probe", "c", ("measurements/c/seed0/epoch0004/a", "measurements/c/seed1/epoch0004/a"), (), called="p/m, d")
SECONDS = dict(zip((*TRAIN.nodes, *PROBE.nodes), (10.0, 30.0, 40.0, 10.0, 10.0), strict=True))


def executed(*names: str) -> list[dict]:
    return [{"decision": "executed", "node": name} for name in names]


def at(*counts: tuple[str, int, int]) -> dict:
    return {"17": {"nodes": list(TRAIN.nodes), "at": {name: [done, of] for name, done, of in counts}, "words": ["w"]}}


def test_a_training_is_as_far_as_its_seeds_are():
    build = Outlook(SECONDS, [TRAIN, PROBE], 1, now=0.0)
    job, whole = build.rows(at(), 0.0)
    assert (job.kind, job.label, job.share, job.left) == ("pretrain", "p/m, d", 0.0, 79.0 + 1)
    assert (whole.label, whole.share, whole.left) == ("build, 0/5 stages", 0.0, 100.0)
    build.rows(at(("checkpoints/c/seed0", 0, 40)), 0.0)
    job, whole = build.rows(at(("checkpoints/c/seed0", 20, 40)), 20.0)
    assert job.share == 0.25 and job.left == pytest.approx(60) and job.words == ["w"]
    assert whole.share == pytest.approx(0.2) and whole.left == pytest.approx(80)
    build.note(executed(TRAIN.nodes[0]))  # a milestone on the way is in what was counted
    job, whole = build.rows(at(("checkpoints/c/seed0", 20, 40)), 20.0)
    assert job.share == 0.25 and whole.label == "build, 1/5 stages"
    build.note(executed(TRAIN.nodes[1]))
    job, _ = build.rows(at(("checkpoints/c/seed0", 40, 40), ("checkpoints/c/seed1", 10, 40)), 50.0)
    assert job.share == pytest.approx(50 / 80) and job.left == pytest.approx(30)


def test_the_forecast_gives_way_to_what_is_measured():
    build = Outlook(SECONDS, [TRAIN, PROBE], 1, now=0.0)
    (whole,) = build.rows({}, 0.0)
    assert whole.left == 100
    build.note(executed(*TRAIN.nodes[:2]))
    (whole,) = build.rows({}, 400.0)  # ten times as slow as foreseen
    assert 500 < whole.left < 600


def test_the_whole_takes_as_long_as_its_longest_job():
    build = Outlook(SECONDS, [TRAIN, PROBE], 8, now=0.0)
    build.rows(at(("checkpoints/c/seed0", 0, 40)), 0.0)
    job, whole = build.rows(at(("checkpoints/c/seed0", 4, 40)), 100.0)
    assert job.left == whole.left == pytest.approx(1900)


def test_a_training_that_goes_on_is_timed_from_there():
    build = Outlook(SECONDS, [TRAIN, PROBE], 1, now=0.0)
    build.note(executed(TRAIN.nodes[2]))
    build.rows(at(("checkpoints/c/seed0", 20, 40)), 0.0)
    job, _ = build.rows(at(("checkpoints/c/seed0", 30, 40)), 10.0)
    assert job.left == pytest.approx(10)


def test_a_measurement_follows_what_is_complete_and_the_plan():
    build = Outlook(SECONDS, [TRAIN, PROBE], 1, now=0.0)
    told = {"18": {"nodes": list(PROBE.nodes), "at": {PROBE.nodes[0]: [5, 10]}}}
    job, _ = build.rows(told, 0.0)
    assert job.share == 0.25 and job.left == 20 and job.words == ["running 0:00"]
    build.note(executed(PROBE.nodes[0]))
    build.rows(told, 4.0)
    job, _ = build.rows(told, 5.0)
    assert job.share == 0.5 and job.left == pytest.approx(3) and job.words == ["running 0:05"]


def test_what_nobody_can_foresee_is_counted():
    build = Outlook(dict.fromkeys(SECONDS, 0.0), [TRAIN, PROBE], 1, now=0.0)
    (whole,) = build.rows({}, 0.0)
    assert whole.left is None
    build.note([*executed(PROBE.nodes[0], PROBE.nodes[0], "results/other"), {"decision": "failed", "node": "x"}])
    job, whole = build.rows({"18": {"nodes": [PROBE.nodes[1]]}}, 1.0)
    assert job.share == 0.5 and job.left is None
    assert whole.label == "build, 1/5 stages" and whole.share == pytest.approx(0.2)
    assert whole.left == pytest.approx(4, rel=0.25)


def test_what_a_job_takes_to_begin_is_in_the_whole_and_not_in_its_bar():
    build = Outlook(SECONDS, [TRAIN, PROBE], 1, now=0.0, start=50.0)
    job, whole = build.rows(at(), 0.0)
    assert job.left == 130 and whole.left == 200
    job, whole = build.rows(at(("checkpoints/c/seed0", 20, 40)), 0.0)
    assert job.share == 0.25 and whole.share == 0.35
    build.note(executed(PROBE.nodes[0]))
    _, whole = build.rows(at(("checkpoints/c/seed0", 20, 40)), 0.0)
    assert whole.share == 0.65


def test_jobs_that_the_plan_does_not_know_have_no_bar():
    build = Outlook({}, [TRAIN], 1, now=0.0)
    assert build.rows({"19": {"nodes": ["results/other"]}, "20": {}}, 1.0) == []


@pytest.mark.parametrize("cores, threads, gpus, workers", [(4, 1, 0, 2), (4, 4, 0, 1), (1, 2, 0, 1), (4, 1, 1, 1)])
def test_jobs_that_run_at_once(cores, threads, gpus, workers, monkeypatch):
    def parts(self: object) -> dict[str, float]:
        return dict.fromkeys(SECONDS, 1.0)

    jobs = [Job(job.rule, job.name, job.nodes, (), threads, gpus) for job in (TRAIN, PROBE)]
    states = SimpleNamespace(by_name={name: SimpleNamespace(status="to execute") for name in SECONDS})
    states.by_name[TRAIN.nodes[0]].status = "in place"
    monkeypatch.setattr(outlook.Forecast, "parts", parts)
    scale = SimpleNamespace(estimate=SimpleNamespace(start=5.0))
    build = Outlook.of(states, jobs, scale, cores, 0.0)
    assert build.workers == workers and build.start == 5.0
    assert list(build.seconds.values()) == [1.0] * 4 and TRAIN.nodes[0] not in build.seconds
