"""What an audit saw, for people and for machines: text, JSON, a Mermaid graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.durations import rough
from pipeline.ledger.families import ARTIFACT, MEASURE, PREPARE, PRETRAIN, SIMULATE, Family
from pipeline.provenance.audit import Audit
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.own_files import own_files

_ORDER = (ARTIFACT, MEASURE, PRETRAIN, PREPARE, SIMULATE)


def text(found: Audit) -> str:
    """The audit as lines for a terminal."""
    lines = [found.path]
    top = found.chain.links.get(found.node)
    if top is not None:
        lines.append(f"  {top.receipt['stage']}, key {top.receipt['key'][:16]}, {_made(top)}")
        title = top.receipt["params"].get("title")
        lines += [f"  {title}"] if title else []
    for cell in found.cells:
        lines += ["", *_cell(cell, found.chain)]
    lines.append("")
    for family in _ORDER:
        for stage, links in _stages(found.chain.family(family)):
            if links != [top]:
                lines.append(f"  {len(links):>5} {stage:<14}{_about(family, links)}")
    if found.chain.links:  # of nothing there is nothing to tell, and its hash is that of an empty list
        lines += ["", *(f"  {line}" for line in _conditions(found.chain))]
        lines += [f"  remark: {remark}" for remark in found.remarks]
        lines += [f"  root hash: {found.root}", ""]
    for finding in found.findings[:40]:
        lines.append(finding.line())
    if len(found.findings) > 40:
        lines.append(f"and {len(found.findings) - 40} more; --json lists all")
    seen = f"{len(found.chain.links)} receipts, {found.hashed} files, {_bytes(found.size)} in {found.seconds:.1f} s"
    if found.holds and found.absent:
        lines.append(f"everything here holds: {seen}; {len(found.absent)} files are not here and were not hashed")
    elif found.holds:
        lines.append(f"everything holds: {seen}")
    else:
        many = len({finding.path for finding in found.findings})
        lines.append(f"{many} file{'s do' if many > 1 else ' does'} not hold: {seen}")
    return "\n".join(lines)


def data(found: Audit) -> dict[str, Any]:
    """The audit as plain data."""
    return {
        "path": found.path,
        "node": found.node,
        "holds": found.holds,
        "root": found.root,
        "findings": [finding.data() for finding in found.findings],
        "remarks": found.remarks,
        "cells": found.cells,
        "nodes": {
            link.node.name: {**link.receipt, "receipt_sha256": link.digest, "execution": link.execution}
            for link in found.chain
        },
        "absent": found.absent,
        "hashed": {"files": found.hashed, "bytes": found.size, "seconds": round(found.seconds, 3)},
    }


def mermaid(chain: Chain) -> str:
    """The chain as a Mermaid graph; the seeds and milestones of a run are one box."""
    boxes: dict[str, str] = {}
    arrows: dict[tuple[str, str], None] = {}
    for link in chain:
        boxes.setdefault(_box(link), _label(link, chain))
        for below in link.below:
            if below in chain.links:
                arrows[_box(chain.links[below]), _box(link)] = None
    names = {box: f"n{number}" for number, box in enumerate(boxes)}
    lines = ["flowchart LR", *(f'    {names[box]}["{label}"]' for box, label in boxes.items())]
    lines += [f"    {names[first]} --> {names[second]}" for first, second in arrows if first != second]
    return "\n".join(lines)


def _box(link: Link) -> str:
    stage = link.receipt["stage"] if link.node.family is MEASURE else link.node.family
    return f"{stage} {link.node.config}"


def _label(link: Link, chain: Chain) -> str:
    same = [other for other in chain if _box(other) == _box(link)]
    name = link.node.config.replace('"', "'")
    count = f"<br>{len(same)} of {link.receipt['stage']}" if len(same) > 1 else f"<br>{link.receipt['stage']}"
    return name + count


def _stages(links: Iterable[Link]) -> Iterator[tuple[str, list[Link]]]:
    groups: dict[str, list[Link]] = {}
    for link in links:
        groups.setdefault(link.receipt["stage"], []).append(link)
    yield from sorted(groups.items())


def _about(family: Family, links: list[Link]) -> str:
    size = sum(entry["size"] for link in links for entry in link.receipt["outputs"].values())
    seconds = sum(link.execution.get("seconds", 0) for link in links)
    spent = f"{_bytes(size):>9}  {rough(seconds):>8}"
    if family is PREPARE:
        return f"{spent}  {'; '.join(map(source, links))}"
    configs, seeds = {link.node.config for link in links}, {link.node.seed for link in links} - {None}
    if not seeds:
        return spent
    return f"{spent}  {len(configs)} run{'s' * (len(configs) > 1)} x {len(seeds)} seed{'s' * (len(seeds) > 1)}"


def source(link: Link) -> str:
    """Where the raw data of a data set come from: ``cifar10 (cifar-10-python.tar.gz sha256 6d958be0...)``."""
    params = link.receipt["params"]
    listed = params.get("files") or []
    own = own_files(params)
    if own and not listed:
        return f"{params['name']} ({', '.join(f'{one.words} sha256 {one.content[:12]}' for one in own)})"
    if not listed:
        return f"{params['name']} (no raw file: source {params['source']['kind']} makes it)"
    names = [f"{entry['name']} {_checksum(entry)}".strip() for entry in listed]
    return f"{params['name']} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"


def _checksum(entry: Mapping[str, Any]) -> str:
    kind = next((kind for kind in ("sha256", "md5") if entry.get(kind)), None)
    return f"{kind} {entry[kind][:12]}" if kind else ""


def _cell(cell: Mapping[str, Any], chain: Chain) -> Iterator[str]:
    """One cell down to its data set, seed by seed."""
    place = ", ".join(f"{axis}={value}" for axis, value in cell["axes"].items())
    place += "" if cell["role"] == "cell" else f" ({cell['role']})"
    yield f"  cell {place}: {_value(cell)}"
    if cell["missing"]:
        yield f"    not measured: {cell['missing']}"
    for name in cell["nodes"]:
        waiting, depth = [name], 2
        while waiting:
            yield from (f"{'  ' * depth}{_link(chain, below)}" for below in waiting)
            found = [chain.links[below] for below in waiting if below in chain.links]
            waiting = sorted({below for link in found for below in link.below} - set(waiting))
            waiting = [below for below in waiting if not _deeper(below, waiting, chain)]
            depth += 1


def _value(cell: Mapping[str, Any]) -> str:
    if cell["missing"]:
        return "not measured"
    if cell.get("setting"):
        return f"{cell['setting'].get('value') or 'no such setting'} ({cell['setting']['of']})"
    if cell.get("mean") is None:
        return "no single number; its values are in the figure's CSV"
    spread = "" if cell.get("std") is None else f" ± {cell['std']:.4g}"
    return f"{cell['mean']:.4g}{spread}" + (f" ({cell['n']} seeds)" if cell.get("n", 1) > 1 else "")


def _deeper(name: str, others: list[str], chain: Chain) -> bool:
    """Whether one of ``others`` reads a node, which is then told below that one."""
    return any(name in chain.links[other].below for other in others if other in chain.links)


def _link(chain: Chain, name: str) -> str:
    link = chain.links.get(name)
    if link is None:
        return f"{name}: no valid receipt"
    hashes = ", ".join(f"{file} {entry['sha256'][:12]}" for file, entry in link.receipt["outputs"].items())
    return f"{name}  {_made(link)}  [{hashes}]"


def _made(link: Link) -> str:
    record = link.execution
    if not record:
        return "made: no record"
    commit = str(record.get("commit") or "no commit")
    edits = " with edits" if commit.endswith("-dirty") else ""
    seconds = rough(record.get("seconds", 0))
    return f"made {record.get('finished', '?')} in {seconds} by commit {commit.removesuffix('-dirty')[:10]}{edits}"


def _conditions(chain: Chain) -> Iterator[str]:
    modules = {module for link in chain for module in link.receipt["code"]}
    commits = {str(link.execution.get("commit") or "?").removesuffix("-dirty")[:10] for link in chain if link.execution}
    names = f"commit{'s' * (len(commits) > 1)} {', '.join(sorted(commits))}"
    yield f"code: {len(modules)} modules by their fingerprints, {names}"
    versions: dict[str, set[str]] = {}
    machines = set()
    for link in chain:
        record = link.execution
        for name, version in (record.get("versions") or {}).items():
            versions.setdefault(name, set()).add(version)
        if record:
            machines.add(f"{record.get('gpu') or record.get('processor', '?')} ({record.get('cores', '?')} cores)")
    if versions:
        yield "versions: " + ", ".join(f"{name} {'/'.join(sorted(found))}" for name, found in sorted(versions.items()))
    if machines:
        yield f"hardware: {'; '.join(sorted(machines))}"
    total = sum(link.execution.get("seconds", 0) for link in chain)
    yield f"cost: {rough(total)} of computing"


def _bytes(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.1f} GB"
