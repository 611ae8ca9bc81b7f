"""One training by several processes: that of one process, whatever happens to the processes."""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import groups
import pytest
import torch
from torch import nn
from trainings import content, files_of, make_works, run_spec, write_noise

from pipeline import components
from pipeline.errors import UserError
from pipeline.monitor import Monitor, teller
from pipeline.numerics import saved_tensors
from pipeline.numerics.randomness import generator
from pipeline.training.processes import batchnorm, ranks, stage
from pipeline.training.processes.group import Group, Share, share_of
from pipeline.training.processes.handover import Handover, packed, unpacked
from pipeline.training.processes.run import GroupRun
from pipeline.training.processes.views import PartedPolicy
from pipeline.views.policies import simclr

ROOT = Path(__file__).resolve().parents[2]
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


SPEC = run_spec(predictor={"kind": "mlp", "hidden": 8}, views={"kind": "simclr", "jitter_probability": 0.0}) | {
    "processes": 2
}


def execute(*args: Any, **kwargs: Any) -> dict[int, dict[str, str]]:
    """Train, given the arguments of :func:`make_works`; hashes of the payloads by epoch."""
    return {work.epoch: content(work.out) for work in stage.execute(make_works(*args, **kwargs))}


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, str]]:
    return execute(SPEC, [1, 3], tmp_path_factory.mktemp("undisturbed"), data)


# equality


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_train_what_one_does(processes: int, tmp_path: Path) -> None:
    """In float64, after ten steps: every objective, predictor, target, optimiser and policy."""
    found = groups.run(tmp_path, processes)
    assert {f"objective {kind}, directpred, ema" for kind in components.kinds("objective")} <= found.keys()
    assert not {name: off for name, off in found.items() if not off < 1e-10}


several_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")


@pytest.mark.gpu
@several_gpus
def test_two_gpus_train_what_one_does(tmp_path: Path) -> None:
    found = groups.run(tmp_path, 2, "cuda")
    assert not {name: off for name, off in found.items() if not off < 1e-9}


@pytest.mark.gpu
@several_gpus
def test_a_gpus_rank_that_is_killed_costs_no_byte(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    spec = SPEC | {"deterministic": True}
    whole = execute(spec, [3], tmp_path / "whole", data, device="cuda")
    killer = Killer(monkeypatch, [0, 3, 9])
    assert execute(spec, [3], tmp_path / "a", data, scratch=tmp_path / "scratch", device="cuda") == whole
    assert killer.after == []


@pytest.mark.parametrize(
    ("images", "processes", "sizes"),
    [(15, 4, (4, 4, 4, 3)), (16, 2, (8, 8)), (8, 4, (2, 2, 2, 2)), (7, 4, (7,)), (2, 2, (2,)), (5, 1, (5,))],
)
def test_parts_of_a_minibatch(images: int, processes: int, sizes: tuple[int, ...]) -> None:
    shares = [share_of(images, rank, processes) for rank in range(processes)]
    assert {share.sizes for share in shares} == {sizes}
    places = [list(range(images))[share.own] for share in shares]
    if len(sizes) == processes:
        assert list(itertools.chain(*places)) == list(range(images)) and [len(one) for one in places] == list(sizes)
    else:
        assert places == [list(range(images))] * processes and all(share.whole for share in shares)


@pytest.mark.parametrize(
    "params",
    [
        {"kind": "identity"},
        {"kind": "simclr", "blur_probability": 0.5, "blur_kernel": 0.4, "solarize_probability": [0.0, 0.5]},
        {"kind": "simclr", "count": [2, 1], "size": [8, 6], "jitter": "independent", "jitter_order": "fixed"},
    ],
)
def test_a_view_does_not_depend_on_how_many_processes_make_views(params: dict[str, Any]) -> None:
    policy = components.make(components.find("views", params["kind"]), params, (3, 8, 8), None)
    images = torch.randint(0, 256, (15, 3, 8, 8), dtype=torch.uint8, generator=generator(0, "images"))
    whole = policy(images, generator(0, "views"))
    parts = []
    for rank in range(4):
        parts.append(PartedPolicy(policy, Group(rank, 4))(images, generator(0, "views")))
        assert len(parts[-1][0]) == (4, 4, 4, 3)[rank]
    for view, of_ranks in zip(whole, zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(torch.cat(of_ranks), view, rtol=0, atol=1e-6)  # products of other sizes round anew
    few = PartedPolicy(policy, Group(3, 4))(images[:7], generator(0, "views"))
    assert all(map(torch.equal, few, policy(images[:7], generator(0, "views"))))


class Sampling:
    """A policy whose draws are ``drawn``."""

    def __init__(self, drawn: Any) -> None:
        self.drawn = drawn

    def sample(self, batch: int, source: torch.Generator) -> Any:
        return self.drawn

    def apply(self, images: torch.Tensor, drawn: Any) -> list[torch.Tensor]:
        return [images * drawn, images]


@pytest.mark.parametrize(
    ("policy", "word"),
    [(lambda images, source: [images] * 2, "sample and apply"), (Sampling({}), "split, .*found dict")],
)
def test_a_policy_that_cannot_be_divided_is_refused(policy: Any, word: str) -> None:
    with pytest.raises(UserError, match=f"views: expected .*{word}.* set processes: 1"):
        PartedPolicy(policy, Group(0, 2))(torch.zeros(4, 3, 8, 8), torch.Generator())


def test_a_policy_of_ones_own_may_draw_a_tensor() -> None:
    policy = PartedPolicy(Sampling(torch.arange(5.0).view(-1, 1)), Group(1, 2))
    assert policy(torch.ones(5, 1), torch.Generator())[0].flatten().tolist() == [3, 4]


def test_batchnorm_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match=r"found BatchNorm3d.*; set processes: 1"):
        batchnorm.synchronize(nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm3d(2)), Group(0, 2))


