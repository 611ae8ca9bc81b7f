"""Find what has to be executed elsewhere for some results, and what these stages read that is here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.engine.executor import is_as_written
from pipeline.engine.jobs import done
from pipeline.engine.state import EXECUTE, State, States
from pipeline.errors import UserError
from pipeline.ledger.families import MEASURE, PRETRAIN, Family
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node

FAMILIES = (PRETRAIN, MEASURE)
"""Stages that are executed elsewhere; data sets are prepared here before, tables and figures are made here after."""


@dataclass
class Packing:
    """What goes into a kit.

    Attributes:
        jobs: Nodes that one call of the executor brings into place, in the order in which that is to be done.
        keys: Their key files, by path.
        receipts: Receipts of what they read and is valid here, by node.
        files: Files of these nodes, by node and name: where each lies here.
    """

    jobs: list[list[Node]] = field(default_factory=list)
    keys: dict[str, KeyFile] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[tuple[str, str], Path] = field(default_factory=dict)


def needs(states: States, config: list[str]) -> Packing:
    """Find what has to be executed for the planned artifacts.

    Args:
        states: Of all nodes of the plan.
        config: As typed, for messages.

    Raises:
        UserError: Something that is read is neither here nor to be executed, or a component lies outside.
    """
    found = Packing()
    there = [state for state in states if state.status == EXECUTE and state.node.family in FAMILIES]
    names = {state.node.name for state in there}
    for state in there:
        found.keys[state.node.key] = _carried(state)
        for role, template in sorted(state.key_file.inputs.items()):
            below = states.by_name[state.node.resolve_input(template).name]
            if below.node.name not in names:
                _take(states, below, state.key_file.reads.get(role), state, found, config)
    for state in _earlier(states, there):
        _take(states, state, None, None, found, config)
    found.jobs = _jobs(there)
    return found


def _carried(state: State) -> KeyFile:
    """A key file without what is true of this machine alone."""
    key = state.key_file
    outside = next((path for path in key.components.values() if Path(path).is_absolute()), None)
    if outside is not None:
        raise UserError(
            f"{outside}: a kit carries no code, and the other machine has this checkout alone; "
            "move it into its folder below pipeline/, and type the same command again"
        )
    if key.paths:
        name, path = next(iter(key.paths.items()))
        raise UserError(
            f"{path}: {name} of {state.node.name}; a kit carries no files of yours; execute it here: snakemake"
        )
    context = {name: value for name, value in key.context.items() if name not in ("raw_dir", "extend", "logger")}
    return dataclasses.replace(key, context=context, invalidated_at=None)


def _take(
    states: States, state: State, names: list[str] | None, reader: State | None, found: Packing, config: list[str]
) -> None:
    """Note a receipt, and the files of its node that are read: all where ``names`` is None."""
    node = state.node
    if state.receipt is None:
        options = f" --config {' '.join(config)}" if config else ""
        raise UserError(
            f"{node.name}: not prepared here, and a kit carries it; type: "
            f"snakemake {done(node.family.name, node.config)}{options}"
        )
    outputs = state.receipt["outputs"]
    found.receipts[node.name] = {**state.receipt, "node": node.name}
    for name in outputs if names is None else [name for name in names if name in outputs]:
        if (node.name, name) in found.files:
            continue
        place = _place(states, node, name, outputs[name])
        if place is not None:
            found.files[node.name, name] = place
        elif reader is not None:
            fix = f"python -m pipeline restore {node.name}"
            if node.family is PRETRAIN:
                fix += f"; or, to train it again: rm {node.receipt}, and the same command"
            text = f"{node.name}/{name}: {reader.node.name} reads it, and it is neither in place nor in the store"
            raise UserError(f"{text}; type: {fix}")


def _place(states: States, node: Node, name: str, entry: dict[str, Any]) -> Path | None:
    """Where a file is as its receipt says."""
    for path in (states.workspace.payload(node) / name, states.store.object(entry["md5"])):
        if is_as_written(path, entry):
            return path
    return None


def _earlier(states: States, there: list[State]) -> list[State]:
    """The last milestone that is whole here, of every training that goes on."""
    first: dict[tuple[str, int | None], int] = {}
    for state in there:
        if state.node.family is PRETRAIN:
            run = (state.node.config, state.node.seed)
            first[run] = min(first.get(run, 10**9), state.node.epoch or 0)
    best: dict[tuple[str, int | None], State] = {}
    for state in states:
        run = (state.node.config, state.node.seed)
        if state.node.family is not PRETRAIN or run not in first or state.receipt is None:
            continue
        epoch, outputs = state.node.epoch or 0, state.receipt["outputs"]
        if not 0 < epoch < first[run] or (run in best and epoch < (best[run].node.epoch or 0)):
            continue
        if all(_place(states, state.node, name, entry) for name, entry in outputs.items()):
            best[run] = state
    return list(best.values())


def _jobs(there: list[State]) -> list[list[Node]]:
    """All seeds and milestones of a run are one job, all its measurements another, as soon as they can be made."""
    groups: dict[tuple[Family, str], list[State]] = {}
    for state in there:
        groups.setdefault((state.node.family, state.node.config), []).append(state)
    waiting = {group: states for group, states in groups.items() if group[0] is MEASURE}
    missing = {state.node.name for state in there if state.node.family is PRETRAIN}
    jobs: list[list[Node]] = []

    def measure() -> None:
        for group, states in list(waiting.items()):
            below = {s.node.resolve_input(template).name for s in states for template in s.key_file.inputs.values()}
            if not below & missing:
                jobs.append([state.node for state in waiting.pop(group)])

    measure()
    for (family, _), states in groups.items():
        if family is PRETRAIN:
            jobs.append([state.node for state in states])
            missing -= {state.node.name for state in states}
            measure()
    return jobs
