"""What is known about a bundle from outside. Within itself a bundle can only be consistent, also a forged one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError
from pipeline.ledger.families import ARTIFACT
from pipeline.ledger.sources import Revision
from pipeline.provenance.chain import Chain, walk
from pipeline.provenance.findings import FORGED, Finding
from pipeline.sharing import names, signature
from pipeline.sharing.bundle_reader import Contents


@dataclass
class Anchors:
    """What holds a bundle from outside.

    Attributes:
        by: What it was found to agree with.
        findings: What it does not agree with.
        remarks: What is told and proves nothing.
    """

    by: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def anchors(
    contents: Contents,
    chain: Chain,
    receipts: Iterable[str],
    expect: str | None,
    revision: Revision | None,
    signer: Path | None,
) -> Anchors:
    """Compare a bundle with what is known from elsewhere.

    Args:
        contents: The bundle.
        chain: What it comes from.
        receipts: Its receipts.
        expect: A hash that is known from elsewhere: the root hash, the sha256 of the file, or that of its manifest.
        revision: A Git revision whose receipts are to be trusted.
        signer: A public key, or a file of allowed signers.

    Raises:
        UserError: What it should be compared with is not usable.
    """
    found = Anchors()
    if expect is not None:
        _expected(contents, chain, expect, found)
    if revision is not None:
        _revision(contents, receipts, revision, found)
    _signature(contents, contents.hashes[names.MANIFEST], signer, found)
    return found


def _expected(contents: Contents, chain: Chain, expect: str, found: Anchors) -> None:
    """Hashes of three things may be known; they bind more and more, and none can be taken for another."""
    if chain.links and expect == chain.root():
        found.by.append("--expect, the root hash: every receipt, and with them every file that they list")
        return
    if expect in (contents.archive.digest, contents.hashes[names.MANIFEST]):
        found.by.append("--expect, the hash of the file: every byte of it")
        return
    for link in chain.family(ARTIFACT):
        if expect == walk(contents, [link.node.name]).root():
            told = f"--expect is the root hash of {link.node.name}, which it anchors, and of nothing else in here"
            found.remarks.append(told)
            return
    root = chain.root() if chain.links else "unknown"
    text = f"the root hash is {root}, the sha256 of the file {contents.archive.digest or 'unknown'}; expected {expect}"
    found.findings.append(Finding(FORGED, names.MANIFEST, text, "ask whoever gave you the hash"))


def _revision(contents: Contents, receipts: Iterable[str], revision: Revision, found: Anchors) -> None:
    wrong = []
    for path in receipts:
        committed = revision.read(path)
        if committed is None and path.startswith("results/"):
            fix = "name the revision in which it is committed, or leave --revision out"
            wrong.append(Finding(FORGED, path, f"not in {revision.title}", fix))
        elif committed is not None and committed != contents.read(path):
            wrong.append(Finding(FORGED, path, f"not the one in {revision.title}", "ask for the bundle again"))
    found.findings += wrong
    if not wrong:
        found.by.append(revision.title)


def _signature(contents: Contents, root: str, signer: Path | None, found: Anchors) -> None:
    signed = contents.read(names.SIGNATURE)
    if signed is None:
        if signer is not None:
            text = "there is none, and --signer was given"
            found.findings.append(Finding(FORGED, names.SIGNATURE, text, "ask for a signed bundle"))
        return
    try:
        fingerprint = signature.signer(root, signed)
    except UserError as error:
        if signer is not None:
            raise
        found.remarks.append(f"signed, but not looked at: {error}")
        return
    if fingerprint is None:
        text = "no signature of this bundle"
        found.findings.append(Finding(FORGED, names.SIGNATURE, text, "ask for the bundle again"))
    elif signer is None:
        found.remarks.append(f"signed with key {fingerprint}; whose that is nobody here knows: type --signer FILE")
    else:
        who = signature.by(root, signed, signer)
        if who is None:
            text = f"signed with key {fingerprint}, which is not in {signer}"
            found.findings.append(Finding(FORGED, names.SIGNATURE, text, "ask the signer for the public key"))
        else:
            found.by.append(f"signature of {names.plain(who)} ({fingerprint})")
