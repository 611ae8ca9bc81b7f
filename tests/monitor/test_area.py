"""Lines that stay at the bottom of a real terminal, as a person sees them."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
from collections.abc import Iterator

import pytest
from terminal import Screen

from pipeline.monitor.area import HOLD, SHOW, Area


class Pair:
    """An area, and the screen of its terminal."""

    def __init__(self, columns: int = 40, rows: int = 10) -> None:
        self.master, self.slave = os.openpty()
        self.screen = Screen(columns, rows)
        self.size(columns, rows)
        self.area = Area(self.slave)

    def size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def write(self, lines: list[str], bars: list[str]) -> str:
        self.area.write(lines, bars)
        written = b""
        while select.select([self.master], [], [], 0.02)[0]:
            written += os.read(self.master, 1 << 16)
        self.screen.feed(written.decode().replace("\r\n", "\n\r"))
        assert not self.screen.unknown
        return written.decode()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    os.close(made.master)
    os.close(made.slave)


def test_lines_are_above_and_bars_below_once_each(pair):
    pair.write(["one"], ["a 1", "b 1"])
    pair.write([], ["a 2", "b"])
    pair.write(["two", "x" * 95, "three"], ["a 3", "b 3"])
    pair.write(["four"], ["b 4"])
    assert pair.screen.text() == "\n".join(["one", "two", "x" * 40, "x" * 40, "x" * 15, "three", "four", "b 4", ""])
    pair.write(["five"], [])
    assert pair.screen.text().endswith("three\nfour\nfive\n") and "b 4" not in pair.screen.text()


def test_what_has_not_changed_is_not_written_again(pair):
    pair.write([], ["a"])
    assert pair.write([], ["a"]) == ""
    assert pair.write([], ["b"]) != ""


def test_a_shorter_bar_leaves_nothing_of_the_longer_one(pair):
    pair.write([], ["a long one"])
    pair.write([], ["a"])
    assert pair.screen.text() == "a\n"


def test_the_cursor_stands_below_the_bars_and_is_never_hidden(pair):
    written = pair.write(["line"], ["a", "b"])
    assert pair.screen.column == 0 and pair.screen.row == 3
    assert "?25l" not in written


def test_what_changes_together_is_shown_at_once(pair):
    for lines, bars in ([], ["a", "b"]), (["line"], ["a 1", "b"]), ([], ["a 2", "b"]), (["last"], []):
        written = pair.write(lines, bars)
        assert written.startswith(HOLD) and written.endswith(SHOW) and written.count(HOLD) == written.count(SHOW) == 1
    assert HOLD not in pair.write(["without bars"], [])


def test_a_window_that_is_made_narrower_keeps_no_piece_of_a_bar(pair):
    pair.write(["line"], ["a" * 39, "b" * 20])
    pair.size(15, 10)
    pair.screen.narrow(15)
    pair.write(["next"], ["a" * 14, "b" * 14])
    assert pair.screen.text() == f"line\nnext\n{'a' * 14}\n{'b' * 14}\n"


def test_more_bars_than_rows_are_counted(pair):
    bars = [f"bar {number}" for number in range(20)]
    pair.write(["line"], bars)
    assert pair.screen.text() == "line\n" + "\n".join([*bars[:6], "and 13 more", "bar 19"]) + "\n"
    pair.write(["next"], bars[:1] + bars[-1:])
    assert pair.screen.text() == "line\nnext\nbar 0\nbar 19\n"
    pair.size(40, 3)
    pair.write([], bars)
    assert pair.screen.text() == "line\nnext\nbar 19\n"


def test_a_terminal_that_tells_no_size_has_80_columns(pair):
    pair.size(0, 0)
    assert pair.area.size() == (80, 24)


def test_what_a_shell_has_written_below_stays(pair):
    pair.write([], ["a 1"])
    pair.screen.feed("[1]+  Stopped\n\r")
    pair.area.forget()
    pair.write([], ["a 2"])
    assert pair.screen.text() == "a 1\n[1]+  Stopped\na 2\n"


def test_colours_of_a_line_end_before_the_bars(pair):
    written = pair.write(["\x1b[32mgreen"], ["a bar"])
    assert written.index("green") < written.index("\x1b[0m") < written.index("a bar")
    assert "\x1b[0m" not in pair.write(["plain"], ["a bar"])


def test_in_the_background_there_are_lines_and_no_bars(pair, monkeypatch):
    pair.write([], ["a"])
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    pair.write(["line"], ["a"])
    assert pair.screen.text() == "line\n"
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    pair.write([], ["a"])
    assert pair.screen.text() == "line\na\n"
