"""Whether a bundle holds: nothing of it is executed, nothing of it is extracted under a name of its own.

What it needs is the standard library. The science that it repeats (a table from measurements) is this checkout's own.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import components
from pipeline.ledger.families import ARTIFACT, PREPARE, PRETRAIN, SIMULATE
from pipeline.ledger.sources import Revision
from pipeline.ledger.workspace import Node
from pipeline.provenance import recompute
from pipeline.provenance.chain import Chain, Link, walk
from pipeline.provenance.findings import CHANGED, FORGED, MISSING, Finding
from pipeline.sharing import checks, index_page, names, sandbox, sources
from pipeline.sharing.anchors import anchors
from pipeline.sharing.bundle_reader import Contents

SHOWN = 10
"""Names that a line lists of many."""

_STRANGE = (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError, MemoryError, OverflowError)


@dataclass
class Verdict:
    """What a verification saw.

    Attributes:
        path: The bundle.
        root: Root hash of the chains of its artifacts, as audit prints it; empty where they could not be followed.
        artifacts: Names of its artifacts.
        chain: Its receipts.
        findings: What does not hold.
        remarks: What a reader should know and what is no fault.
        held: What was seen to hold, in words.
        anchored: What the bundle agrees with outside.
        differing: Files of the project in it that are not what this checkout has.
        seconds: How long it took.
    """

    path: str
    root: str = ""
    artifacts: list[str] = field(default_factory=list)
    chain: Chain = field(default_factory=Chain)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    anchored: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether everything holds."""
        return not self.findings

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        return "not verified" if not self.holds else "verified" if self.anchored else "unanchored"

    def lines(self) -> Iterator[str]:
        """The verdict for people."""
        yield f"{names.plain(self.path)}: root hash {self.root or 'unknown: its receipts could not be followed'}"
        yield from self.held
        for remark in self.remarks:
            yield f"remark: {remark}"
        if not self.holds or self.anchored:
            yield "verified" if self.holds else "NOT verified"
        for finding in self.findings:
            yield f"    {names.plain(finding.line(), 400)}"
        for anchor in self.anchored:
            yield f"anchored by {anchor}"
        if self.holds and not self.anchored:
            yield (
                "UNANCHORED: what is inside agrees with itself, which a careful forgery also does; type --expect HASH "
                "with the root hash from its authors, --revision REV in a clone of theirs, or --signer KEY.pub"
            )

    def data(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "bundle": self.path,
            "verdict": self.word,
            "root": self.root,
            "artifacts": self.artifacts,
            "receipts": len(self.chain.links),
            "findings": [finding.data() for finding in self.findings],
            "remarks": self.remarks,
            "anchored": self.anchored,
            "differing": self.differing,
            "seconds": round(self.seconds, 3),
        }


def verify(
    path: Path,
    expect: str | None = None,
    revision: Revision | None = None,
    signer: Path | None = None,
) -> tuple[Verdict, Contents]:
    """Check a bundle.

    Args:
        path: The zip, or the folder that it was unpacked into.
        expect: The root hash that it should have, or the sha256 of its file.
        revision: A Git revision whose receipts are to be trusted.
        signer: A public key, or a file of allowed signers.

    Returns:
        The verdict, and what is in the bundle.

    Raises:
        UserError: The bundle is refused: it is none, or it could do harm. Or what it should be compared with is not
            usable.
    """
    started = time.perf_counter()
    contents = Contents(path)
    verdict = Verdict(str(path))
    verdict.findings += checks.manifest(contents)
    if not any(finding.path == names.MANIFEST for finding in verdict.findings):
        try:
            _inside(contents, verdict)
        except _STRANGE as error:
            text = f"it cannot be followed ({type(error).__name__}: {names.plain(error, 100)})"
            verdict.findings.append(Finding(FORGED, str(path), text, checks.AGAIN))
    receipts = [name for name in contents.values if name.startswith("receipts/") or name.endswith(".receipt.json")]
    receipts = [name for name in receipts if not name.endswith(".execution.json")]
    known = anchors(contents, verdict.chain, receipts, expect, revision, signer)
    verdict.findings += known.findings
    verdict.remarks += known.remarks
    verdict.anchored = known.by if not known.findings else []
    verdict.findings = list({(finding.path, finding.text): finding for finding in verdict.findings}.values())
    verdict.seconds = time.perf_counter() - started
    return verdict, contents


def _inside(contents: Contents, verdict: Verdict) -> None:
    verdict.artifacts = contents.values[names.MANIFEST]["artifacts"]
    verdict.findings += checks.forms(contents)
    verdict.chain = chain = walk(contents, verdict.artifacts)
    verdict.root = chain.root()
    verdict.findings += chain.findings
    verdict.findings += checks.payload(contents, chain)
    verdict.findings += checks.keys(contents, chain)
    verdict.held.append(f"{len(contents.hashes):,} files, {len(chain.links):,} receipts down to {_ground(chain)}")
    weights = sum(f"{link.node.name}/model.safetensors" in contents.hashes for link in chain.family(PRETRAIN))
    if not weights:
        verdict.remarks.append("networks and data sets are not inside: receipts name them by hash")
    _sources(contents, chain, verdict)
    if verdict.findings:
        return  # what follows would only repeat it
    recompute.stages()
    for link in chain.family(ARTIFACT):
        _carried(contents, link, verdict)
        _again(contents, link, verdict)
    _page(contents, chain, verdict)


