"""Runs as they are: declared, waiting, training, killed, failed, done; from files alone, while snakemake works."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import DUEL, Project, add_mini

from pipeline.errors import UserError, nearest
from pipeline.ledger.workspace import Milestone, Workspace, checkpoint, measurement
from pipeline.monitor import Monitor
from pipeline.monitor.report import STATUS, Report
from pipeline.provenance import runs as listed
from pipeline.provenance.listing import Listing
from pipeline.provenance.live import Live, statuses
from pipeline.provenance.runs import KnownRun
from pipeline.site import runs as site_runs
from pipeline.training.history import History

CONFIG = ("--config", "scale=mini")
LONG = "epochs: {100: 1, 300: 500}"


def runs(project: Project, *arguments: str) -> dict[str, dict]:
    """The runs of the mini paper's table, by the kind of their predictor."""
    found = json.loads(project.pipeline("runs", "mini/duel", *arguments, "--json", *CONFIG).stdout)
    return {run["params"]["predictor.kind"]: run for run in found}


def states(project: Project) -> dict[str, str]:
    return {kind: run["state"] for kind, run in runs(project).items()}


def wait(condition, seconds: float = 90.0):
    """What a condition returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def started(project: Project) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "1", *CONFIG]
    log = (project.root / "snakemake.log").open("w")
    return subprocess.Popen(
        command, cwd=project.root, env=project.environ, stdout=log, stderr=log, start_new_session=True
    )


@pytest.mark.slow
def test_a_training_is_seen_while_it_runs_after_it_was_killed_and_when_it_goes_on(project):
    add_mini(project)
    project.edit("params/scales/mini.yaml", "epochs: {100: 1, 300: 2}", LONG)
    assert states(project) == {"linear": "declared", "directpred": "declared"}
    assert not (project.root / "keys/pretrain").exists(), "looking changes nothing"
    project.environ["SSL_PROGRESS_SECONDS"] = "0.5"
    with started(project) as process:
        try:
            wait(lambda: list(project.root.glob(".scratch/*/run/status.json")))
            seen = wait(lambda: next((r for r in runs(project).values() if (r["live"] or {}).get("eta_seconds")), None))
            assert seen["state"] == "running"
            live = seen["live"]
            assert live["alive"] and live["name"].endswith("/seed0") and Path(f"/proc/{live['pid']}").exists()
            assert 1 <= live["epoch"] <= live["epochs"] == 500
            assert live["images_per_second"] > 0 and live["loss"] < 0
            assert sorted(states(project).values()) == ["running", "waiting"]
            text = project.pipeline("runs", "mini/duel", "--where", "state=running", *CONFIG).stdout
            assert re.search(r"epoch \d+ of 500, \d+ images/s, ETA \d+:\d\d, loss", text)
            wait(lambda: list(project.root.glob(".scratch/*/run/progress.bin")))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            os.kill(live["pid"], signal.SIGKILL)
    kind = seen["params"]["predictor.kind"]
    found = runs(project)
    assert {name: run["state"] for name, run in found.items()} == {
        kind: "interrupted", next(iter(found.keys() - {kind})): "declared",
    }  # fmt: skip
    dead = found[kind]
    assert dead["detail"].endswith("of 500; the same snakemake command goes on from there")
    assert not dead["live"]["alive"] and dead["present"] == [1]
    # with other code there is nothing to go on from
    project.edit("pipeline/training/step.py", "loss = self", "loss = 2 * self")
    assert "it will start anew" in runs(project)[kind]["detail"]
    project.edit("pipeline/training/step.py", "loss = 2 * self", "loss = self")
    project.call(sys.executable, "-m", "snakemake", "--unlock", DUEL, *CONFIG)
    with started(project) as process:
        again = wait(lambda: (runs(project)[kind]["live"] or {}) if states(project)[kind] == "running" else None)
        assert again["pid"] != live["pid"]
        assert process.wait(300) == 0, (project.root / "snakemake.log").read_text()
    found = runs(project)
    assert {run["state"] for run in found.values()} == {"done"}
    assert found[kind]["present"] == [1, 500] and found[kind]["live"] is None
    assert found[kind]["measured"] == {"linear_probe": 500}
    assert not list(project.root.glob(".scratch/*/run/status.json"))


def test_a_table_of_what_tells_runs_apart(built):
    built.environ.pop("COLUMNS", None)  # workers of a parallel test run have it
    text = built.pipeline("runs", "mini/duel", "--sort", "top1_last", *CONFIG).stdout
    lines = text.splitlines()
    head = lines[0].split()
    assert head[:6] == ["state", "config", "seed", "epochs", "name", "predictor.kind"]
    assert {line.split("2/2")[1].strip().split("  ")[0] for line in lines[1:3]} == {
        "mini/plain, shapes for cifar10",
        "mini/direct, shapes for cifar10",
    }
    assert head[-1] == "top1_last"
    assert "lr" not in head
    assert max(map(len, lines)) <= 160, "as wide as a wide terminal where there is none"
    same = text.split("the same in all:")[1]
    assert re.match(r" dataset shapes, .*, and \d+ more \(--csv has all\)\n", same, re.DOTALL) and same.count("\n") <= 2
    numbers = [float(line.split()[-1]) for line in lines[1:3]]
    assert numbers == sorted(numbers, reverse=True)
    other = built.pipeline("runs", "mini/duel", "--sort=-linear_probe.top1_last", *CONFIG).stdout.splitlines()
    assert [float(line.split()[-1]) for line in other[1:3]] == sorted(numbers)
    assert [line.split()[3] for line in lines[1:3]] == ["2/2", "2/2"]
    for run in runs(built).values():
        path = built.root / f"measurements/{run['config']}/seed0/epoch0002"
        (scores,) = (json.loads(p.read_text()) for p in path.glob("*/scores.json"))
        numbers = {name: value for name, value in scores.items() if not isinstance(value, bool)}
        assert run["scores"] == {f"linear_probe.{name}": value for name, value in numbers.items()}
        assert run["state"] == "done" and run["artifacts"] == ["results/mini/mini/duel"]


def test_a_table_fits_the_terminal(built):
    built.environ["COLUMNS"] = "72"
    text = built.pipeline("runs", "mini/duel", *CONFIG).stdout
    assert max(map(len, text.splitlines())) <= 72
    assert text.splitlines()[0].endswith("top1_last"), "what was measured comes before what was declared"
    assert "left out for want of width" in text and "predictor.kind" in text.split("left out")[1]
    by = built.pipeline("runs", "mini/duel", "--sort", "optimizer.lr", *CONFIG).stdout
    assert by.splitlines()[0].split()[-1] == "lr", "what runs are sorted by is shown, though all have the same"


def test_a_long_name_is_cut_in_a_narrow_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    run = KnownRun("a-0123456789", 0, "declared", "", [1], [], {}, name="paper/method, data, " + "lr 0.1, " * 20)
    text = Listing([run]).text()
    assert max(map(len, text.splitlines())) <= 60 and "paper/method" in text and "…" in text


def test_scores_are_read_from_the_store_where_the_payload_is_absent(built):
    before = runs(built)
    for path in (built.root / "measurements").glob("*/seed0/*/*/scores.json"):
        path.unlink()
    assert runs(built) == before


def test_conditions(built):
    assert list(runs(built, "--where", "predictor.kind=directpred")) == ["directpred"]
    assert list(runs(built, "--where", "rho=0.30", "state=done", "dataset=shapes", "seed=0")) == ["directpred"]
    assert len(runs(built, "--where", "optimizer.lr=0.1")) == 2
    assert runs(built, "--where", "state=running") == {}
    assert "no run fits" in built.pipeline("runs", "mini/duel", "--where", "seed=4", *CONFIG).stdout
    rows = list(csv.DictReader(io.StringIO(built.pipeline("runs", "--csv", *CONFIG).stdout)))
    configs = {run["config"] for run in runs(built).values()}
    mine = [row for row in rows if row["config"] in configs]
    assert [row["optimizer.lr"] for row in mine] == ["0.1", "0.1"]
    # Several papers have linear probes of other params: there a column is named after all of them.
    (column,) = {name for row in mine for name in row if name.endswith(".top1_last") and row[name]}
    assert column.startswith("linear_probe-") and all(float(row[column]) >= 0 for row in mine)
    assert {row["state"] for row in rows if row not in mine} == {"declared"}, "those of the other papers"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--where", "predictr.kind=linear"], "--where predictr.kind: no run has such a param or measurement; did you mean predictor.kind?"),
        (["--where", "kind=linear"], "did you mean source.kind or views.kind or encoder.kind or "),
        (["--where", "seed"], "--where seed: expected KEY=VALUE, such as"),
        (["--sort", "top1_lst"], "--sort top1_lst: no run has such a param or measurement"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_one_line(built, arguments, words):
    done = built.pipeline("runs", "mini/duel", *arguments, *CONFIG, check=False)
    assert done.returncode == 1
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_a_failure_is_told_with_its_line_until_it_is_mended(built):
    built.edit("pipeline/training/step.py", "loss = self", "loss = 1 / 0 + self")
    assert set(states(built).values()) == {"stale"}
    assert "function TrainingStep._descend_part changed" in runs(built)["linear"]["detail"]
    assert built.snakemake(DUEL, *CONFIG, "-k", check=False).returncode != 0
    found = runs(built)
    assert {run["state"] for run in found.values()} == {"failed"}
    assert found["linear"]["detail"] == "ZeroDivisionError: division by zero"
    built.edit("pipeline/training/step.py", "loss = 1 / 0 + self", "loss = self")
    assert set(states(built).values()) <= {"done", "restorable"}


@pytest.mark.slow
def test_a_measurement_that_failed_is_told_with_its_run(built):
    path = built.root / "pipeline/evaluation/measures/linear_probe.py"
    text = path.read_text()
    path.write_text(text.replace("    bank", "    raise ValueError('no such thing')\n    bank", 1) if "    bank" in text
                    else text.replace('    """\n', '    """\n    raise ValueError("no such thing")\n', 1))  # fmt: skip
    built.snakemake(DUEL, *CONFIG, "-k", check=False)
    found = runs(built)
    assert {run["state"] for run in found.values()} == {"done"}
    assert all("linear_probe at epoch 2 failed: ValueError: no such thing" in run["detail"] for run in found.values())
    assert "no such thing" in built.pipeline("runs", "mini/duel", *CONFIG).stdout


@pytest.mark.slow
def test_a_run_that_diverged_says_in_which_epoch(project):
    add_mini(project)
    project.edit("params/papers/mini.yaml", "optimizer: {kind: sgd, lr: 0.1", "optimizer: {kind: sgd, lr: 1.0e+30")
    project.build(DUEL)
    found = runs(project)
    assert "diverged" in {run["state"] for run in found.values()}
    assert all(run["detail"].startswith("in epoch ") for run in found.values() if run["state"] == "diverged")


# -- parts


@pytest.mark.parametrize(
    ("spread", "remarks", "state"),
    [
        ("0.8", {"collapsed": False}, "done"),
        ("3e-5", {"collapsed": False}, "collapsed"),
        ("0.8", {"collapsed": True}, "collapsed"),
        ('"broken"', {}, "done"),
        ("null", {}, "done"),
    ],
)
def test_a_run_that_collapsed_is_told_from_one_that_is_done(tmp_path: Path, spread: str, remarks: dict, state: str):
    """By the record of its training, or by what was measured of its features; on the site as in the list."""
    weights, scores = checkpoint("c", 0, 2), measurement("c", 0, 2, "m")
    workspace = Workspace(tmp_path)
    for node, name, text in (
        (weights, "summary.json", f'{{"outcome": "trained", "embedding_std": {spread}}}'),
        (scores, "scores.json", json.dumps({"top1": 84.0, **remarks})),
    ):
        workspace.payload(node).mkdir(parents=True, exist_ok=True)
        (workspace.payload(node) / name).write_text(text)
    state_of = SimpleNamespace(status="in place", node=scores)
    states = SimpleNamespace(workspace=workspace, by_name={scores.name: state_of})
    run = KnownRun("c", 0, "", "", [2], [2], {})
    run.state, run.detail = listed._finished(run, [SimpleNamespace(node=weights)], states)
    listed._measure(run, "m", [Milestone(2)], {"m": "probe"}, {}, states, SimpleNamespace(failure=lambda *_: None))
    assert run.state == state and ("next to one point" in run.detail) == (state == "collapsed")
    assert run.scores == {"probe.top1": 84.0}

    def payload(link: SimpleNamespace, name: str) -> bytes:
        return (workspace.payload(link.node) / name).read_bytes()

    project = SimpleNamespace(payload=payload, scores=lambda link: json.loads(payload(link, "scores.json")))
    links = [SimpleNamespace(node=node) for node in (weights, scores)]
    assert site_runs._collapsed(project, links[:1], links[1:]) == [0] * (state == "collapsed")


def test_a_worker_is_the_holder_of_the_lock(tmp_path: Path):
    lock = tmp_path / ".scratch/locks/pretrain-c"
    lock.parent.mkdir(parents=True)
    live = Live(Workspace(tmp_path))
    assert live.worker("c") is None
    lock.write_text(str(os.getpid()))
    assert live.worker("c") is None, "a process of that number lives, but it does not hold the lock"
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert live.worker("c") == os.getpid()
        lock.write_text("999999999")
        assert live.worker("c") is None
    assert lock.is_file()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nothing is held after a look


def report(folder: Path, monkeypatch: pytest.MonkeyPatch, every: float, steps: int = 40) -> list[float]:
    """Times at which the status file was replaced."""
    clock, seen = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    made = Report("checkpoints/c/seed0", 100, 10, stream=io.StringIO(), folder=folder)
    for step in range(1, steps + 1):
        made.tick(step, steps, History().rows)
        found = (folder / STATUS).stat().st_ino
        if not seen or seen[-1][1] != found:
            seen.append((clock[0] - 100.0, found))
        clock[0] += every
    return [moment for moment, _ in seen]


def test_the_status_file_is_replaced_every_two_seconds(tmp_path, monkeypatch):
    assert report(tmp_path / "a", monkeypatch, 0.125) == [0.0, 2.0, 4.0]
    status = json.loads((tmp_path / "a" / STATUS).read_text())
    assert status["step"] == 33 and status["epoch"] == 4 and status["epochs"] == 4
    assert status["images_per_second"] == pytest.approx(80.0) and status["eta_seconds"] == pytest.approx(0.9, abs=0.03)
    assert status["loss"] is None and status["pid"] == os.getpid()


def test_a_training_is_found_by_its_folder_whatever_people_call_it(tmp_path):
    watched = Monitor(io.StringIO(), called=lambda _: "directpred, shapes, seed 0")
    made = watched.training("checkpoints/c/seed0", 100, 10, tmp_path / ".scratch/key/run")
    made.tick(1, 10, History().rows)
    found = statuses(Workspace(tmp_path))
    assert found.keys() == {"checkpoints/c/seed0"}
    assert found["checkpoints/c/seed0"].found["called"] == "directpred, shapes, seed 0"
    made.close()
    assert statuses(Workspace(tmp_path)) == {}


def test_a_disk_that_refuses_the_status_file_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    made = Report("c", 100, 10, stream=io.StringIO(), folder=tmp_path / "file" / "run")
    made.tick(1, 10, History().rows)
    made.close()
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_name_that_is_meant():
    assert nearest("sgdd", ["sgd", "adam"]) == "did you mean sgd?"
    assert nearest("zzz", ["sgd", "adam"], "choose one of") == "choose one of: sgd, adam"
    assert nearest("lr", ["optimizer.lr", "predictor.lr"]) == "did you mean optimizer.lr or predictor.lr?"
    assert nearest("zzz", [f"k{i}" for i in range(40)]).endswith("k23, ...")


def test_sorting_puts_what_has_no_value_last():
    made = [KnownRun(f"x-{i}", i, "done", "", [1], [1], {}, {"m.v": v} if v is not None else {}) for i, v in enumerate((1.0, None, 3.0))]  # fmt: skip
    listing = Listing(made)
    for column, order in (("m.v", [2, 0, 1]), ("-v", [0, 2, 1]), ("seed", [0, 1, 2]), ("-seed", [2, 1, 0])):
        listing.sort(column)
        assert [run.seed for run in listing.runs] == order
    with pytest.raises(UserError, match=r"--sort w: no run has"):
        listing.sort("w")
