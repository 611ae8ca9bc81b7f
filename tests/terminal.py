"""A terminal, as far as builds use one: what a person sees of what is written to it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import warm

_TOKEN = re.compile(r"\x1b\[([0-?]*)[ -/]*([@-~])|([\r\n\b\x07])|([^\x00-\x1f]+)|(.)", re.DOTALL)
_BEGUN = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*)?)?\Z")


@dataclass
class Screen:
    """What is written, as a screen of a width shows it; lines that have scrolled away are kept."""

    columns: int = 80
    rows: int = 24
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    unknown: set[str] = field(default_factory=set)
    held: bool = False
    _rest: str = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        self._rest = text[_BEGUN.search(text).start() :]  # type: ignore[union-attr]
        for match in _TOKEN.finditer(text.removesuffix(self._rest) if self._rest else text):
            numbers, final, control, plain, other = match.groups()
            if final is not None:
                self._escape(numbers, final)
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self._down()
            elif plain is not None:
                for letter in plain:
                    self._put(letter)
            else:
                self.unknown.add(repr(control or other))

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def _put(self, letter: str) -> None:
        if self.column == self.columns:
            self.column = 0
            self._down()
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
        self.column += 1

    def _escape(self, numbers: str, final: str) -> None:
        if final == "A":  # no higher than the top of the window
            self.row = max(self.row - int(numbers or 1), len(self.lines) - self.rows, 0)
        elif final in "JK" and not numbers:
            self.lines[self.row] = self.lines[self.row][: self.column]
            if final == "J":
                del self.lines[self.row + 1 :]
        elif final in "hl" and numbers == "?2026":
            self.held = final == "h"
        elif final != "m":
            self.unknown.add(f"{numbers}{final}")

    def narrow(self, columns: int) -> None:
        """Make the window narrower, as terminals do: lines that are too long are broken."""
        broken = [re.findall(f".{{1,{columns}}}", line) or [""] for line in self.lines]
        assert self.column == 0
        self.row = sum(map(len, broken[: self.row]))
        self.lines, self.columns = [part for parts in broken for part in parts], columns

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


class Terminal:
    """A command of Snakemake's or of the project's, in a terminal.

    Args:
        command: ``python -m MODULE`` and arguments.
        folder: Where it runs.
        environ: Its environment.
        columns: Width of the terminal.
        rows: Its height.
        own: Whether it is a process of its own, the terminal its terminal of control; else it is one that has its
            libraries loaded.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environ: dict[str, str],
        columns: int = 80,
        rows: int = 24,
        *,
        own: bool = True,
    ) -> None:
        self.screen = Screen(columns, rows)
        self.raw = ""
        self.screens: list[str] = []
        self._master, slave = os.openpty()
        self.name = os.ttyname(slave)
        self.resize(columns, rows)
        self.process: subprocess.Popen | warm.Started
        if own:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                preexec_fn=_take,
            )  # fmt: skip
        else:
            self.process = warm.Started(command, folder, environ, [slave] * 3)
        os.close(slave)
        self._bytes = b""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, wanted: Callable[[Terminal], bool], seconds: float = 400) -> Terminal:
        """Show what is written until something is seen."""
        end = time.monotonic() + seconds
        while not wanted(self):
            assert time.monotonic() < end, self.screen.text()
            assert self._look(), self.screen.text()
        return self

    def wait(self, seconds: float = 400) -> int:
        """Show what is written until all that write have ended; returns the exit status."""
        end = time.monotonic() + seconds
        while self._look():
            assert time.monotonic() < end, self.screen.text()
        os.close(self._master)
        return self.process.wait(10)

    def _look(self) -> bool:
        if not select.select([self._master], [], [], 0.1)[0]:
            return True
        try:
            new = os.read(self._master, 1 << 16)
        except OSError:
            return False  # all have closed it
        text = (self._bytes + new).decode(errors="ignore")
        self._bytes = (
            b"" if not text or text.encode() == self._bytes + new else (self._bytes + new)[len(text.encode()) :]
        )
        text = text.replace("\r\n", "\n\r")
        self.raw += text
        self.screen.feed(text)
        if not self.screen.held:
            self.screens.append(self.screen.text())
        return True

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def kill(self) -> None:
        """End the process alone, at once."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def _take() -> None:
    """Take standard input for the terminal of control, and hear a Ctrl-C, whatever the tests were started with."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
