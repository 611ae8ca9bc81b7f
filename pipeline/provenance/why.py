"""Why a node would be executed or restored: it is compared with the nearest earlier receipt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pipeline.ledger import machine
from pipeline.ledger.families import ARTIFACT, MEASURE, SIMULATE
from pipeline.ledger.outlines import CHANGED, GONE, NEW, Outlines
from pipeline.ledger.workspace import Node
from pipeline.provenance.differences import Reason, comparable, declared, distance, dumped

if TYPE_CHECKING:
    from pipeline.engine.state import State, States

WAITING = ("is to be executed", "are to be executed")
"""What happens to an input that is stale itself: no reason of its own."""

_COMPARABLE: WeakKeyDictionary[States, dict[str, Any]] = WeakKeyDictionary()
"""Params of receipts by their node, prepared once: every node that is asked about is compared with hundreds."""

NOTHING = Reason("receipt", "there is none yet")


def explain(states: States, state: State) -> list[Reason]:
    """Why a node would be executed or restored.

    A node that has no receipt yet is compared with the one that differs least: a changed param gives a run a new name,
    so its own receipt is not there.

    Args:
        states: States of all nodes of the plan.
        state: That of the node.
    """
    if state.edited:
        return [Reason("file", name, change="is not what was written") for name in state.edited]
    reasons = _waiting(state)
    if state.found is not None:
        reasons += declared(state.found, wanted(state), states.history)
        if not state.waiting:
            reasons += _inputs(state.found, state)
        return reasons or [Reason("receipt", "not the one that belongs here")]
    if states.workspace.path(state.node.receipt).is_file():
        return [*reasons, Reason("receipt", state.node.receipt, change="contradicts itself")]
    return reasons or nearest(states, state)


def lines(states: States, state: State) -> list[str]:
    """Say the same in words, a line per reason."""
    return [reason.line() for reason in explain(states, state)]


def wanted(state: State) -> dict[str, Any]:
    """What a node is declared to be made of, in the form of a receipt."""
    accepted = [earlier["code"] for earlier in state.key_file.accepted]
    key_file = state.key_file
    return {"params": key_file.params, "code": key_file.code, "accepted": accepted, "paths": key_file.paths}


def _waiting(state: State) -> list[Reason]:
    if state.node.family is ARTIFACT and state.waiting:
        told = counted(len(state.waiting), state.key_file.inputs.values())
        return [Reason("input", told, change=WAITING[len(state.key_file.inputs) > 1])]
    return [Reason("input", f"its {role}", change=WAITING[0]) for role in state.waiting]


def counted(some: int, nodes: Iterable[str]) -> str:
    """How many of the nodes that an artifact reads are meant: ``2 of 4 measurements``, ``its simulation``."""
    names = list(nodes)
    noun = "simulation" if all(Node(name).family is SIMULATE for name in names) else "measurement"
    return f"{some} of {len(names)} {noun}s" if len(names) > 1 else f"its {noun}"


def _inputs(found: Mapping[str, Any], state: State) -> Iterator[Reason]:
    inputs = state.inputs
    was = {role: entry["content"] for role, entry in found["inputs"].items()}
    gone, new = sorted(was.keys() - inputs.keys()), sorted(inputs.keys() - was.keys())
    if gone and new:
        verb = "are others" if len(inputs) > 1 else "is another one"
        yield Reason("input", counted(len(new), inputs), change=f"{verb} than before")
    else:
        yield from (Reason("input", role, change=GONE) for role in gone)
        yield from (Reason("input", role, change=NEW) for role in new)
    for role in sorted(was.keys() & inputs.keys()):
        if was[role] == inputs[role]:
            continue
        read, reads = found["inputs"][role]["files"], sorted(state.key_file.reads.get(role, ()))
        if reads and read != reads:
            yield Reason("input", f"{role}: files that are read", dumped(read), dumped(reads))
        else:
            yield Reason("input", role, change=CHANGED)


def nearest(states: States, state: State) -> list[Reason]:
    """Differences from the receipt of the same kind that differs least, from the latest of these."""
    asked = wanted(state)
    own = comparable(asked["params"])
    known = _COMPARABLE.setdefault(states, {})
    others = []
    for found in _like(states, state):
        if found["node"] not in known:
            known[found["node"]] = comparable(found["params"])
        away = distance(found, known[found["node"]], asked, own) + _other_data(found, state)
        record = machine.read(states.workspace.path(Node(found["node"]).execution))
        others.append((-away, record.get("finished") or "", found["node"], found))
    if not others:
        return [NOTHING]
    found = max(others, key=_order)[3]
    place = found["node"].split("/")[-1] if state.node.family is MEASURE else found["node"].split("/")[1]
    return [replace(reason, against=place) for reason in _from(found, state, states.history)] or [NOTHING]


def _order(other: tuple[int, str, str, Any]) -> tuple[int, str, str]:
    return other[:3]


def _from(found: Mapping[str, Any], state: State, history: Outlines | None = None) -> list[Reason]:
    reasons = declared(found, wanted(state), history)
    if not _other_data(found, state):
        return reasons
    was, now = found["inputs"].get("data", {}).get("node"), state.key_file.inputs.get("data")
    return [*reasons, Reason("input", "data", dumped(was), dumped(now))]


def _other_data(found: Mapping[str, Any], state: State) -> bool:
    return found["inputs"].get("data", {}).get("node") != state.key_file.inputs.get("data")


def _like(states: States, state: State) -> Iterator[dict[str, Any]]:
    """Receipts of the same kind: other versions of a data set, other runs, other protocols on a checkpoint."""
    node = state.node
    if node.family.like is None:
        return
    pattern = node.family.like.format(config=node.config, seed=node.seed, milestone=node.milestone)
    seen: set[str] = set()
    for path in sorted(states.workspace.path("receipts").glob(pattern)):
        other = Node.of_receipt(path.relative_to(states.workspace.root))
        known = other.name if node.family is MEASURE else other.config
        if path.name.endswith(".execution.json") or known in seen:
            continue
        found = states.earlier(path)
        if found is None or found["stage"] != state.key_file.stage:
            continue
        if _subject(found["params"]) == _subject(state.key_file.params):
            seen.add(known)
            yield found


def _subject(params: Mapping[str, Any]) -> tuple[Any, Any]:
    """What two versions have in common: the data set's name, the kind of a simulation. Others are other things."""
    return params.get("name"), (params.get("simulation") or {}).get("kind")
