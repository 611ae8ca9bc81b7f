"""Many seeds in one process: nothing of a run depends on what is trained beside it, whatever happens to either."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import DUEL, Project, add_mini, copy_project
from trainings import Notes, SlowDisk, content, make_works, run_spec, write_noise

from pipeline.engine.executor import Executor, _Clock
from pipeline.errors import UserError
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.workspace import Node, Workspace
from pipeline.monitor.report import Report, Screen
from pipeline.monitor.saver import Saver
from pipeline.monitor.stop import Stopped
from pipeline.nets import checkpoint
from pipeline.numerics import saved_tensors
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.key_files import key_files
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import runs
from pipeline.provenance.live import Live
from pipeline.training import interleave, pretrain
from pipeline.training.batches import Batches
from pipeline.training.capture import StepRunner
from pipeline.training.history import History
from pipeline.work import Work

torch.set_num_threads(1)
Bytes = dict[int, dict[str, str]]

# 98 images: six minibatches of 16 and one of two; or three of 32 and that one
SHORT = {"batch_size": 32}
METHODS: dict[str, dict[str, Any]] = {
    "directpred": {"predictor": {"kind": "directpred"}},
    "directpred, now and then": {},
    "partitions": {"predictor": {"kind": "directpred", "partitions": 2}, "optimizer": {"kind": "adam"}},
    "byol": {
        "predictor": {"kind": "mlp", "hidden": 12},
        "optimizer": {"kind": "lars"},
        "schedule": {"kind": "cosine", "epochs": 2, "warmup": 1},
    },
    "barlow": {
        "predictor": {"kind": "none"},
        "target": {"kind": "same", "stop_gradient": False},
        "objective": {"kind": "barlow"},
        "precision": "bf16",
    },
    "isoloss": {
        "predictor": {"kind": "directpred"},
        "objective": {"kind": "isoloss_cosine"},
        "target": {"kind": "ema", "schedule": "cosine", "epochs": 2},
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


def of_seeds(
    spec: dict[str, Any], wanted: dict[int, list[int]], root: Path, data: Path, scratch: Path | None = None, **more: Any
) -> list[Work]:
    """Works of several seeds, each with its milestones and folders."""
    works = []
    for seed, epochs in wanted.items():
        own = scratch / f"{seed}" / "run" if scratch else None
        works += make_works(spec, epochs, root / f"{seed}", data, own, seed=seed, **more)
    return works


def train(works: list[Work]) -> dict[int, Bytes]:
    """Train; hashes of the payloads by seed and epoch."""
    found: dict[int, Bytes] = {}
    for work in pretrain.execute(works):
        found.setdefault(work.seed, {})[work.epoch] = content(work.out)
    return found


def alone(spec: dict[str, Any], wanted: dict[int, list[int]], root: Path, data: Path) -> dict[int, Bytes]:
    """The same, each seed by a call of its own."""
    found: dict[int, Bytes] = {}
    for seed, epochs in wanted.items():
        found |= train(of_seeds(spec, {seed: epochs}, root, data))
    return found


# bytes


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
@pytest.mark.parametrize("method", METHODS)
def test_seeds_that_take_turns_have_the_bytes_of_each_alone(
    method: str, captured: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, wanted = run_spec(**METHODS[method]), {3: [1, 2], 4: [1, 2]}
    expected = alone(spec, wanted, tmp_path / "a", data)
    if captured:
        recorder = type("Fresh", (Notes,), {"log": []})
        monkeypatch.setattr(pretrain, "StepRunner", functools.partial(StepRunner, recorder=recorder))
    assert train(of_seeds(spec, wanted, tmp_path / "b", data)) == expected
    assert expected[3] != expected[4]
    if captured:
        kinds = 2 if method == "directpred, now and then" else 1
        assert recorder.log.count("recorded") == 2 * kinds and recorder.log.count("replayed") == 24


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_any_number_of_seeds_with_any_milestones(seeds: int, data: Path, tmp_path: Path) -> None:
    spec = run_spec(**SHORT)
    sets = itertools.cycle([[0, 3], [1], [0], [2, 3], [1, 2]])
    wanted = {seed: next(sets) for seed in range(seeds)}
    expected = alone(spec, wanted, tmp_path / "a", data)
    assert train(of_seeds(spec, wanted, tmp_path / "b", data)) == expected


def test_they_take_turns_step_by_step_and_share_their_images(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, images, real = [], set(), StepRunner.__call__

    def counting(self: StepRunner, batch: Any, epoch: int, step: int, number: int) -> Any:
        taken.append((self.seed, number))
        return real(self, batch, epoch, step, number)

    started = Batches.__init__

    def noting(self: Any, found: torch.Tensor, *args: Any) -> None:
        images.add(found.data_ptr())
        started(self, found, *args)

    monkeypatch.setattr(StepRunner, "__call__", counting)
    monkeypatch.setattr(Batches, "__init__", noting)
    train(of_seeds(run_spec(**SHORT), {5: [1], 6: [2], 7: [1]}, tmp_path, data))
    assert taken[:12] == [(seed, number) for number in range(1, 5) for seed in (5, 6, 7)]
    assert taken[12:] == [(6, number) for number in range(5, 9)]
    assert len(images) == 1


# interruptions


@contextlib.contextmanager
def killed_at(moment: int | None) -> Iterator[list[str]]:
    """Within the block a process dies when the ``moment``-th thing begins: a step, a save, an epoch's end, a milestone."""
    happened: list[str] = []
    patch = pytest.MonkeyPatch()

    def dying(place: Any, name: str) -> None:
        real = getattr(place, name)

        def act(*args: Any, **kwargs: Any) -> Any:
            happened.append(name)
            if len(happened) == moment:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        patch.setattr(place, name, act)

    patch.setenv("SSL_PROGRESS_SECONDS", "0")
    dying(StepRunner, "__call__")
    dying(saved_tensors, "write")
    dying(pretrain, "collapse_indicators")
    dying(checkpoint, "write_payload")
    dying(Report, "close")
    dying(saved_tensors, "clear")
    with contextlib.ExitStack() as stack:
        stack.callback(patch.undo)
        yield happened


