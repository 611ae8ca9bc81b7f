"""``audit``: where a number comes from, and whether it is still what was computed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pipeline.commands import _targets
from pipeline.errors import UserError
from pipeline.ledger.families import ARTIFACT

if TYPE_CHECKING:
    from pipeline.engine.state import States
    from pipeline.planning.catalogue import Catalogue
    from pipeline.provenance.identify import Origin

HELP = "follow a result down to raw data, and verify every file on the way"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``audit``."""
    parser.add_argument("path", metavar="PATH", help="a result, checkpoint, measurement, data set, receipt; or a copy")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, for machines")
    form.add_argument("--html", metavar="FILE", help="write a page with the graph to look at")
    form.add_argument("--mermaid", action="store_true", help="print the graph for Mermaid")
    parser.add_argument(
        "--where", nargs="+", default=[], metavar="AXIS=VALUE", help="only the cells of a table or series of a figure"
    )
    parser.add_argument("--expect", metavar="HASH", help="the chain's root hash, as known from elsewhere")
    parser.add_argument("--revision", metavar="REV", help="a Git revision whose receipts are trusted")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify one result down to raw data; exit status 0 only if everything holds."""
    import json
    import sys
    from pathlib import Path

    from pipeline import files
    from pipeline.ledger.sources import Revision
    from pipeline.ledger.workspace import Workspace
    from pipeline.provenance import audit, views

    if arguments.html:
        files.ours(Path(arguments.html), b"<!doctype html>", b"<title>Audit of ", "page of an audit")
    known = _targets.catalogue(arguments.config)
    workspace = Workspace(Path.cwd())
    path, origin = _origin(workspace, arguments.path, known)
    states, unplanned = _states(origin.node, known)
    if states is not None and not workspace.lock:
        for line in states.repair_tracked():
            print(line, file=sys.stderr)
    cells = _cells(workspace, origin.node, arguments.where) if arguments.where else None
    revision = Revision(Path.cwd(), arguments.revision) if arguments.revision else None
    found = audit.audit(
        workspace, path, origin, states, cells, arguments.expect, revision, known.options.raw_dir
    )  # fmt: skip
    found.remarks += unplanned
    if arguments.json:
        print(json.dumps(views.data(found), indent=1, ensure_ascii=False))
    elif arguments.mermaid:
        print(views.mermaid(found.chain))
    elif arguments.html:
        from pipeline.provenance.titles import titles
        from pipeline.site import audit_page

        called = titles(found.chain, workspace, states.plan.called() if states is not None else None)
        files.write(Path(arguments.html), audit_page.html(found, called))
        print(f"{arguments.html}: {'everything holds' if found.holds else 'not everything holds'}")
    else:
        print(views.text(found))
    return 0 if found.holds else 1


def _origin(workspace: Any, given: str, known: Catalogue) -> tuple[str, Origin]:
    """The node that a path, a short name or a copy belongs to."""
    import os
    from pathlib import Path

    from pipeline.ledger.workspace import Node
    from pipeline.provenance import identify

    path = Path(given)
    origin = identify.by_place(workspace, path)
    if origin is not None:
        node = Node(origin.node)
        if node.family is ARTIFACT and not any(Path(found).exists() for found in (node.receipt, path)):
            _targets.request(f"{node.name}.csv", known)  # what cannot be built is an error, and no file that is missing
            _refuse_unbuilt(node.name)
        return os.path.relpath(path), origin
    if path.is_file():
        found = identify.by_content(workspace, path)
        if found is None:
            carried = identify.identity(path)
            claims = f"it carries the key of a {carried[identify.ARTIFACT]} that" if carried else "its content"
            raise UserError(f"foreign: {given}: {claims} no receipt here knows; audit it where it was made")
        return given, found
    if path.exists():
        raise UserError(f"{given}: not a result, checkpoint, measurement or data set; name one of its files")
    request = _targets.request(given, known)
    suffix = ".csv" if not path.suffix else path.suffix
    _refuse_unbuilt(request.stem)
    return f"{request.stem}{suffix}", identify.Origin(Node(request.stem).name)


def _refuse_unbuilt(stem: str) -> None:
    """Refuse an artifact of which there is no file at all.

    Raises:
        UserError: There is none.
    """
    from pathlib import Path

    if not any(Path(stem).parent.glob(f"{Path(stem).name}.*")):
        raise UserError(f"{stem}: not built; type: snakemake {stem}.csv")


def _states(node: str, known: Catalogue) -> tuple[States | None, list[str]]:
    """What today's declarations ask for where the node belongs; None, and why, where they cannot be planned."""
    if node.startswith("results/"):
        try:
            return _targets.planned([f"{node}.csv"], known, anew=True).states, []
        except UserError as error:
            return None, [f"what is declared now was not compared: {error}"]
    return _targets.planned([], known, anew=True).states, []


def _cells(workspace: Any, node: str, where: list[str]) -> list[dict[str, Any]]:
    """The cells of an artifact that ``--where`` selects.

    Raises:
        UserError: It selects none, or names no axis.
    """
    from pipeline import files
    from pipeline.ledger import receipt
    from pipeline.ledger.workspace import Node

    found = receipt.read(workspace.path(Node(node).receipt))
    cells = (found or {}).get("params", {}).get("cells")
    if not cells:
        raise UserError(f"--where: {node} has no cells; leave --where out")
    shown = (files.read_json(workspace.path(f"{node}.json")) or {}).get("cells", [])
    if len(shown) == len(cells):
        numbers = ({name: entry.get(name) for name in ("mean", "std", "n")} for entry in shown)
        cells = [cell | more for cell, more in zip(cells, numbers, strict=True)]
    for item in where:
        axis, equals, value = item.partition("=")
        names = sorted({name for cell in cells for name in cell["axes"]} | {"role", "dataset", "paper_dataset"})
        if not equals or axis not in names:
            raise UserError(f"--where {item}: expected AXIS=VALUE with one of: {', '.join(names)}")
        values = {str(_at(cell, axis)) for cell in cells}
        cells = [cell for cell in cells if str(_at(cell, axis)) == value]
        if not cells:
            raise UserError(f"--where {item}: no such cell; {axis} is one of: {', '.join(sorted(values))}")
    return cells


def _at(cell: dict[str, Any], axis: str) -> Any:
    return cell["axes"].get(axis, cell.get(axis))
