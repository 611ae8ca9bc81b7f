"""Audit: a result, down to raw data: receipts are compared with their readers, files with their receipts.

Four questions, each answered by content alone: do the receipts fit together, is every file what its receipt says,
would today's parameters and code ask for the same, and is it the chain that is known from elsewhere.
"""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import components, files
from pipeline.engine.state import EXECUTE, IN_PLACE, States
from pipeline.latex import beside
from pipeline.ledger import machine
from pipeline.ledger.families import ARTIFACT, PREPARE
from pipeline.ledger.sources import Folder, Revision
from pipeline.ledger.store import Store
from pipeline.ledger.tracking import Tracking, folder_of
from pipeline.ledger.workspace import Node, Workspace
from pipeline.provenance import causes, recompute, recorded, why
from pipeline.provenance.chain import Chain, Link, walk
from pipeline.provenance.findings import CHANGED, FOREIGN, FORGED, MISSING, STALE, Finding
from pipeline.provenance.identify import Origin


@dataclass
class Audit:
    """What an audit saw.

    Attributes:
        path: What was asked for.
        node: The node that it belongs to.
        root: Root hash of the whole chain.
        chain: Its receipts, or those behind the cells that were asked for.
        findings: What does not hold; empty if all does.
        remarks: What a reader should know and what is no fault.
        cells: The cells that were asked for, of an artifact.
        absent: Files that ``.dvc`` files list and that are neither here nor in the store: receipts alone know them.
        hashed: Number of files that were hashed.
        size: Their bytes.
        seconds: How long it took.
    """

    path: str
    node: str
    root: str
    chain: Chain
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    hashed: int = 0
    size: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether everything holds."""
        return not self.findings


def audit(
    workspace: Workspace,
    path: str,
    origin: Origin,
    states: States | None,
    cells: list[dict[str, Any]] | None = None,
    expect: str | None = None,
    revision: Revision | None = None,
    raw_dir: str | None = None,
) -> Audit:
    """Check one result, measurement, checkpoint or data set, and everything that it comes from.

    Args:
        workspace: The checkout.
        path: What was asked for, for messages.
        origin: The node that it belongs to.
        states: What today's declarations ask for; None where they do not know the node.
        cells: Params of the cells that are asked for; the chain then holds what these show. None for all.
        expect: Root hash that is known from elsewhere.
        revision: A Git revision whose receipts are to be trusted.
        raw_dir: The user's folder of raw files.
    """
    started = time.perf_counter()
    tops = [origin.node] if cells is None else sorted({node for cell in cells for node in cell["nodes"]})
    whole = walk(Folder(workspace.root), [origin.node])
    chain = whole if cells is None else walk(Folder(workspace.root), tops)
    if cells is not None and origin.node in whole.links:
        chain.links[origin.node] = whole.links[origin.node]
    result = Audit(path, origin.node, whole.root(), chain, [*chain.findings], cells=cells or [])
    _stray(workspace, origin, Path(path), result)
    _files(workspace, result)
    result.findings += _raw(chain, raw_dir)
    result.findings += _opened(chain)
    result.findings += recorded.against_store(workspace, chain)
    result.findings += recorded.against_dvc(workspace, chain)
    _follows(workspace, chain, states, result)
    result.findings += _anchors(whole, origin.node, expect, revision)
    if states is not None:
        told = {finding.path for finding in result.findings}
        result.findings += _stale(states, chain, Node(origin.node).family is ARTIFACT, told)
        result.remarks += _accepted(states, chain)
    result.remarks += [*_views(workspace, chain), *_conditions(chain), *recorded.open_store(workspace)]
    result.seconds = time.perf_counter() - started
    return result


# -- files


def _stray(workspace: Workspace, origin: Origin, path: Path, result: Audit) -> None:
    """A copy that lies elsewhere must be what its receipt says; a file in a payload folder must be in the receipt."""
    if origin.receipt is None:
        link = result.chain.links.get(origin.node)
        view = beside.is_view(workspace.root, workspace.payload(Node(origin.node)) / origin.name)
        if link is not None and origin.name and origin.name not in link.receipt["outputs"] and not view:
            text = f"{link.node.receipt} does not speak of it"
            result.findings.append(Finding(FOREIGN, str(path), text, "remove it, or move it elsewhere"))
        return
    entry = origin.receipt["outputs"].get(origin.name)
    if entry is None or files.sha256(path) != entry["sha256"]:
        text = f"it says that it is {origin.name} of {origin.node}, and is not what was written"
        result.findings.append(
            Finding(CHANGED, str(path), text, f"compare with results of: snakemake {origin.node}.csv")
        )
    known = result.chain.links.get(origin.node)
    if known is not None and known.receipt["key"] != origin.receipt["key"]:
        made = machine.read(Store(workspace.root).receipt(origin.receipt["key"]).with_suffix(".execution.json"))
        text = f"an earlier version, made {made.get('finished', '?')} by commit {(made.get('commit') or '?')[:10]}"
        result.findings.append(Finding(STALE, str(path), text, f"the present one is {origin.node}.csv"))


def _files(workspace: Workspace, result: Audit) -> None:
    """Hash every output of every node: in place, or in the store where it is absent.

    A file that was not sent along when its node was entered (see :mod:`pipeline.kit`) is known by its hash alone; so is
    the payload of a tracked node of which a clone has fetched nothing. A node of which only a part is here is damaged.
    """
    store = Store(workspace.root)
    tracking = Tracking(workspace, store)
    jobs = [(link, name, entry) for link in result.chain for name, entry in link.receipt["outputs"].items()]
    left: list[str] = []
    absent: dict[str, str] = {}
    sizes: list[int] = []

    @functools.cache
    def listed(folder: str) -> bool:
        return workspace.path(f"{folder}.dvc").is_file() and tracking.fault(folder) is None

    def check(job: tuple[Link, str, Mapping[str, Any]]) -> Finding | None:
        link, name, entry = job
        path = workspace.payload(link.node) / name
        shown = path.relative_to(workspace.root).as_posix() if workspace.root in path.parents else str(path)
        artifact = link.node.family is ARTIFACT
        fix = f"type: python -m pipeline restore {link.node.name}"
        if path.is_file():
            return (
                None
                if files.hashes(path) == entry
                else Finding(CHANGED, shown, f"not what {link.node.receipt} says", fix)
            )
        kept = store.object(entry["md5"])
        if not artifact and kept.is_file() and files.hashes(kept) == entry:
            return None
        if not artifact and name in (link.execution.get("left") or ()):
            left.append(shown)
            sizes.append(entry["size"])
            return None
        folder = folder_of(link.node)
        if folder is not None and not path.parent.is_dir() and listed(folder):
            absent[shown] = link.receipt["stage"]
            sizes.append(entry["size"])
            return None
        return Finding(MISSING, shown, "not in place" + ("" if artifact else " and not in the store"), fix)

    with ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1))) as pool:
        found = list(pool.map(check, jobs))
    result.findings += [finding for finding in found if finding is not None]
    result.absent = sorted(absent)
    result.hashed = len(jobs) - len(left) - len(absent)
    result.size = sum(entry["size"] for _, _, entry in jobs) - sum(sizes)
    if left:
        result.remarks.append(
            f"{len(left)} files stayed where they were made, and receipts alone name them: {min(left)}"
            + (", ..." if len(left) > 1 else "")
        )
    if absent:
        stages = ", ".join(f"{count} of {stage}" for stage, count in sorted(Counter(absent.values()).items()))
        result.remarks.append(
            f"{len(absent)} files of payload are not here and were not hashed ({stages}); receipts and .dvc files name "
            f"them; to fetch them: python -m pipeline restore {result.path}"
        )
    for link in result.chain:
        result.findings += _foreign(workspace, link)


def _foreign(workspace: Workspace, link: Link) -> Iterator[Finding]:
    """Files in a node's folder that its receipt does not know."""
    folder = workspace.payload(link.node)
    known = set(link.receipt["outputs"])
    if link.node.family is ARTIFACT:
        own = {Path(link.node.receipt).name, Path(link.node.execution).name}
        stem = Path(link.node.name).name
        present = {path.name for path in folder.glob(f"{stem}.*") if not path.name.startswith(".")} - own
    else:
        present = set(files.listing(folder)) if folder.is_dir() else set()
    for name in sorted(present - known):
        shown = (folder / name).relative_to(workspace.root).as_posix()
        if link.node.family is not ARTIFACT or not beside.is_view(workspace.root, folder / name):
            yield Finding(FOREIGN, shown, f"{link.node.receipt} does not speak of it", f"type: rm {shown}")


