"""The chain of receipts behind a result: every node with those that it reads, down to the raw data.

Receipts bind each other by content: a reader's receipt holds one hash of the files that it read, and the receipt
below must list files of just that hash. A name binds the params that it was made with. What no receipt can rule out
is that all of them were forged together: :func:`root` is one hash of the whole chain, to be known from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline import files
from pipeline.ledger import machine, naming, receipt
from pipeline.ledger.families import ARTIFACT, PRETRAIN, Family
from pipeline.ledger.sources import Ledger
from pipeline.ledger.workspace import Node, is_node
from pipeline.provenance.findings import FORGED, MISSING, Finding


@dataclass
class Link:
    """One node of a chain.

    Attributes:
        node: The node.
        receipt: Its receipt.
        digest: sha256 of the receipt's bytes.
        execution: When, where and how long, if that is recorded; vouched for by nothing.
    """

    node: Node
    receipt: dict[str, Any]
    digest: str
    execution: dict[str, Any] = field(default_factory=dict)

    def place(self, output: str) -> str:
        """Path of one of its files, relative to the project's root."""
        folder = self.node.name.rpartition("/")[0] if self.node.family is ARTIFACT else self.node.name
        return f"{folder}/{output}"

    @property
    def below(self) -> list[str]:
        """Names of the nodes that this one reads."""
        return [entry["node"] for entry in self.receipt["inputs"].values()]


@dataclass
class Chain:
    """Nodes by name, each after those that it reads, and what does not fit together."""

    links: dict[str, Link] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links.values())

    def family(self, family: Family) -> list[Link]:
        """Links of one family of nodes."""
        return [link for link in self if link.node.family is family]

    def root(self) -> str:
        """One hash of all receipts: whoever knows it knows every number of the chain."""
        listing = "".join(f"{name} {self.links[name].digest}\n" for name in sorted(self.links))
        return files.sha256_of(listing.encode())


def walk(ledger: Ledger, tops: Iterable[str]) -> Chain:
    """Follow receipts from the nodes called ``tops`` down, and compare each with those that it reads.

    A receipt that is missing or contradicts itself ends its branch and is among the findings.
    """
    chain = Chain()
    broken: set[str] = set()
    path: list[str] = []
    waiting = [(name, "") for name in reversed(list(tops))]
    loaded: dict[str, Link] = {}
    while waiting:
        name, reader = waiting[-1]
        if path and path[-1] == name:  # all below it is done
            link = loaded.pop(path.pop())
            chain.links[name] = link
            chain.findings += _compare(link, chain)
        elif name in chain.links or name in broken:
            pass
        elif name in path:
            chain.findings.append(Finding(FORGED, Node(reader).receipt, f"it reads {name}, which is made from it"))
        else:
            found = _load(ledger, name, reader, chain.findings)
            if found is not None:
                loaded[name] = found
                path.append(name)
                waiting += [(below, name) for below in reversed(found.below)]
                continue
            broken.add(name)
        waiting.pop()
    return chain


def _load(ledger: Ledger, name: str, reader: str, findings: list[Finding]) -> Link | None:
    if not is_node(name):
        findings.append(Finding(FORGED, Node(reader).receipt, f"it reads {name!r}, which is no node"))
        return None
    node = Node(name)
    content = ledger.read(node.receipt)
    if content is None:
        text = "there is no such receipt" + (f", and {Node(reader).receipt} says that it is read" if reader else "")
        findings.append(Finding(MISSING, node.receipt, text, _again(name, reader)))
        return None
    found = files.parse(content)
    fault = receipt.fault(found)
    if fault is None and not _as_written(found, content):
        fault = "not as the executor writes it: it was edited"
    if fault is None and found["node"] != name:
        fault = f"it is the receipt of {found['node']}"
    if fault is None and (found["seed"], found["epoch"], found.get("step")) != (node.seed, node.epoch, node.step):
        fault = "its seed or epoch is not that of its place"
    if fault is None:
        fault = naming.contradiction(found)
    if fault is not None:
        findings.append(Finding(FORGED, node.receipt, fault, _again(name, reader)))
        return None
    execution = machine.known(files.parse(ledger.read(node.execution) or b"{}"))
    return Link(node, found, files.sha256_of(content), execution)


def _as_written(found: Any, content: bytes) -> bool:
    try:
        return content == files.dumps(found).encode()
    except (ValueError, RecursionError):  # half a character, nested beyond measure
        return False


def _whole(link: Link) -> Iterator[str]:
    """What a receipt lacks that no stage of its kind leaves out, though its parts give its key."""
    found, params = link.receipt, link.receipt["params"]
    wanted = link.node.family.writes
    if link.node.family is ARTIFACT:
        kinds = ("csv", "json", "md", *(("png", "pdf") if params.get("kind") == "figure" else ()))
        wanted = frozenset(f"{params['artifact']}.{kind}" for kind in kinds)
    together = link.node.family.writes_together
    if link.node.step is not None and link.node.family is PRETRAIN:  # no training goes on from it
        wanted, together = wanted - {"history.csv"}, together[:1]
    if not found["outputs"].keys().isdisjoint(together):
        wanted |= frozenset(together)
    for name in sorted(wanted - found["outputs"].keys()):
        yield f"its stage writes {name}, and it does not speak of that"
    for role, entry in found["inputs"].items():
        if not entry["files"]:
            yield f"it says that it has read no file of its input {role}"
    if link.node.family is ARTIFACT:
        try:
            shown = {name for cell in params["cells"] for name in cell["nodes"]}
            shown |= {params["images"]["node"]} if "images" in params else set()
        except (KeyError, TypeError):
            yield "its cells are not those of an artifact"
            return
        if shown != set(link.below):
            other = min(shown ^ set(link.below))
            yield f"{other} is {'shown in a cell and not read' if other in shown else 'read and shown nowhere'}"


def _compare(link: Link, chain: Chain) -> Iterator[Finding]:
    """Whether a receipt is whole, and what its node has read is what the receipts below say was written."""
    for text in _whole(link):
        yield Finding(FORGED, link.node.receipt, text, _again(link.node.name, ""))
    for role, entry in link.receipt["inputs"].items():
        below = chain.links.get(entry["node"])
        if below is None:
            continue  # there is a finding about it already
        if receipt.content(below.receipt["outputs"], entry["files"]) != entry["content"]:
            what = "" if role == entry["node"] else f"as its {role} "
            yield Finding(
                FORGED,
                below.node.receipt,
                f"{link.node.name} has read {what}files other than those it lists",
                _again(below.node.name, link.node.name),
            )


def _again(name: str, reader: str) -> str:
    """What makes a node's receipt anew, or fetches it."""
    if name.startswith("results/"):
        return f"type: snakemake {name}.csv"
    if reader.startswith("results/"):
        return f"type: snakemake {reader}.csv"
    return f"type: git checkout {Node(name).receipt}, or snakemake, which makes it again"
