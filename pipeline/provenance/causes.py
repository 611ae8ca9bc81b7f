"""What is at the bottom of a difference: two nodes are compared, and what they read, and what that reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pipeline.engine.state import EXECUTE, IN_PLACE
from pipeline.ledger import receipt
from pipeline.ledger.families import FAMILIES, PRETRAIN, Family
from pipeline.ledger.outlines import Outlines
from pipeline.ledger.workspace import Node
from pipeline.provenance import why
from pipeline.provenance.differences import Reason, declared, dumped

if TYPE_CHECKING:
    from pipeline.engine.state import State, States

Causes = dict[Reason, set[str]]
"""Differences, each with the nodes that show it."""

NEVER = Reason("receipt", "never built at this scale")


@dataclass(frozen=True)
class BuildRecord:
    """What a node was made of, or would be.

    Attributes:
        found: ``params`` and ``code``.
        inputs: Role -> (node, content hash of what is read of it; None where it is not known yet).
        execution: When and where it was made, if it was.
    """

    found: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, str | None]]
    execution: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_receipt(cls, found: Mapping[str, Any], execution: Mapping[str, Any] | None = None) -> BuildRecord:
        """From a receipt."""
        inputs = {role: (entry["node"], entry["content"]) for role, entry in found["inputs"].items()}
        return cls(found, inputs, execution or {})

    @classmethod
    def of_state(cls, state: State) -> BuildRecord:
        """From what is declared now."""
        inputs = {
            role: (state.node.resolve_input(template).name, state.inputs.get(role))
            for role, template in state.key_file.inputs.items()
        }
        return cls(why.wanted(state), inputs)


Lookup = Callable[[str], BuildRecord | None]


class NodeDiff:
    """Compares nodes of two sides, and all below them.

    An input that has the same content on both sides is no cause of anything, whatever it was made of.

    Args:
        old: Node -> what it was made of, on the first side.
        new: The same on the second.
        history: Where earlier versions of modules are looked up.
    """

    def __init__(self, old: Lookup, new: Lookup, history: Outlines | None) -> None:
        self._old, self._new, self._history = old, new, history
        self._known: dict[tuple[str, str], Causes] = {}

    def between(self, before: str, after: str) -> Causes:
        """Differences between two nodes and below, each with the nodes of the second side that show it."""
        place = (before, after)
        if place not in self._known:
            self._known[place] = self._compare(before, after)
        return self._known[place]

    def _compare(self, before: str, after: str) -> Causes:
        old, new = self._old(before), self._new(after)
        if old is None or new is None:
            return {Reason("receipt", "what it was made of is not known"): {after}}
        causes: Causes = {reason: {after} for reason in declared(old.found, new.found, self._history)}
        for reason in _conditions(old.execution, new.execution):
            causes[reason] = {after}
        for role in old.inputs.keys() & new.inputs.keys():
            (first, was), (second, now) = old.inputs[role], new.inputs[role]
            if was is None or was != now:
                below = self.between(first, second)
                # Nothing differs below, so it is read in another way.
                add(causes, below or {Reason("input", role, change="is read in another way"): {after}})
        return causes


def _conditions(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Reason]:
    """Versions of libraries and hardware that differ, where both are recorded."""
    if not old or not new:
        return
    before, after = old.get("versions") or {}, new.get("versions") or {}
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield Reason("version", name, dumped(before[name]), dumped(after[name]))
    for name in ("processor", "gpu", "system"):
        if old.get(name) != new.get(name):
            yield Reason("machine", name, dumped(old.get(name)), dumped(new.get(name)))


def add(causes: Causes, more: Causes) -> None:
    """Put more differences, and more nodes, into ``causes``."""
    for reason, nodes in more.items():
        causes[reason] = causes.get(reason, set()) | nodes


def cells(params: Mapping[str, Any]) -> dict[str, dict[int | None, str]]:
    """The measurements of an artifact's cells: identity of the cell -> seed -> node."""
    return {identity(cell): {Node(name).seed: name for name in cell["nodes"]} for cell in params.get("cells", [])}


def identity(cell: Mapping[str, Any]) -> str:
    """What tells a cell from others of its artifact: its role and its place on the axes."""
    return dumped([cell["role"], {name: str(value) for name, value in cell["axes"].items()}])


