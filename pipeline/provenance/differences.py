"""What differs between two nodes, param by param and module by module, in words and as data."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.ledger.outlines import CHANGED, GONE, NEW, Outlines

ABSENT: Any = object()
"""Stands for a param that one side does not have."""

_WIDTH = 60

_EXACT = (str, int, bool, type(None))
"""Kinds of values that are the same text where they are equal: most params, and those need not be written out."""


@dataclass(frozen=True)
class Reason:
    """One difference.

    Attributes:
        type: ``param``, ``module``, ``input``, ``file``, ``receipt``; of finished nodes also ``version``, ``machine``.
        name: What differs.
        old: Its former value, as JSON.
        new: Its present value, as JSON.
        change: What happened to it, where it has no values.
        functions: Of a module or a folder of the user's: what differs in it, and how.
        against: The node whose receipt this is compared with, where it is not the node's own.
    """

    type: str
    name: str
    old: str | None = None
    new: str | None = None
    change: str = ""
    functions: tuple[tuple[str, str], ...] = ()
    against: str = ""

    def text(self) -> str:
        """The difference itself, in words."""
        if self.functions:
            return f"{self.name}: " + "; ".join(f"{what} {how}" for what, how in self.functions)
        if self.change:
            value = {NEW: self.new, GONE: self.old}.get(self.change) if self.type == "param" else None
            return f"{self.name} {self.change}" + (f" ({shortened(value, '')[0]})" if value else "")
        return "{}: {} -> {}".format(self.name, *shortened(self.old or "", self.new or "")) if self.new else self.name

    def phrase(self) -> str:
        """The difference with its type, to go on in a sentence."""
        if self.old is None or self.new is None or self.change or self.functions:
            return f"{self.type} {self.text()}"
        return "{} {} {} -> {}".format(self.type, self.name, *shortened(self.old, self.new))

    def line(self) -> str:
        """The difference with its type, and what it was compared with."""
        return f"{self.type}: {self.text()}" + (f"  (against {self.against})" if self.against else "")

    def data(self) -> dict[str, Any]:
        """The difference for machines: values as they are, null for what is absent."""
        old, new = (None if text is None else json.loads(text) for text in (self.old, self.new))
        functions = [{"name": what, "change": how} for what, how in self.functions]
        found = {"type": self.type, "name": self.name, "change": self.change or CHANGED, "old": old, "new": new}
        return found | {"functions": functions, "against": self.against or None, "text": self.line()}


# -- values


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """A tree of params by dotted names; lists are params."""
    if isinstance(tree, Mapping) and tree:
        found: dict[str, Any] = {}
        for name, value in tree.items():
            found |= flat(value, f"{prefix}.{name}" if prefix else str(name))
        return found
    return {prefix: tree}


def params(old: Any, new: Any) -> Iterator[Reason]:
    """The params in which two trees differ, after both were JSON."""
    for name, before, after in _changes(_plain(old), _plain(new), ""):
        how = NEW if before is ABSENT else GONE if after is ABSENT else ""
        was, now = (None if value is ABSENT else dumped(value) for value in (before, after))
        yield Reason("param", name, was, now, change=how)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def dumped(value: Any) -> str:
    """A value as one line of JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _changes(old: Any, new: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    if type(old) is type(new) and type(old) in _EXACT:
        if old != new:
            yield name, old, new
        return
    if _of_files(old) and _of_files(new) and old != new:
        yield name, old, new
        return
    before, after = (value if isinstance(value, dict) else {} for value in (old, new))
    if (before or after) and all(value is ABSENT or isinstance(value, dict) for value in (old, new)):
        for key in sorted(before.keys() | after.keys()):
            yield from _changes(before.get(key, ABSENT), after.get(key, ABSENT), f"{name}.{key}" if name else key)
        return
    if isinstance(old, list) and isinstance(new, list) and not (_is_row(old) and _is_row(new)):
        yield from _elements(old, new, name)
    elif old is ABSENT or new is ABSENT or dumped(old) != dumped(new):
        yield name, old, new


def _of_files(value: Any) -> bool:
    """Whether a param says what files of the user's hold."""
    return isinstance(value, dict) and value.keys() == {"content", "files"}


def _is_row(values: list[Any]) -> bool:
    """A short list of plain values, which reads best as a whole."""
    return not any(isinstance(value, dict | list) for value in values) and len(dumped(values)) <= _WIDTH


def _elements(old: list[Any], new: list[Any], name: str) -> Iterator[tuple[str, Any, Any]]:
    """Element by element; what was put in or taken out moves nothing else."""
    was, now = ([dumped(value) for value in side] for side in (old, new))
    for how, i, j, k, l in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if how == "equal":
            continue
        for step in range(max(j - i, l - k)):
            before = old[i + step] if i + step < j else ABSENT
            after = new[k + step] if k + step < l else ABSENT
            place = k + step if after is not ABSENT else i + step
            if before is ABSENT or after is ABSENT:
                yield f"{name}[{place}]", before, after
            else:
                yield from _changes(before, after, f"{name}[{place}]")


def shortened(old: str, new: str) -> tuple[str, str]:
    """Two values as short texts: long ones are cut to where they differ."""
    if max(len(old), len(new)) <= _WIDTH:
        return old, new
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, same - 20) if same > 30 else 0

    def cut(text: str) -> str:
        part = text[start : start + _WIDTH - 6]
        return ("..." if start else "") + part + ("..." if start + len(part) < len(text) else "")

    return cut(old), cut(new)