@pytest.mark.slow
def test_killed_at_any_moment_they_go_on_alone_or_together_to_the_same_bytes(data: Path, tmp_path: Path) -> None:
    spec, wanted = run_spec(**SHORT), {3: [1, 2], 4: [2]}
    expected = alone(spec, wanted, tmp_path / "a", data)
    with killed_at(None) as moments:
        assert train(of_seeds(spec, wanted, tmp_path / "b", data, tmp_path / "calm")) == expected
    assert set(moments) == {"__call__", "write", "collapse_indicators", "write_payload", "close", "clear"}
    for moment in range(1, len(moments) + 1):
        root = tmp_path / f"{moment}"
        done: dict[int, Bytes] = {}
        with killed_at(moment), pytest.raises(KeyboardInterrupt):
            for work in pretrain.execute(of_seeds(spec, wanted, root / "killed", data, root / "scratch")):
                done.setdefault(work.seed, {})[work.epoch] = content(work.out)
        # what was done is not asked for again, as at the executor
        left = {seed: [e for e in epochs if e not in done.get(seed, {})] for seed, epochs in wanted.items()}
        works = of_seeds(spec, left, root / "again", data, root / "scratch")
        for work in works:
            earlier = [epoch for epoch in done.get(work.seed, {}) if epoch < work.epoch]
            work.resume = root / f"killed/{work.seed}/epoch{max(earlier):04d}" if earlier else None
        if moment % 2:
            again = train(works) if works else {}
        else:
            again = {}
            for seed in wanted:
                own = [work for work in works if work.seed == seed]
                again |= train(own) if own else {}
        assert {s: done.get(s, {}) | again.get(s, {}) for s in wanted} == expected, moment
        shutil.rmtree(root)


