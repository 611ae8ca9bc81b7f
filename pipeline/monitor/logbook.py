"""Tells a logger of the epochs of trainings, each once, and goes on where it fails."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import components, files
from pipeline.errors import plain
from pipeline.monitor.loggers import ENTRY, Logged, Logger

VALUES = ("loss", "embedding_std", "effective_rank")
"""What is told of an epoch: columns of a training's history after the first."""

TOLD = ".told.json"
"""In a logger's folder of a training: which training, and the last epoch that was told."""


class Logbook:
    """The logger of one process.

    Args:
        path: Its file.
        folder: Where it may write; a folder per logger and training is made there.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder / path.stem
        self._said: set[str] = set()

    def training(self, name: str, node: str, steps: int, identity: str, say: Callable[[str], None]) -> Page:
        """Begin to tell of a training.

        Args:
            name: What a person calls it.
            node: The run and seed, as folders call them.
            steps: Steps per epoch.
            identity: What is trained: the same after a kill, another where other code trains the same run anew.
            say: Prints a line.
        """
        return Page(self, name, node.partition("/")[2], steps, identity, say)

    def new(self, line: str) -> bool:
        """Whether a line was not said before, as it is from here on."""
        found = line not in self._said
        self._said.add(line)
        return found


class Page:
    """What a logger is told of one training.

    The last epoch that was told is kept on disk. So a training that goes on tells none twice, one that has been begun
    without a logger tells all that it has, and one that other code trains anew begins anew.
    """

    def __init__(
        self, book: Logbook, name: str, place: str, steps: int, identity: str, say: Callable[[str], None]
    ) -> None:
        self.book, self.name, self.place, self.steps, self.identity, self.say = book, name, place, steps, identity, say
        self.folder = book.folder / place
        self._logger: Logger | None = None
        self._told: int | None = None  # None: nothing was asked of the logger yet
        self._failed = False

    def tell(self, rows: Sequence[tuple[float, ...]]) -> None:
        """Tell of the epochs that were not told.

        Args:
            rows: Epoch and :data:`VALUES` of those that have ended.
        """
        if self._failed or not rows or rows[-1][0] == self._told:
            return
        with self._guarded():
            if self._told is None:
                self._begin()
            assert self._logger is not None and self._told is not None
            for epoch, *values in rows:
                if epoch > self._told:
                    at = int(epoch)
                    self._logger.log(at * self.steps, at, dict(zip(VALUES, values, strict=True)))
                    self._told = at
                    self._note()

    def close(self) -> None:
        """Tell that the training is over."""
        if self._logger is not None and not self._failed:
            with self._guarded():
                self._logger.close()

    def _begin(self) -> None:
        found = files.read_json(self.folder / TOLD)
        known = isinstance(found, dict) and found.get("training") == self.identity
        told = found.get("epoch") if known else 0
        told = told if isinstance(told, int) else 0
        self.folder.mkdir(parents=True, exist_ok=True)
        config, _, seed = self.place.rpartition("/seed")
        begin: Any = getattr(components.load(self.book.path), ENTRY)
        self._logger = begin(Logged(self.name, config, int(seed), self.folder, told * self.steps))
        self._told = told

    def _note(self) -> None:
        files.write(self.folder / TOLD, files.dumps({"training": self.identity, "epoch": self._told}))

    @contextlib.contextmanager
    def _guarded(self) -> Any:
        """Whatever a logger raises is said once, and no reason not to train."""
        try:
            yield
        except (Exception, SystemExit) as error:
            self._failed = True
            frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(self.book.path)]
            line = f":{frames[-1].lineno}" if frames else ""
            what = plain(f"{type(error).__name__}: {' '.join(str(error).split())}")
            told = f"{self.book.path}{line}: {what}; trainings go on without this logger"
            if self.book.new(told):
                self.say(told)