# -- nodes


def code(old: Mapping[str, str], new: Mapping[str, str], history: Outlines | None = None) -> Iterator[Reason]:
    """The modules in which two fingerprints differ, with their functions where both versions can be found."""
    for module in sorted(old.keys() | new.keys()):
        before, after = old.get(module), new.get(module)
        if before == after:
            continue
        how = CHANGED if before and after else NEW if after else GONE
        functions = history.functions(module, before, after) if history else []
        was, now = (None if value is None else dumped(value) for value in (before, after))
        yield Reason("module", module, was, now, change=how, functions=tuple(functions))


def declared(found: Mapping[str, Any], wanted: Mapping[str, Any], history: Outlines | None = None) -> list[Reason]:
    """Params and modules in which a receipt differs from another, or from what is wanted now.

    Args:
        found: ``params`` and ``code``.
        wanted: The same, as ``accepted`` code that counts as equal to it, as ``paths`` where files of the user's lie.
        history: Where versions of modules are looked up, to name functions.
    """
    equal = found["code"] in wanted.get("accepted", ())
    changed = [] if equal else code(found["code"], wanted["code"], history)
    own = [_by_file(reason, wanted, history) for reason in params(_own(found["params"]), _own(wanted["params"]))]
    return [*own, *changed]


def comparable(params: Mapping[str, Any]) -> Any:
    """Params as :func:`distance` wants them, so that what is compared often is prepared once."""
    return _plain(_own(params))


def distance(found: Mapping[str, Any], of_found: Any, wanted: Mapping[str, Any], of_wanted: Any) -> int:
    """How many differences :func:`declared` would find, without telling them.

    Args:
        found: ``params`` and ``code``.
        of_found: Its params, :func:`comparable`.
        wanted: As of :func:`declared`.
        of_wanted: Its params, likewise.
    """
    count = sum(1 for _ in _changes(of_found, of_wanted, ""))
    if found["code"] in wanted.get("accepted", ()):
        return count
    old, new = found["code"], wanted["code"]
    return count + sum(old.get(module) != new.get(module) for module in old.keys() | new.keys())


def _by_file(reason: Reason, wanted: Mapping[str, Any], history: Outlines | None) -> Reason:
    """A param of the user's files with the names of those that differ."""
    if reason.old is None or reason.new is None:
        return reason
    old, new = json.loads(reason.old), json.loads(reason.new)
    if not (_of_files(old) and _of_files(new)):
        return reason
    path = wanted.get("paths", {}).get(reason.name)
    told = history.listed(old["content"], new["content"], path) if history else []
    how = "" if told else "has other contents"
    return replace(reason, change=how, functions=tuple(told))


def _own(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """Params without those that only repeat which runs are read."""
    if "cells" not in tree:
        return tree
    return {**tree, "cells": [{k: v for k, v in cell.items() if k != "nodes"} for cell in tree["cells"]]}
