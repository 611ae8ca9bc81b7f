"""Tamperings with a chain of receipts, drawn at random: in a checkout for ``audit``, in a bundle for ``verify``.

Kinds: a byte; a field of a receipt, with the key made to fit or not; a file lost or added; two files swapped; a file
forged with its own receipt (one level); forged with its receipt and that of whoever has read it (two levels).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import forging
from forging import Members

from pipeline import files

TOP = forging.TOP
SCORE = re.compile(rb'("top1_last": )[\d.]+')


@dataclass(frozen=True)
class Tampering:
    """What was done.

    Attributes:
        kind: Which of the kinds.
        touched: Paths of the files that were changed, added or lost; one of them must be named.
        loose: Whether nothing inside can tell: only a hash that is known from elsewhere, or what else was noted down
            when it was made (the store).
    """

    kind: str
    touched: tuple[str, ...]
    loose: bool = False


def draw(rng: random.Random, members: Members) -> Tampering:
    """Tamper with files, in place.

    Args:
        rng: Chooses.
        members: Content by path: receipts, payload and results, as a checkout or a bundle has them.
    """
    return rng.choice(KINDS)(rng, members)


def _payload(members: Members) -> list[str]:
    folders = ("measurements/", "checkpoints/", "data/", "results/")
    known = {path for name in _receipts(members) for path in _outputs(members, name)}
    return sorted(name for name in members if name.startswith(folders) and name in known)


def _receipts(members: Members) -> list[str]:
    return [*forging.receipts(members), f"{TOP}.receipt.json"]


def _outputs(members: Members, name: str) -> list[str]:
    if name.startswith("results/"):
        return [f"{name.rpartition('/')[0]}/{output}" for output in json.loads(members[name])["outputs"]]
    node = name.removeprefix("receipts/").removesuffix(".json")
    return [f"{node}/{output}" for output in json.loads(members[name])["outputs"]]


def byte(rng: random.Random, members: Members) -> Tampering:
    """One bit of any file."""
    name = rng.choice([*_payload(members), *_receipts(members)])
    content = bytearray(members[name])
    at = rng.randrange(len(content))
    content[at] ^= 1 << rng.randrange(8)
    # DVC's hash of payload that is not inside: nothing here has the bytes that it is of
    loose = (
        name.startswith(("receipts/data/", "receipts/checkpoints/"))
        and b'"md5": "' in members[name][:at].rpartition(b"\n")[2]
    )
    members[name] = bytes(content)
    return Tampering("byte", (name,), loose)


def field(rng: random.Random, members: Members) -> Tampering:
    """Code, params, inputs or outputs in a receipt; half of the time with the key that fits."""
    name = rng.choice(_receipts(members))

    def change(value: dict) -> None:
        part = rng.choice(["code", "params", "lacking", "inputs"])
        if part == "code" and value["code"]:
            value["code"][rng.choice(sorted(value["code"]))] = f"{rng.getrandbits(64):016x}"
        elif part == "lacking":
            value["outputs"].pop(rng.choice(sorted(value["outputs"])))
        elif part == "inputs" and value["inputs"]:
            value["inputs"][rng.choice(sorted(value["inputs"]))]["files"] = []
        else:
            value["params"][rng.choice(sorted(value["params"]))] = rng.randrange(1000)

    forging.edit(members, name, change)
    if rng.random() < 0.5:
        forging.rekey(members, name)
    return Tampering("field", (name,))


def file(rng: random.Random, members: Members) -> Tampering:
    """A file that is lost, or one that nobody has written."""
    if rng.random() < 0.5:
        name = rng.choice([*_receipts(members), f"{TOP}.csv", f"{TOP}.json", f"{TOP}.md"])
        del members[name]
    else:
        old = rng.choice([name for name in _payload(members) if name.endswith((".json", ".csv"))])
        name = f"{old.rpartition('/')[0]}/{'duel.extra' if old.startswith('results/') else 'extra'}.{old.rpartition('.')[2]}"
        members[name] = members[old]
    return Tampering("file", (name,))


def swap(rng: random.Random, members: Members) -> Tampering:
    """The same file of two nodes, or two receipts, in each other's place."""
    names = [*_payload(members), *_receipts(members)]
    first = rng.choice([name for name in names if not name.startswith(("results/", "data/", "receipts/data/"))])
    alike = [
        n
        for n in names
        if n.split("/")[:2][:1] == first.split("/")[:1] and n.rpartition("/")[2] == first.rpartition("/")[2]
    ]
    alike = (
        [n for n in alike if members[n] != members[first]]
        if not first.startswith("receipts/")
        else [n for n in names if n.startswith("/".join(first.split("/")[:2])) and members[n] != members[first]]
    )
    if not alike:
        return byte(rng, members)
    second = rng.choice(alike)
    members[first], members[second] = members[second], members[first]
    return Tampering("swap", (first, second))


def one_level(rng: random.Random, members: Members) -> Tampering:
    """A file with its own receipt: who has read it knows better, and of what nobody reads, what follows from it."""
    name = rng.choice(_receipts(members))
    inside = [path for path in _outputs(members, name) if path in members]
    if not inside:
        return byte(rng, members)
    path = rng.choice(inside)
    members[path] = _better(rng, path, members[path])
    _vouch(members, name, path)
    loose = path.startswith("checkpoints/") and path.endswith(("/history.csv", "/state.safetensors"))
    return Tampering("one level", (name, path), loose)


def two_levels(rng: random.Random, members: Members) -> Tampering:
    """A score with its receipt and that of the table; or weights with theirs and that of the measurement."""
    measured = rng.choice([name for name in forging.receipts(members) if name.startswith("receipts/measurements/")])
    if rng.random() < 0.75:
        path = _outputs(members, measured)[0]
        members[path] = _better(rng, path, members[path])
        _vouch(members, measured, path)
        forging.rekey(members, f"{TOP}.receipt.json")
        return Tampering("two levels", (measured, path, f"{TOP}.csv", f"{TOP}.json", f"{TOP}.receipt.json"))
    node = json.loads(members[measured])["inputs"]["checkpoint"]["node"]
    name, path = f"receipts/{node}.json", f"{node}/model.safetensors"
    if path in members:
        members[path] = _better(rng, path, members[path])
        _vouch(members, name, path)
    else:
        forging.edit(
            members, name, lambda v: v["outputs"]["model.safetensors"].update(sha256=f"{rng.getrandbits(256):064x}")
        )
    forging.rekey(members, measured)
    return Tampering("two levels", (name, path, measured), loose=True)


KINDS: tuple[Callable[[random.Random, Members], Tampering], ...] = (byte, field, file, swap, one_level, two_levels)


def _better(rng: random.Random, path: str, content: bytes) -> bytes:
    """Another content of the same form: a better score, another digit, another bit of an array."""
    if path.endswith("scores.json"):
        return SCORE.sub(rb"\g<1>%.2f" % rng.uniform(80, 99), content)
    if path.endswith((".csv", ".md", ".json")):
        at = rng.choice([k for k, letter in enumerate(content) if 48 <= letter < 57])
        return content[:at] + bytes([content[at] + 1]) + content[at + 1 :]
    changed = bytearray(content)
    changed[-rng.randrange(1, min(64, len(content)))] ^= 1
    return bytes(changed)


def _vouch(members: Members, name: str, path: str) -> None:
    """Make a receipt say what a file is now."""
    found = json.loads(members[name])
    found["outputs"][path.rpartition("/")[2]] = forging.entry(members[path])
    members[name] = files.dumps(found).encode()
