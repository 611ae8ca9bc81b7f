"""The state of every planned node: in place, restorable, or to be executed, and why.

Before Snakemake looks at times, ``settle`` makes them say the same as the keys: whatever is valid is newer than
what it reads, and the key file of what is not valid is new. So Snakemake is right also where its own metadata
is missing (a fresh clone), and where Git has just laid down files in any order.
"""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import files, receipt
from pipeline.fingerprint import Fingerprints
from pipeline.keys import Key
from pipeline.plan import Plan
from pipeline.store import Store
from pipeline.workspace import Node, Workspace

if TYPE_CHECKING:
    from pipeline.provenance.history import History

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
        edited: Result files that are not what the receipt says.
    """

    node: Node
    key_file: Key
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
    """

    def __init__(self, plan: Plan, workspace: Workspace) -> None:
        self.plan = plan
        self.workspace = workspace
        self.store = Store(workspace.root)
        fingerprints = Fingerprints(workspace.path("keys/.fingerprints.json"))
        self.keys = plan.keys(fingerprints)
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
            below = self.by_name[node.below(template).name]
            if below.receipt is not None:
                state.inputs[role] = receipt.content(below.receipt["outputs"], key_file.reads.get(role))
        state.waiting = [role for role in key_file.inputs if role not in state.inputs]
        path = self.workspace.path(node.receipt)
        state.found = found = receipt.read(path) if path.is_file() else None
        if found is not None:
            self._enter(found)
        if state.waiting:
            return state
        keys = key_file.keys_of(state.inputs, node.seed, node.epoch)
        state.key = keys[0]
        if found is not None and found["key"] in keys:
            state.edited = self._edited(node, found)
            state.receipt = found
            state.status = RESTORABLE if state.edited else IN_PLACE
            if state.edited and not self.store.has(found["outputs"]):
                state.status, state.receipt = EXECUTE, None
            return state
        for key in keys:
            stored = receipt.read(self.store.receipt(key))
            if stored is not None and stored["key"] == key and self._reachable(node, stored):
                state.status, state.receipt = RESTORABLE, stored
                break
        return state

    def _reachable(self, node: Node, found: dict[str, Any]) -> bool:
        folder = self.workspace.payload(node)
        return self.store.has(found["outputs"]) or all((folder / name).is_file() for name in found["outputs"])

    def _edited(self, node: Node, found: dict[str, Any]) -> list[str]:
        """Result files that are not what the receipt says. Payload is not read here: it may be absent."""
        if node.family != "artifact":
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
                files.write(stored, files.dumps(found))
            except OSError:
                return  # a store that cannot be written is no reason not to plan

    @functools.cached_property
    def history(self) -> History:
        """Where earlier versions of modules are looked up."""
        from pipeline.provenance.history import History

        return History(self.store)

    def explain(self, state: State) -> list[str]:
        """Why a node would be executed or restored, in words; see :mod:`pipeline.provenance.why`."""
        from pipeline.provenance import why

        return [reason.line() for reason in why.explain(self, state)]

    # -- what Snakemake looks at

    def settle(self) -> list[str]:
        """Write the key files and put times in order; returns what was found changed behind the door's back.

        Changes no key file while another snakemake runs: its end would hide the change for good.
        """
        if self.workspace.lock:
            for path, key_file in self.keys.items():
                if not self.workspace.path(path).exists():  # a new one hides nothing
                    files.write(self.workspace.path(path), key_file.text())
            return []
        valid: dict[str, list[State]] = {}
        invalid: dict[str, list[State]] = {}
        notices = []
        for state in self:
            target = valid if state.status == IN_PLACE else invalid
            target.setdefault(state.node.key, []).append(state)
            if state.node.family == "artifact" and state.status != IN_PLACE:
                notices += [f"{name} is not what was written" for name in state.edited]
        for state in self:
            if state.status == IN_PLACE:
                self._order(state)
        for path, key_file in self.keys.items():
            self._write(self.workspace.path(path), key_file, valid.get(path, []), invalid.get(path, []))
        return notices

    def _outputs(self, state: State) -> list[Path]:
        """The files whose times Snakemake compares."""
        found = [self.workspace.path(state.node.receipt)]
        if state.node.family == "artifact" and state.receipt is not None:
            found += [self.workspace.payload(state.node) / name for name in state.receipt["outputs"]]
        return found

    def _present(self, node: Node) -> bool:
        """Whether Snakemake would find outputs of a node, and might take them for good."""
        if node.family == "artifact":
            return any(self.workspace.root.glob(f"{node.name}.*"))
        return self.workspace.path(node.receipt).is_file()

    def _order(self, state: State) -> None:
        """Make a valid node no older than what it reads."""
        inputs = [state.node.below(template) for template in state.key_file.inputs.values()]
        newest = max((_time(self.workspace.path(below.receipt)) for below in inputs), default=0)
        for path in self._outputs(state):
            if _time(path) < newest:
                os.utime(path, ns=(newest, newest))

    def _write(self, path: Path, key_file: Key, valid: list[State], invalid: list[State]) -> None:
        present = any(self._present(state.node) for state in invalid)
        if present:
            key_file.noticed = time.time_ns()
        files.write_if_different(path, key_file.text())
        if valid and not present:
            oldest = min(_time(output) for state in valid for output in self._outputs(state))
            if _time(path) >= oldest:
                os.utime(path, ns=(oldest - 10**9, oldest - 10**9))
        key_file.noticed = None


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class Estimate:
    """How long what is to be executed will take, and what that guess rests on."""

    def __init__(self, states: States, scale: Any) -> None:
        self.states = states
        self.scale = scale

    def seconds(self) -> tuple[float, str]:
        """Seconds on one worker, and the basis of the guess."""
        measured = 0
        guessed = 0
        total = 0.0
        done: dict[tuple[str, int | None], int] = {}
        jobs = set()
        for state in self.states:
            node = state.node
            place = (node.config, node.seed)
            if node.family == "pretrain" and state.status != EXECUTE:
                done[place] = max(done.get(place, 0), node.epoch or 0)
            if state.status != EXECUTE:
                continue
            jobs.add((node.family, node.config))
            if node.family == "pretrain":
                epochs = max((node.epoch or 0) - done.get(place, 0), 0)
                done[place] = max(done.get(place, 0), node.epoch or 0)
                rate = self._rate("checkpoints", node.config)
                total += epochs * (rate if rate is not None else self.scale.estimate.epoch)
            elif node.family == "measure":
                rate = self._rate("measurements", node.config)
                total += rate if rate is not None else self.scale.estimate.measurement
            else:
                continue
            measured += rate is not None
            guessed += rate is None
        total += self.scale.estimate.start * len(jobs)
        basis = []
        if measured:
            basis.append(f"{measured} stages from receipts of like runs")
        if guessed:
            basis.append(f"{guessed} from the scale's guess ({self.scale.estimate.basis})")
        return total, "; ".join(basis) or "nothing to execute"

    def _rate(self, family: str, config: str) -> float | None:
        """Median seconds per epoch (or per measurement) of runs on the same data set with the same encoder, that had a
        GPU if these will."""
        if not hasattr(self, "_rates"):
            self._rates: dict[tuple[str, str], float | None] = {}
        like = "-".join(config.removeprefix("local-").split("-")[:2])
        if (family, like) not in self._rates:
            folder = self.states.workspace.path(f"receipts/{family}")
            found = []
            for path in (
                list(folder.glob(f"*{like}-*/seed*/epoch*.execution.json"))[:200]
                + list(folder.glob(f"*{like}-*/seed*/epoch*/*.execution.json"))[:200]
            ):
                record = files.read_json(path) or {}
                epochs = record.get("epochs", 0 if family == "checkpoints" else 1)
                if epochs and "seconds" in record and bool(record.get("gpu")) == self.scale.gpu:
                    found.append(record["seconds"] / epochs)
            self._rates[family, like] = statistics.median(found) if found else None
        return self._rates[family, like]
