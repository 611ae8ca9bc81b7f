"""What Snakemake calls: the jobs of one rule, through the executor."""

from __future__ import annotations

import argparse

HELP = "what snakemake calls: the {stage} stages of a job"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of a rule's jobs."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="jobs/RULE/NAME.done of jobs, or receipts of nodes")


def run(arguments: argparse.Namespace) -> None:
    """Bring the nodes of jobs, or those of the given receipts, into place."""
    from pipeline.engine import jobs
    from pipeline.engine.executor import Executor
    from pipeline.ledger.workspace import Node, Workspace

    workspace = Workspace()
    for path in arguments.paths:
        if path.startswith(f"{jobs.FOLDER}/"):
            job = jobs.of_index(workspace, path)
            Executor(workspace).run([Node(name) for name in job.nodes])
            jobs.finish(workspace, job)
    nodes = [Node.of_receipt(path) for path in arguments.paths if not path.startswith(f"{jobs.FOLDER}/")]
    if nodes:
        Executor(workspace).run(nodes)
