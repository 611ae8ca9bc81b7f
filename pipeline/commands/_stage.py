"""What Snakemake calls: the stages of one family, through the door."""

from __future__ import annotations

import argparse

HELP = "what snakemake calls: the {stage} stages of the given receipts"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of a family of stages."""
    parser.add_argument("receipts", nargs="+", metavar="RECEIPT")


def run(arguments: argparse.Namespace) -> None:
    """Bring the nodes of the given receipts into place."""
    from pipeline.engine.executor import Door
    from pipeline.ledger.workspace import Node, Workspace

    Door(Workspace()).run([Node.of_receipt(path) for path in arguments.receipts])
