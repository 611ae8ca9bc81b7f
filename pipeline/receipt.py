"""Receipts: what went into a node, what came out, and with which code. Deterministic; in no way dated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import files

VERSION = 1


def content(outputs: Mapping[str, Mapping[str, Any]], names: Iterable[str] | None = None) -> str:
    """One hash for the output files of a receipt, or for those of ``names`` that it has."""
    chosen = outputs if names is None else {name: outputs[name] for name in names if name in outputs}
    return files.digest({name: entry["sha256"] for name, entry in chosen.items()})


def key_of(
    stage: str,
    code: Mapping[str, str],
    leaves: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int | None = None,
    epoch: int | None = None,
) -> str:
    """The key of a node: what it is, with which code, which parameters, and what it reads (content hashes by role)."""
    return files.digest(
        {"stage": stage, "code": code, "leaves": leaves, "inputs": inputs, "seed": seed, "epoch": epoch}
    )


def make(key: str, parts: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A receipt from the parts of its key and the hashes of its outputs."""
    return {"version": VERSION, "key": key, **parts, "outputs": dict(outputs)}


def read(path: Path) -> dict[str, Any] | None:
    """The receipt in ``path``, or None if there is none or it contradicts itself.

    A receipt carries the parts of its key; one whose parts do not give its key was edited.
    """
    found = files.read_json(path)
    if not isinstance(found, dict) or found.get("version") != VERSION:
        return None
    try:
        inputs = {role: entry["content"] for role, entry in found["inputs"].items()}
        key = key_of(found["stage"], found["code"], found["leaves"], inputs, found.get("seed"), found.get("epoch"))
        sizes = [entry["size"] for entry in found["outputs"].values()]
    except (KeyError, TypeError, AttributeError):
        return None
    return found if key == found["key"] and all(isinstance(size, int) for size in sizes) else None
