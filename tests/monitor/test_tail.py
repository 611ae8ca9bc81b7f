"""Whole lines of what others append to a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.monitor.tail import Tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "text"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_come_once_and_whole(path):
    tail = Tail(path)
    assert tail.lines() == []  # nobody has written yet
    append(path, b"first\nsec" + "ö".encode()[:1])
    assert tail.lines() == ["first"]
    append(path, "ö".encode()[1:] + b"nd\n\n")
    assert tail.lines() == ["secönd", ""]
    assert tail.lines() == [] and tail.rest == ""


def test_what_was_there_before_is_of_no_interest(path):
    append(path, b"old\n")
    tail = Tail(path, path.stat().st_size)
    append(path, b"new\n")
    assert tail.lines() == ["new"]


def test_a_line_that_is_rewritten_is_what_it_became_and_one_that_was_wiped_is_none(path):
    tail = Tail(path)
    append(path, b"\r10 %\r20 %")
    assert tail.lines() == [] and tail.rest == "20 %" and tail.rewritten
    append(path, b"\r100 %\ndone\r\n")
    assert tail.lines() == ["100 %", "done"] and not tail.rewritten
    append(path, b"\r30 %\r    \r")
    assert tail.lines() == [] and not tail.rewritten and tail.rest == ""
    append(path, b"\n")
    assert tail.lines() == []


def test_a_line_that_is_not_complete_is_no_bar(path):
    tail = Tail(path)
    append(path, b"half a li")
    assert tail.lines() == [] and tail.rest == "half a li" and not tail.rewritten


def test_colours_stay_and_nothing_moves_the_cursor(path):
    tail = Tail(path)
    append(path, b"\x1b[32mgreen\x1b[0m\x1b[A\x1b[2K\x1b7\tx\x08\x1b[?25l\n\x1b[31mred\x1b[0m")
    assert tail.lines() == ["\x1b[32mgreen\x1b[0m\tx"]
    assert tail.rest == "red"