def _views(workspace: Workspace, chain: Chain) -> Iterator[str]:
    """Tables in LaTeX that are not what their JSON files give: nobody vouches for them; a build writes them anew."""
    for link in chain.family(ARTIFACT):
        name = f"{link.node.name}{beside.SUFFIX}"
        if beside.is_view(workspace.root, workspace.path(name)) and not beside.holds(workspace.root, link.node.name):
            text = f"{name}: not what its JSON file gives: edited, or of another version of this project"
            yield f"{text}; type: rm {name}, and then: snakemake {link.node.name}.csv"


def _follows(workspace: Workspace, chain: Chain, states: States | None, result: Audit) -> None:
    """Tables and figures, computed again; what is wrong with one of their files already would only be repeated."""
    wrong = {finding.path for finding in result.findings}
    absent = set(result.absent)
    for link in chain.family(ARTIFACT):
        below = [chain.links[name] for name in link.below if name in chain.links]
        if len(below) < len(link.below):
            continue
        known = [link.node.receipt, *(one.node.receipt for one in below)]
        known += [one.place(name) for one in (link, *below) for name in one.receipt["outputs"]]
        if any(one.place(name) in absent for one in below for name in one.receipt["outputs"] if name in recompute.READ):
            result.remarks.append(f"{link.node.name}: what it shows is not here, so it was not computed again")
            continue
        if wrong.isdisjoint(known):
            state = states.by_name.get(link.node.name) if states is not None else None
            omitted_defaults = state.key_file.omitted_defaults if state is not None else {}
            parts = {name: _source(path) for name, path in state.key_file.components.items()} if state else None
            findings, remarks = recorded.against_measurements(workspace, chain, link, omitted_defaults, parts)
            result.findings += findings
            result.remarks += remarks


