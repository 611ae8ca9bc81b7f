"""``new``: something of one's own to start from, which works as it is."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _own, _targets

HELP = "start a paper, objective, encoder, data set, measure or figure of your own, from one that works"

WHAT = ("paper", "objective", "encoder", "dataset", "measure", "figure")
"""What can be started: the categories of :mod:`pipeline.planning.template`, which needs more than ``verify`` may."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``new``."""
    parser.add_argument("what", choices=WHAT, help="what it is")
    parser.add_argument("name", metavar="NAME", help="of the component, and of a paper with one artifact that uses it")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write a component and a paper that uses it into the folder of --config extend=FOLDER; nothing is written over."""
    from pipeline.errors import UserError
    from pipeline.planning import template

    given, rest = _own.split(arguments.config)
    if not given:
        raise UserError(f"new {arguments.what}: expected the folder that is yours; type: --config extend=FOLDER")
    folder = Path(given).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--config extend={folder}: a file, where a folder is expected")
    known = _targets.catalogue(arguments.config if folder.is_dir() else rest)
    found = template.started(arguments.what, arguments.name, folder, known)
    found.write()
    for path in found.files:
        print(path)
    config = [f"extend={folder}", f"scale={found.scale}"]
    print(f"to build it, type: {_own.line([f'results/{arguments.name}.{found.suffix}'], 'all', config)}")
