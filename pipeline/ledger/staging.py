"""``.dvc`` files that the executor writes, put into Git's index: where DVC is told to do so, and in its experiments.

``dvc exp run`` commits what Git knows when its stages have ended. A ``.dvc`` file that is new would be left out, and
``dvc gc --all-experiments`` would then take its payload for garbage.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline.ledger.cache import cache

IN_EXPERIMENT = "DVC_EXP_BASELINE_REV"
"""What DVC sets in the environment of an experiment's stages."""

TRIES = 20
"""Git's index is locked while somebody else adds to it: so often it is tried again, and so long is waited between."""
PAUSE = 0.1


def stage(root: Path, path: Path) -> None:
    """Add a file to Git's index, where ``core.autostage`` of DVC says so or an experiment of DVC runs.

    A file that cannot be added is named: nothing else is lost by it.
    """
    if not os.environ.get(IN_EXPERIMENT) and not cache(root).autostage:
        return
    command = ["git", "-C", str(root), "add", "--", str(path.resolve())]
    why = "git: not found"
    for again in range(TRIES):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            break
        if done.returncode == 0:
            return
        why = " ".join(done.stderr.split()) or f"git add: exit {done.returncode}"
        if "index.lock" not in why:
            break
        if again + 1 < TRIES:
            time.sleep(PAUSE)
    print(f"{path}: not staged ({why}); type: git add {path}", file=sys.stderr)