def _source(path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else components.PACKAGE.parent / path


def _raw(chain: Chain, raw_dir: str | None) -> Iterator[Finding]:
    """Raw files that are at hand must have the checksum that the data set was made with."""
    folders = [Path(raw_dir)] if raw_dir else []
    for link in chain.family(PREPARE):
        for entry in link.receipt["params"].get("files", []):
            for folder in (*folders, Path("data/raw")):
                path = folder / entry["name"]
                if path.is_file() and entry.get("sha256") and files.sha256(path) != entry["sha256"]:
                    yield Finding(CHANGED, str(path), f"not the raw file of {link.node.name}", f"type: rm {path}")


def _opened(chain: Chain) -> Iterator[Finding]:
    """Files of the user's that stages have read and that are in no key: they may change, and nobody would see it."""
    readers: dict[str, list[str]] = {}
    for link in chain:
        for path in link.execution.get("opened") or ():
            readers.setdefault(path, []).append(link.node.name)
    for path, names in sorted(readers.items()):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        fix = "make it a parameter of type Path of the component that reads it, and type: snakemake"
        yield Finding(FOREIGN, path, f"{names[0]}{more} has read it, and it is in no key", fix)


# -- what is known from elsewhere


def _anchors(chain: Chain, top: str, expect: str | None, revision: Revision | None) -> Iterator[Finding]:
    if expect is not None and chain.root() != expect:
        text = f"the chain's root hash is {chain.root()}, expected {expect}"
        fix = "ask whoever gave you the hash; if it is the sha256 of a bundle's file, it belongs to verify --expect"
        yield Finding(FORGED, Node(top).receipt, text, fix)
    if revision is not None:
        for link in chain:
            committed = revision.read(link.node.receipt)
            if committed is None:
                text = f"not in {revision.title}"
                yield Finding(FORGED, link.node.receipt, text, "commit it, or leave --revision out")
            elif files.sha256_of(committed) != link.digest:
                text = f"not the one in {revision.title}"
                yield Finding(
                    FORGED, link.node.receipt, text, f"type: git diff {revision.commit[:10]} -- {link.node.receipt}"
                )


# -- today's declarations


def _stale(states: States, chain: Chain, whole: bool, told: set[str]) -> Iterator[Finding]:
    """Nodes that would run, each cause once: a node that waits for another is not told.

    Args:
        states: What is asked for.
        chain: What is audited.
        whole: Whether all of ``states`` belongs to it: a run that an artifact needs now may not be in its chain.
        told: Paths of which something else is wrong.
    """
    reasons: dict[tuple[str, ...], list[str]] = {}
    for state in states:
        if state.status == IN_PLACE or state.node.receipt in told:
            continue
        if state.node.name not in chain.links and not (whole and state.status == EXECUTE):
            continue
        lines = tuple(line for line in why.lines(states, state) if not line.startswith("file:"))
        inputs_alone = all(line.startswith("input:") for line in lines)
        if lines and inputs_alone and state.node.family is ARTIFACT:  # what is at the bottom says more
            bottom = tuple(causes.sentences(causes.of_artifact(states, state)))
            reasons.setdefault(bottom or lines, []).append(state.node.receipt)
        elif lines and not (inputs_alone and state.waiting):
            reasons.setdefault(lines, []).append(state.node.receipt)
    for lines, paths in reasons.items():
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        text = "; ".join(lines[:3]) + ("; ..." if len(lines) > 3 else "") + more
        yield Finding(STALE, paths[0], text, "type: snakemake, which computes what is declared now")


def _accepted(states: States, chain: Chain) -> Iterator[str]:
    reasons: dict[tuple[str, str], int] = {}
    for link in chain:
        state = states.by_name.get(link.node.name)
        for reason in state.key_file.reasons(link.receipt["code"]) if state is not None else []:
            place = (link.receipt["stage"], reason)
            reasons[place] = reasons.get(place, 0) + 1
    for (stage, reason), count in reasons.items():
        yield f"{count} {stage} ran with earlier code, accepted as equivalent: {reason}"


def _conditions(chain: Chain) -> Iterator[str]:
    """Differences between the machines and libraries of one chain, and what Git does not know."""
    versions: dict[str, set[str]] = {}
    for link in chain:
        for name, version in (link.execution.get("versions") or {}).items():
            versions.setdefault(name, set()).add(version)
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            yield f"{len(found)} versions of {name} in one chain: {', '.join(sorted(found))}"
    dirty = [link for link in chain if str(link.execution.get("commit") or "").endswith("-dirty")]
    if dirty:
        yield f"{len(dirty)} stages ran with edits that were not committed; their code is known by its fingerprints"
    bare = [link for link in chain if not link.execution]
    if bare:
        yield f"{len(bare)} stages have no record of when, where and how long they ran"
