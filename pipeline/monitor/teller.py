"""What a job tells the build that shows bars: how far it is, in one file, and all that it would print, in another.

Several jobs and Snakemake would write to one terminal. Where a build shows bars it alone writes there
(:mod:`pipeline.engine.display`), and says in the environment where jobs may tell it something. Without that, and
where the build has been killed, jobs work as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

FOLDER = "SSL_DISPLAY"
"""Where jobs tell how far they are: a folder, named while a build shows bars."""

PLACE = "SSL_DISPLAY_JOB"
"""The same for one job and its forks: its files in that folder, without their suffixes."""

TEXT, STATE = ".text", ".json"


def join() -> None:
    """Print into a file of this job's own from here on, if a build shows bars."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    if PLACE not in os.environ:
        place = f"{folder}/{os.getpid()}"
        try:
            together = os.path.sameopenfile(1, 2)
            handle = os.open(place + TEXT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            return  # that build is over
        os.environ[PLACE] = place
        sys.stdout.flush()
        sys.stderr.flush()
        for stream in (1, 2) if together else (2,):  # the user may have sent standard output elsewhere
            os.dup2(handle, stream)
        os.close(handle)
    sys.stderr = _Shown(sys.stderr)


class _Shown:
    """Standard error that is shown on a terminal by somebody else. A disk that is full costs lines and nothing else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def isatty(self) -> bool:
        """Say yes: what rewrites its line on a terminal is to do so here as often."""
        return True

    def write(self, text: str) -> int:
        """Write text."""
        with contextlib.suppress(OSError):
            self._out.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        with contextlib.suppress(OSError):
            self._out.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


class Teller:
    """Tells how far this process is, if there is somebody to tell.

    Args:
        silent: Whether nothing is told, whoever would hear it.

    Attributes:
        heard: Whether somebody shows what is told.
    """

    def __init__(self, *, silent: bool = False) -> None:
        place = None if silent else os.environ.get(PLACE)
        self._place = Path(place + STATE) if place else None
        self._told: dict[str, Any] = {}

    @property
    def heard(self) -> bool:
        """Whether somebody shows what is told."""
        return self._place is not None

    def tell(self, **what: Any) -> None:
        """Replace some of what was told.

        Args:
            **what: ``nodes``: names of the nodes that are to be executed here. ``at``: node, or run and seed, to how
                much is done and of how much. ``words``: what else to show.
        """
        if self._place is None:
            return
        self._told |= what
        part = self._place.with_suffix(f".{os.getpid()}.part")
        with contextlib.suppress(OSError):
            part.write_text(json.dumps(self._told), encoding="utf-8")
            part.replace(self._place)
