r"""``tex``: results as LaTeX, tables as tabulars and single numbers as files that ``\input`` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _targets
from pipeline.errors import UserError

HELP = "results as LaTeX: a table (booktabs, siunitx), and each of its numbers by name"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tex``."""
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="table8, directpred/table8 or results/table8.csv")
    parser.add_argument("-o", "--output", type=Path, default=Path("tex"), metavar="FOLDER", help="default: tex")
    parser.add_argument("--printed", action="store_true", help="the paper's own numbers beside ours")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write tables and numbers of results that are built, as their receipts have them."""
    from pipeline import files
    from pipeline.comparing.sides import WorkingTree
    from pipeline.latex import written

    known = _targets.catalogue(arguments.config)
    tree = WorkingTree(Path.cwd())
    made: dict[Path, str] = {}
    told = []
    for stem in dict.fromkeys(_targets.request(target, known).stem for target in arguments.targets):
        side = tree.result(stem)
        if side is None or not side.report:
            raise UserError(f"{stem}: not built; type: {tree.hint(stem)}")
        if side.notes:
            raise UserError(f"{side.notes[0]}; type: {tree.hint(stem)}")
        found = written.content(stem, side.report, side.link.receipt["key"], arguments.output, arguments.printed)
        twice = sorted(str(path) for path in found if path in made)
        if twice:
            raise UserError(f"{twice[0]}: two targets have this name; write them into two folders with -o FOLDER")
        made |= found
        told.append(written.told(side.report, arguments.output))
    for path in made:
        written.check(path)
    for folder in {path.parent for path in made if path.parent != arguments.output}:
        written.drop_old(folder, made)
    for path, text in made.items():
        files.write_if_different(path, text)
    print("\n".join(told))
