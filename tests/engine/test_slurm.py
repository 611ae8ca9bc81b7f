"""Builds by the jobs of a real SLURM: two nodes on this machine, Snakemake's own executor, the profile of the project.

Where there can be no SLURM all of it is skipped, and says why; ``make test-slurm`` installs what it needs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm
from conftest import Project, add_mini, copy_project

from pipeline import files

DUEL = "results/mini/mini/duel.csv"
QUICKLY = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "15")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[slurm.Slurm]:
    """Two nodes that run."""
    reason = slurm.lacking()
    if reason is not None:
        pytest.skip(reason)
    found = slurm.Slurm(tmp_path_factory.mktemp("slurm") / "s")
    try:
        try:
            found.start()
        except AssertionError as error:  # containers that forbid what its daemons do
            pytest.skip(f"SLURM does not start here: {error}")
        yield found
    finally:
        found.stop()


def long_run(root: Path, epochs: str) -> Project:
    """The mini paper with one training, of so many epochs in place of 100 and 300."""
    project = add_mini(copy_project(root)).alone()
    project.edit("params/papers/mini.yaml", "  duel:\n    title: One against the other\n    rows: {method: [plain, direct]}", "  duel:\n    title: One alone\n    rows: {method: [direct]}")  # fmt: skip
    project.edit("params/scales/mini.yaml", "epochs: {100: 1, 300: 2}", f"epochs: {epochs}")
    project.edit("params/scales/mini.yaml", "train: 96", "train: 960")
    return project


def submit(project: Project, *arguments: str, scale: str = "mini") -> subprocess.Popen:
    """Begin a build by jobs of the cluster."""
    command = [sys.executable, "-m", "snakemake", *arguments, *QUICKLY, "--config", f"scale={scale}"]
    with (project.root / "said").open("w") as out:
        return subprocess.Popen(command, cwd=project.root, env=project.environ, stdout=out, stderr=out)


def ended(project: Project, build: subprocess.Popen, seconds: float = 800) -> str:
    """Wait for the end of a build; what it has said."""
    try:
        build.wait(seconds)
    finally:
        if build.poll() is None:
            build.kill()
            build.wait()
    return (project.root / "said").read_text()


def until(found: Callable[[], object], seconds: float = 400) -> object:
    """Wait until something is found, and return it."""
    end = time.monotonic() + seconds
    while not (here := found()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return here


def training(project: Project, than: dict | None = None) -> dict | None:
    """Where the one training is, once it has come some way in a process other than that of an earlier look."""
    for path in project.root.glob(".scratch/*/run/status.json"):
        status = files.read_json(path) or {}
        if status.get("epoch", 0) > 2 and status.get("pid") != (than or {}).get("pid"):
            return status
    return None


def payload(project: Project) -> dict[str, str]:
    """sha256 of everything that was trained, measured and drawn, by name."""
    found = {}
    for part in ("checkpoints", "measurements", "results", "receipts"):
        for path in sorted((project.root / part).rglob("*")):
            if path.is_file() and not path.name.endswith(".execution.json"):
                found[path.relative_to(project.root).as_posix()] = files.sha256(path)
    return found


def running(cluster: slurm.Slurm, project: Project) -> str:
    """The number of the one job of a project that runs now."""
    (job,) = (n for n, says in cluster.jobs().items() if says["JobState"] == "RUNNING" and says["WorkDir"] == str(project.root))  # fmt: skip
    return job


def undisturbed(root: Path, epochs: str) -> dict[str, str]:
    """What the same table gives on this machine alone."""
    project = long_run(root, epochs)
    project.build(DUEL, "--config", "scale=mini")
    return payload(project)


def test_a_training_that_is_told_to_stop_and_one_that_is_put_back_go_on_bitwise(cluster, tmp_path) -> None:
    """What comes before a time limit, then a requeue by hand, in the middle of one training."""
    epochs = "{100: 20, 300: 40}"
    project = long_run(tmp_path / "project", epochs)
    build = submit(project, DUEL)
    first = until(lambda: training(project))
    job = running(cluster, project)
    cluster.call("scancel", "--signal=USR1", job)  # what --signal=USR1@120 sends
    second = until(lambda: training(project, first))
    assert second["step"] >= first["step"]
    cluster.call("scontrol", "requeue", job)
    third = until(lambda: training(project, second))
    assert third["step"] >= second["step"]
    said = ended(project, build)
    assert build.returncode == 0, said
    assert cluster.jobs()[job]["Restarts"] == "2"
    stopped = {entry["error"] for entry in project.journal() if entry["decision"] == "stopped"}
    assert stopped == {"Stopped: SIGUSR1", "Stopped: SIGTERM"}
    assert project.pipeline("audit", DUEL, "--config", "scale=mini").returncode == 0
    assert payload(project) == undisturbed(tmp_path / "alone", epochs)


def test_a_job_that_fails_is_reported_with_its_own_line(cluster, tmp_path) -> None:
    project = long_run(tmp_path / "project", "{100: 1, 300: 2}")
    project.edit("pipeline/training/step.py", "    def __call__(", "    def __call__(self, *_):\n        raise ValueError('it will not do')\n\n    def call(")  # fmt: skip
    build = submit(project, DUEL)
    said = ended(project, build)
    assert build.returncode != 0
    (line,) = (line for line in said.splitlines() if line.startswith("failed: "))
    assert re.fullmatch(r"failed: checkpoints/\S+/seed0/epoch0001 and 1 more: ValueError: it will not do", line)
    assert "ValueError: it will not do" in said.replace(line, "")  # from the job's own log, with where it was raised
    (job,) = (says for says in cluster.jobs().values() if says["WorkDir"] == str(project.root))
    assert job["JobState"] == "FAILED" and job["Restarts"] == "0"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_training_that_its_limit_ends_goes_on_bitwise(cluster, tmp_path) -> None:
    """Two minutes for a training that takes longer; SLURM gives warning a minute before, or somewhat earlier."""
    epochs = "{100: 200, 300: 400}"
    project = long_run(tmp_path / "project", epochs)
    limits = ("--set-resources", "pretrain:runtime=1", "probe:runtime=1")
    build = submit(project, DUEL, *limits, "--default-resources", "mem_mb=1000", "slurm_extra='--signal=USR1@60'")
    until(lambda: training(project))
    job = running(cluster, project)
    assert cluster.jobs()[job]["TimeLimit"] == "00:02:00"
    said = ended(project, build)
    assert build.returncode == 0, said
    assert int(cluster.jobs()[job]["Restarts"]) >= 1
    assert {entry["error"] for entry in project.journal() if entry["decision"] == "stopped"} == {"Stopped: SIGUSR1"}
    assert payload(project) == undisturbed(tmp_path / "alone", epochs)


@pytest.mark.timeout(1800)
def test_a_table_of_a_paper_is_built_by_jobs_on_both_nodes(cluster, tmp_path) -> None:
    project = copy_project(tmp_path / "project")
    build = submit(project, "results/table8.csv", scale="tiny")
    said = ended(project, build, 1500)
    assert build.returncode == 0, said
    mine = [says for says in cluster.jobs().values() if says["WorkDir"] == str(project.root)]
    assert {says["NodeList"] for says in mine} == set(slurm.NODES)
    assert {says["JobState"] for says in mine} == {"COMPLETED"}
    stages = Counter(entry["stage"] for entry in project.journal())
    assert stages["pretrain"] == stages["linear_probe"] == 44 and stages["table"] == 1
    assert len(mine) == 10  # a run and what is measured of it alone are one job; data and tables are none
    assert project.pipeline("audit", "results/table8.csv", "--config", "scale=tiny").returncode == 0
    assert "Nothing to be done" in project.snakemake("results/table8.csv").stderr
