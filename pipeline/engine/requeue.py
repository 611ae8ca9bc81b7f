"""A job whose time is nearly over, put back into the queue of the cluster that runs it.

SLURM sends a job SIGUSR1 some time before its limit, where the job was submitted so (``--signal=USR1@120``); it does
not take a job back that its limit has ended. Whoever is preempted, or requeued by hand, gets SIGTERM, and is put back
by SLURM itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from pipeline.errors import plain
from pipeline.monitor.stop import Stopped

JOB = "SLURM_JOB_ID"


def asked(stop: Stopped) -> bool:
    """Whether a job that was stopped is to be put back: by SLURM's warning of a limit, within a job of its."""
    return stop.signal is signal.SIGUSR1 and bool(os.environ.get(JOB))


def requeue(stop: Stopped) -> None:
    """Put this job back into SLURM's queue, and say so, or why not.

    A job that would begin again where this one began would do so for ever, and is not put back.
    """
    job = os.environ[JOB]
    if not stop.goes_on:
        print(
            f"error: job {job} comes to its time limit and has saved nothing to go on from; give its rule more minutes "
            "(--set-resources RULE:runtime=MINUTES) and type the same command again",
            file=sys.stderr,
        )
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM sends it as soon as it has the job back
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
        refused = plain(done.stderr.strip() or done.returncode) if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        refused = plain(error)
    if refused:
        said = f"error: job {job} is not put back into the queue ({refused}); type the same command again"
    else:
        said = f"job {job} comes to its time limit: it is back in the queue, and goes on from here"
    print(said, file=sys.stderr)