def test_evaluation_and_frozen_batchnorm_use_what_they_have() -> None:
    norm, group = nn.BatchNorm1d(3), Group(0, 2)
    batchnorm.synchronize(norm, group)
    group.divide(8)
    x = torch.randn(4, 3)
    torch.testing.assert_close(norm.eval()(x), x / (1 + 1e-5) ** 0.5)


# processes that die


class Killer:
    """Kills rank 1 when rank 0 has taken some steps, as often as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: list[int]) -> None:
        self.after, self.children, self.taken = after, [], 0
        started, step = ranks.Ranks._start, GroupRun.step

        def start(of: ranks.Ranks, *args: Any) -> None:
            started(of, *args)
            self.children, self.taken = list(of._children.values()), 0
            if self.after and self.after[0] == 0:
                self.kill()

        def stepped(of: GroupRun, *args: Any) -> Any:
            self.taken += 1
            if self.after and self.taken > self.after[0]:
                self.kill()
            return step(of, *args)

        monkeypatch.setattr(ranks.Ranks, "_start", start)
        monkeypatch.setattr(GroupRun, "step", stepped)

    def kill(self) -> None:
        self.after.pop(0)
        self.children[0].kill()
        self.children[0].wait()


def test_a_rank_that_is_killed_costs_no_byte(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    undisturbed: dict[int, dict[str, str]],
) -> None:
    """Before it is ready, in the first epoch, and beyond the first milestone."""
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    killer = Killer(monkeypatch, [0, 3, 9])
    assert execute(SPEC, [1, 3], tmp_path / "a", data, scratch=tmp_path / "scratch") == undisturbed
    assert killer.after == []
    said = capsys.readouterr().err
    assert said.count("rank 1 was killed (SIGKILL); all 2 start again from what was saved last") == 3
    assert list((tmp_path / "scratch").iterdir()) == []
    assert all(child.poll() is not None for child in killer.children)


def test_a_rank_that_is_killed_again_and_again_ends_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "RESTARTS", 1)
    killer = Killer(monkeypatch, [0, 1, 2])  # nothing is saved in between
    with pytest.raises(UserError, match=r"rank 1 was killed \(SIGKILL\), for the 2th time since anything was saved"):
        execute(SPEC, [3], tmp_path / "a", data)
    assert killer.after == [2]


SCRIPT = """
import json, sys
from pathlib import Path
from pipeline.monitor import Monitor, teller
from pipeline.training.processes import stage
from pipeline.training.processes.handover import unpacked

monitor = Monitor()
works = unpacked(json.loads(Path(sys.argv[1]).read_text()))
for work in works:
    work.monitor = monitor
with monitor.stop.listening():
    for work in stage.execute(works):
        pass
"""


def children(process: int) -> list[int]:
    """Processes that a process has started."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return list(map(int, found))


