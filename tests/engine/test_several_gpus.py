"""A machine with several GPUs, which are imagined: who takes which, and what ``plan`` says."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from pipeline import hardware
from pipeline.commands import _targets
from pipeline.commands import plan as command
from pipeline.engine import gpus
from pipeline.engine.estimate import Forecast
from pipeline.engine.several_gpus import advice, makespan, trainings
from pipeline.engine.state import States
from pipeline.ledger.workspace import Workspace
from pipeline.planning import costs
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

HOUR = 3600.0


def test_runs_one_on_each_gpu_take_as_long_as_the_fullest() -> None:
    assert makespan([5, 4, 3, 3, 3], 2) == 10  # 5 + 3, 4 + 3 + 3: longest first is not always the shortest way
    assert makespan([7, 1, 1, 1], 4) == 7
    assert makespan([2, 2], 8) == 2


@pytest.mark.parametrize(
    ("hours", "number", "better"),
    [
        ([1.0] * 12, 4, "Better a run on each: --resources gpu=4"),
        ([1.0] * 4, 4, "Better a run on each"),
        ([9.0, 1.0, 1.0, 1.0], 4, "Better over all: processes: 4 and --resources gpu=4"),  # the longest decides
        ([1.0], 2, "Better over all: processes: 2"),
        ([1.0, 1.0, 1.0], 2, "Better over all"),  # 2 hours against 3 / 1.6
        ([1.0] * 5, 2, "Better a run on each"),  # 3 hours against 5 / 1.6
    ],
)
def test_the_plan_says_which_way_is_better_and_why(hours: list[float], number: int, better: str) -> None:
    line = advice([HOUR * one for one in hours], number)
    assert line is not None and better in line and "\n" not in line
    apart, together = makespan(hours, number), sum(hours) / costs.speedup(number)
    assert f"about {apart:.1f} h" in line.replace("60 min", "1.0 h")
    assert ("a run on each:" in line) == (apart <= together)


def test_the_numbers_that_were_compared_are_said() -> None:
    assert advice([6 * HOUR, 2 * HOUR, HOUR * 3], 2) == (
        "3 runs to train on 2 GPUs: a run on each GPU takes about 6.0 h, the longest 6.0 h; each over all GPUs in turn "
        "(processes: 2) 6.9 h, if 20% is lost. Better a run on each: --resources gpu=2"
    )


def test_where_there_is_nothing_to_choose_nothing_is_said() -> None:
    assert advice([HOUR], 1) is advice([], 4) is advice([0.0], 4) is advice([HOUR], 0) is None


@pytest.mark.parametrize(("scale", "number", "says"), [("gpu", 8, True), ("gpu", 1, False), ("tiny", 8, False)])
def test_the_command_says_it_on_such_a_machine(
    scale: str,
    number: int,
    says: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalogue = Catalogue(Options(scale=scale))
    planned = Plan(catalogue, [_targets.request("directpred/table8", catalogue)])
    states = States(planned, Workspace(tmp_path))
    found = trainings(Forecast(states, catalogue.scale(scale)))
    trained = {config for config, run in planned.runs.items() if any(at.epoch for _, at in run.milestones)}
    assert len(found) == len(trained) > 1 and min(found) > 0
    monkeypatch.setattr(hardware, "gpus", lambda: [str(one) for one in range(number)])
    monkeypatch.setattr(
        _targets, "planned", lambda targets, known: _targets.Planned(planned, states, catalogue.scale(scale))
    )
    parser = argparse.ArgumentParser()
    command.add(parser)
    command.run(parser.parse_args(["--config", f"scale={scale}"]))
    line = advice(found, number)
    assert ((line or "no line") in capsys.readouterr().out) == says


def test_gpus_are_counted_without_torch(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert hardware.gpus(tmp_path, {}) == ["0", "1"]
    assert hardware.gpus(tmp_path, {"CUDA_VISIBLE_DEVICES": "3,GPU-ab"}) == ["3", "GPU-ab"]
    assert hardware.gpus(tmp_path, {"CUDA_VISIBLE_DEVICES": "2,-1,0"}) == ["2"]
    assert hardware.gpus(tmp_path, {"CUDA_VISIBLE_DEVICES": ""}) == []


def test_jobs_take_gpus_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: ["0", "1", "4"])
    monkeypatch.setenv(gpus.VARIABLE, "0,1,4")
    workspace = Workspace(tmp_path)
    with gpus.held(workspace, 1) as first:
        assert first == ["0"] and os.environ[gpus.VARIABLE] == "0"
        with gpus.held(workspace, 2) as others:
            assert others == ["1", "4"] and os.environ[gpus.VARIABLE] == "1,4"
            with gpus.held(workspace, 1) as none:  # somebody allowed more jobs than there are GPUs
                assert none == [] and os.environ[gpus.VARIABLE] == "1,4"
        assert os.environ[gpus.VARIABLE] == "0"
        with gpus.held(workspace, 2) as again:
            assert again == ["1", "4"]
    assert os.environ[gpus.VARIABLE] == "0,1,4"


@pytest.mark.parametrize("count", [0, 2, 3])
def test_where_there_is_nothing_to_share_out_all_stay_visible(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: ["0", "1"])
    monkeypatch.delenv(gpus.VARIABLE, raising=False)
    with gpus.held(Workspace(tmp_path), count) as taken:
        assert taken == [] and gpus.VARIABLE not in os.environ
