"""Builds by the jobs of a real SLURM: two nodes on this machine, Snakemake's own executor, the profile of the project.

Where there can be no SLURM all of it is skipped, and says why; ``make test-slurm`` installs what it needs.
"""

from __future__ import annotations

import subprocess
import sys
import time
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
        found.start()
        yield found
    finally:
        found.stop()


def long_run(root: Path) -> Project:
    """The mini paper with one training that takes a while."""
    project = add_mini(copy_project(root)).alone()
    project.edit("params/papers/mini.yaml", "  duel:\n    title: One against the other\n    rows: {method: [plain, direct]}", "  duel:\n    title: One alone\n    rows: {method: [direct]}")  # fmt: skip
    project.edit("params/scales/mini.yaml", "epochs: {100: 1, 300: 2}", "epochs: {100: 30, 300: 60}")
    project.edit("params/scales/mini.yaml", "train: 96", "train: 960")
    return project


def submit(project: Project, *arguments: str, scale: str = "mini") -> subprocess.Popen:
    """Begin a build by jobs of the cluster."""
    command = [sys.executable, "-m", "snakemake", *arguments, *QUICKLY, "--config", f"scale={scale}"]
    with (project.root / "said").open("w") as out:
        return subprocess.Popen(command, cwd=project.root, env=project.environ, stdout=out, stderr=out)


def ended(project: Project, build: subprocess.Popen, seconds: float = 600) -> str:
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


def test_a_training_that_is_told_to_stop_and_one_that_is_put_back_go_on_bitwise(cluster, tmp_path) -> None:
    """The warning of a time limit, then a requeue by hand, in the middle of one training."""
    project = long_run(tmp_path / "project")
    build = submit(project, DUEL)
    first = until(lambda: training(project))
    (job,) = (number for number, says in cluster.jobs().items() if says["JobState"] == "RUNNING")
    cluster.call("scancel", "--signal=USR1", job)  # what --signal=USR1@120 sends
    second = until(lambda: training(project, first))
    assert second["step"] >= first["step"]
    cluster.call("scontrol", "requeue", job)
    third = until(lambda: training(project, second))
    assert third["step"] >= second["step"]
    said = ended(project, build)
    assert build.returncode == 0, said
    assert cluster.jobs()[job]["Restarts"] == "2"
    stopped = [entry["error"] for entry in project.journal() if entry["decision"] == "stopped"]
    assert {line.partition(": ")[2] for line in stopped} == {"SIGUSR1", "SIGTERM"}
    assert project.pipeline("audit", DUEL, "--config", "scale=mini").returncode == 0

    alone = long_run(tmp_path / "alone")
    alone.build(DUEL, "--config", "scale=mini")
    assert payload(project) == payload(alone)
