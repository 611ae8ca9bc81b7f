"""Builds in a terminal: bars at its bottom, whole lines above them, and nothing of the bars in the end."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from conftest import Project
from terminal import Screen, Terminal

from pipeline.engine import display
from pipeline.engine.display import Display
from pipeline.locks import exists

EARLY = "results/mini/mini/early.csv"
BARS = re.compile(r"^(?P<name>\S.*?) +(?P<bar>[━─]{6,})(?P<words>.*)$", re.MULTILINE)
LINES = (
    r"\[\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}\]",
    r"Job \d+: \w+ .*",
    r"Finished jobid: \d+ \(Rule: \w+\)",
    r"\d+ of \d+ steps \(\d+%\) done",
    r"Select jobs to execute\.\.\.",
    r"Execute \d jobs\.\.\.",
    r"mini/\w+, shapes for cifar10, seed 0  (eager: the device is a CPU|goes on from .*)",
    r"",
)
"""What Snakemake and jobs print while a build runs."""


def longer(project: Project, epochs: int) -> Project:
    """Let trainings take seconds."""
    project.edit("params/scales/mini.yaml", "100: 1", f"100: {epochs}")
    project.edit("params/scales/mini.yaml", "300: 2", f"300: {2 * epochs}")
    return project


def start(project: Project, *arguments: str, columns: int = 80, own: bool = True, **environ: str) -> Terminal:
    command = [sys.executable, "-m", "snakemake", EARLY, "--config", "scale=mini", *arguments]
    if "--cores" not in arguments:
        command += ["--cores", "2"]
    variables = project.environ | {"TERM": "xterm"} | environ
    if own:  # workers of a parallel test run have these, of another terminal
        variables = {name: value for name, value in variables.items() if name not in ("COLUMNS", "LINES")}
    return Terminal(command, project.root, variables, columns, own=own)


def bars(screen: str) -> list[str]:
    """Names of what has a bar on a screen; nothing stands below the first of them but other bars."""
    first = BARS.search(screen)
    if first is None:
        return []
    found = [match["name"].strip() for match in BARS.finditer(screen)]
    assert len(screen[first.start() :].rstrip("\n").split("\n")) == len(found), screen
    return found


def check_lines(terminal: Terminal) -> None:
    """Between the first job and the page all lines are whole ones of somebody's."""
    unbroken = Screen(10_000, terminal.screen.rows)
    unbroken.feed(terminal.raw)
    text = unbroken.text()
    end = re.search(r"\n+(?:┏|Complete log|executed )", text)
    assert end is not None, text
    for line in text[text.index("Select jobs to execute...") : end.start()].split("\n"):
        assert any(re.fullmatch(form, line) for form in LINES), f"{line!r} in\n{text}"
    assert not terminal.screen.unknown and "\x1b[?25" not in terminal.raw


def check_end(terminal: Terminal, project: Project) -> None:
    """The summary is the last that is seen, and nothing is left of the bars."""
    text = terminal.screen.text()
    assert not BARS.search(text), text
    said = " ".join(text.split())
    end = "results/mini/mini/early.md; to look at it in a browser: python -m pipeline site"
    assert re.search(rf" executed \d+ stages [^/]*, \d+ s {re.escape(end)}\Z", said), text
    assert "early: The first column only" in text and max(map(len, text.split("\n"))) <= terminal.screen.columns
    assert not list(project.root.glob(".scratch/display-*"))


def test_two_jobs_and_the_whole_have_bars_and_lines_stay_whole(built):
    longer(built.alone(), 240)  # seconds, on a fast machine too
    terminal = start(built, own=False)
    assert terminal.wait() == 0
    check_lines(terminal)
    check_end(terminal, built)
    seen = [bars(screen) for screen in terminal.screens]
    runs = ["mini/direct, shapes for cifar10", "mini/plain, shapes for cifar10"]
    assert any(len(names) == 3 and all(run in " ".join(names) for run in runs) for names in seen), seen
    assert all(re.match(r"build, \d/5 stages", names[-1]) for names in seen if names)
    words = " ".join(match["words"] for screen in terminal.screens for match in BARS.finditer(screen))
    assert re.search(r"  epoch \d+/240  (seed 0  )?ETA \d+:\d\d", words)
    assert sum("Finished jobid" in line for line in terminal.screen.lines) == 5
    (log,) = sorted(built.root.glob(".snakemake/log/*.log"))[-1:]
    assert "5 of 5 steps (100%) done" in log.read_text() and not re.search(r"[━\x1b\r]", log.read_text())
    records = built.root.glob("receipts/**/*.execution.json")
    assert all('"opened"' not in record.read_text() for record in records)


