"""What Snakemake calls for the scorecard of an edition."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "what snakemake calls: claims and numbers of an edition"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the scorecard."""
    parser.add_argument("files", nargs=3, metavar="FILE", help="scorecard.csv, scorecard.md, metrics.json")
    parser.add_argument("--reports", nargs="+", required=True, metavar="ARTIFACT.json")


def run(arguments: argparse.Namespace) -> None:
    """Collect claims and numbers of an edition."""
    from pipeline import files
    from pipeline.artifacts import metrics, scorecard

    table, view, numbers = map(Path, arguments.files)
    scorecard.write(map(Path, arguments.reports), table, view)
    files.write(numbers, files.dumps(metrics.collect(map(Path, arguments.reports))))
