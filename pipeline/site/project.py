"""What a site shows, read from a checkout: results, the chains behind them, and the payload that is still as written.

A file is shown only if it is what its receipt says; one that is not is named, and its content is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.artifacts import words
from pipeline.ledger.sources import Folder
from pipeline.ledger.workspace import Node, Workspace
from pipeline.provenance import findings as kinds
from pipeline.provenance.chain import Chain, Link, walk
from pipeline.provenance.findings import Finding

SHOWN = (".png", ".pdf", ".gif", ".csv", ".json", ".md")
"""Files of a result that the site has a copy of."""

_PARTS = frozenset(
    ("paper", "title", "kind", "rows", "columns", "fixed", "measure", "notes", "scale", "flavour", "cells", "claims")
) | {"counts", "stand_ins"}
"""What the pages need of a result's JSON file."""


class Cached(Folder):
    """A checkout of which every file is read once."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._known: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """See :class:`pipeline.ledger.sources.Ledger`."""
        if path not in self._known:
            self._known[path] = super().read(path)
        return self._known[path]


@dataclass
class ResultPage:
    """One built artifact in one edition.

    Attributes:
        name: Its node: ``results/EDITION/PAPER/ARTIFACT``.
        chain: The receipts behind it.
        report: Its JSON file; None where that is not what was written.
        files: Suffix -> file, of those that are what was written.
        findings: What does not hold, in the chain and in its own files.
    """

    name: str
    chain: Chain
    report: dict[str, Any] | None = None
    files: dict[str, Path] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def edition(self) -> str:
        """Folder below results/."""
        return self.name.split("/")[1]

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.name.split("/")[2]

    @property
    def artifact(self) -> str:
        """Name within the paper."""
        return self.name.split("/")[3]

    @property
    def link(self) -> Link | None:
        """Its own receipt, if there is a valid one."""
        return self.chain.links.get(self.name)


class Project:
    """A checkout, for reading.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path = Path()) -> None:
        self.workspace = Workspace(root)
        self.ledger = Cached(root)
        self._payload: dict[str, bytes | None] = {}

    @cached_property
    def results(self) -> list[ResultPage]:
        """Every result that lies below results/, by name."""
        folder = self.workspace.path("results")
        found = set()
        for path in folder.glob("*/*/*.json"):
            stem = path.name.removesuffix(".json").removesuffix(".receipt").removesuffix(".execution")
            found.add(f"results/{path.relative_to(folder).parent.as_posix()}/{stem}")
        names = sorted(found, key=natural)
        whole = walk(self.ledger, names)
        return [self._result(name, whole) for name in names]

    @cached_property
    def chain(self) -> Chain:
        """All receipts behind all results."""
        links = {name: link for result in self.results for name, link in result.chain.links.items()}
        findings = dict.fromkeys(finding for result in self.results for finding in result.chain.findings)
        return Chain(links, list(findings))

    def payload(self, link: Link, name: str) -> bytes | None:
        """A file of a node's payload; None where it is not in place or not what its receipt says."""
        path = f"{link.node.name}/{name}"
        if path not in self._payload:
            entry = link.receipt["outputs"].get(name)
            content = self.ledger.read(path) if entry else None
            if content is not None and hashlib.sha256(content).hexdigest() != entry["sha256"]:
                content = None
            self._payload[path] = content
        return self._payload[path]

    def scores(self, link: Link) -> dict[str, Any]:
        """Scores of a measurement, empty where they are not in place as written."""
        try:
            found = json.loads(self.payload(link, "scores.json") or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _result(self, name: str, whole: Chain) -> ResultPage:
        # Findings name a file and not who reaches it: where there are any, every result is walked on its own.
        chain = walk(self.ledger, [name]) if whole.findings else _part(whole, name)
        result = ResultPage(name, chain, findings=list(chain.findings))
        if result.link is None:
            return result
        folder = self.workspace.payload(result.link.node)
        for written, entry in sorted(result.link.receipt["outputs"].items()):
            path, shown = folder / written, f"{Path(name).parent.as_posix()}/{written}"
            again = f"type: snakemake {name}.csv"
            try:
                same = files.hashes(path)["sha256"] == entry["sha256"]
            except OSError:
                result.findings.append(Finding(kinds.MISSING, shown, "it is not there", again))
                continue
            if not same:
                text = "it is not what was written, so its content is not shown here"
                result.findings.append(Finding(kinds.CHANGED, shown, text, again))
            elif path.suffix in SHOWN:
                result.files[path.suffix] = path
        if ".json" in result.files:
            found = files.read_json(result.files[".json"])
            if isinstance(found, dict) and found.keys() >= _PARTS:
                result.report = words.as_printed(found, result.link.receipt["params"].get("published", ()))
            else:
                text = "an earlier version of this project wrote it, so its content is not shown here"
                result.findings.append(Finding(kinds.STALE, f"{name}.json", text, f"type: snakemake {name}.csv"))
        return result


def users(results: Iterable[ResultPage]) -> dict[str, list[ResultPage]]:
    """Name of a node -> the results whose chains have it."""
    found: dict[str, list[ResultPage]] = {}
    for result in results:
        for name in result.chain.links:
            found.setdefault(name, []).append(result)
    return found


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorts table2 before table10."""
    parts: list[str] = [""]
    for letter in name:
        if letter.isdigit() == parts[-1][-1:].isdigit() and parts[-1]:
            parts[-1] += letter
        else:
            parts.append(letter)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def config_of(link: Link) -> str:
    """The run or data set that a node belongs to."""
    return Node(link.node.name).config


def _part(whole: Chain, name: str) -> Chain:
    """Take what is behind one node of a chain without findings, in the same order."""
    reached, waiting = {name}, [name]
    while waiting:
        for below in whole.links[waiting.pop()].below:
            if below not in reached:
                reached.add(below)
                waiting.append(below)
    return Chain({known: link for known, link in whole.links.items() if known in reached})
