"""Which GPUs of a machine a job takes, where it has more than the job holds.

Snakemake counts GPUs (``--resources gpu=4``) and does not say which is whose; left alone every job would take the
first. A scheduler that hands out GPUs shows a job its own alone, and there is nothing to choose.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from pipeline import hardware
from pipeline.ledger.workspace import Workspace
from pipeline.locks import Held, Lock

VARIABLE = "CUDA_VISIBLE_DEVICES"


@contextlib.contextmanager
def held(workspace: Workspace, count: int) -> Iterator[list[str]]:
    """Hold so many GPUs within the block, which no other job of this checkout holds, and show this process no others.

    Where there are no more than are wanted, or fewer are free (somebody let more jobs run than there are GPUs), all
    stay visible and none is held. It has to be asked before anything of CUDA's is.

    Args:
        workspace: The checkout.
        count: GPUs that the job holds; 0 for none.
    """
    visible = hardware.gpus()
    if count == 0 or len(visible) <= count:
        yield []
        return
    with contextlib.ExitStack() as stack:
        taken = _taken(workspace, visible, count, stack)
        before = os.environ.get(VARIABLE)
        if taken:
            os.environ[VARIABLE] = ",".join(taken)
        try:
            yield taken
        finally:
            if taken:
                os.environ.pop(VARIABLE)
                if before is not None:
                    os.environ[VARIABLE] = before


def _taken(workspace: Workspace, visible: list[str], count: int, stack: contextlib.ExitStack) -> list[str]:
    folder = workspace.scratch / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as mine:
        taken = []
        for name in visible:
            lock = Lock(folder / f"gpu-{name}")
            try:
                lock.take()
            except Held:
                continue
            mine.callback(lock.free)
            taken.append(name)
            if len(taken) == count:
                stack.push(mine.pop_all())
                return taken
    return []
