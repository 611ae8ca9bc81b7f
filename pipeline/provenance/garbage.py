"""What nothing needs any more: payload and objects that no current declaration and no committed receipt names."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline import files, user_files
from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.latex import beside
from pipeline.ledger import receipt
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.sources import Folder, asked, blobs
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Node, Workspace
from pipeline.locks import Lock
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.plan import Plan
from pipeline.provenance.chain import walk


@dataclass
class Needed:
    """What has to stay.

    Attributes:
        nodes: Names of nodes whose payload and receipts stay.
        objects: md5 of objects (``....dir`` for folders).
        keys: Keys of receipts in the store.
        scratch: Names of scratch folders from which a training can go on.
        modules: Fingerprints of modules that receipts name.
        listings: Contents of files of the user's that receipts name.
    """

    nodes: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    scratch: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    listings: set[str] = field(default_factory=set)

    def add(self, found: dict[str, Any]) -> None:
        """Keep what a receipt names."""
        self.nodes.add(found["node"])
        self.keys.add(found["key"])
        self.objects |= {entry["md5"] for entry in found["outputs"].values()}
        self.modules |= set(found["code"].values())
        self.listings |= set(user_files.contents(found["params"]))


@dataclass(frozen=True)
class Garbage:
    """One thing that nothing needs.

    Attributes:
        kind: ``payload``, ``receipt``, ``result``, ``object``, ``scratch``.
        path: Where it lies.
        size: Its bytes.
    """

    kind: str
    path: Path
    size: int


def outside(workspace: Workspace) -> bool:
    """Whether the cache lies outside the checkout, where it may be that of other checkouts too."""
    return workspace.root.resolve() not in Store(workspace.root).folder.resolve().parents


def collect(workspace: Workspace, known: Catalogue, shared: bool = False) -> list[Garbage]:
    """Everything that no declaration of any scale and flavour and no committed receipt needs.

    Args:
        workspace: The checkout.
        known: All declarations.
        shared: Whether objects of a cache outside the checkout count, which other checkouts may need.

    Raises:
        UserError: A snakemake is running, or the folder was used with declarations that are not given now.
    """
    if workspace.lock:
        raise UserError("gc: a snakemake is running here; wait for it to end, and type the same command again")
    _same_extension(workspace, known)
    needed = Needed()
    for states, unplanned in every_plan(workspace, known):
        _declared(states, needed)
        for link in walk(Folder(workspace.root), unplanned):
            needed.add(link.receipt)
    for found in committed(workspace.root):
        needed.add(found)
    _folders(workspace, needed)
    searches = [_payload, _results, _scratch]
    if shared or not outside(workspace):
        searches.append(_store)
    return [found for search in searches for found in search(workspace, needed)]


def every_plan(workspace: Workspace, known: Catalogue) -> Iterator[tuple[States, list[str]]]:
    """States of everything that is declared, flavour by flavour, and the artifacts that cannot be planned.

    A paper may be declared for scales of its own: at the others it lacks a param.
    """
    flavours = {"paper", *(name for paper in known.papers.values() for name in paper.flavours)}
    for flavour in sorted(flavours):
        options = dataclasses.replace(known.options, flavour=flavour, datasets=(), seeds=None)
        catalogue = Catalogue(options, known.folders[0])
        plan = Plan(catalogue, [])
        unplanned = []
        for request in (request for scale in catalogue.scales for request in catalogue.built(scale)):
            try:
                plan.add(request)
            except UserError:
                unplanned.append(request.stem)
        yield States(plan, workspace), unplanned


def committed(root: Path) -> Iterator[dict[str, Any]]:
    """Receipts that Git holds, in any commit that a branch or tag reaches, or staged."""
    pairs = _held(root, "receipts", "results")
    wanted = [sha for sha, path in pairs if path.endswith(".json") and not path.endswith(".execution.json")]
    for content in _contents(root, wanted):
        found = files.parse(content)
        if receipt.fault(found) is None:
            yield found


def _held(root: Path, *below: str) -> list[tuple[str, str]]:
    """Hash and path of all files that Git holds, in any commit that something reaches, or staged."""
    paths = ("--", *below) if below else ()
    listed = asked(root, "rev-list", "--all", "--objects", *paths).splitlines()
    staged = [line.split(None, 3) for line in asked(root, "ls-files", "-s", *paths).splitlines()]
    pairs = {(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in listed if " " in line}
    return sorted(pairs | {(parts[1], parts[3]) for parts in staged if len(parts) == 4})


def _contents(root: Path, names: list[str]) -> Iterator[bytes]:
    try:
        yield from blobs(root, names)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"git does not say what is committed ({error}); nothing was touched; type: git status"
        ) from None


def _same_extension(workspace: Workspace, known: Catalogue) -> None:
    """What was planned with a folder of the user's own would look like garbage without it."""
    for path in sorted(workspace.path("keys").rglob("*.json")):
        context = files.read_object(path).get("context", {}) if not path.name.startswith(".") else {}
        folder = context.get("extend")
        if folder and Path(folder).is_dir() and folder != known.options.extend:
            raise UserError(
                f"gc: {folder} was used here, and what it declares would look unneeded; "
                f"type: python -m pipeline gc --config extend={folder}"
            )