def test_killed_alone_they_go_on_together_from_wherever_each_of_them_is(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = run_spec(**SHORT)
    wanted = {seed: [1, 3] for seed in (3, 4, 5, 6)}
    expected = alone(spec, wanted, tmp_path / "a", data)
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    real, taken = StepRunner.__call__, []
    for seed, last in ((4, 6), (5, 9)):  # 3 is fresh, 6 at a milestone

        def dying(self: StepRunner, *args: Any, last: int = last) -> Any:
            if args[-1] > last:
                raise KeyboardInterrupt
            return real(self, *args)

        monkeypatch.setattr(StepRunner, "__call__", dying)
        with pytest.raises(KeyboardInterrupt):
            train(of_seeds(spec, {seed: [3]}, tmp_path / "killed", data, tmp_path / "scratch"))

    def counting(self: StepRunner, *args: Any) -> Any:
        taken.append((self.seed, args[-1]))
        return real(self, *args)

    monkeypatch.setattr(StepRunner, "__call__", counting)
    works = of_seeds(spec, {3: [1, 3], 4: [3], 5: [3], 6: [3]}, tmp_path / "b", data, tmp_path / "scratch")
    works[-1].resume = tmp_path / "a/6/epoch0001"
    found = train(works)
    assert found[3] == expected[3] and all(found[seed] == {3: expected[seed][3]} for seed in (4, 5, 6))
    begins = {seed: min(number for s, number in taken if s == seed) for seed in wanted}
    assert begins == {3: 1, 4: 7, 5: 10, 6: 5}
    assert taken[:4] == [(3, 1), (4, 7), (5, 10), (6, 5)]


# one of them ends early


def spoil(monkeypatch: pytest.MonkeyPatch, seed: int, number: int, act: Callable[[Any], Any]) -> None:
    """From step ``number`` on, do something to the outcome of the steps of one seed."""
    real = StepRunner.__call__

    def spoilt(self: StepRunner, *args: Any) -> Any:
        outcome = real(self, *args)
        return act(outcome) if self.seed == seed and args[-1] >= number else outcome

    monkeypatch.setattr(StepRunner, "__call__", spoilt)


@pytest.mark.parametrize("number", [1, 4, 6])
def test_one_that_diverges_drops_out_and_the_others_go_on(
    number: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, wanted = run_spec(**SHORT), {3: [1, 2, 3], 4: [1, 2, 3], 5: [3]}
    spoil(monkeypatch, 4, number, lambda outcome: (outcome[0] * float("nan"), outcome[1]))
    expected = alone(spec, wanted, tmp_path / "a", data)
    works = of_seeds(spec, wanted, tmp_path / "b", data, tmp_path / "scratch")
    assert train(works) == expected
    summary = checkpoint.read_summary(tmp_path / "b/4/epoch0003")
    assert summary["outcome"] == "diverged" and summary["diverged_in_epoch"] == 1 + (number > 4)
    assert checkpoint.read_summary(tmp_path / "b/3/epoch0003")["outcome"] == "trained"
    assert not any(work.failed for work in works)
    again = of_seeds(spec, {3: [3], 4: [3]}, tmp_path / "c", data)
    for work in again:  # of which one has nothing left to train
        work.resume = tmp_path / f"b/{work.seed}/epoch0002"
    assert train(again) == {seed: {3: expected[seed][3]} for seed in (3, 4)}


def refuse(outcome: Any) -> Any:
    raise UserError("a param: it will not do")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 8])
