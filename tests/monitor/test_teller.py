"""What a job tells a build that shows bars, and what it does where there is none."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from pipeline.monitor import Monitor, teller
from pipeline.monitor.teller import FOLDER, PLACE, Teller
from pipeline.training.history import History

JOB = """
import os, sys
from pipeline.monitor import teller
teller.join()
print("to stdout", flush=True)
print("to stderr", sys.stderr.isatty(), file=sys.stderr)
os.system("echo from a child >&2")
teller.join()  # as a fork that goes on with the same job
print("again", file=sys.stderr)
teller.Teller().tell(nodes=["a"])
"""


def run(environ: dict[str, str], **streams: Any) -> subprocess.CompletedProcess:
    own = {name: value for name, value in os.environ.items() if name not in (FOLDER, PLACE)}
    environ = own | {"PYTHONPATH": str(ROOT)} | environ
    return subprocess.run([sys.executable, "-c", JOB], env=environ, text=True, check=True, **streams)


def test_all_that_a_job_prints_goes_into_its_file(tmp_path):
    with (tmp_path / "main").open("w") as main:
        run({FOLDER: str(tmp_path)}, stdout=main, stderr=main)
    assert (tmp_path / "main").read_text() == ""
    (text,) = tmp_path.glob("*.text")
    assert text.read_text() == "to stdout\nto stderr True\nfrom a child\nagain\n"
    assert json.loads(text.with_suffix(".json").read_text()) == {"nodes": ["a"]}
    assert len(list(tmp_path.iterdir())) == 3


def test_standard_output_that_the_user_has_sent_elsewhere_stays_there(tmp_path):
    done = run({FOLDER: str(tmp_path)}, capture_output=True)
    (text,) = tmp_path.glob("*.text")
    assert done.stdout == "to stdout\n" and text.read_text() == "to stderr True\nfrom a child\nagain\n"


def test_a_fork_prints_where_its_job_does_and_tells_in_its_name(tmp_path):
    done = run({FOLDER: str(tmp_path), PLACE: str(tmp_path / "17")}, capture_output=True)
    assert done.stderr == "to stderr True\nfrom a child\nagain\n"
    assert [path.name for path in tmp_path.iterdir()] == ["17.json"]


def test_without_a_build_that_listens_nothing_changes(tmp_path):
    for environ in ({}, {FOLDER: ""}, {FOLDER: str(tmp_path / "of a build that is over")}):
        done = run(environ, capture_output=True)
        assert done.stdout == "to stdout\n" and done.stderr == "to stderr False\nfrom a child\nagain\n"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    print("progress is not saved", file=teller._Shown(Full()), flush=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PLACE, str(tmp_path / "17"))
    return tmp_path / "17.json"


def test_a_training_tells_steps_and_prints_no_line(place, clock):
    stream = io.StringIO()
    monitor = Monitor(stream, called=lambda name: "p/m, d, seed 0")
    report = monitor.training("checkpoints/c/seed0", 100, 10, None)
    history = History()
    history.add(1, -1.5, 0.9, 3.0)
    for step in range(1, 29):
        report.tick(step, 100, history.rows)
        clock[0] += 0.125
    told = json.loads(place.read_text())
    assert told["at"] == {"checkpoints/c/seed0": [25, 100]}  # twice a second
    assert told["words"] == ["epoch 3/10", "seed 0", "loss -1.5000", "std 0.90", "rank 3.0", "80 images/s"]
    report.say("to do")
    assert stream.getvalue() == "p/m, d, seed 0  to do\n"


def test_a_measurement_tells_what_it_is_at(place, clock):
    stream = io.StringIO()
    monitor = Monitor(stream, called=lambda name: "p/m, d, seed 0")
    progress = monitor.measurement("measurements/c/seed0/epoch0001/knn-1")
    for done in range(10):
        progress.tick("images", done, 10)
        clock[0] += 0.2
    told = json.loads(place.read_text())
    assert told == {"at": {"measurements/c/seed0/epoch0001/knn-1": [9, 10]}, "words": ["images 9/10"]}
    assert stream.getvalue() == ""


def test_who_is_not_heard_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv(PLACE, raising=False)
    assert not Teller().heard
    Teller().tell(nodes=["a"])
    monkeypatch.setenv(PLACE, str(tmp_path / "gone/17"))
    Teller().tell(nodes=["a"])  # the build is over, and with it its folder
    assert list(tmp_path.iterdir()) == []
