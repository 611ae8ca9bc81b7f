"""``bundle``: one file for a reviewer, who can verify it without a GPU."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from pipeline.commands import _targets

HELP = "one file for a reviewer: results, measurements, receipts, parameters, code"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``bundle``."""
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="table8, directpred/table8 or results/table8.csv")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: ARTIFACT.zip")
    parser.add_argument("--weights", action="store_true", help="with the networks and prepared data sets")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="sign with this SSH key")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Pack results with all that they come from, and print the root hash to hand over by another way."""
    from pipeline.ledger.workspace import Workspace
    from pipeline.sharing.bundle import bundle

    known = _targets.catalogue(arguments.config)
    artifacts = [_targets.built(target, known, arguments.config).stem for target in arguments.targets]
    states = _targets.planned([f"{stem}.csv" for stem in artifacts], known).states
    path = arguments.output or Path(f"{artifacts[0].rsplit('/', 1)[1]}.zip")
    made = bundle(Workspace(), states, artifacts, path, known.extend, arguments.weights, arguments.sign)
    signed = ", signed" if arguments.sign else ""
    print(f"{made.path}: {made.count:,} files, {made.size / 1e6:.2f} MB{signed}")
    print(f"root hash {made.root}")
    print(f"sha256 of the file {made.digest}")
    print(f"a reviewer types: python -m pipeline verify {shlex.quote(made.path.name)} --expect {made.root}")
