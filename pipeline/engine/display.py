"""Bars on a terminal while a build runs: one per job, and one for the whole.

Snakemake and its jobs all write to one terminal. So that no line is torn and no bar overwritten, the terminal is
written to by one thread alone. What Snakemake prints goes into a file, and what a job prints into another
(:mod:`pipeline.monitor.teller`); the thread prints their lines above the bars as they come. Files and not pipes:
nobody waits for who reads, and who outlives a build that was killed writes on. Where the display fails, or there is no
terminal, all print as they would.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import files
from pipeline.ledger.journal import parsed
from pipeline.locks import exists
from pipeline.monitor.area import Area
from pipeline.monitor.bars import draw
from pipeline.monitor.tail import Tail
from pipeline.monitor.teller import FOLDER, STATE, TEXT

if TYPE_CHECKING:
    from pipeline.engine.outlook import Outlook
    from pipeline.engine.workflow import Workflow

EVERY = 0.2
"""Seconds between two looks."""

STOPPED = 1.0
"""Seconds after which somebody who looks so often has been stopped, by a Ctrl-Z, and a shell has written since.

A handler of SIGCONT is called by Python's main thread, which waits for jobs and hears of the signal when one has ended.
"""

NAME = "display-"
"""How folders of builds that show bars begin; the number of the process follows."""


class Display:
    """Shows how far a build is, from :meth:`begin` to :meth:`end`.

    Args:
        workflow: What is built.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._streams: dict[int, int] = {}  # descriptor -> a duplicate of what it was
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, cores: int) -> None:
        """Show bars from here on, if this is a terminal and the build runs here.

        Args:
            cores: Processors that jobs share.
        """
        if not (self.workflow.shows and terminal(2)):
            self.workflow.states = None
            return
        try:
            self._begin(cores)
        except Exception:  # whatever it is, it is no reason not to build
            self._give_back()

    def _begin(self, cores: int) -> None:
        root = self.workflow.workspace.scratch
        for left in root.glob(f"{NAME}*"):  # by builds that were killed
            if not exists(int("0" + left.name.removeprefix(NAME))):
                shutil.rmtree(left, ignore_errors=True)
        self.folder = (root / f"{NAME}{os.getpid()}").resolve()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        main = os.open(self.folder / "main", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._main = Tail(self.folder / "main")
        self._texts: dict[Path, Tail] = {}
        self._plain = (sys.stderr.encoding or "").lower().replace("-", "") != "utf8"
        journal = self.workflow.workspace.journal
        self._journal = Tail(journal, journal.stat().st_size if journal.is_file() else 0)
        sys.stdout.flush()
        sys.stderr.flush()
        for stream in (1, 2) if os.isatty(1) else (2,):
            self._streams[stream] = os.dup(stream)
            os.dup2(main, stream)
        os.close(main)
        self._area = Area(self._streams[2])
        os.environ[FOLDER] = str(self.folder)
        atexit.register(self.end)
        self._thread = threading.Thread(target=self._run, args=(cores,), name="display", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Remove the bars; from here on everybody prints to the terminal."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(5.0)
        self._give_back()

    def _give_back(self) -> None:
        """Let this process and jobs to come print as they would without this, once all is printed that was to be."""
        os.environ.pop(FOLDER, None)
        streams, self._streams = self._streams, {}
        if not streams:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for stream, before in streams.items():
            os.dup2(before, stream)
        with contextlib.suppress(Exception):
            self._area.write(self._printed(last=True), [])
        for before in streams.values():
            os.close(before)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.end)

    # -- the thread

    def _run(self, cores: int) -> None:
        bars: list[str] = []
        try:
            outlook: Outlook | None = None
            failed = False
            slept = time.monotonic()
            while not self._over.wait(EVERY):
                if time.monotonic() - slept > STOPPED:
                    self._area.forget()
                if not failed:
                    try:
                        outlook = outlook or self._outlook(cores)
                        bars = self._bars(outlook)
                    except Exception:
                        failed, bars = True, []
                        os.environ.pop(FOLDER, None)  # jobs to come print lines again
                self._area.write(self._printed(), bars)
                slept = time.monotonic()
        except Exception:  # the terminal is gone, or the folder
            self._give_back()

    def _bars(self, outlook: Outlook) -> list[str]:
        outlook.note(parsed(self._journal.lines()))
        rows = outlook.rows(self._told(), time.monotonic())
        width = self._area.size()[0]
        theirs = [tail.rest[: width - 1] for tail in self._texts.values() if tail.rewritten]
        return [*theirs, *draw(rows, width, plain=self._plain)]

    def _outlook(self, cores: int) -> Outlook:
        from pipeline.engine.outlook import Outlook  # which a build with nothing to do would import for nothing

        workflow = self.workflow
        states, workflow.states = workflow.states, None  # of a large plan they take up much memory
        assert states is not None
        scale = workflow.catalogue.scale(workflow.requests[0].scale)
        return Outlook.of(states, list(workflow.jobs.values()), scale, cores, time.monotonic())

    def _printed(self, *, last: bool = False) -> list[str]:
        """Lines of jobs and of Snakemake since it was asked; what Snakemake says of a job comes after its own."""
        found = []
        main = self._main.lines()
        for path in self.folder.glob(f"*{TEXT}"):
            tail = self._texts.setdefault(path, Tail(path))
            ended = not exists(int(path.stem))
            found += tail.lines()
            if (ended or last) and tail.rest:
                found.append(tail.rest)
            if ended:
                path.unlink(missing_ok=True)
                del self._texts[path]
        return found + main

    def _told(self) -> dict[str, dict[str, Any]]:
        """What jobs tell that are at work, by their process, in the order in which these began."""
        found = {}
        for path in sorted(self.folder.glob(f"*{STATE}"), key=lambda path: int(path.stem)):
            says = files.read_json(path)
            if not exists(int(path.stem)):
                path.unlink(missing_ok=True)
            elif isinstance(says, dict):
                found[path.stem] = says
        return found


def terminal(handle: int) -> bool:
    """Whether what a descriptor writes to can move a cursor."""
    return os.isatty(handle) and os.environ.get("TERM", "dumb") != "dumb"