def gone(process: int) -> bool:
    """Whether a process has ended, be it that nobody has buried it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes below /proc")
def test_rank_0_that_is_killed_or_told_to_stop_takes_the_others_along(data: Path, tmp_path: Path) -> None:
    epochs, scratch = 12, tmp_path / "scratch"
    whole = execute(SPEC, [epochs], tmp_path / "whole", data)[epochs]
    meetings = tmp_path / "meetings"
    meetings.mkdir()
    environ = {**os.environ, "SSL_PROGRESS_SECONDS": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environ["TMPDIR"] = str(meetings)
    position = 0
    for attempt, number in enumerate([signal.SIGKILL, signal.SIGTERM, None]):
        works = make_works(SPEC, [epochs], tmp_path / str(attempt), data, scratch=scratch)
        given = tmp_path / f"{attempt}.json"
        given.write_text(json.dumps(packed(works, "cpu")))
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(given)], env=environ, stderr=subprocess.PIPE, text=True
        ) as running:
            assert running.stderr is not None
            if number is not None:

                def moved_on(least: int = position) -> int:
                    saved = saved_tensors.read(scratch)
                    step = 0 if saved is None else int(saved["state.step"])
                    return step if step > least else 0

                position = until(moved_on)
                (other,) = children(running.pid)
                running.send_signal(number)
            said = running.stderr.read()
            assert running.wait(60) == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 1, None: 0}[number], said
            assert ("Stopped: SIGTERM" in said) == (number == signal.SIGTERM)
            if number is not None:
                until(functools.partial(gone, other), 10)
                assert position < epochs * 7 and list(meetings.iterdir()) == []
    assert content(tmp_path / "2" / f"epoch{epochs:04d}") == whole


# what a rank is told, and what it says


def test_works_come_to_ranks_as_they_are(data: Path, tmp_path: Path) -> None:
    works = make_works(SPEC, [1, 2], tmp_path / "a", data, scratch=tmp_path / "scratch", resume=tmp_path / "earlier")
    line = Handover(1, 2, "there", sys.path, packed(works, "cuda:1")).dumps()
    assert line.count(b"\n") == 1
    again = unpacked(Handover.loads(line).works)
    for work, other in zip(works, again, strict=True):
        assert vars(other) == {**vars(work), "monitor": other.monitor, "context": {"device": "cuda:1"}}
        assert work.context == {"device": "cpu"}


def test_what_a_rank_does_is_neither_shown_nor_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(teller.PLACE, str(tmp_path / "job"))  # rank 0 tells a build how far it is
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    monitor = Monitor().unseen()
    report = monitor.training("a run", 10, 2, tmp_path)
    report.say("a line")
    monitor.screen.every = 0.0
    for step in range(1, 4):
        report.tick(step, 4, [])
    monitor.saver(lambda: pytest.fail("it was saved")).maybe_save()
    report.close()
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr() == ("", "")


POLICY = """
import sys
from pipeline.views.policies.identity import build as identity

def build(image_shape, normalize, *, count: int = 2):
    WRONG
    return identity(image_shape, normalize, count=count)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "views"
    folder.mkdir()
    yield folder / "mine.py"


@pytest.mark.parametrize(
    ("wrong", "kind", "word"),
    [
        (
            "if 'rank' in sys.argv[0]: raise ValueError('it is odd')",
            RuntimeError,
            "(?s)rank 1: .*ValueError: it is odd",
        ),
        ("if 'rank' in sys.argv[0]: sys.exit(3)", RuntimeError, "rank 1: ended without a word"),
    ],
)
def test_a_rank_that_fails_says_why(
    wrong: str, kind: type[Exception], word: str, mine: Path, data: Path, tmp_path: Path
) -> None:
    """It is no matter of starting again."""
    mine.write_text(POLICY.replace("WRONG", wrong))
    (work,) = make_works(SPEC, [1], tmp_path / "a", data)
    work.components["views"] = mine
    with pytest.raises(kind, match=word):
        list(stage.execute([work]))


def test_code_that_is_edited_before_the_others_have_read_it_is_refused(mine: Path, data: Path, tmp_path: Path) -> None:
    mine.write_text(POLICY.replace("WRONG", "pass"))
    components.load(mine)
    mine.write_text(POLICY.replace("WRONG", "count += 1"))
    (work,) = make_works(SPEC, [1], tmp_path / "a", data)
    work.components["views"] = mine
    with pytest.raises(UserError, match=r"mine.py: edited since this training began; type the same command again"):
        list(stage.execute([work]))


def test_there_have_to_be_as_many_gpus(monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(stage, "prepare_device", lambda spec, context: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="processes: expected 2 GPUs, one for each, found 1; set processes: 1, or"):
        execute(SPEC, [1], tmp_path / "a", data, device="cuda")
    with pytest.raises(UserError, match="device: expected cpu or cuda for a run of 2 processes, found cuda:1"):
        execute(SPEC, [1], tmp_path / "b", data, device="cuda:1")


def test_weights_that_part_are_noticed() -> None:
    class Other(Group):
        def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
            return [tensor, tensor, told]

    told = torch.tensor([0])
    with pytest.raises(UserError, match="processes: expected the same weights in all 3, found others in rank 2 than"):
        Other(0, 3).check_equal([torch.tensor([1.0, 2.0])])
    Other(0, 3).check_equal([torch.tensor([float("nan")])])  # whichever NaN it is


def test_seeds_come_one_after_the_other(data: Path, tmp_path: Path, undisturbed: dict[int, dict[str, str]]) -> None:
    works = make_works(SPEC, [1], tmp_path / "a", data) + make_works(SPEC, [1], tmp_path / "b", data, seed=4)
    done = [work.seed for work in stage.execute(works)]
    assert done == [3, 4] and content(works[0].out) == undisturbed[1] != content(works[1].out)


def test_images_may_stay_on_disk(data: Path, tmp_path: Path, undisturbed: dict[int, dict[str, str]]) -> None:
    (work,) = make_works(SPEC, [1], tmp_path, data)
    work.context["images"] = "disk"
    assert [content(done.out) for done in stage.execute([work])] == [undisturbed[1]]


def test_share_says_where_its_images_are() -> None:
    assert Share((3, 2, 2), 2).own == slice(5, 7) and Share((3,), 2).own == slice(0, 3)
    assert isinstance(simclr.build((3, 8, 8), None).sample(4, torch.Generator()).split([3, 1])[1].grey, torch.Tensor)
    assert files_of(SPEC)["views"].name == "simclr.py"
