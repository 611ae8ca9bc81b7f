"""``doctor``: what this machine has, what is missing, what each scale would take."""

from __future__ import annotations

import argparse

from pipeline.commands import _targets

HELP = "what this machine has, what is missing and what to type, what each scale would take"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``doctor``."""
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look at this machine and change nothing. Exit status 1 if something is missing that a set-up would bring."""
    from pathlib import Path

    from pipeline.engine import checkup
    from pipeline.install import LOCK

    root = Path.cwd()
    known = _targets.catalogue(arguments.config)
    lock = Path(LOCK)
    wrong = checkup.faults(root, lock.read_text(encoding="utf-8") if lock.is_file() else "")
    own = [Path(known.options.raw_dir)] if known.options.raw_dir else []
    sizes = checkup.scales(known, [*own, root / "data/raw"])
    print(checkup.report(checkup.machine(root), wrong, sizes))
    return 1 if wrong else 0
