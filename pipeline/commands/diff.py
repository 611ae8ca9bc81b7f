"""``diff``: the results of two revisions, cell by cell, and what caused the differences."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipeline.commands import _targets
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.comparing.sides import AtRevision, WorkingTree

HELP = "results of two revisions, cell by cell: beyond seed noise or not, and what caused it"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``diff``."""
    parser.add_argument("first", metavar="REV1", help="side A: what Git understands, such as HEAD~1")
    parser.add_argument(
        "others",
        nargs="*",
        metavar="REV2|TARGET",
        help="side B, the working tree without it; then artifacts, all that are built without any; before options",
    )
    parser.add_argument("--html", metavar="FILE", help="also write a page, with figures side by side")
    parser.add_argument("--tex", metavar="FILE", help="also write the changed cells as a table in LaTeX")
    parser.add_argument("--json", action="store_true", help="everything, for machines")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Compare the results of two revisions. Exit status 0 whatever differs; an error is a side that cannot be read."""
    import json
    from pathlib import Path

    from pipeline import files
    from pipeline.comparing import artifacts, text_report
    from pipeline.comparing.sides import AtRevision, WorkingTree
    from pipeline.latex import changes
    from pipeline.ledger.outlines import Outlines
    from pipeline.ledger.sources import git
    from pipeline.ledger.store import Store
    from pipeline.site import diff_page

    if arguments.html:
        files.ours(Path(arguments.html), b"<!doctype html>", b"<h1>Results: A is ", "page of a comparison")
    if arguments.tex:
        files.ours(Path(arguments.tex), changes.HEAD.encode(), rb"\end{tabular}", "table of a comparison")
    root = Path.cwd()
    store = Store(root)
    known = _targets.catalogue(arguments.config)
    first = AtRevision(root, arguments.first, store)
    targets = list(arguments.others)
    second: AtRevision | WorkingTree = WorkingTree(root)
    if targets and git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{targets[0]}^{{commit}}"):
        second = AtRevision(root, targets.pop(0), store)
    stems = [_targets.built(target, known, arguments.config).stem for target in targets]
    if not stems:
        edition = known.options.edition()
        stems = sorted(first.stems(edition) | second.stems(edition))
        if not stems:
            raise UserError(
                f"{first.title} and {second.title}: no result of {edition} at either; type: snakemake, "
                "or name another scale with --config scale=NAME"
            )
    history = Outlines(store)
    found, missing = [], []
    for stem in stems:
        sides = [(side, side.result(stem)) for side in (first, second)]
        absent = [side for side, result in sides if result is None]
        missing += [f"{stem}: not built at {side.title}; type: {side.hint(stem)}" for side in absent]
        old, new = (result for _, result in sides)
        if old is not None and new is not None:
            found.append(artifacts.compare(stem, old, new, history))
    if not found:
        raise UserError(missing[0])
    if isinstance(second, WorkingTree):
        missing += _targets.outdated([one.stem for one in found], known)
    if arguments.html:
        files.write(Path(arguments.html), diff_page.render(found, missing, first.title, second.title))
    if arguments.tex:
        files.write(Path(arguments.tex), changes.changes(found, first.title, second.title, missing))
    if arguments.json:
        print(
            json.dumps({"artifacts": [one.data() for one in found], "missing": missing}, indent=1, ensure_ascii=False)
        )
        return
    print("\n\n\n".join([*missing, *(text_report.text(one) for one in found)]))