def test_one_that_fails_takes_no_progress_from_the_others(
    number: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, wanted = run_spec(**SHORT), {3: [2], 4: [1, 2], 5: [1, 2]}
    expected = alone(spec, wanted, tmp_path / "a", data)
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "1000")
    works = of_seeds(spec, wanted, tmp_path / "b", data, tmp_path / "scratch")
    done: dict[int, Bytes] = {seed: {} for seed in wanted}
    with monkeypatch.context() as patch, pytest.raises(UserError, match=r"^a param: it will not do$"):
        spoil(patch, 4, number, refuse)
        for work in pretrain.execute(works):
            done[work.seed][work.epoch] = content(work.out)
    assert {work.seed for work in works if work.failed} == {4}
    saved = {seed: saved_tensors.read(tmp_path / f"scratch/{seed}/run") for seed in wanted}
    assert saved[4] is None
    steps = {seed: int(found["state.step"]) for seed, found in saved.items() if found is not None}
    # One step on; but from the last complete minibatch of an epoch on to its end. At the first step 5 had not begun; at
    # the last one 3 was done.
    assert steps == {
        1: {3: 2}, 2: {3: 4, 5: 2}, 3: {3: 4, 5: 4}, 4: {3: 4, 5: 4}, 5: {3: 8, 5: 5}, 8: {5: 8},
    }[number]  # fmt: skip
    left = {seed: [e for e in epochs if e not in done[seed]] for seed, epochs in wanted.items()}
    again = train(of_seeds(spec, left, tmp_path / "c", data, tmp_path / "scratch"))
    assert {seed: done[seed] | again.get(seed, {}) for seed in wanted} == expected


def test_one_that_cannot_begin_fails_and_the_first_error_is_the_one_that_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = of_seeds(run_spec(**SHORT), {3: [1], 4: [1], 5: [1]}, tmp_path / "b", data, tmp_path / "scratch")
    real = pretrain.build_network

    def building(spec: Any, shape: Any, files: Any, seed: int) -> Any:
        if seed == 4:
            raise ValueError("no network")
        return real(spec, shape, files, seed)

    monkeypatch.setattr(pretrain, "build_network", building)
    spoil(monkeypatch, 3, 2, refuse)  # while it goes on to where it can be saved
    with pytest.raises(ValueError, match="no network"):
        train(works)
    assert {work.seed for work in works if work.failed} == {4}


def test_too_little_memory_for_all_of_them_says_what_to_type(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(outcome: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    spoil(monkeypatch, 4, 2, full)
    with pytest.raises(UserError, match=r"found too little on the GPU; type .* --config interleave=1$") as caught:
        train(of_seeds(run_spec(**SHORT), {3: [1], 4: [1]}, tmp_path / "b", data, tmp_path / "scratch"))
    assert "\n" not in str(caught.value)
    assert saved_tensors.read(tmp_path / "scratch/3/run") is not None
    with pytest.raises(torch.OutOfMemoryError):
        train(of_seeds(run_spec(**SHORT), {4: [1]}, tmp_path / "c", data))


# turns


class Counted:
    """A training of some turns, which notes where it is at work."""

    def __init__(self, name: str, turns: int, log: list[str]) -> None:
        self.works = [Work(name, {}, Path())]
        self.saver = None
        self.name, self.turns, self.log = name, turns, log

    def __iter__(self) -> Iterator[Work | None]:
        for _ in range(self.turns):
            self.log.append(self.name)
            yield None
        yield self.works[0]


def test_every_turn_is_in_the_lane_of_its_training_and_nothing_else_is() -> None:
    log: list[str] = []

    @contextlib.contextmanager
    def stream(name: str) -> Iterator[None]:
        log.append(f"({name}")
        yield
        log.append(f"{name})")

    names = {"a": 2, "b": 1}
    streams = [functools.partial(stream, name) for name in names]
    for work in interleave.in_turns([Counted(name, turns, log) for name, turns in names.items()], streams):
        log.append(f"done {work.name}")
    assert " ".join(log) == ("(a a a) (b b b) (a a a) (b b) done b (a a) done a (b b) (a a)")


def test_a_cpu_and_one_alone_have_no_streams() -> None:
    assert interleave.streams(torch.device("cpu"), 3) == [contextlib.nullcontext] * 3
    assert interleave.streams(torch.device("cuda"), 1) == [contextlib.nullcontext]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "barlow"])
def test_on_streams_each_seed_has_the_bytes_that_it_has_alone(
    method: str, precision: str, data: Path, tmp_path: Path
) -> None:
    spec = run_spec(**METHODS[method], precision=precision) | {"deterministic": True}
    wanted = {seed: [1, 4] for seed in (3, 4, 5, 6)}
    expected: dict[int, Bytes] = {}
    for seed, epochs in wanted.items():
        expected |= train(of_seeds(spec, {seed: epochs}, tmp_path / "a", data, device="cuda"))
    assert train(of_seeds(spec, wanted, tmp_path / "b", data, device="cuda")) == expected


