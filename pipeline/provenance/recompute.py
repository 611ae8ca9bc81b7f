"""A result again, from the measurements that its receipt names, by this checkout's code."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import components
from pipeline.errors import UserError
from pipeline.ledger.families import PREPARE
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import merged
from pipeline.ledger.workspace import Node
from pipeline.provenance import cells, identify
from pipeline.provenance.chain import Link
from pipeline.provenance.findings import CHANGED, FORGED, Finding
from pipeline.work import Work

READ = ("scores.json", "records.json", "curves.safetensors")
"""What artifacts read of measurements and simulations."""

PICTURES = (".png", ".pdf", ".gif")

TABLE, FIGURE = "pipeline/artifacts/table.py", "pipeline/artifacts/figure.py"


def stages() -> None:
    """Parse the stages of tables and figures once in this process, before children compute many of them again."""
    Fingerprints().code([components.PACKAGE.parent / TABLE, components.PACKAGE.parent / FIGURE])


def again(
    receipt: Mapping[str, Any],
    omitted_defaults: Mapping[str, Any],
    read: Callable[[str], bytes | None],
    parts: Mapping[str, Path] | None = None,
    images: Callable[[str], Path | None] | None = None,
) -> dict[str, Any]:
    """Compute an artifact in a folder of its own; only its params, its scores and its files come from where it is kept.

    Args:
        receipt: The artifact's receipt, which must have been checked.
        omitted_defaults: Its params that are in no key.
        read: Content of a file by its path in the project.
        parts: Components to take; None for those of this package that have the same names.
        images: Folder of a data set's payload, where it is at hand; what is larger than a figure is not copied.

    Returns:
        ``files``: sha256 of each file that could be made; ``told``: what differs in a file that is not the same
        bytes, in words; ``alike``: pictures of other bytes that show the same; ``code``: whether this checkout's code
        is what the receipt names; ``note``: what could not be done, and why.
    """
    params = merged(dict(receipt["params"]), dict(omitted_defaults))
    folder, _, stem = receipt["node"].rpartition("/")
    if params.get("artifact") != stem or params.get("kind") not in ("table", "figure"):
        raise UserError("its params are not those of such an artifact")
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "out")
        out.mkdir()
        inputs = {}
        for number, (role, entry) in enumerate(receipt["inputs"].items()):
            if Node(entry["node"]).family is PREPARE:
                at_hand = images(entry["node"]) if images is not None else None
                inputs[role] = at_hand or Path(place, "absent")
                continue
            inputs[role] = Path(place, str(number))
            inputs[role].mkdir()
            for name in READ:
                content = read(f"{entry['node']}/{name}")
                if content is not None:
                    (inputs[role] / name).write_bytes(content)
        work = Work(name=receipt["node"], key=receipt["key"], spec=params, out=out, inputs=inputs)
        figure = params["kind"] == "figure"
        if parts is not None:
            work.components = dict(parts)
        elif figure:
            with contextlib.suppress(UserError):  # a component of theirs is never imported
                work.components = {"figure": components.find("figure", params["figure"]["kind"])}
        roots = [components.PACKAGE.parent / (FIGURE if figure else TABLE), *work.components.values()]
        same = Fingerprints().code(roots) == receipt["code"]
        if not same and parts is not None:  # here it is stale, and what it would be now is no measure for it
            return {"files": {}, "told": {}, "alike": [], "code": False, "note": ""}
        note = _figure(work) if figure else _table(work)
        made = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}
        told: dict[str, list[str]] = {}
        alike = []
        for name, entry in receipt["outputs"].items():
            kept = read(f"{folder}/{name}")
            if made.get(name) in (None, entry["sha256"]) or kept is None:
                continue
            if not name.endswith(PICTURES):
                told[name] = cells.differences(name, kept, (out / name).read_bytes())
                continue
            from pipeline.provenance import pictures

            why = pictures.differing(name, kept, (out / name).read_bytes())
            if why is None:
                alike.append(name)
            else:
                told[name] = [why]
    return {"files": made, "told": told, "alike": alike, "code": same, "note": note}


def findings(link: Link, found: Mapping[str, Any], fix: str) -> Iterator[Finding]:
    """Files of an artifact that do not follow from its measurements, cell by cell where that can be told.

    Args:
        link: The artifact.
        found: What :func:`again` says of it.
        fix: What to type.
    """
    other = _other(link.execution)
    for name, entry in link.receipt["outputs"].items():
        made = found["files"].get(name)
        if made == entry["sha256"] or name in found["alike"]:
            continue
        if made is None:
            if not found["note"]:
                yield Finding(FORGED, link.place(name), "no such file comes of its stage", fix)
        elif name.endswith(PICTURES) and other:
            install = f"type: pip install {' '.join(other)}, which its record names, and the same command again"
            yield Finding(CHANGED, link.place(name), _told(found, name), install)
        else:
            yield Finding(FORGED, link.place(name), _told(found, name), fix)
    for name in sorted(found["files"].keys() - link.receipt["outputs"].keys()):
        text = f"its stage writes {name}, and it does not speak of that"
        yield Finding(FORGED, link.node.receipt, text, fix)


def _told(found: Mapping[str, Any], name: str) -> str:
    what = "; ".join(found["told"].get(name, ()))
    return what or "it does not follow from the measurements (computed again)"


def remarks(link: Link, found: Mapping[str, Any]) -> Iterator[str]:
    """Pictures that show the same and have other bytes."""
    for name in found["alike"]:
        yield f"{link.place(name)}: other bytes, the same picture: drawn otherwise by other versions of its libraries"


def same(link: Link, found: Mapping[str, Any]) -> list[str]:
    """Files of an artifact that came out with the same bytes."""
    return [name for name, entry in link.receipt["outputs"].items() if found["files"].get(name) == entry["sha256"]]


def commit(execution: Mapping[str, Any]) -> str:
    """The commit whose code made something, as its record says, as Git shows it; ``?`` where it says none."""
    found = re.fullmatch(r"([0-9a-f]{7,64})(-dirty)?", str(execution.get("commit")))
    return found[1][:10] if found else "?"


def _other(execution: Mapping[str, Any]) -> list[str]:
    """Libraries that draw, in the versions that are on record, where these are not those here."""
    found = []
    for name in ("matplotlib", "pillow"):
        version = (execution.get("versions") or {}).get(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if version and version != importlib.metadata.version(name):
                found.append(f"{name}=={version}")
    return found


def _table(work: Work) -> str:
    from pipeline.artifacts import table

    list(table.execute([work]))
    return ""


def _figure(work: Work) -> str:
    """With matplotlib all files; without it the JSON file, which has the rows, the claims and their numbers."""
    params = work.spec
    shown = params.get("images")
    absent = shown is not None and not work.inputs[shown["node"]].is_dir()
    if work.components and not absent:
        with contextlib.suppress(ImportError):
            from pipeline.artifacts import figure

            list(figure.execute([work]))
            return ""
    kind = params["figure"]["kind"]
    lacking = "matplotlib" if work.components else f"its component {kind}, which is not part of this checkout"
    lacking = f"the images of {shown['dataset']}, which are not here" if shown is not None and absent else lacking
    from pipeline.artifacts import claims, formats
    from pipeline.artifacts.report import identity, report
    from pipeline.artifacts.rows import read

    rows, unmatched = read(work)
    verdicts = claims.judge(params["claims"], rows, params["scale"]["key"], work.name)
    content = {**report(params, rows, verdicts, unmatched), "figure": params["figure"], **identity(work)}
    formats.write_json((work.out / params["artifact"]).with_suffix(".json"), content)
    return f"without {lacking}, only its JSON file could be computed again, not the picture"


def carried(name: str, content: bytes) -> str | None:
    """Key that a result carries inside, empty if it lacks one; None for kinds of files that carry none."""
    if not name.endswith((".json", *PICTURES)):
        return None
    found = identify.carried(content)
    return found[identify.KEY] if found else ""
