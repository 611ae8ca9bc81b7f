"""What Snakemake calls: the jobs of one rule, through the executor."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

HELP = "what snakemake calls: the {stage} stages of a job"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of a rule's jobs."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="jobs/RULE/NAME.done of jobs, or receipts of nodes")


def run(arguments: argparse.Namespace) -> int:
    """Bring the nodes of jobs, or those of the given receipts, into place."""
    from pipeline.engine import requeue
    from pipeline.errors import UserError
    from pipeline.monitor import teller
    from pipeline.monitor.stop import Stopped

    teller.join()
    try:
        _run(arguments)
    except Stopped as stop:
        if requeue.asked(stop):
            requeue.requeue(stop)
        raise
    except (UserError, OSError, SyntaxError, UnicodeDecodeError):
        raise  # told in a line by whoever called
    except Exception as error:
        from pipeline.commands import _theirs

        told = _theirs.told(error)
        if told is None:
            raise
        print(told, file=sys.stderr)
        return 1
    return 0


def _run(arguments: argparse.Namespace) -> None:
    from pipeline.engine import forkserver, gpus, jobs
    from pipeline.engine.executor import Executor
    from pipeline.errors import UserError
    from pipeline.ledger.workspace import Node, Workspace

    def hand_over(nodes: Sequence[Node]) -> bool:
        try:
            status = forkserver.run([arguments.command, *(node.receipt for node in nodes)])
        except forkserver.Ended:
            raise UserError(
                "the process that this job was forked from was killed, and the job with it; for want of memory? "
                "Type the same command again, with fewer --cores if it was"
            ) from None
        if status:
            raise SystemExit(status if status > 0 else 128 - status)
        return status == 0

    workspace = Workspace()
    executor = Executor(workspace, hand_over if forkserver.wanted() else None)
    for path in arguments.paths:
        if path.startswith(f"{jobs.FOLDER}/"):
            job = jobs.of_index(workspace, path)
            with gpus.held(workspace, job.gpus):
                executor.run([Node(name) for name in job.nodes])
            jobs.finish(workspace, job)
    nodes = [Node.of_receipt(path) for path in arguments.paths if not path.startswith(f"{jobs.FOLDER}/")]
    if nodes:
        executor.run(nodes)
