"""A rank behind the first: ``python -m pipeline.training.processes.rank``, started by rank 0 and ending with it.

It hears on standard input what to do (:mod:`pipeline.training.processes.handover`), and says on standard output that it
is ready, or why it failed. Standard input stays open as long as rank 0 lives.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from pipeline import bytecode
from pipeline.errors import UserError

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Signals that are for rank 0: it comes to where it can save, which takes all ranks."""


def main() -> int:
    """Do what rank 0 says."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    heard = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_rank_0, args=(heard["meeting"],), daemon=True).start()
    sys.path[:] = heard["path"]
    bytecode.Finder.anew = True  # as the executor does: what runs is what lies there
    try:
        _train(heard, answers)
    except UserError as error:
        _say(answers, {"failed": str(error), "user": True})
    except Exception as error:
        _say(answers, {"failed": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()})
    else:
        threading.Event().wait()  # rank 0 may still be reading what was sent last
    return 1


def _train(heard: dict[str, Any], answers: TextIO) -> None:
    # not at the top of this file, which is read before everything is compiled anew
    from pipeline import components
    from pipeline.data.arrays import Arrays
    from pipeline.numerics.device import prepare_device
    from pipeline.training.pretrain import Training
    from pipeline.training.processes import group
    from pipeline.training.processes.handover import Handover, unpacked
    from pipeline.training.processes.run import FollowingRun
    from pipeline.training.streaming import training_images

    told = Handover(**heard)
    works = unpacked(told.works)
    for path in works[0].components.values():
        components.load(path)
    device = prepare_device(works[0].spec, works[0].context)
    _say(answers, {"ready": bytecode.LOADED})
    joined = group.join(Path(told.meeting), told.rank, told.processes, device)
    arrays = Arrays.open(works[0].inputs["data"])
    images = training_images(arrays, works[0].spec["split"], device, works[0].context)
    run = functools.partial(FollowingRun, group=joined)
    training = Training(works, images, works[0].monitor, 1, run)
    finished = (work for work in training if work is not None)
    for _ in range(len(works)):
        next(finished)  # and no further: rank 0 alone removes the progress


def _say(answers: TextIO, what: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(what) + "\n")
        answers.flush()
    except OSError:
        os._exit(1)


def _end_with_rank_0(meeting: str) -> None:
    """End when nobody holds the other end of standard input, however that came about, and clear up in its place."""
    while os.read(0, 1):  # not sys.stdin, whose lock the end of the interpreter would want
        pass
    shutil.rmtree(meeting, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
