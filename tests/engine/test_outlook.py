"""How far a build is, and when it will end."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from pipeline.engine import outlook
from pipeline.engine.jobs import Job
from pipeline.engine.outlook import Outlook

TRAIN = Job("pretrain", "c", ("checkpoints/c/seed0/epoch0001", "checkpoints/c/seed0/epoch0004",
                              "checkpoints/c/seed1/epoch0004"), (), called="p/m, d")  # fmt: skip
PROBE = Job("probe", "c", ("measurements/c/seed0/epoch0004/a", "measurements/c/seed1/epoch0004/a"), (), called="p/m, d")
SECONDS = dict(zip((*TRAIN.nodes, *PROBE.nodes), (10.0, 30.0, 40.0, 10.0, 10.0), strict=True))


def executed(*names: str, times: float = 1.0) -> list[dict]:
    """What the journal says of nodes that took so many times as long as forecast."""
    return [{"decision": "executed", "node": name, "seconds": times * SECONDS.get(name, 0.0)} for name in names]


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
    build.note(executed(*TRAIN.nodes[:2], times=10))
    (whole,) = build.rows({}, 400.0)
    assert 500 < whole.left < 600


def test_the_whole_takes_as_long_as_its_longest_job():
    build = Outlook(SECONDS, [TRAIN, PROBE], 8, now=0.0)
    build.rows(at(("checkpoints/c/seed0", 0, 40)), 0.0)
    job, whole = build.rows(at(("checkpoints/c/seed0", 4, 40)), 100.0)
    assert job.left == whole.left == pytest.approx(1900, rel=0.05)


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
    one = {"decision": "executed", "node": PROBE.nodes[0], "seconds": 1.0}
    build.note([one, one, *executed("results/other"), {"decision": "failed", "node": "x"}])
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


# -- a build by a simulated clock

EVERY = 0.5


def simulated(
    times: float, begins: float = 8.0, start: float = 2.0, at_first: int = 0, known: float = 1.0
) -> list[tuple[float, float | None, float | None, float]]:
    """Every look at a build: the time, what it says is left of the training and of the whole, what is left of the whole.

    Args:
        times: How many times as long as forecast everything takes.
        begins: Seconds until the first job has begun, and until it has begun to train.
        start: What is foreseen of that.
        at_first: Step of the training's 80 from which it goes on.
        known: What is multiplied to all forecasts; 0 where there is none.
    """
    build = Outlook({name: known * value for name, value in SECONDS.items()}, [TRAIN, PROBE], 1, 0.0, start)
    moves, trained, done = 2 * begins, 2 * begins + times * (80 - at_first), 2 * begins + times * (100 - at_first)
    looks, now, journal = [], 0.0, set()
    milestones = dict(zip(TRAIN.nodes, (10, 40, 80), strict=True))
    ends = {name: moves + times * (step - at_first) for name, step in milestones.items() if step > at_first}
    ends |= {PROBE.nodes[0]: trained + 10 * times, PROBE.nodes[1]: done}
    build.note(executed(*(name for name, step in milestones.items() if step <= at_first)))
    while now <= done:
        for name, end in ends.items():
            if end <= now and name not in journal:
                journal.add(name)
                build.note(executed(name, times=times))
        told: dict = {}
        if begins <= now < trained:
            told = {"1": {"nodes": list(TRAIN.nodes)}}
            if now >= moves:
                step = at_first + (now - moves) / times
                seeds = (("checkpoints/c/seed0", min(step, 40), 40), ("checkpoints/c/seed1", max(step - 40, 0), 40))
                told["1"]["at"] = {name: [count, of] for name, count, of in seeds if count}
        elif now >= trained:
            told = {"2": {"nodes": list(PROBE.nodes)}}
        rows = build.rows(told, now)
        looks.append((now, rows[0].left if len(rows) > 1 else None, rows[-1].left, done - now))
        now += EVERY
    return looks


def test_until_something_has_moved_the_forecast_stands() -> None:
    waiting = [(job, whole) for now, job, whole, _ in simulated(2.0) if now < 16]
    assert {whole for _, whole in waiting[:16]} == {104.0}, "two jobs begin"
    assert all(102 <= whole <= 104 for _, whole in waiting)
    jobs = [job for job, _ in waiting if job is not None]
    assert jobs and all(80 <= job <= 82 for job in jobs)


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 4.0])
def test_what_is_left_is_corrected_without_a_leap(times: float) -> None:
    looks = simulated(times)
    wholes = [whole or 0.0 for _, _, whole, _ in looks]
    leaps = [abs(after - before) for before, after in itertools.pairwise(wholes)]
    assert max(leaps) < 0.14 * 104 * max(times, 1)
    for now, job, whole, left in looks:
        if now > 16 + 30 * times and left > 2:
            assert whole == pytest.approx(left, rel=0.25, abs=4)
        if 16 + 30 * times < now < 16 + 78 * times:
            assert job == pytest.approx(left - 20 * times, rel=0.1, abs=1)
        assert whole is None or whole < 1.3 * max(104, 104 * times)


@pytest.mark.parametrize("times", [1.0, 2.0])
@pytest.mark.parametrize("at_first", [40, 60, 76])
def test_what_a_training_has_done_before_it_goes_on_is_no_pace(times: float, at_first: int) -> None:
    for now, job, whole, left in simulated(times, at_first=at_first):
        trains = left - 20 * times
        if now > 17 and trains > 2 and job is not None:
            low, high = sorted((trains, trains / times))
            assert 0.9 * low - 1 <= job <= 1.1 * high + 1
            assert whole is not None and low <= whole <= 1.2 * left + 3


def test_what_nobody_can_foresee_is_timed_once_it_moves() -> None:
    looks = simulated(1.0, start=0.0, known=0.0)
    assert all(job is None and whole is None for now, job, whole, _ in looks if now < 17)
    assert all(job == pytest.approx(left - 40, rel=0.1, abs=2) for now, job, _, left in looks if 18 < now < 26), (
        "a third"
    )
    assert all(whole is not None and whole < 120 for now, _, whole, _ in looks if 18 < now < 110)
