"""Files and their times, so that Snakemake's plain comparison says what the keys say.

Before Snakemake looks at times, they are made to say the same as the keys: whatever is valid is newer than what it
reads, and the key file of what is not valid is new. So Snakemake is right also where its own metadata is missing (a
fresh clone), and where Git has just laid down files in any order.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipeline import files
from pipeline.engine.state import IN_PLACE, State, States
from pipeline.ledger.keys import Key
from pipeline.ledger.workspace import Node


def settle(states: States) -> list[str]:
    """Write the key files and put times in order; returns what was found changed behind the door's back.

    Changes no key file while another snakemake runs: its end would hide the change for good.
    """
    if states.workspace.lock:
        for path, key_file in states.keys.items():
            if not states.workspace.path(path).exists():  # a new one hides nothing
                files.write(states.workspace.path(path), key_file.text())
        return []
    valid: dict[str, list[State]] = {}
    invalid: dict[str, list[State]] = {}
    notices = []
    for state in states:
        target = valid if state.status == IN_PLACE else invalid
        target.setdefault(state.node.key, []).append(state)
        if state.node.family == "artifact" and state.status != IN_PLACE:
            notices += [f"{name} is not what was written" for name in state.edited]
    for state in states:
        if state.status == IN_PLACE:
            _order(states, state)
    for path, key_file in states.keys.items():
        _write(states, states.workspace.path(path), key_file, valid.get(path, []), invalid.get(path, []))
    return notices


def _outputs(states: States, state: State) -> list[Path]:
    """The files whose times Snakemake compares."""
    found = [states.workspace.path(state.node.receipt)]
    if state.node.family == "artifact" and state.receipt is not None:
        found += [states.workspace.payload(state.node) / name for name in state.receipt["outputs"]]
    return found


def _present(states: States, node: Node) -> bool:
    """Whether Snakemake would find outputs of a node, and might take them for good."""
    if node.family == "artifact":
        return any(states.workspace.root.glob(f"{node.name}.*"))
    return states.workspace.path(node.receipt).is_file()


def _order(states: States, state: State) -> None:
    """Make a valid node no older than what it reads."""
    inputs = [state.node.resolve_input(template) for template in state.key_file.inputs.values()]
    newest = max((_time(states.workspace.path(below.receipt)) for below in inputs), default=0)
    for path in _outputs(states, state):
        if _time(path) < newest:
            os.utime(path, ns=(newest, newest))


def _write(states: States, path: Path, key_file: Key, valid: list[State], invalid: list[State]) -> None:
    present = any(_present(states, state.node) for state in invalid)
    if present:
        key_file.noticed = time.time_ns()
    files.write_if_different(path, key_file.text())
    if valid and not present:
        oldest = min(_time(output) for state in valid for output in _outputs(states, state))
        if _time(path) >= oldest:
            os.utime(path, ns=(oldest - 10**9, oldest - 10**9))
    key_file.noticed = None


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