# what is said


def test_trainings_that_take_turns_share_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    screen = Screen(stream)
    reports = [Report(f"p/m, d, seed {seed}", 100, 10, screen=screen) for seed in (0, 1, 7)]
    histories = [History(), History(), History()]
    for step in range(1, 26):
        for seed, (one, history) in enumerate(zip(reports, histories, strict=True)):
            one.mode = "eager: the device is a CPU"
            if step == 11:
                history.add(1, -1.0 - seed, 0.5, 3.0 + seed)
            one.tick(step + 10 * (seed == 2), 100, history.rows)
        clock[0] += 1.0
    for one in reports[:2]:
        one.close()
    text = stream.getvalue()
    assert text.count("p/m, d, seed 0, seed 1, seed 7  eager: the device is a CPU") == 1
    assert text.startswith("p/m, d, seed 7  goes on from epoch 1\n")
    *_, last = text.splitlines()
    assert last.startswith("p/m, d, seed 0, seed 1, seed 7  epoch 2-3/10")
    assert "loss -2.0000  std 0.50  rank 4.0" in last
    assert "30 images/s" in last or "29 images/s" in last, last
    reports[2].tick(40, 100, histories[2].rows)
    clock[0] += 20.0
    reports[2].tick(41, 100, histories[2].rows)
    assert "p/m, d, seed 7  epoch 5/10  loss -3.0000" in stream.getvalue()
    reports[2].close()
    assert stream.getvalue().endswith("\n")


def test_how_steps_are_taken_is_said_once_for_trainings_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stream, modes = io.StringIO(), set[str]()
    for seed, told in ((0, ["slow"]), (1, ["slow"]), (2, ["fast"]), (3, ["slow", "fast", "slow"])):
        report = Report(f"p/m, seed {seed}", 100, 10, screen=Screen(stream, modes=modes))
        for step, mode in enumerate(told, 1):
            report.mode = mode
            for now in (2 * step - 1, 2 * step):
                report.tick(now, 100, [])
                clock[0] += 20.0
        report.close()
    said = [line for line in stream.getvalue().splitlines() if "epoch" not in line]
    assert said == ["p/m, seed 0  slow", "p/m, seed 2  fast", "p/m, seed 3  fast", "p/m, seed 3  slow"]


