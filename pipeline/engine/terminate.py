"""SIGTERM for Snakemake, at any moment.

Its handler takes a lock. Python calls a handler in the main thread, between two of its instructions, and that thread
may be the one that holds the lock: then Snakemake waits for itself, after all of its jobs have ended, for ever.
"""

from __future__ import annotations

import _thread
import signal
from types import FrameType


def hand_to_a_thread(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the handler of a signal called by a thread of its own, which can wait for whatever the main thread holds.

    Args:
        number: The signal; nothing changes where it has no handler in Python.
    """
    handler = signal.getsignal(number)
    if not callable(handler):
        return

    def handed(received: int, frame: FrameType | None) -> None:
        # The class of threading takes locks as well, and the main thread may be starting a thread just now.
        _thread.start_new_thread(handler, (received, frame))

    signal.signal(number, handed)
