"""What came back, compared with what is declared here, and put where it would lie had it been executed here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.engine.executor import Executor, is_as_written
from pipeline.engine.state import States
from pipeline.kit.returned import Returned, ReturnedNode
from pipeline.ledger import receipt
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node


@dataclass
class Entered:
    """What an entering did.

    Attributes:
        new: Nodes that were entered.
        more: Nodes that were here already, and now have more of their files.
        known: Nodes that were here already.
        refused: Why -> nodes.
        missing: Nodes of the kit that nobody has executed yet.
        absent: Files that stayed on the other machine.
    """

    new: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    absent: int = 0

    def lines(self) -> Iterator[str]:
        """For people."""
        for why, nodes in self.refused.items():
            more = f" (and {len(nodes) - 1} more)" if len(nodes) > 1 else ""
            yield f"refused: {nodes[0]}{more}: {why}"
        if self.missing:
            more = f" and {len(self.missing) - 1} more" if len(self.missing) > 1 else ""
            yield f"still to be executed: {self.missing[0]}{more}; type: python -m pipeline kit pack, or snakemake"
        stay = f"; {self.absent} files stayed where they were made" if self.absent else ""
        known = f", {len(self.known)} were here" + (f", {len(self.more)} have more files now" if self.more else "")
        refused = sum(map(len, self.refused.values()))
        yield f"{len(self.new)} nodes entered{known}, {refused} refused, {len(self.missing)} missing{stay}"


def enter(states: States, returned: Returned) -> Entered:
    """Enter what today's code and declarations ask for.

    Args:
        states: What the kit's targets need here and now; settled, so that key files are in place.
        returned: What came back.

    Raises:
        UserError: Another process works on one of the runs.
    """
    executor = Executor(states.workspace)
    result = Entered()
    valid = {state.node.name: state.receipt for state in states if state.receipt is not None}
    order = {state.node.name: place for place, state in enumerate(states)}
    for name in sorted(returned.entries, key=lambda name: order.get(name, len(order))):
        entry, node = returned.entries[name], Node(name)
        why = "not declared any more; nothing to be done" if name not in order else _fault(states, node, entry, valid)
        if why is not None:
            result.refused.setdefault(why, []).append(name)
            continue
        _enter(executor, node, entry, name in valid, result)
        valid[name] = entry.receipt
    wanted = [name for name in returned.nodes if name in order]
    told = {name for nodes in result.refused.values() for name in nodes}
    result.missing = [name for name in wanted if name not in valid and name not in told]
    return result


def _enter(executor: Executor, node: Node, entry: ReturnedNode, known: bool, result: Entered) -> None:
    outputs = entry.receipt["outputs"]
    folder = executor.workspace.payload(node)
    lacking = {
        name: data
        for name, data in entry.files.items()
        if not (is_as_written(folder / name, outputs[name]) and executor.store.has({name: outputs[name]}))
    }
    in_place = receipt.read(executor.workspace.path(node.receipt)) == entry.receipt
    if known and in_place and not lacking:
        result.known.append(node.name)
    else:
        executor.workspace.scratch.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=executor.workspace.scratch, suffix=".enter") as temporary:
            source = Path(temporary) / "payload"
            for name, data in entry.files.items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes(data)
            executor.enter(node, entry.receipt, entry.execution, source)
        (result.more if known else result.new).append(node.name)
    result.absent += sum(not (folder / name).is_file() for name in outputs)


def _fault(states: States, node: Node, entry: ReturnedNode, valid: Mapping[str, Any]) -> str | None:
    """Why a receipt is not the one that is asked for here; None if it is."""
    key_file, found = states.keys[node.key], entry.receipt
    why = _declared(key_file, found)
    if why is not None:
        return f"{why}; to execute it with what is declared now: python -m pipeline kit pack, and run it again"
    inputs = {}
    for role, template in key_file.inputs.items():
        below = node.resolve_input(template)
        if below.name not in valid:
            return f"its {role} ({below.name}) was neither entered nor is it here; enter all that came back"
        inputs[role] = receipt.read_of(below.name, valid[below.name]["outputs"], key_file.reads.get(role))
    if found["inputs"] != inputs:
        role = next((role for role in inputs if found["inputs"].get(role) != inputs[role]), "input")
        return f"it was made with another {role} than the one that is here; pack a kit and run it again"
    contents = {role: below["content"] for role, below in inputs.items()}
    if found["key"] not in key_file.keys_of(contents, node.seed, node.epoch, node.step):
        return "its key is not the one of what is declared now; pack a kit and run it again"
    here = valid.get(node.name)
    if here is not None and here["outputs"] != found["outputs"]:
        return "it was executed here too, with another outcome, which stays; nothing to be done"
    return None


def _declared(key_file: KeyFile, found: Mapping[str, Any]) -> str | None:
    """Find what of a receipt's stage, code or params is not as declared now."""
    if found["stage"] != key_file.stage:
        return f"a stage called {found['stage']}, expected {key_file.stage}"
    codes = [key_file.code, *(earlier["code"] for earlier in key_file.accepted)]
    if found["code"] not in codes:
        return f"made with another {receipt.differing(found['code'], key_file.code)[0]} than the one here"
    if found["params"] != key_file.params:
        return f"made with another {receipt.differing(found['params'], key_file.params)[0]} than the one declared now"
    return None