def test_the_executor_says_once_how_steps_are_taken(
    seeds: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Batches of one seed each, and a clock by which every step takes longer than the time between two lines."""
    copy, nodes = untrained(seeds, tmp_path / "project", 1)
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock.__setitem__(0, clock[0] + 20.0) or clock[0])
    Executor(Workspace(copy.root)).run(nodes)
    told = capsys.readouterr().err
    assert told.count("eager: the device is a CPU") == 1 and told.count("  epoch 1/2") >= 3


def _save(folder: Path, disk: SlowDisk) -> None:
    saved_tensors.write(folder, disk.tensors())


def test_progress_of_all_of_them_costs_no_more_than_that_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk.instead(monkeypatch)
    folders = [tmp_path / f"{i}" for i in range(4)]
    savers = [Saver(functools.partial(_save, folder, disk), among=4) for folder in folders]
    while disk.now < 1000:
        disk.now += 0.1
        for saver in savers:
            saver.maybe_save()
    assert 0.1 * len(disk.saves) == pytest.approx(0.02 * 1000, rel=0.05)
    before = len(disk.saves)
    savers[0].request_save()
    for saver in savers:
        saver.maybe_save()
    assert len(disk.saves) == before + 1 and not savers[0].urged
    nowhere = Saver(None)
    nowhere.request_save()
    assert not nowhere.urged


def test_every_seed_is_seen_as_running(data: Path, tmp_path: Path) -> None:
    spec, root = run_spec(**SHORT), tmp_path / ".scratch"
    works = []
    for seed in (3, 4):
        own = make_works(spec, [1, 3], tmp_path / f"{seed}", data, root / f"{seed}" / "run", seed=seed)
        for work in own:
            work.name = f"checkpoints/local-c/seed{seed}/epoch{work.epoch:04d}"
        works += own
    training = pretrain.execute(works)
    assert next(training).epoch == 1
    lock = root / "locks/pretrain-local-c"
    lock.parent.mkdir()
    lock.write_text(str(os.getpid()))
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        live = Live(Workspace(tmp_path))
        worker = live.worker("local-c")
        assert worker == os.getpid()
        for seed in (3, 4):
            nodes = [
                SimpleNamespace(node=Node(f"checkpoints/local-c/seed{seed}/epoch{epoch:04d}"), status="to execute")
                for epoch in (1, 3)
            ]
            run = runs.KnownRun("local-c", seed, "", "", [1, 3], [], {})
            state, detail = runs._state(run, nodes, live, worker, False, SimpleNamespace())
            assert state == "running" and detail.startswith("epoch 1 of 3")
            assert run.live["name"].endswith(f"seed{seed}")
    assert len(list(training)) == 3
    assert not list(root.glob("*/run/*"))


# the option and the executor


def test_how_many_at_once() -> None:
    assert [Options().at_once(gpu) for gpu in (False, True)] == [1, 4]
    assert Options(device="cpu").at_once(True) == 1
    assert Options.parse({"interleave": 3}, {}).at_once(False) == Options(interleave=3).at_once(True) == 3
    for wrong in (0, -1, "two", 1.5, True):
        with pytest.raises(UserError, match="--config interleave: expected a whole number"):
            Options.parse({"interleave": wrong}, {})


def test_only_trainings_are_told_and_no_key_is_another(tmp_path: Path) -> None:
    fingerprints = Fingerprints(tmp_path / "fingerprints.json")
    keys = {}
    for options in (Options(scale="tiny"), Options(scale="tiny", interleave=3), Options(scale="gpu")):
        catalogue = Catalogue(options)
        plan = Plan(catalogue, [catalogue.request("results/table8.csv")])
        keys[options] = key_files(plan, fingerprints)
        told = {(key.stage, key.context.get("interleave")) for key in keys[options].values()}
        expected = {"tiny": options.interleave, "gpu": 4}[options.scale]
        assert {together for stage, together in told if stage == "pretrain"} == {expected}
        assert {together for stage, together in told if stage != "pretrain"} == {None}
    plain, three, _ = keys.values()
    assert plain.keys() == three.keys()
    for path, key in plain.items():
        assert key.keys_of({}, 0, 1) == three[path].keys_of({}, 0, 1)


def test_runs_share_the_time_in_which_they_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    a, b = Path("a"), Path("b")
    clock = _Clock([a, b], in_turns=True)
    now[0] = 10.0
    assert clock.taken(a) == 5.0
    now[0] = 11.0  # the executor's own work
    clock.go_on()
    now[0] = 13.0
    assert clock.taken(b) == 6.0
    clock.end(b)
    clock.go_on()
    now[0] = 16.0
    assert clock.taken(a) == 4.0


def test_what_is_done_one_after_the_other_shares_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    clock = _Clock([Path("a"), Path("b")], in_turns=False)
    now[0] = 10.0
    assert clock.taken(Path("a")) == 10.0
    clock.end(Path("a"))
    clock.go_on()
    now[0] = 13.0
    assert clock.taken(Path("b")) == 3.0


TOGETHER = ("--config", "seeds=3", "interleave=2")


def declared(root: Path) -> Project:
    """A project with a table of one method after two numbers of epochs."""
    project = add_mini(copy_project(root))
    rows = "rows: {method: [plain, direct]}\n    columns"
    project.edit("params/papers/mini.yaml", rows, rows.replace("plain, ", ""))
    return project


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Its table of three seeds, of which two were trained at once."""
    project = declared(tmp_path_factory.mktemp("seeds") / "project")
    counts = project.build(DUEL, *TOGETHER)
    assert counts == {"prepare": 1, "pretrain": 6, "linear_probe": 6, "table": 1}
    return project


def receipts(project: Project) -> dict[str, bytes]:
    """Of all checkpoints."""
    folder = project.root / "receipts"
    found = sorted(folder.glob("checkpoints/*/*/epoch????.json"))
    return {path.relative_to(project.root).as_posix(): path.read_bytes() for path in found}


def untrained(project: Project, root: Path, together: int) -> tuple[Project, list[Node]]:
    """A copy of the project without its checkpoints, in which so many seeds are to be trained at once; their nodes."""
    copy = project.copy(root)
    nodes = [Node.of_receipt(path) for path in receipts(copy)]
    for folder in ("receipts/checkpoints", "checkpoints", ".dvc/cache/receipts"):
        shutil.rmtree(root / folder)
    for path in root.glob("keys/pretrain/*.json"):
        found = json.loads(path.read_text())
        assert found["context"]["interleave"] == 2
        found["context"]["interleave"] = together
        path.write_text(json.dumps(found))
    (root / "logs/journal.jsonl").unlink()
    return copy, nodes


@pytest.mark.parametrize("number", [1, 3])
def test_receipts_do_not_depend_on_how_many_are_trained_at_once(seeds: Project, number: int, tmp_path: Path) -> None:
    copy, nodes = untrained(seeds, tmp_path / "project", number)
    Executor(Workspace(copy.root)).run(nodes)
    assert len(nodes) == 6 and receipts(copy) == receipts(seeds)
    for project, at_once in ((copy, number), (seeds, 2)):
        made = [entry for entry in project.journal() if entry["stage"] == "pretrain"]
        assert sorted(entry["node"] for entry in made) == [node.name for node in sorted(nodes, key=lambda n: n.name)]
        assert {entry["decision"] for entry in made} == {"executed"}
        groups = [range(first, min(first + at_once, 3)) for first in range(0, 3, at_once)]
        order = [f"seed{seed}/epoch000{epoch}" for group in groups for epoch in (1, 2) for seed in group]
        assert [Node(entry["node"]).milestone for entry in made] == order
        assert not [
            path for path in (project.root / ".scratch").iterdir() if path.name not in ("locks", "dvc-cache.json")
        ]


def test_a_seed_that_fails_is_the_only_one_that_failed(
    seeds: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, nodes = untrained(seeds, tmp_path / "project", 3)
    with monkeypatch.context() as patch, pytest.raises(UserError, match="it will not do"):
        spoil(patch, 1, 4, refuse)  # in the second epoch: milestone 1 is in place
        Executor(Workspace(copy.root)).run(nodes)
    made = copy.journal()
    assert [(e["node"], e["decision"]) for e in made if e["decision"] == "failed"] == [
        (f"checkpoints/{nodes[0].config}/seed1/epoch0002", "failed")
    ]
    assert {Node(e["node"]).milestone for e in made if e["decision"] == "executed"} == {
        f"seed{seed}/epoch0001" for seed in range(3)
    }
    kept = list((copy.root / ".scratch").glob("*/run/progress.bin"))
    assert len(kept) == 2 and all({p.name for p in path.parents[1].iterdir()} == {"run"} for path in kept)
    Executor(Workspace(copy.root)).run(nodes)
    assert receipts(copy) == receipts(seeds)
    assert not list((copy.root / ".scratch").glob("*/run"))


@pytest.mark.parametrize(
    ("number", "together", "told", "steps"),
    [
        (signal.SIGTERM, 1, 4, [4]),  # in the second epoch: milestone 1 is in place
        (signal.SIGUSR1, 3, 1, [1, 1, 2]),  # of the second seed, when the first has done its step
    ],
)
def test_who_is_told_to_stop_saves_and_goes_on(
    seeds: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, together: int, told: int,
    steps: list[int],
) -> None:  # fmt: skip
    """All that are at work save at the next moment at which they can; the next run has the bytes of one."""
    copy, nodes = untrained(seeds, tmp_path / "project", together)
    before = signal.getsignal(number)

    def tell(outcome: Any) -> Any:
        os.kill(os.getpid(), number)
        return outcome

    with monkeypatch.context() as patch, pytest.raises(Stopped) as stopped:
        spoil(patch, 1, told, tell)
        Executor(Workspace(copy.root)).run(nodes)
    assert stopped.value.signal is number and stopped.value.goes_on and signal.getsignal(number) is before
    saved = [saved_tensors.read(path.parent) for path in (copy.root / ".scratch").glob("*/run/progress.bin")]
    assert sorted(int(found["state.step"]) for found in saved if found is not None) == steps
    decided = [entry["decision"] for entry in copy.journal()]
    assert decided.count("stopped") == together and "failed" not in decided
    left = list(Live(Workspace(copy.root)).statuses.values())
    assert all(status.resumable for status in left)
    Executor(Workspace(copy.root)).run(nodes)
    assert receipts(copy) == receipts(seeds)
    assert not list((copy.root / ".scratch").glob("*/run"))


def test_who_was_told_to_stop_takes_up_nothing_else(seeds: Project, tmp_path: Path) -> None:
    """Two batches of which the first is through: the second is not begun."""
    copy, nodes = untrained(seeds, tmp_path / "project", 1)
    executor = Executor(Workspace(copy.root))
    real = executor._adopt

    def adopt(task: Any, work: Work, *rest: Any) -> None:
        real(task, work, *rest)
        if work.name.endswith("seed0/epoch0002"):
            os.kill(os.getpid(), signal.SIGUSR1)

    executor._adopt = adopt  # type: ignore[method-assign]
    with pytest.raises(Stopped) as stopped:
        executor.run(nodes)
    assert stopped.value.goes_on
    assert {Node(entry["node"]).milestone for entry in copy.journal()} == {"seed0/epoch0001", "seed0/epoch0002"}


def test_an_interrupt_from_the_keyboard_is_noted_as_a_stop(
    seeds: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, nodes = untrained(seeds, tmp_path / "project", 1)

    def interrupt(outcome: Any) -> Any:
        raise KeyboardInterrupt

    spoil(monkeypatch, 1, 1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        Executor(Workspace(copy.root)).run(nodes)
    assert {entry["decision"] for entry in copy.journal()[-1:]} == {"stopped"}


def statuses(project: Project) -> dict[Path, bytes]:
    """Status files of trainings."""
    found = {}
    for path in project.root.glob(".scratch/*/run/status.json"):
        with contextlib.suppress(OSError):  # it is over
            found[path] = path.read_bytes()
    return found


@pytest.mark.slow
def test_a_process_that_is_killed_again_and_again_ends_in_the_same_receipts(tmp_path: Path) -> None:
    """SIGKILL at any moment, and every time another number of seeds at once."""
    project = declared(tmp_path / "calm")
    project.edit("params/scales/mini.yaml", "train: 96", "train: 4000")
    project.edit("params/scales/mini.yaml", "{100: 1, 300: 2}", "{100: 3, 300: 6}")
    project.build(DUEL, *TOGETHER)
    copy, nodes = untrained(project, tmp_path / "project", 3)
    copy.environ["SSL_PROGRESS_SECONDS"] = "0.1"
    command = [sys.executable, "-m", "pipeline", "pretrain", *(node.receipt for node in nodes)]
    for kills in range(12):
        for path in copy.root.glob("keys/pretrain/*.json"):
            found = json.loads(path.read_text())
            found["context"]["interleave"] = 1 + kills % 3
            path.write_text(json.dumps(found))
        before = statuses(copy)
        with subprocess.Popen(command, cwd=copy.root, env=copy.environ, stderr=subprocess.DEVNULL) as running:
            while running.poll() is None and statuses(copy) == before:
                time.sleep(0.01)
            time.sleep(0.4 * (kills % 4))
            if running.poll() is not None:
                break
            os.kill(running.pid, signal.SIGKILL)
    assert kills >= 4, "the trainings were over too soon for this test to mean anything"
    assert running.wait() in (0, -signal.SIGKILL)
    copy.call(*command)
    assert receipts(copy) == receipts(project)
