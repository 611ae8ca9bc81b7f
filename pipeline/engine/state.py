"""The state of every planned node: in place, restorable, or to be executed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline import files
from pipeline.ledger import receipt
from pipeline.ledger.families import ARTIFACT
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.outlines import Outlines
from pipeline.ledger.store import Store
from pipeline.ledger.tracking import Tracking, folder_of
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.key_files import key_files
from pipeline.planning.plan import Plan

IN_PLACE, RESTORABLE, EXECUTE = "in place", "restorable", "to execute"


@dataclass
class State:
    """What is known about a node.

    Attributes:
        status: ``in place`` (its receipt is valid), ``restorable`` (the store has it) or ``to execute``.
        receipt: The receipt with the node's key, wherever it was found.
        found: The receipt in the node's place, whatever its key.
        inputs: Role -> content hash, of the inputs that are known.
        waiting: Roles of the inputs that are to be executed first.
        edited: Result files that are not what the receipt says, and a receipt that is not what the store's says.
    """

    node: Node
    key_file: KeyFile
    status: str
    key: str | None = None
    receipt: dict[str, Any] | None = None
    found: dict[str, Any] | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


class States:
    """States of all nodes of a plan.

    Args:
        plan: What is wanted.
        workspace: Where to look.
        anew: Whether modules are parsed anew, whatever is remembered of them.
    """

    def __init__(self, plan: Plan, workspace: Workspace, *, anew: bool = False) -> None:
        self.plan = plan
        self.workspace = workspace
        self.store = Store(workspace.root)
        self.earlier = functools.cache(receipt.read)  # nodes without a receipt are compared with many others' receipts
        fingerprints = Fingerprints(None if anew else workspace.path("keys/.fingerprints.json"))
        self.keys = key_files(plan, fingerprints)
        fingerprints.save()
        self.by_name: dict[str, State] = {}
        for node in plan.nodes():
            self.by_name[node.name] = self._state(node)

    def __iter__(self) -> Iterator[State]:
        return iter(self.by_name.values())

    def _state(self, node: Node) -> State:
        key_file = self.keys[node.key]
        state = State(node, key_file, EXECUTE)
        for role, template in key_file.inputs.items():
            below = self.by_name[node.resolve_input(template).name]
            if below.receipt is not None:
                state.inputs[role] = receipt.content(below.receipt["outputs"], key_file.reads.get(role))
        state.waiting = [role for role in key_file.inputs if role not in state.inputs]
        path = self.workspace.path(node.receipt)
        state.found = found = receipt.read(path) if path.is_file() else None
        if found is not None:
            self._enter(found)
        if state.waiting:
            return state
        keys = key_file.keys_of(state.inputs, node.seed, node.epoch, node.step)
        state.key = keys[0]
        if found is not None and found["key"] in keys:
            genuine = self._genuine(node, found)
            state.edited = self._edited(node, genuine)
            if genuine["outputs"] != found["outputs"]:
                state.edited.append(node.receipt)
            state.receipt = genuine
            state.status = RESTORABLE if state.edited else IN_PLACE
            if state.edited and not self.store.has(genuine["outputs"]):
                state.status, state.receipt = EXECUTE, None
            return state
        for key in keys:
            stored = receipt.read(self.store.receipt(key))
            if stored is not None and stored["key"] == key and self._reachable(node, stored):
                state.status, state.receipt = RESTORABLE, stored
                break
        return state

    def _genuine(self, node: Node, found: dict[str, Any]) -> dict[str, Any]:
        """The store's receipt of the same key, of a table or figure: nobody reads it, so no other receipt binds it."""
        return self.store.written(found) if node.family is ARTIFACT else found

    def _reachable(self, node: Node, found: dict[str, Any]) -> bool:
        folder = self.workspace.payload(node)
        return self.store.has(found["outputs"]) or all((folder / name).is_file() for name in found["outputs"])

    def _edited(self, node: Node, found: dict[str, Any]) -> list[str]:
        """Result files that are not what the receipt says. Payload is not read here: it may be absent."""
        if node.family is not ARTIFACT:
            return []
        folder = self.workspace.payload(node)
        return [
            f"{folder.relative_to(self.workspace.root) / name}"
            for name, entry in found["outputs"].items()
            if not (folder / name).is_file() or files.sha256(folder / name) != entry["sha256"]
        ]

    def _enter(self, found: dict[str, Any]) -> None:
        """Keep a receipt that lies in the ledger: Snakemake deletes it before the job that may restore it."""
        stored = self.store.receipt(found["key"])
        if not stored.is_file():
            try:
                self.store.write(stored, files.dumps(found))
            except OSError:
                return  # a store that cannot be written is no reason not to plan

    def elsewhere(self) -> list[State]:
        """Nodes in place by their receipts whose payload is neither here nor in the store, as in a clone."""
        return [
            state
            for state in self
            if state.status == IN_PLACE and state.receipt is not None and not self._reachable(state.node, state.receipt)
        ]

    def repair_tracked(self) -> list[str]:
        """Write ``.dvc`` files anew that do not list what the receipts say; returns what was wrong, a line each."""
        tracked = (folder_of(state.node) for state in self if state.key_file.tracked and state.found is not None)
        folders = dict.fromkeys(folder for folder in tracked if folder is not None)
        return Tracking(self.workspace, self.store).repair(folders)

    @functools.cached_property
    def history(self) -> Outlines:
        """Where earlier versions of modules are looked up."""
        return Outlines(self.store)
