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


def last_lines(workflow: Any) -> list[str]:
    out = io.StringIO()
    with mock.patch.object(summary.atexit, "register", lambda say, *what, **how: say(*what, **how)):
        summary.failed(workflow, out)
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