# without a build


def given(tmp_path: Path, **more) -> Display:
    workspace = SimpleNamespace(scratch=tmp_path, journal=tmp_path / "journal.jsonl")
    return Display(SimpleNamespace(**{"shows": True, "workspace": workspace, "states": None, **more}))


@pytest.mark.parametrize("why", ["not a terminal", "dumb", "not wanted"])
def test_no_bars(why, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda _: why != "not a terminal")
    monkeypatch.setenv("TERM", "dumb" if why == "dumb" else "xterm")
    shown = given(tmp_path, shows=why != "not wanted")
    monkeypatch.setattr(Display, "_begin", lambda *_: pytest.fail("it has begun"))
    shown.begin(2)
    shown.end()


def seen(capfd: pytest.CaptureFixture) -> list[str]:
    return re.sub(r"\r|\x1b\[J", "", capfd.readouterr().err).split("\n")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_bars_that_fail_cost_no_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(display, "terminal", lambda _: True)
    shown = given(tmp_path)  # a workflow of which nothing can be told
    shown.begin(2)
    os.write(2, b"before\n")
    until(lambda: "SSL_DISPLAY" not in os.environ)
    first: list[str] = []
    until(lambda: first.extend(seen(capfd)) or "before" in first)  # else it may come with what jobs print from here on
    assert shown._streams, "lines of jobs that are at work still come"
    (shown.folder / f"{os.getpid()}.text").write_text("of a job\n")
    os.write(2, b"after\n")
    shown.end()
    os.write(2, b"in the end\n")
    assert [line for line in first if line] == ["before"]
    assert seen(capfd) == ["of a job", "after", "in the end", ""]
    assert not list(tmp_path.glob("display-*"))


def test_a_terminal_that_is_gone_costs_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(display, "terminal", lambda _: True)
    monkeypatch.setattr(display.Area, "write", lambda *_: os.write(-1, b""))
    shown = given(tmp_path)
    shown.begin(2)
    until(lambda: not shown._streams)
    os.write(2, b"as ever\n")
    shown.end()
    assert seen(capfd) == ["as ever", ""] and "SSL_DISPLAY" not in os.environ


def test_a_display_that_cannot_begin_costs_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(display, "terminal", lambda _: True)
    (tmp_path / "file").write_text("")
    shown = given(tmp_path / "file")  # no folder can be made there
    shown.begin(2)
    os.write(2, b"as ever\n")
    shown.end()
    assert capfd.readouterr().err == "as ever\n"


def test_what_a_killed_build_has_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(display, "terminal", lambda _: True)
    (tmp_path / "display-999999999").mkdir()
    (tmp_path / f"display-{os.getppid()}").mkdir()
    shown = given(tmp_path)
    shown.begin(1)
    shown.end()
    assert [path.name for path in tmp_path.glob("display-*")] == [f"display-{os.getppid()}"]


# with builds of every kind


@pytest.mark.slow
def test_in_a_narrow_window(built):
    longer(built.alone(), 80)
    terminal = start(built, columns=40)
    assert terminal.wait() == 0
    check_lines(terminal)
    check_end(terminal, built)
    shown = [match[0] for screen in terminal.screens for match in BARS.finditer(screen)]
    assert max(map(len, shown)) < 40
    runs = {line.split(",")[0] for line in shown}
    assert {"mini/direct", "mini/plain", "build"} <= runs, runs
    assert any(re.search(r"  epoch \d+/80", line) for line in shown)


@pytest.mark.slow
def test_a_window_that_is_made_narrower(built):
    longer(built.alone(), 150)
    terminal = start(built)
    terminal.until(lambda seen: len(bars(seen.screen.text())) == 3)
    terminal.resize(40, 24)
    terminal.screen.narrow(40)
    assert terminal.wait() == 0
    check_end(terminal, built)
    text = terminal.screen.text()
    assert text.count("Finished jobid") == 5 and "100%" in text


