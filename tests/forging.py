"""How to forge a bundle: by one byte, and with more and more of it made to match."""

from __future__ import annotations

import hashlib
import json
import random
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.artifacts import table
from pipeline.ledger import receipt
from pipeline.provenance.chain import Chain, walk
from pipeline.sharing import index_page, writer
from pipeline.work import Work

Members = dict[str, bytes]
TOP = "results/mini/mini/duel"


def read(path: Path) -> Members:
    """Members of a bundle, folders aside."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def write(path: Path, members: Members, matching: bool = True) -> Path:
    """Write a bundle, with a manifest that matches unless told otherwise."""
    members = dict(members)
    if matching:
        artifacts = json.loads(members.pop("manifest.json"))["artifacts"]
        rest = {name: content for name, content in members.items() if name != "signature.sshsig"}
        members["manifest.json"] = writer.manifest(artifacts, rest).encode()
    writer.write(path, members)
    return path


def edit(members: Members, name: str, change: Callable[[Any], Any]) -> None:
    """Change the value of a JSON member in place."""
    value = json.loads(members[name])
    change(value)
    members[name] = files.dumps(value).encode()


def entry(content: bytes) -> dict[str, Any]:
    """What a receipt says of a file."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"md5": md5, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def receipts(members: Members, below: str = "receipts/") -> list[str]:
    """Names of receipts."""
    return sorted(n for n in members if n.startswith(below) and n.endswith(".json") and ".execution" not in n)


def scores(members: Members) -> list[str]:
    """Names of measurements."""
    return sorted(name for name in members if name.endswith("/scores.json"))


def of(measured: str) -> str:
    """Receipt of a measurement."""
    return f"receipts/{measured.removesuffix('/scores.json')}.json"


def rekey(members: Members, name: str) -> None:
    """Make a receipt agree with itself and with those that it reads."""
    found = json.loads(members[name])
    for part in found["inputs"].values():
        below = members.get(f"receipts/{part['node']}.json")
        if below is not None:
            part["content"] = receipt.content(json.loads(below)["outputs"], part["files"])
    contents = {role: part["content"] for role, part in found["inputs"].items()}
    found["key"] = receipt.key_of(
        found["stage"], found["code"], found["params"], contents, found["seed"], found["epoch"]
    )
    members[name] = files.dumps(found).encode()


def rebind(members: Members) -> None:
    """Make all receipts agree with each other, from the data sets up, and the table follow from the measurements."""
    for below in ("receipts/data/", "receipts/checkpoints/", "receipts/measurements/"):
        for name in receipts(members, below):
            rekey(members, name)
    name = f"{TOP}.receipt.json"
    rekey(members, name)
    found = json.loads(members[name])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        out.mkdir()
        inputs = {}
        for number, (role, part) in enumerate(found["inputs"].items()):
            inputs[role] = Path(folder, str(number))
            inputs[role].mkdir()
            (inputs[role] / "scores.json").write_bytes(members[f"{part['node']}/scores.json"])
        list(table.execute([Work(name=TOP, spec=found["params"], out=out, inputs=inputs, key=found["key"])]))
        for path in out.iterdir():
            members[f"results/mini/mini/{path.name}"] = path.read_bytes()
            found["outputs"][path.name] = entry(path.read_bytes())
    members[name] = files.dumps(found).encode()
    repage(members)


class Ledger:
    """Members of a bundle, as a place to read receipts from."""

    title = "members"

    def __init__(self, members: Members) -> None:
        self.members = members

    def read(self, path: str) -> bytes | None:
        """Content of a member."""
        return self.members.get(path)


def followed(members: Members) -> Chain:
    """The chain of receipts behind a bundle's artifacts."""
    return walk(Ledger(members), json.loads(members["manifest.json"])["artifacts"])


def repage(members: Members) -> None:
    """Make the page show what the members are now."""
    own = ("manifest.json", "signature.sshsig", "index.html", "ro-crate-metadata.json")
    rest = {name: content for name, content in members.items() if name not in own}
    title = index_page.title(json.loads(members["manifest.json"])["artifacts"])
    members["index.html"] = index_page.render(title, followed(members), rest)


# -- cases; each returns the members that it touched


def measurement(rng: random.Random, members: Members) -> list[str]:
    """A better score."""
    name = rng.choice(scores(members))
    edit(members, name, lambda value: value.update(top1_last=round(value["top1_last"] + rng.uniform(1, 20), 2)))
    return [name]


def measurement_and_receipt(rng: random.Random, members: Members) -> list[str]:
    """A better score that its receipt vouches for."""
    (name,) = measurement(rng, members)
    edit(members, of(name), lambda value: value["outputs"].update({"scores.json": entry(members[name])}))
    return [name, of(name)]


def measurement_up_to_the_table(rng: random.Random, members: Members) -> list[str]:
    """The same, and the table's receipt has read it; the table itself is left alone."""
    touched = measurement_and_receipt(rng, members)
    rekey(members, f"{TOP}.receipt.json")
    return [*touched, TOP]