def _declared(states: States, needed: Needed) -> None:
    for state in states:
        needed.nodes.add(state.node.name)
        in_ledger = receipt.read(states.workspace.path(state.node.receipt))
        for found in (state.receipt, in_ledger):
            if found is not None:
                needed.add(found)
        if state.node.family is PRETRAIN and state.key is not None:
            key_file = state.key_file
            data = states.by_name[state.node.resolve_input(key_file.inputs["data"]).name].receipt
            assert data is not None
            inputs = {"data": receipt.content(data["outputs"], key_file.reads.get("data"))}
            run = receipt.key_of(key_file.stage, key_file.code, key_file.params, inputs, state.node.seed)
            needed.scratch.add(run[:16])


def _folders(workspace: Workspace, needed: Needed) -> None:
    """Objects that ``.dvc`` and ``dvc.lock`` files name, here, staged or committed, and what folders list."""
    tracked = [sha for sha, path in _held(workspace.root) if _of_dvc(path)]
    texts = [path.read_bytes() for path in _outside_dvc(workspace.root) if path.is_file() and _of_dvc(path.name)]
    store = Store(workspace.root)
    for content in (*texts, *_contents(workspace.root, tracked)):
        with contextlib.suppress(yaml.YAMLError, UnicodeDecodeError, RecursionError):
            for md5 in _named(yaml.safe_load(content)):
                needed.objects.add(md5)
                if md5.endswith(".dir"):
                    needed.objects |= set(_named(files.read_json(store.object(md5))))


def _of_dvc(path: str) -> bool:
    return path.endswith(".dvc") or path.rsplit("/", 1)[-1] == "dvc.lock"


def _outside_dvc(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".dvc", ".git", ".snakemake", ".scratch")]
        yield from (Path(folder, name) for name in names)


def _named(found: Any) -> Iterator[str]:
    """Every ``md5`` anywhere in a file of DVC's."""
    if isinstance(found, dict):
        if isinstance(found.get("md5"), str):
            yield found["md5"]
        found = list(found.values())
    for below in found if isinstance(found, list) else ():
        yield from _named(below)


_PAYLOAD = (
    "data/*-????????",
    "simulations/*-????????",
    "checkpoints/*/seed*/epoch*",
    "measurements/*/seed*/epoch*/*",
)


def _payload(workspace: Workspace, needed: Needed) -> Iterator[Garbage]:
    for pattern in _PAYLOAD:
        for folder in sorted(workspace.root.glob(pattern)):
            if folder.is_dir() and folder.relative_to(workspace.root).as_posix() not in needed.nodes:
                yield Garbage("payload", folder, _size(folder))
    for path in sorted(workspace.path("receipts").rglob("*.json")):
        name = path.relative_to(workspace.root).as_posix().removesuffix(".json").removesuffix(".execution")
        if name.removeprefix("receipts/") not in needed.nodes:
            yield Garbage("receipt", path, path.stat().st_size)


def _results(workspace: Workspace, needed: Needed) -> Iterator[Garbage]:
    for path in sorted(workspace.root.glob("results/*/*/*.receipt.json")):
        node = Node.of_receipt(path.relative_to(workspace.root))
        if node.name not in needed.nodes:
            stem = node.name.rsplit("/", 1)[1]
            for file in sorted(path.parent.glob(f"{stem}.*")):
                if file.suffix == beside.SUFFIX and not beside.is_view(workspace.root, file):
                    continue  # somebody's own
                yield Garbage("result", file, file.stat().st_size)


def _store(workspace: Workspace, needed: Needed) -> Iterator[Garbage]:
    folder = Store(workspace.root).folder
    for path in sorted(folder.glob("files/md5/??/*")):
        if path.parent.name + path.name not in needed.objects:
            yield Garbage("object", path, path.stat().st_size)
    for path in sorted(folder.glob("receipts/??/*.json")):
        key = path.parent.name + path.name.removesuffix(".json").removesuffix(".execution")
        if key not in needed.keys:
            yield Garbage("object", path, path.stat().st_size)
    for path in sorted(folder.glob("outlines/??/*.json")):
        if path.parent.name + path.name.removesuffix(".json") not in needed.modules:
            yield Garbage("object", path, path.stat().st_size)
    for path in sorted(folder.glob("listings/??/*.json")):
        if path.parent.name + path.name.removesuffix(".json") not in needed.listings:
            yield Garbage("object", path, path.stat().st_size)


def _scratch(workspace: Workspace, needed: Needed) -> Iterator[Garbage]:
    """Scratch folders that no process uses and from which no wanted training could go on."""
    if not workspace.scratch.is_dir() or _busy(workspace.scratch / "locks"):
        return
    for folder in sorted(workspace.scratch.iterdir()):
        if folder.name != "locks" and folder.is_dir() and folder.name not in needed.scratch:
            yield Garbage("scratch", folder, _size(folder))


def _busy(locks: Path) -> bool:
    """Whether the executor works on anything."""
    return any(Lock(path).holder() is not None for path in locks.glob("*"))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
