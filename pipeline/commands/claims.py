"""``claims``: a page for who evaluates the results: claim, command, expected time, verdict."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _targets

HELP = "a page for who evaluates the results: claim, command, expected time, verdict"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``claims``."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: results/EDITION/artifact-evaluation.md"
    )
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write every claim of an edition: the command that builds its artifact, the time that takes, the verdict."""
    from pipeline import files
    from pipeline.comparing.sides import WorkingTree
    from pipeline.sharing import evaluation

    known = _targets.catalogue(arguments.config)
    edition = known.options.edition()
    path = arguments.output or evaluation.path_of(edition)
    files.ours(path, evaluation.HEAD.encode(), evaluation.END.encode(), "page of claims")
    found = evaluation.evaluate(known, WorkingTree(Path.cwd()), arguments.config)
    about = known.scale(known.options.scale).title
    files.write_if_different(path, evaluation.render(found, edition, about))
    verdicts = [verdict for one in found for verdict in one.claims.values()]
    built = sum(verdict != evaluation.NOT_BUILT for verdict in verdicts)
    print(f"{path}: {len(verdicts)} claims of {len(found)} artifacts, {built} of them with a verdict")
