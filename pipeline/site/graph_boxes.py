"""The boxes of a provenance graph: a chain of receipts with seeds, milestones and measurements folded together."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.ledger.families import ARTIFACT, MEASURE, PREPARE, PRETRAIN, SIMULATE
from pipeline.ledger.workspace import LOCAL, Node, is_node
from pipeline.provenance.chain import Chain
from pipeline.provenance.own_files import own_files
from pipeline.provenance.titles import titles

WRAP = {"data": 20, "simulations": 26, "checkpoints": 31}
"""Letters of a line of a name, by the kind of box."""


@dataclass
class Box:
    """What is drawn as one box.

    Attributes:
        id: ``raw/DATASET``, ``data/DATASET``, ``checkpoints/CONFIG``, ``measurements/CONFIG/MEASURE``,
            ``simulations/SIMULATION`` or the name of an artifact.
        lines: What stands in it.
        names: The nodes in it.
        below: Ids of the boxes that it reads.
        bad: Findings about its nodes.
    """

    id: str
    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """raw, data, checkpoints, measurements, simulations or results."""
        return self.id.split("/", 1)[0]


def fold(chain: Chain, tops: Iterable[str] = (), called: Mapping[str, str] | None = None) -> dict[str, Box]:
    """The boxes of a chain by id. A node without a valid receipt has one too, and is ``bad``.

    Args:
        chain: Of receipts.
        tops: The nodes from which it was walked.
        called: Folder of a run, data set or simulation -> what a person calls it; None to go by the chain alone.
    """
    called = titles(chain) if called is None else called
    known = {name: [below for below in link.below if is_node(below)] for name, link in chain.links.items()}
    boxes: dict[str, Box] = {}
    for name in dict.fromkeys([*known, *(below for others in known.values() for below in others), *tops]):
        box = boxes.setdefault(box_of(name), Box(box_of(name)))
        box.names.append(name)
        box.below += map(box_of, known.get(name, []))
    for box in [box for box in boxes.values() if box.kind == "data" and box.names[0] in known]:
        lines = _raw(chain.links[box.names[0]].receipt["params"])
        raw = boxes[f"raw/{box.id.removeprefix('data/')}"] = Box(f"raw/{box.id.removeprefix('data/')}", lines)
        box.below.append(raw.id)
    for box in boxes.values():
        box.below = [other for other in dict.fromkeys(box.below) if other != box.id]
        if box.kind != "raw":
            box.lines = _lines(box, called)
            box.bad = [finding.line() for finding in chain.findings if any(_about(finding.path, n) for n in box.names)]
            missing = [name for name in box.names if name not in known]
            box.bad += [f"no valid receipt: {name}" for name in missing if not box.bad]
    return {box.id: box for box in sorted(boxes.values(), key=_order)}


def box_of(name: str) -> str:
    """Id of the box in which a node is."""
    node = Node(name)
    if node.family is PRETRAIN:
        return f"checkpoints/{node.config}"
    return f"measurements/{node.config}/{name.rsplit('/', 1)[1]}" if node.family is MEASURE else name


def count(number: int, word: str) -> str:
    """``3 seeds``, ``1 seed``."""
    return f"{number} {word}{'s' * (number != 1)}"


def _order(box: Box) -> tuple[bool, str, list[str], str]:
    """Runs of the same components stand together, in the order of what tells them apart; results come last."""
    return box.kind == "results", box.id.rpartition("-")[0], box.lines, box.id


def _about(path: str, name: str) -> bool:
    return path in (Node(name).receipt, name) or path.startswith((f"{name}/", f"{name}."))


def _raw(params: dict[str, Any]) -> list[str]:
    files = params.get("files") or []
    if not files:
        own = [line for one in own_files(params) for line in (one.words, f"sha256 {one.content[:8]}")]
        return [f"source {params.get('source', {}).get('kind', '?')}", *(own or ["no raw file is read"])]
    kind = "sha256" if files[0].get("sha256") else "md5"
    more = f", and {len(files) - 1} more" if files[1:] else ""
    return [files[0]["name"], f"{kind} {(files[0].get(kind) or 'unknown')[:8]}{more}"]


def _lines(box: Box, called: Mapping[str, str]) -> list[str]:
    node = Node(box.names[0])
    short, _, digest = node.config.removeprefix(LOCAL).rpartition("-")
    if node.family is ARTIFACT:
        edition, paper, artifact = node.config.split("/")
        return [artifact, f"{paper}, {edition}"]
    if node.family is MEASURE:
        return [box.id.rsplit("/", 1)[1].rpartition("-")[0], count(len(box.names), "measurement")]
    name = textwrap.wrap(called.get(node.config, short), WRAP[box.kind])[:5]
    if node.family is PREPARE:
        return [*name, f"data set {digest}"]
    if node.family is SIMULATE:
        return [*name, f"simulation {digest}"]
    seeds, milestones = {Node(name).seed for name in box.names}, {Node(name).at for name in box.names}
    return [*name, f"{count(len(seeds), 'seed')} × {count(len(milestones), 'milestone')}, {digest[:6]}"]
