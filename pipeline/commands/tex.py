r"""``tex``: results for a paper: tables and single numbers that ``\input`` takes, figures in its widths and font."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands import _targets
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.comparing.sides import Side

HELP = "results for a paper: tables (booktabs, siunitx), each number by name, figures in its widths and font"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tex``."""
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="table8, directpred/table8 or results/table8.csv")
    parser.add_argument("-o", "--output", type=Path, default=Path("tex"), metavar="FOLDER", help="default: tex")
    parser.add_argument("--printed", action="store_true", help="the paper's own numbers beside ours")
    parser.add_argument(
        "--width",
        type=float,
        action="append",
        metavar="INCHES",
        help="draw figures anew this wide; several times if need be",
    )
    parser.add_argument(
        "--font", metavar="NAME", help="draw them in serif, sans-serif, monospace or a font by its name"
    )
    parser.add_argument(
        "--size", type=float, metavar="POINTS", help="size of their letters; default: profiles/figures.yaml"
    )
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write tables, numbers and figures of results that are built, as their receipts have them."""
    from pipeline import files
    from pipeline.artifacts import words
    from pipeline.comparing.sides import WorkingTree
    from pipeline.latex import drawn, look, written
    from pipeline.ledger.workspace import Workspace

    known = _targets.catalogue(arguments.config)
    asked = look.chosen(arguments.width, arguments.font, arguments.size)
    tree = WorkingTree(Path.cwd())
    texts: dict[Path, str] = {}
    figures: dict[Path, tuple[Side, float]] = {}
    whose: dict[Path, str] = {}
    told = []
    stems = list(dict.fromkeys(_targets.built(target, known, arguments.config).stem for target in arguments.targets))
    for stem in stems:
        side = tree.result(stem)
        if side is None or not side.report:
            raise UserError(f"{stem}: not built; type: {tree.hint(stem)}")
        if side.notes:
            raise UserError(f"{side.notes[0]}; type: {tree.hint(stem)}")
        params, key = side.link.receipt["params"], side.link.receipt["key"]
        report = words.as_printed(side.report, params.get("published", ()))
        found = written.content(stem, report, key, arguments.output, arguments.printed)
        wide = drawn.names(report, side, asked, arguments.output) if asked and report["kind"] == "figure" else {}
        if not found and not wide:
            raise UserError(
                f"{stem}: a figure without numbers of its own; include {stem}.pdf, or draw it with --width 3.3"
            )
        for path in (*found, *wide):
            if path in whose:
                raise UserError(f"{path}: two targets have this name; write them into two folders with -o FOLDER")
            whose[path] = stem
        texts |= found
        figures |= {path: (side, width) for path, width in wide.items()}
        told += [line for line in (written.told(report, arguments.output), *map(written.included, wide)) if line]
    if not figures and (arguments.width or arguments.font or arguments.size):
        raise UserError("--width, --font and --size are for figures, and no target is one; leave them out")
    for path, stem in whose.items():
        written.check(path, stem)
    written.check_folders(whose, arguments.output)
    for path, (side, width) in figures.items():
        assert asked is not None
        crowded = drawn.save(Workspace(), side, asked, width, path, known.extend)
        if crowded:
            print(f"{path}: {crowded}; type a larger --width, or a smaller --size", file=sys.stderr)
    for path, stem in whose.items():
        if path.parent != arguments.output:
            written.drop_old(path.parent, whose, stem)
    for path, text in texts.items():
        files.write_if_different(path, text)
    for line in _targets.outdated(stems, known):
        print(line, file=sys.stderr)
    print("\n".join(told))