def never_built(states: States, state: State) -> set[str]:
    """Nodes of an artifact of which none has ever been made at its scale, itself among them; empty if one has.

    What is like them is of another scale or another artifact, and nothing has changed from that to these.
    """
    names = _closure(states, state.node.name)
    made = any(
        other.status != EXECUTE or states.workspace.path(other.node.receipt).is_file()
        for other in map(states.by_name.__getitem__, names)
    )
    return set() if made else names


def of_artifact(states: States, state: State) -> Causes:
    """What is at the bottom of an artifact's being stale.

    It is compared with what its own receipt was made of, cell by cell; without one, every stale node below it says
    what is the matter with it.
    """
    if never := never_built(states, state):
        bottom = {name for name in never if Node(name).family is PRETRAIN or not states.by_name[name].waiting}
        return {NEVER: bottom}
    below = _below(states, state)
    stale = [node for node in below if node.status != IN_PLACE]
    causes: Causes = {}
    covered: set[str] = set()
    if state.found is not None:
        pairs = NodeDiff(_ledger(states), _declared(states), states.history)
        causes = {reason: {state.node.name} for reason in declared(state.found, why.wanted(state), states.history)}
        was, now = cells(state.found["params"]), cells(state.key_file.params)
        read = BuildRecord.of_receipt(state.found).inputs
        for cell in now.keys() & was.keys():
            for seed in now[cell].keys() & was[cell].keys():
                before, after = was[cell][seed], now[cell][seed]
                content = state.inputs.get(after)
                if content is None or read.get(before, ("", None))[1] != content:
                    add(causes, pairs.between(before, after))
                covered |= _closure(states, after)
        if any(reason.type == "receipt" for reason in causes):  # the receipts of then are not all here
            causes, covered = {r: nodes for r, nodes in causes.items() if r.type != "receipt"}, set()
    for node in stale:
        if node.node.name in covered or (node is state and state.found is not None and not state.edited):
            continue
        reasons = why.explain(states, node)
        if node.node.family is PRETRAIN and node.found is None and node.waiting:
            reasons = [reason for reason in why.nearest(states, node) if reason == why.NOTHING]
        for reason in reasons:
            if reason.change not in why.WAITING and not _told(reason, causes):
                add(causes, {reason: {node.node.name}})
    if not causes:  # what it was made from has been made anew already
        causes = {r: {state.node.name} for r in why.explain(states, state) if r.change not in why.WAITING}
    return causes


def _told(reason: Reason, causes: Causes) -> bool:
    """Whether an input is only named because of something that is told anyway."""
    return reason.type == "input" and bool(causes)


def _below(states: States, state: State) -> list[State]:
    names = _closure(states, state.node.name)
    return [other for other in states if other.node.name in names]


def _closure(states: States, name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [below for below, _ in BuildRecord.of_state(states.by_name[node]).inputs.values()]
    return found


def _ledger(states: States) -> Lookup:
    def lookup(name: str) -> BuildRecord | None:
        found = receipt.read(states.workspace.path(Node(name).receipt))
        return None if found is None else BuildRecord.of_receipt(found)

    return lookup


def _declared(states: States) -> Lookup:
    def lookup(name: str) -> BuildRecord | None:
        state = states.by_name.get(name)
        return None if state is None else BuildRecord.of_state(state)

    return lookup


def sentences(causes: Causes) -> list[str]:
    """Causes in words, the ones behind most nodes first: ``param predictor.rho 0.3 -> 0.5 in 2 runs``."""
    merged: Causes = {}
    for reason, nodes in causes.items():  # the same difference from one run or another is one
        add(merged, {replace(reason, against=""): nodes})
    ordered = sorted(merged.items(), key=_weight)
    texts = {why.NOTHING: "no receipt yet of", NEVER: f"{NEVER.name}: no receipt yet of"}
    return [f"{texts.get(reason) or reason.phrase() + ' in'} {counted(nodes)}" for reason, nodes in ordered]


def _weight(item: tuple[Reason, set[str]]) -> tuple[int, str]:
    return -len(item[1]), item[0].phrase()


def counted(nodes: Iterable[str]) -> str:
    """How many data sets, runs, measurements and artifacts these are; milestones of one seed are one run."""
    groups: dict[Family, set[str]] = {}
    for name in nodes:
        node = Node(name)
        groups.setdefault(node.family, set()).add(f"{node.config} {node.seed}" if node.family is PRETRAIN else name)
    return " and ".join(family.counted(len(groups[family])) for family in FAMILIES if family in groups)
