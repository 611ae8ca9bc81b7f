"""Receipts: what went into a node, what came out, and with which code. Deterministic; in no way dated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline import files

VERSION = 1

_FIELDS = {"version", "key", "stage", "node", "code", "params", "inputs", "seed", "epoch", "outputs"}
_MORE = {"step"}
"""What receipts of milestones between two epochs have beside these."""
_INPUT = {"node", "content", "files"}
_OUTPUT = {"md5", "sha256", "size"}

_HEX = {"key": re.compile(r"[0-9a-f]{64}"), "sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


def content(outputs: Mapping[str, Mapping[str, Any]], names: Iterable[str] | None = None) -> str:
    """One hash for the output files of a receipt, or for those of ``names`` that it has."""
    chosen = outputs if names is None else {name: outputs[name] for name in names if name in outputs}
    return files.digest({name: entry["sha256"] for name, entry in chosen.items()})


def read_of(node: str, outputs: Mapping[str, Mapping[str, Any]], names: Iterable[str] | None) -> dict[str, Any]:
    """What a receipt says of an input: the node, the files that are read (all where ``names`` is None), their hash."""
    files_read = sorted(outputs if names is None else set(names) & outputs.keys())
    return {"node": node, "content": content(outputs, files_read), "files": files_read}


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names whose values differ, or that only one of the two has, sorted."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def key_of(
    stage: str,
    code: Mapping[str, str],
    params: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int | None = None,
    epoch: int | None = None,
    step: int | None = None,
) -> str:
    """The key of a node: what it is, with which code, which parameters, and what it reads (content hashes by role)."""
    parts = {"stage": stage, "code": code, "params": params, "inputs": inputs, "seed": seed, "epoch": epoch}
    return files.digest(parts if step is None else {**parts, "step": step})


def key_again(found: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> str:
    """The key that the parts of a receipt give.

    Args:
        found: The receipt.
        inputs: Role -> content hash; None: those that it names.
    """
    if inputs is None:
        inputs = {role: entry["content"] for role, entry in found["inputs"].items()}
    place = (found.get("seed"), found.get("epoch"), found.get("step"))
    return key_of(found["stage"], found["code"], found["params"], inputs, *place)


def make(key: str, parts: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A receipt from the parts of its key and the hashes of its outputs."""
    return {"version": VERSION, "key": key, **parts, "outputs": dict(outputs)}


def fault(found: Any) -> str | None:
    """What is wrong with a receipt, in words; None if it is whole and its parts give its key."""
    if not isinstance(found, dict) or found.get("version") != VERSION:
        return f"not a receipt of version {VERSION}"
    try:
        inputs = {role: entry["content"] for role, entry in found["inputs"].items()}
        key = key_again(found, inputs)
        whole = set(found) - _MORE == _FIELDS and all(set(entry) == _INPUT for entry in found["inputs"].values())
        whole = whole and all(isinstance(name, str) for entry in found["inputs"].values() for name in entry["files"])
        whole = whole and all(isinstance(entry["node"], str) for entry in found["inputs"].values())
        whole = whole and isinstance(found["node"], str) and isinstance(found["params"], dict)
        whole = whole and all(isinstance(digest, str) for digest in found["code"].values())
        whole = whole and all(_whole(name, entry) for name, entry in found["outputs"].items())
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return "a part of it is missing or of the wrong kind"
    if not whole:
        return "a part of it is of the wrong kind"
    return None if key == found["key"] else "its parts do not give its key: it was edited"


def read(path: Path) -> dict[str, Any] | None:
    """The receipt in ``path``, or None if there is none or it contradicts itself.

    A receipt carries the parts of its key; one whose parts do not give its key was edited.
    """
    found = files.read_json(path)
    return found if fault(found) is None else None


def _whole(name: str, entry: Mapping[str, Any]) -> bool:
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name and path.parts != ()
    hashes = set(entry) == _OUTPUT and all(_HEX[kind].fullmatch(entry[kind]) for kind in ("sha256", "md5"))
    return inside and hashes and type(entry["size"]) is int and entry["size"] >= 0
