"""Files and their times, so that Snakemake's plain comparison says what the keys say.

Before Snakemake looks at times, they are made to say the same as the keys: the index of a job whose nodes are all valid
is there and newer than what the job reads, and that of any other job is not there. So Snakemake is right also where its
own metadata is missing (a fresh clone), and where Git has just laid down files in any order. Receipts are no outputs of
jobs: no failure and no kill takes a valid one away. Tables and figures are, and are compared themselves.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline import files
from pipeline.engine import jobs
from pipeline.engine.jobs import Job
from pipeline.engine.state import IN_PLACE, State, States
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node


def sync_key_files(states: States, wanted: Iterable[Job]) -> list[str]:
    """Write key files, jobs and indices, and put times in order; returns what was changed behind the executor's back.

    Changes none of them while another snakemake runs: its end would hide the change for good.

    Args:
        states: States of all nodes.
        wanted: Their jobs, each after those that it reads from.
    """
    workspace = states.workspace
    if workspace.lock:
        for path, key_file in states.keys.items():
            if not workspace.path(path).exists():  # a new one hides nothing
                files.write(workspace.path(path), key_file.text())
        for job in wanted:
            if not workspace.path(job.path).exists():
                jobs.write(workspace, job)
        return []
    notices = [
        f"{name} is not what was written"
        for state in states
        if state.node.family == "artifact" and state.status != IN_PLACE
        for name in state.edited
    ]
    for job in wanted:
        jobs.write(workspace, job)
        of_job = [states.by_name[name] for name in job.nodes]
        valid = all(state.status == IN_PLACE for state in of_job)
        outputs, invalidated_at = [], None
        if valid:
            outputs = _drawn(states, of_job[0]) if job.drawn else _indexed(states, job, of_job)
        elif not job.drawn:
            workspace.path(job.done).unlink(missing_ok=True)
        elif any(workspace.root.glob(f"{job.nodes[0]}.*")):
            invalidated_at = time.time_ns()  # what is there might be taken for good
        for path in job.inputs:
            if path.startswith("keys/"):
                _write_key(
                    workspace.path(path), dataclasses.replace(states.keys[path], invalidated_at=invalidated_at), outputs
                )
        _order(outputs, [workspace.path(path) for path in job.inputs])
    return notices


def _drawn(states: States, state: State) -> list[Path]:
    """The files of a table or figure whose times Snakemake compares."""
    folder = states.workspace.payload(state.node)
    names = state.receipt["outputs"] if state.receipt is not None else ()
    return [states.workspace.path(state.node.receipt), *(folder / name for name in names)]


def _indexed(states: States, job: Job, of_job: list[State]) -> list[Path]:
    """The index of a job whose nodes are all valid, written as old as their receipts."""
    workspace = states.workspace
    path = workspace.path(job.done)
    text = jobs.index({state.node.name: state.receipt["key"] for state in of_job if state.receipt is not None})
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        files.write(path, text)
        made = max(_time(workspace.path(Node(name).receipt)) for name in job.nodes)
        os.utime(path, ns=(made, made))
    return [path]


def _write_key(path: Path, key_file: KeyFile, outputs: list[Path]) -> None:
    """Write a key file if it differs; it is older than valid outputs that were made with it."""
    files.write_if_different(path, key_file.text())
    oldest = min(map(_time, outputs), default=0)
    if oldest and _time(path) >= oldest:
        os.utime(path, ns=(oldest - 10**9, oldest - 10**9))


def _order(outputs: list[Path], inputs: list[Path]) -> None:
    """Make valid outputs no older than what they were made of."""
    newest = max(map(_time, inputs), default=0)
    for path in outputs:
        if _time(path) < newest:
            os.utime(path, ns=(newest, newest))


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
