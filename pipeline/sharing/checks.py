"""What must hold inside a bundle, question by question; each answers with findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import files
from pipeline.ledger.families import ARTIFACT, MEASURE, SIMULATE
from pipeline.ledger.receipt import read_of
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.findings import CHANGED, FOREIGN, FORGED, MISSING, Finding
from pipeline.sharing import names, schemas
from pipeline.sharing.bundle_reader import Contents

AGAIN = "ask for the bundle again"


def manifest(contents: Contents) -> Iterator[Finding]:
    """Whether the manifest is one, and speaks of every member and of nothing else."""
    value = contents.values[names.MANIFEST]
    why = schemas.manifest(value)
    if why is not None:
        yield Finding(FORGED, names.MANIFEST, why, AGAIN)
        return
    if files.dumps(value).encode() != contents.read(names.MANIFEST):
        yield Finding(FORGED, names.MANIFEST, "not written as bundle writes it", AGAIN)
    told = value["files"]
    own = {names.MANIFEST, names.SIGNATURE}
    for name in sorted(told.keys() - contents.hashes.keys()):
        yield Finding(MISSING, names.plain(name), "the manifest speaks of it", AGAIN)
    for name in sorted(told.keys() & own):
        yield Finding(FORGED, names.MANIFEST, f"it speaks of {name}", AGAIN)
    for name in contents.hashes:
        if name in own:
            continue
        if name not in told:
            yield Finding(FOREIGN, name, "the manifest does not speak of it", AGAIN)
        elif told[name] != {"sha256": contents.hashes[name], "size": contents.sizes[name]}:
            yield Finding(CHANGED, name, "not what the manifest says", AGAIN)


def forms(contents: Contents) -> Iterator[Finding]:
    """Whether receipts, execution records and key files have the form of such; what has not is hidden from the rest."""
    for name, value in contents.values.items():
        why = None
        if name.endswith(".execution.json"):
            why = schemas.execution(value)
        elif name.startswith("receipts/") or name.endswith(".receipt.json"):
            why = schemas.receipt(value)
        elif name.startswith("keys/"):
            why = schemas.key(value)
        if why is not None:
            contents.hidden.add(name)
            yield Finding(FORGED, name, why, AGAIN)


def payload(contents: Contents, chain: Chain) -> Iterator[Finding]:
    """Whether files are what receipts say, all that must be there are, and no receipt is without a reader."""
    spoken = {names.MANIFEST, names.SIGNATURE}
    for link in chain:
        spoken |= {link.node.receipt, link.node.execution, link.node.key}
        for name, entry in link.receipt["outputs"].items():
            member = link.place(name)
            spoken.add(member)
            if member not in contents.hashes:
                if link.node.family in (ARTIFACT, MEASURE, SIMULATE):
                    yield Finding(MISSING, names.plain(member), f"{link.node.receipt} speaks of it", AGAIN)
                continue
            found = {"md5": contents.md5[member], "sha256": contents.hashes[member], "size": contents.sizes[member]}
            if found != {part: entry.get(part) for part in found}:
                yield Finding(CHANGED, member, f"not what {link.node.receipt} says", AGAIN)
    kept = ("receipts/", "results/", "keys/", "measurements/", "simulations/", "checkpoints/", "data/")
    for name in contents.hashes:
        if name.startswith(kept) and name not in spoken:
            yield Finding(FOREIGN, name, "no receipt behind the results speaks of it", AGAIN)


def keys(contents: Contents, chain: Chain) -> Iterator[Finding]:
    """Whether the resolved parameters in the key files are those that receipts name."""
    for link in chain:
        name = link.node.key
        key = contents.values.get(name)
        if name in contents.hidden:
            continue
        if key is None:
            yield Finding(MISSING, name, f"{link.node.receipt} was made with it", AGAIN)
            continue
        why = _disagreement(link, key, chain)
        if why is not None:
            yield Finding(FORGED, name, f"{why} not those of {link.node.receipt}", AGAIN)


def _disagreement(link: Link, key: Mapping[str, Any], chain: Chain) -> str | None:
    receipt = link.receipt
    if key["stage"] != receipt["stage"] or key["module"] not in key["code"]:
        return "its stage or module is"
    if key.get("params", {}) != receipt["params"] or not _apart(receipt["params"], key.get("omitted_defaults", {})):
        return "its params are"
    if receipt["code"] != key["code"] and reasons(link, key) is None:
        return "its code is"
    inputs = {role: link.node.resolve_input(template).name for role, template in key.get("inputs", {}).items()}
    if inputs != {role: entry["node"] for role, entry in receipt["inputs"].items()}:
        return "its inputs are"
    for role, entry in receipt["inputs"].items():
        below, named = chain.links.get(entry["node"]), key.get("reads", {}).get(role)
        if below is not None and read_of("", below.receipt["outputs"], named)["files"] != entry["files"]:
            return "the files that it reads are"
    for path in key.get("components", {}).values():
        label = "/".join(path.split("/")[-2:]) if path.startswith("extend/") else path
        if label not in key["code"]:
            return "its components are"
    return None


def _apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two trees of params share no param."""
    for name in first.keys() & second.keys():
        one, other = first[name], second[name]
        if not isinstance(one, dict) or not isinstance(other, dict) or not _apart(one, other):
            return False
    return True


def reasons(link: Link, key: Mapping[str, Any]) -> list[str] | None:
    """Why the code that has run was taken for equal to that of the key file; None where nothing says so."""
    for entry in schemas.accepted(dict(key)):
        if entry["code"] == link.receipt["code"]:
            return [names.plain(reason) for reason in entry["reasons"]]
    return None