@pytest.mark.slow
def test_one_job_at_a_time_quietly_and_without_colours(built):
    longer(built.alone(), 60)
    terminal = start(built, "--cores", "1", "--quiet", "rules", NO_COLOR="1")
    assert terminal.wait() == 0
    check_end(terminal, built)
    assert max(len(bars(screen)) for screen in terminal.screens) == 2
    assert not re.search(r"^Job \d", terminal.screen.text(), re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("how", [("--quiet", "all"), ("--quiet",), "dumb", ("-n",)])
def test_where_bars_are_not_wanted_there_are_none(how, built):
    longer(built.alone(), 60)
    terminal = start(built, TERM="dumb") if how == "dumb" else start(built, *how)
    assert terminal.wait() == 0
    assert not BARS.search(terminal.raw) and "\x1b[J" not in terminal.raw and not re.search(r"\x1b\[\d*A", terminal.raw)


@pytest.mark.slow
def test_where_there_is_no_terminal_lines_are_plain(built):
    longer(built.alone(), 60)
    done = built.snakemake(EARLY, "--config", "scale=mini")
    assert not re.search(r"[━\x1b\r]", done.stdout + done.stderr)
    assert "5 of 5 steps (100%) done" in done.stderr and "\nexecuted 5 stages" in done.stderr


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_a_usable_terminal_and_what_follows_goes_on(built):
    longer(built.alone(), 300)
    built.environ["SSL_PROGRESS_SECONDS"] = "0.2"
    terminal = start(built)
    terminal.until(lambda seen: re.search(r"epoch [2-9]\d/300", seen.screen.text()))
    terminal.kill()
    assert terminal.screen.column == 0 and "\x1b[?25" not in terminal.raw
    left = list(built.root.glob(".scratch/display-*"))
    assert len(left) == 1
    for job in left[0].glob("*.json"):  # they hear of it, save and end
        end = time.monotonic() + 20
        while exists(int(job.stem)):
            assert time.monotonic() < end
            time.sleep(0.05)
    again = start(built)
    assert again.wait() == 0
    text = again.screen.text()
    assert re.search(r"mini/\w+, shapes for cifar10, seed 0  goes on from (step \d+, in epoch \d+|epoch \d+)", text), (
        text
    )
    check_end(again, built)
    assert not left[0].exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped_says_what_it_has_done(number, built):
    longer(built.alone(), 300)
    terminal = start(built)
    terminal.until(lambda seen: re.search(r"epoch [2-9]\d/300", seen.screen.text()))
    if number == signal.SIGINT:
        terminal.type("\x03")  # and with it all jobs
    else:
        os.kill(terminal.process.pid, number)
    assert terminal.wait() != 0
    text = terminal.screen.text()
    assert not BARS.search(text) and re.search(r"^executed \d stages.*; what is done stays done", text, re.MULTILINE)
    told = re.search(r"^stopped: mini/\w+, shapes.*the same command goes on$", text, re.MULTILINE | re.DOTALL)
    assert (told is not None) == (number == signal.SIGINT), text  # on SIGTERM Snakemake waits for jobs that have begun
    (log,) = sorted(built.root.glob(".snakemake/log/*.log"))[-1:]
    if number == signal.SIGINT:
        assert "Error" not in text and "RuleException" not in text and "Error in rule pretrain" in log.read_text(), text
        assert text.rstrip().endswith("goes on"), text
    assert "failed: " not in text
    assert not list(built.root.glob(".scratch/display-*"))


@pytest.mark.slow
def test_what_a_shell_writes_while_a_build_is_stopped_stays(built):
    """Ctrl-Z, and fg some seconds later."""
    longer(built.alone(), 300)
    terminal = start(built)

    def drawn(terminal: Terminal) -> bool:
        return len(BARS.findall(terminal.screen.text().rpartition("a shell, for the")[2])) >= 2

    for number in range(1, 9):
        terminal.until(drawn)
        group = [psutil.Process(terminal.process.pid)]
        group += group[0].children(recursive=True)
        for process in group:
            process.suspend()
        line = f"a shell, for the {number}. time"
        Path(terminal.name).write_text(f"{line}\n")
        time.sleep(display.STOPPED)
        terminal.until(lambda terminal, line=line: line in terminal.screen.text())
        for process in group:
            process.resume()
    assert terminal.wait() == 0
    assert terminal.screen.text().count("a shell, for the") == 8, terminal.screen.text()


@pytest.mark.slow
def test_an_error_of_a_job_stands_before_what_snakemake_says_of_it(built):
    longer(built.alone(), 60)
    built.edit("params/scales/mini.yaml", "linear_probe: {epochs: 2}", "linear_probe: {epochs: 3}")
    probe = built.root / "pipeline/evaluation/measures/linear_probe.py"
    probe.write_text(probe.read_text() + "\nraise OSError(5, 'the disk is gone', 'a/file')\n")
    terminal = start(built)
    assert terminal.wait() != 0
    text = terminal.screen.text()
    assert not BARS.search(text) and text.index("the disk is gone") < text.index("Error in rule probe")
