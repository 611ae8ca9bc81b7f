"""Files and their times, so that Snakemake's plain comparison says what the keys say.

Before Snakemake looks at times, they are made to say the same as the keys: the index of a job whose nodes are all valid
is there and newer than what the job reads, and that of any other job is not there. So Snakemake is right also where its
own metadata is missing (a fresh clone), and where Git has just laid down files in any order. Receipts are no outputs of
jobs: no failure and no kill takes a valid one away. Tables and figures are, and are compared themselves.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from pipeline import files
from pipeline.engine import jobs, times
from pipeline.engine.jobs import Job
from pipeline.engine.state import IN_PLACE, State, States
from pipeline.errors import UserError
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node


def sync_key_files(states: States, wanted: Iterable[Job]) -> list[str]:
    """Write key files, jobs and indices, and put times in order; returns what was changed behind the executor's back.

    Changes none of them while another snakemake runs: its end would hide the change for good.

    Args:
        states: States of all nodes.
        wanted: Their jobs, each after those that it reads from.

    Raises:
        UserError: The time of a result that has to be made again cannot be set.
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
    notices = []
    for state in states:
        if state.edited:
            notices += _of_git(states, state)
        if state.status != IN_PLACE:
            notices += [f"{name} is not what was written: restoring it" for name in state.edited]
    now = times.clock(workspace.path(jobs.FOLDER))
    for job in wanted:
        jobs.write(workspace, job)
        of_job = [states.by_name[name] for name in job.nodes]
        if all(state.status == IN_PLACE for state in of_job):
            outputs = _drawn(states, job, of_job[0]) if job.drawn else _indexed(states, job, of_job)
            _older(states, job, outputs, now)
            continue
        if not job.drawn:
            workspace.path(job.done).unlink(missing_ok=True)
        _newer(states, job, job.present(workspace.root), now)
    return notices


def _of_git(states: States, state: State) -> list[str]:
    """Give a result back the line ends that it was written with, where only Git has changed them (core.autocrlf)."""
    assert state.found is not None
    if state.node.receipt in state.edited:
        return []
    outputs = state.found["outputs"]
    folder = states.workspace.payload(state.node)
    right = {}
    for name in state.edited:
        path = states.workspace.path(name)
        content = path.read_bytes().replace(b"\r\n", b"\n") if path.is_file() else b""
        if files.sha256_of(content) != outputs[path.relative_to(folder).as_posix()]["sha256"]:
            return []
        right[name] = content
    for name, content in right.items():
        files.write(states.workspace.path(name), content.decode("utf-8"))
    state.status, state.receipt, state.edited = IN_PLACE, state.found, []
    return [f"{name}: Git has changed its line ends; they are as written again" for name in right]


def _drawn(states: States, job: Job, state: State) -> list[Path]:
    """The files of a table or figure whose times Snakemake compares.

    The store has them from now on: Snakemake deletes them before the job that it may still be told to run
    (``--force``).
    """
    assert state.receipt is not None
    folder, outputs = states.workspace.payload(state.node), state.receipt["outputs"]
    if not states.store.has(outputs):
        with contextlib.suppress(OSError):  # a store that cannot be written is no reason not to plan
            for name, entry in outputs.items():
                states.store.put(folder / name, entry)
    return job.present(states.workspace.root)


def _indexed(states: States, job: Job, of_job: list[State]) -> list[Path]:
    """The index of a job whose nodes are all valid, written as old as their receipts."""
    workspace = states.workspace
    path = workspace.path(job.done)
    text = jobs.index({state.node.name: state.receipt["key"] for state in of_job if state.receipt is not None})
    if not _holds(path, text):
        files.write(path, text)
        made = max(times.of(workspace.path(Node(name).receipt)) for name in job.nodes)
        times.within(path, made, made)
    return [path]


def _holds(path: Path, text: str) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8") == text
    return False


def _older(states: States, job: Job, outputs: list[Path], now: int) -> None:
    """Write the key files of a job that is valid, and make all that it reads older than what it has made.

    What cannot be put in order costs a look of the executor and nothing else.
    """
    low = 2 * times.SECOND
    for path in outputs:
        times.within(path, low, now)
    oldest = min(map(times.of, outputs), default=now)
    read = []
    for name in job.inputs:
        path = states.workspace.path(name)
        if name.startswith("keys/"):
            files.write_if_different(path, states.keys[name].text())
            if times.of(path) >= oldest or times.of(path) < times.SECOND:
                times.within(path, times.SECOND, oldest - 1, max(oldest - times.SECOND, times.SECOND))
        read.append(times.of(path))
    newest = min(max(read, default=0), now)
    for path in outputs:
        times.within(path, newest, now)


def _newer(states: States, job: Job, present: list[Path], now: int) -> None:
    """Write the key files of a job that is to run, newer than results of it that are present.

    These might be taken for good, so the key file also says that they were noticed.

    Raises:
        UserError: The time of a result cannot be set.
    """
    for name in job.inputs:
        if not name.startswith("keys/"):
            continue
        path = states.workspace.path(name)
        key_file: KeyFile = dataclasses.replace(states.keys[name], invalidated_at=now if present else None)
        files.write_if_different(path, key_file.text())
        times.within(path, now if present else times.SECOND, now)
    for path in present:
        if not times.within(path, times.SECOND, max(now - times.MARGIN, times.SECOND)):
            raise UserError(
                f"{path}: to be made again, and its time cannot be set, so Snakemake would take it for new; "
                f"type: rm {path}"
            )
