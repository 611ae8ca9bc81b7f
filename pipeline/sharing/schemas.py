"""Whether what a bundle says has the form in which it is written, before anything else looks at it."""

from __future__ import annotations

import re
from typing import Any

from pipeline.sharing import names

_HASH = re.compile(r"[0-9a-f]{64}")
_RECEIPT = {"version", "key", "stage", "node", "code", "params", "inputs", "seed", "epoch", "outputs"}
_STEP = {"step"}
"""What a receipt of a milestone between two epochs has beside that."""
KEY = {"stage", "module", "code", "params", "omitted_defaults", "inputs", "reads", "components", "accepted", "tracked"}
"""Fields of a key file that a bundle keeps; the others are about one machine."""

_TEXTS = ("commit", "finished", "gpu", "processor", "system")


def receipt(found: Any) -> str | None:
    """What is wrong with the form of a receipt; None if nothing is."""
    if not isinstance(found, dict) or found.keys() - _STEP != _RECEIPT:
        return "its parts are not those of a receipt"
    if not names.is_node(found["node"]) or not isinstance(found["stage"], str):
        return "it names no node"
    if any(found[part] is not None and not _count(found[part]) for part in ("seed", "epoch")) or not _count(
        found.get("step", 0)
    ):
        return "its seed, epoch or step is no number"
    if not _texts(found["code"]) or not isinstance(found["params"], dict):
        return "its code or params are of the wrong kind"
    inputs, outputs = found["inputs"], found["outputs"]
    if not isinstance(inputs, dict) or not isinstance(outputs, dict) or not outputs:
        return "its inputs or outputs are of the wrong kind"
    for entry in inputs.values():
        if (
            not isinstance(entry, dict)
            or entry.keys() != {"node", "content", "files"}
            or not names.is_node(entry["node"])
        ):
            return "an input is not what a stage can read"
        if not _hash(entry["content"]) or not isinstance(entry["files"], list) or not _all(entry["files"], str):
            return "an input has no hash or no files"
    for name, entry in outputs.items():
        if not isinstance(entry, dict) or entry.keys() != {"md5", "sha256", "size"} or not names.safe(name):
            return "an output is not a file"
        if not _hash(entry["sha256"]) or not isinstance(entry["md5"], str) or not _count(entry["size"]):
            return "an output has no hash or no size"
    return None


def execution(found: Any) -> str | None:
    """What is wrong with the form of an execution record; None if nothing is."""
    if not isinstance(found, dict):
        return "not an execution record"
    if any(not isinstance(found.get(name), str | None) for name in _TEXTS) or not _texts(found.get("versions", {})):
        return "a part of it is of the wrong kind"
    seconds = found.get("seconds", 0)
    whole = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0
    return None if whole else "its duration is none"


def key(found: Any) -> str | None:
    """What is wrong with the form of a key file; None if nothing is."""
    if not isinstance(found, dict) or not found.keys() <= KEY or not {"stage", "module", "code"} <= found.keys():
        return "its parts are not those of a key file"
    if not isinstance(found["stage"], str) or not isinstance(found["module"], str):
        return "its stage or module is of the wrong kind"
    if not all(_texts(found.get(part, {})) for part in ("code", "inputs", "components")):
        return "its code, inputs or components are of the wrong kind"
    if not all(isinstance(found.get(part, {}), dict) for part in ("params", "omitted_defaults", "reads")):
        return "its params are of the wrong kind"
    if not all(isinstance(read, list) and _all(read, str) for read in found.get("reads", {}).values()):
        return "what it reads is of the wrong kind"
    for entry in accepted(found):
        if not isinstance(entry, dict) or not _texts(entry.get("code")) or not isinstance(entry.get("reasons"), list):
            return "what it accepts is of the wrong kind"
    return None


def accepted(found: dict[str, Any]) -> list[Any]:
    """Code that a key file accepts beside its own."""
    entries = found.get("accepted", [])
    return entries if isinstance(entries, list) else [None]


def manifest(found: Any) -> str | None:
    """What is wrong with the form of a manifest; None if nothing is."""
    if not isinstance(found, dict) or found.keys() != {"version", "artifacts", "files"}:
        return "its parts are not those of a manifest"
    if found["version"] != 1:
        return "of another version than 1; use the version of this project that wrote it"
    artifacts, files = found["artifacts"], found["files"]
    if not isinstance(artifacts, list) or not artifacts or not all(map(names.is_node, artifacts)):
        return "it names no artifact"
    if not all(name.startswith("results/") for name in artifacts) or len(set(artifacts)) != len(artifacts):
        return "it names no artifact, or one twice"
    for entry in files.values() if isinstance(files, dict) else [None]:
        if not isinstance(entry, dict) or entry.keys() != {"sha256", "size"}:
            return "an entry is not that of a file"
        if not _hash(entry["sha256"]) or not _count(entry["size"]):
            return "an entry has no hash or no size"
    return None


def _hash(found: Any) -> bool:
    return isinstance(found, str) and _HASH.fullmatch(found) is not None


def _count(found: Any) -> bool:
    return type(found) is int and found >= 0


def _all(found: list[Any], kind: type) -> bool:
    return all(isinstance(item, kind) for item in found)


def _texts(found: Any) -> bool:
    return isinstance(found, dict) and _all(list(found.values()), str)