def runs_swapped(rng: random.Random, members: Members) -> list[str]:
    """The scores of two runs in each other's place, with or without their receipts' outputs."""
    first, second = rng.sample(scores(members), 2)
    members[first], members[second] = members[second], members[first]
    if members[first] == members[second]:
        return measurement(rng, members)
    if rng.random() < 0.5:
        for name in (first, second):
            edit(
                members,
                of(name),
                lambda value, name=name: value["outputs"].update({"scores.json": entry(members[name])}),
            )
    return [first, second, of(first), of(second)]


def receipts_swapped(rng: random.Random, members: Members) -> list[str]:
    """Two receipts in each other's place."""
    first, second = rng.sample(receipts(members, "receipts/" + rng.choice(["checkpoints/", "measurements/"])), 2)
    members[first], members[second] = members[second], members[first]
    return [first, second]


def receipt_edited(rng: random.Random, members: Members) -> list[str]:
    """A part of a receipt, with its key made to match or not."""
    name = rng.choice([*receipts(members, "receipts/checkpoints/"), f"{TOP}.receipt.json"])

    def change(value: dict) -> None:
        part = rng.choice(["code", "params", "outputs", "seed"])
        if part == "code":
            value["code"][rng.choice(sorted(value["code"]))] = f"{rng.getrandbits(64):016x}"
        elif part == "params":
            value["params"]["batch_size"] = rng.randrange(1, 1000) * 1001
        elif part == "outputs":
            # what nobody has read and what is not inside (for resuming, and losses of steps) only the root hash binds
            read = sorted(value["outputs"].keys() - {"state.safetensors", "losses.safetensors"})
            value["outputs"][rng.choice(read)]["sha256"] = f"{rng.getrandbits(256):064x}"
        else:
            value["seed"] = rng.randrange(5, 99)

    edit(members, name, change)
    if rng.random() < 0.5:
        rekey(members, name)
    return [name]


def table_edited(rng: random.Random, members: Members) -> list[str]:
    """A table by hand, with its receipt's outputs made to match or not."""
    name = f"{TOP}.{rng.choice(['csv', 'json', 'md'])}"
    content = members[name]
    digits = [k for k, byte in enumerate(content) if 48 <= byte < 57]
    at = rng.choice(digits)
    members[name] = content[:at] + bytes([content[at] + 1]) + content[at + 1 :]
    if rng.random() < 0.6:
        short = name.rsplit("/", 1)[1]
        edit(members, f"{TOP}.receipt.json", lambda value: value["outputs"].update({short: entry(members[name])}))
    return [name]


def dropped(rng: random.Random, members: Members) -> list[str]:
    """A receipt, a measurement, a key file or a file of the table is gone."""
    kinds = [receipts(members), scores(members), sorted(n for n in members if n.startswith("keys/")), [f"{TOP}.csv"]]
    name = rng.choice(rng.choice(kinds))
    del members[name]
    return [name]


def added(rng: random.Random, members: Members) -> list[str]:
    """A file that no receipt knows."""
    old = rng.choice([*scores(members), *receipts(members)])
    name = old.replace("/seed0/", f"/seed{rng.randrange(5, 99)}/")
    if name == old:
        name = old.replace(".json", "0.json")
    members[name] = members[old]
    return [name]


def source_edited(rng: random.Random, members: Members) -> list[str]:
    """Code that has not run."""
    used = sorted({module for name in receipts(members) for module in json.loads(members[name])["code"]})
    name = rng.choice(used)
    members[name] += f"\nSECRET = {rng.random()}\n".encode()
    return [name]


def key_edited(rng: random.Random, members: Members) -> list[str]:
    """Other parameters in a key file."""
    name = rng.choice(sorted(n for n in members if n.startswith("keys/pretrain/")))
    part = rng.choice(["params", "omitted_defaults"])
    edit(members, name, lambda value: value.setdefault(part, {}).update(batch_size=rng.randrange(1, 1000) * 1001))
    return [name]


def page_edited(rng: random.Random, members: Members) -> list[str]:
    """The page that people open first shows another number."""
    text = members["index.html"].decode()
    at = rng.choice([found.start() for found in re.finditer(r"(?<=>)\d", text)])
    members["index.html"] = f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}".encode()
    return ["index.html"]


def everything(rng: random.Random, members: Members) -> list[str]:
    """A better score, and every receipt and the table made to match: only the root hash tells."""
    name = measurement_and_receipt(rng, members)[0]
    rebind(members)
    return [name]


def beside(rng: random.Random, members: Members) -> list[str]:
    """What no receipt binds: declarations, records of time and place, code that has not run."""
    name = rng.choice(
        [
            "params/papers/mini.yaml",
            "Snakefile",
            "ro-crate-metadata.json",
            "rules/tables.smk",
            "pipeline/site/charts.py",
        ]
    )
    members[name] += b" "
    return [name]


INSIDE = (
    measurement, measurement_and_receipt, measurement_up_to_the_table, runs_swapped, receipts_swapped, receipt_edited,
    table_edited, dropped, added, source_edited, key_edited, page_edited,
)  # fmt: skip
"""Found by what is inside."""
OUTSIDE = (everything, beside)
"""Found by what is known from outside."""
