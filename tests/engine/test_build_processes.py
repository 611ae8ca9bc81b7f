"""A table of runs of two processes, built by snakemake in jobs that fork from a server."""

from __future__ import annotations

import json
import time
from pathlib import Path

from conftest import Project, add_mini, copy_project

EARLY = "results/mini/mini/early.csv"


def ranks(root: Path) -> list[int]:
    """Processes of a checkout's trainings that are not rank 0."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"pipeline.training.processes.rank" in command and f"PYTHONPATH={root}\0".encode() in environ:
            found.append(int(folder.name))
    return found


def test_a_table_of_runs_of_two_processes(tmp_path: Path) -> None:
    project: Project = add_mini(copy_project(tmp_path / "project")).alone()
    scale = project.root / "params/scales/mini.yaml"
    scale.write_text(scale.read_text().replace("batch_size: 32", "batch_size: 32\n  processes: 2"))
    project.environ["SSL_PROGRESS_SECONDS"] = "0"
    assert project.build(EARLY, "--config", "scale=mini") == {
        "prepare": 1,
        "pretrain": 2,
        "linear_probe": 2,
        "table": 1,
    }
    for path in (project.root / "receipts/checkpoints").glob("*/seed0/epoch0001.json"):
        found = json.loads(path.read_text())
        assert found["params"]["processes"] == 2 and "pipeline/training/processes/stage.py" in found["code"]
    deadline = time.monotonic() + 10
    while ranks(project.root):
        assert time.monotonic() < deadline
        time.sleep(0.1)
