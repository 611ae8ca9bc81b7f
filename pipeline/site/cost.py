"""What a result has cost, from the execution records of its chain. They are notes: no hash vouches for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.ledger.families import FAMILIES
from pipeline.provenance.chain import Link


@dataclass
class Cost:
    """Seconds of work and what did it.

    Attributes:
        seconds: In all.
        parts: What, how many nodes, seconds; in the order of the work.
        recorded: How many nodes have a record, of how many.
        machines: Processor and GPU -> nodes made there.
        versions: Library -> versions, mostly one.
        commits: Commit -> nodes made with it.
    """

    seconds: float
    parts: list[tuple[str, int, float]]
    recorded: tuple[int, int]
    machines: Counter[str]
    versions: dict[str, list[str]]
    commits: Counter[str]


def cost(links: Iterable[Link]) -> Cost:
    """Sum of the execution records of nodes; one that is shared with other results counts in full."""
    found = list(links)
    records = [(link, link.execution) for link in found if _number(link.execution.get("seconds"))]
    parts = []
    for family in FAMILIES:
        spent = [record["seconds"] for link, record in records if link.node.family is family]
        if spent:
            parts.append((family.cost, len(spent), sum(spent)))
    versions: dict[str, set[str]] = {}
    for _, record in records:
        known = record.get("versions")
        for name, version in known.items() if isinstance(known, dict) else ():
            versions.setdefault(str(name), set()).add(str(version))
    return Cost(
        sum(spent for _, _, spent in parts),
        parts,
        (len(records), len(found)),
        Counter(machine(record) for _, record in records),
        {name: sorted(versions[name]) for name in sorted(versions)},
        Counter(str(record.get("commit") or "unknown") for _, record in records),
    )


def machine(record: dict[str, Any]) -> str:
    """``Xeon, 16 cores, NVIDIA H200``."""
    cores = f"{record['cores']} cores" if record.get("cores") else ""
    return ", ".join(str(part) for part in (record.get("processor"), cores, record.get("gpu")) if part) or "unknown"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
