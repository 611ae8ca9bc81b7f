"""What goes into a bundle: an artifact with all that a reviewer needs to follow it, and nothing of this machine."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline import files
from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger.families import ARTIFACT, PREPARE, PRETRAIN
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.sources import Folder
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Workspace
from pipeline.provenance.chain import Chain, Link, walk
from pipeline.sharing import names, schemas
from pipeline.sharing.writer import Content

FOLDERS = {"pipeline": "*.py", "rules": "*.smk", "params": "*.yaml *.csv", "profiles": "*.yaml"}
"""What of the checkout goes along."""

RECORDS = ("history.csv", "summary.json")
"""Files of a checkpoint that are small: they go along where they are at hand, also without the weights."""
WEIGHTS = ("model.safetensors", *RECORDS)
"""Files of a checkpoint that go along with ``--weights``; what only resuming needs does not."""


@dataclass
class Collected:
    """Members of a bundle, and what they show.

    Attributes:
        artifacts: Names of the artifacts.
        chain: Their receipts.
        members: Content by name.
    """

    artifacts: list[str]
    chain: Chain
    members: dict[str, Content] = field(default_factory=dict)


def collect(
    workspace: Workspace, states: States, artifacts: list[str], extend: Path | None, weights: bool
) -> Collected:
    """Everything but what describes the bundle itself; all of it hashed.

    Args:
        workspace: The checkout.
        states: What today's declarations ask for.
        artifacts: Names of the nodes of the artifacts.
        extend: Folder of the user's own components and declarations.
        weights: Whether networks and data sets go along.

    Raises:
        UserError: A receipt or a file does not hold, or is not there; or a file tells where it was written.
    """
    chain = walk(Folder(workspace.root), artifacts)
    if chain.findings:
        more = f" (and {len(chain.findings) - 1} more)" if len(chain.findings) > 1 else ""
        raise UserError(chain.findings[0].line() + more)
    found = Collected(artifacts, chain)
    for link in chain:
        _current(link, states, artifacts[0])
        found.members[link.node.receipt] = workspace.path(link.node.receipt).read_bytes()
        execution = workspace.path(link.node.execution)
        if execution.is_file():
            found.members[link.node.execution] = execution.read_bytes()
        found.members.update(_payload(workspace, link, weights))
    for name in {link.node.key for link in chain}:
        found.members[name] = _key(states.keys[name], extend).encode()
    found.members.update(_project(workspace.root, extend))
    _fit(found.members)
    return found


def _current(link: Link, states: States, top: str) -> None:
    """Parameters and code in the bundle are those of the checkout, so the receipts must be of these."""
    state = states.by_name.get(link.node.name)
    contents = {role: entry["content"] for role, entry in link.receipt["inputs"].items()}
    keys = (
        state.key_file.keys_of(contents, link.node.seed, link.node.epoch, link.node.step) if state is not None else []
    )
    if link.receipt["key"] not in keys:
        raise UserError(
            f"stale: {link.node.receipt}: made with other parameters or code than are here now; "
            f"type: snakemake {top}.csv, or git checkout of the revision that made it"
        )


def _payload(workspace: Workspace, link: Link, weights: bool) -> Iterator[tuple[str, Content]]:
    """Files of a node that go along, each as its receipt says."""
    family = link.node.family
    wanted = (WEIGHTS if weights else RECORDS) if family is PRETRAIN else None
    for name, entry in link.receipt["outputs"].items():
        if (family is PREPARE and not weights) or (wanted is not None and name not in wanted):
            continue
        path = workspace.payload(link.node) / name
        kept = Store(workspace.root).object(entry["md5"])
        inside = f"{Path(link.node.name).parent if family is ARTIFACT else link.node.name}/{name}"
        source = path if path.is_file() else kept
        if source.is_file() and source.stat().st_size == entry["size"] and files.sha256(source) == entry["sha256"]:
            yield inside, source if names.suffix(name) == ".safetensors" else source.read_bytes()
        elif family is not PRETRAIN or weights or path.is_file():
            why = "changed" if path.is_file() else "missing"
            text = "not what its receipt says" if path.is_file() else "neither in place nor in the store"
            raise UserError(f"{why}: {inside}: {text}; type: python -m pipeline restore {link.node.name}")


def _key(key: KeyFile, extend: Path | None) -> str:
    """A key file without what is about this machine."""
    content = {
        name: value for name, value in asdict(key).items() if name in schemas.KEY and value not in ({}, [], None)
    }
    content["components"] = {category: _inside(path, extend) for category, path in key.components.items()}
    return files.dumps({name: value for name, value in content.items() if value not in ({}, [], None)})


def _inside(path: str, extend: Path | None) -> str:
    """Where a component lies in the bundle."""
    if extend is not None and Path(path).is_absolute():
        return f"extend/{Path(path).resolve().relative_to(extend.resolve()).as_posix()}"
    return path


def _project(root: Path, extend: Path | None) -> Iterator[tuple[str, Content]]:
    for name in sorted(names.TOP - {names.MANIFEST, names.SIGNATURE, names.PAGE, names.CRATE}):
        if (root / name).is_file():
            yield name, (root / name).read_bytes()
    for folder, patterns in FOLDERS.items():
        for path in _below(root / folder, patterns.split()):
            yield path.relative_to(root).as_posix(), path.read_bytes()
    if extend is not None:
        for path in _below(extend, ["*.py", "*.yaml", "*.csv"]):
            yield f"extend/{path.relative_to(extend).as_posix()}", path.read_bytes()


def _below(folder: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    hidden = (".", "__pycache__")
    return sorted(path for path in found if not any(part.startswith(hidden) for part in path.relative_to(folder).parts))


def _fit(members: dict[str, Content]) -> None:
    """Names that every system can have, and no text that tells whose machine this is."""
    told = [str(Path.cwd()), os.path.expanduser("~")]  # noqa: PTH111 - never fails
    told = [re.escape(path) for path in dict.fromkeys(told) if len(path) > 2]
    pattern = re.compile(rf"(?<![\w.])({'|'.join(told)})(?![\w-])".encode()) if told else None
    who = re.escape(_user())
    home = re.compile(rf"/(home|Users)/{who}(?![\w-])".encode()) if who else None
    for name, content in members.items():
        why = names.fault(name)
        if why is not None:
            raise UserError(f"{name}: {why}; rename it")
        for private in (pattern, home):
            found = private.search(content) if private is not None and isinstance(content, bytes) else None
            if found:
                raise UserError(f"{name}: names a folder of yours ({found[0].decode()}); take it out, and bundle again")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