def _ground(chain: Chain) -> str:
    """What the chain stands on: data sets, simulations, which need none, or what is declared."""
    found = [link.node.config for family in (PREPARE, SIMULATE) for link in chain.family(family)]
    if not found:
        return "declarations alone"
    return ", ".join(map(names.plain, found[:4])) + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def _sources(contents: Contents, chain: Chain, verdict: Verdict) -> None:
    """Whether the source in the bundle is the code that receipts name."""
    codes: dict[str, Mapping[str, str]] = {}
    accepted: dict[str, Any] = {}
    for link in chain:
        key = contents.values.get(link.node.key)
        if key is None or link.node.key in contents.hidden:
            continue
        codes[link.node.key] = key["code"]
        for reason in (checks.reasons(link, key) or []) if link.receipt["code"] != key["code"] else []:
            accepted.setdefault(reason, []).append(link.node.name)
    for reason, nodes in accepted.items():
        verdict.remarks.append(f"{len(nodes)} stages ran with earlier code, declared equivalent: {reason}")
    modules = {module for code in codes.values() for module in code if module in contents.hashes}
    here = sources.known(sorted(modules), contents.read, components.PACKAGE.parent)
    try:
        wrong = sandbox.call(functools.partial(sources.differing, list(codes.values()), contents.read, here))
    except sandbox.Failed as error:
        wrong = {"pipeline/": f"its source cannot be looked at ({names.plain(error)})"}
    for name, text in wrong.items():
        missing = text == "missing"
        told = "receipts name its code" if missing else text
        verdict.findings.append(Finding(MISSING if missing else CHANGED, names.plain(name), told, checks.AGAIN))
    if not wrong:
        verdict.held.append("the source inside is the code that the receipts name")
    try:
        look = functools.partial(sources.elsewhere, list(contents.hashes), contents.read, components.PACKAGE.parent)
        verdict.differing = [names.plain(name) for name in sandbox.call(look)]
    except sandbox.Failed as error:
        verdict.remarks.append(f"its files could not be compared with this checkout's ({names.plain(error)})")
    if verdict.differing:
        many = f"{len(verdict.differing)} files of the project differ from this checkout's"
        shown = ", ".join(verdict.differing[:SHOWN])
        more = (
            f" and {len(verdict.differing) - SHOWN} more (--json lists all)" if len(verdict.differing) > SHOWN else ""
        )
        verdict.remarks.append(f"{many}: {shown}{more}")


def _carried(contents: Contents, link: Link, verdict: Verdict) -> None:
    """Whether results carry the key of their receipt."""
    for name in link.receipt["outputs"]:
        member = link.place(name)
        key = recompute.carried(name, contents.read(member) or b"")
        if key is not None and key != link.receipt["key"]:
            verdict.findings.append(Finding(FORGED, member, "it carries the key of another receipt", checks.AGAIN))


def _again(contents: Contents, link: Link, verdict: Verdict) -> None:
    """Whether an artifact follows from its measurements."""
    omitted_defaults = contents.values[link.node.key].get("omitted_defaults", {})
    try:
        found = sandbox.call(functools.partial(recompute.again, link.receipt, omitted_defaults, contents.read))
    except sandbox.Failed as error:
        text = f"it cannot be computed again: {names.plain(error)}"
        verdict.findings.append(Finding(FORGED, link.node.receipt, text, checks.AGAIN))
        return
    if found["note"]:
        verdict.remarks.append(f"{link.node.name}: {found['note']}")
    fix = checks.AGAIN
    if not found["code"]:
        commit = recompute.commit(link.execution)
        fix = f"type: git checkout {commit}, whose code made it, and verify again"
        told = f"this checkout's code of the stage is not that of the receipt ({commit})"
        verdict.remarks.append(f"{link.node.name}: {told}")
    verdict.findings += recompute.findings(link, found, fix)
    verdict.remarks += recompute.remarks(link, found)
    same = sorted(Path(name).suffix[1:] for name in recompute.same(link, found))
    if same:
        below = [Node(entry["node"]) for entry in link.receipt["inputs"].values()]
        noun = "simulation" if below and all(node.family is SIMULATE for node in below) else "measurement"
        count = f"{len(below)} {noun}{'s' * (len(below) != 1)}" if below else "its parameters"
        verdict.held.append(f"{link.node.name}: computed again from {count}, the same bytes ({', '.join(same)})")


def _page(contents: Contents, chain: Chain, verdict: Verdict) -> None:
    """People look at the page first: it must not show what the results do not."""
    shown = contents.read(names.PAGE)
    if shown is None:
        return
    members = {name: contents.read(name) or b"" for name in contents.hashes}
    for name in (names.MANIFEST, names.SIGNATURE, names.PAGE, names.CRATE):
        members.pop(name, None)
    title = index_page.title(verdict.artifacts)
    try:
        same = sandbox.call(functools.partial(_same_page, title, chain, members, shown))
    except sandbox.Failed:
        same = False
    if not same:
        text = "not the page that this checkout writes for these results: it may show what they do not"
        fix = "look at the files below results/ only, or verify with the revision that wrote it"
        verdict.findings.append(Finding(FORGED, names.PAGE, text, fix))


def _same_page(title: str, chain: Chain, members: dict[str, bytes], shown: bytes) -> bool:
    return index_page.render(title, chain, members) == shown
