"""The last lines of a build."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from pipeline.engine import jobs, summary
from pipeline.engine.jobs import Job
from pipeline.ledger.journal import Journal
from pipeline.ledger.workspace import Workspace

RUNS = {"local-shapes-aaaa": "mini/repel, shapes", "local-shapes-bbbb": "mini/repel, shapes, lr 0.1"}


@pytest.fixture
def workflow(tmp_path: Path) -> Any:
    """A build of two runs, of which nothing is decided yet."""
    workspace = Workspace(tmp_path)
    for config, called in RUNS.items():
        jobs.write(workspace, Job("pretrain", config, (f"checkpoints/{config}/seed0/epoch0001",), (), called=called))
    return SimpleNamespace(workspace=workspace, started=0.0)


def last_lines(workflow: Any, *logs: str) -> list[str]:
    out = io.StringIO()
    with mock.patch.object(summary.atexit, "register", lambda say, *what, **how: say(*what, **how)):
        summary.failed(workflow, logs, out)
    return out.getvalue().strip().splitlines()[1:]


def note(workflow: Any, node: str, decision: str, stage: str = "pretrain", error: str = "KeyboardInterrupt:") -> None:
    Journal(workflow.workspace.journal).note(stage, node, decision, 1.0, error=error)


def test_all_that_was_stopped_is_told_by_name_and_is_no_failure(workflow):
    for config in RUNS:
        for epoch in (1, 2):
            note(workflow, f"checkpoints/{config}/seed0/epoch000{epoch}", "stopped")
    note(workflow, "measurements/local-shapes-aaaa/seed1/epoch0001/knn-12345678", "stopped", "knn")
    note(workflow, "data/local-shapes-1234", "stopped", "prepare")
    assert last_lines(workflow) == [
        "stopped: mini/repel, shapes, seed 0 and mini/repel, shapes, lr 0.1, seed 0 and knn of mini/repel, shapes, seed 1 "
        "and local-shapes-1234; the same command goes on"
    ]


def test_what_failed_is_told_beside_what_was_stopped_for_it(workflow):
    note(workflow, "checkpoints/local-shapes-bbbb/seed0/epoch0002", "stopped")
    note(workflow, "checkpoints/local-shapes-aaaa/seed0/epoch0001", "failed", error="UserError: the disk is full")
    assert last_lines(workflow) == [
        "stopped: mini/repel, shapes, lr 0.1, seed 0; the same command goes on",
        "failed: checkpoints/local-shapes-aaaa/seed0/epoch0001: UserError: the disk is full",
    ]


def test_what_went_on_since_was_not_stopped(workflow):
    note(workflow, "checkpoints/local-shapes-aaaa/seed0/epoch0001", "stopped")
    note(workflow, "checkpoints/local-shapes-aaaa/seed0/epoch0001", "executed")
    assert last_lines(workflow) == []


def test_all_faults_are_told_alike_ones_together(workflow):
    for name in ("cifar10-1", "cifar10-2", "stl10-3"):
        note(workflow, f"data/{name}", "failed", "prepare", error=f"UserError: {name.partition('-')[0]} is nowhere")
    assert last_lines(workflow) == [
        "failed: data/cifar10-1 and 1 more: UserError: cifar10 is nowhere",
        "failed: data/stl10-3: UserError: stl10 is nowhere",
    ]


def test_a_job_that_was_killed_could_tell_nobody(workflow, tmp_path):
    log = tmp_path / "snakemake.log"
    log.write_text("Command 'python -m pipeline pretrain' returned non-zero exit status 137.\n")
    assert last_lines(workflow, str(log))[0].startswith("killed: a job")
    log.write_text(log.read_text().replace("137", "1"))
    assert last_lines(workflow, str(log)) == []
