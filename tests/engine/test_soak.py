"""A build that is killed over and over, at any moment and in every way, ends where an undisturbed one does.

After every kill the same command is typed again, and nothing else: no ``--unlock``, no file removed by hand. At the end
all payload, receipts and results are bitwise those of the build that nobody disturbed, ``audit`` holds, and no file is
left that such a build does not leave.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DUEL, Project

from pipeline import files

WAYS = list(itertools.product((signal.SIGKILL, signal.SIGTERM, signal.SIGINT), ("snakemake", "its group")))
PAYLOAD = ("data", "checkpoints", "measurements", "receipts", "results", ".dvc/cache", "keys", "jobs")
"""What a build writes, and what of it is compared."""

BUSY = "is working on it"
"""What a job says of one that outlived its Snakemake, and that it would disturb."""


def content(project: Project) -> dict[str, str]:
    """sha256 of every file of a build by its name; of what says when, where or why it was made the name alone."""
    found = {}
    for path in (path for part in PAYLOAD for path in (project.root / part).rglob("*")):
        if path.is_file():
            name = path.relative_to(project.root).as_posix()
            dated = name.startswith("keys/") or name.endswith(".execution.json") or re.fullmatch(r"jobs/.*\.json", name)
            found[name] = "" if dated else files.sha256(path)
    return found


def strays(project: Project) -> list[str]:
    """What a build leaves beside what it makes: files half-written, folders to work in, locks."""
    found = [path for path in project.root.rglob("*") if path.name.endswith((".part", ".held", ".unpacking"))]
    found += [path for path in (project.root / ".scratch").iterdir() if path.is_dir() and path.name != "locks"]
    found += (project.root / ".snakemake/locks").glob("*")
    return sorted(path.relative_to(project.root).as_posix() for path in found)


def wipe(project: Project, parts: tuple[str, ...]) -> None:
    """Take away what was built."""
    for part in parts:
        for path in project.root.glob(part):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def build_and_kill(project: Project, stages: int, share: float, how: int, whom: str, log: Path) -> bool:
    """Begin a build and kill it some way into a stage; whether it was still there to be killed.

    Args:
        project: Where.
        stages: How many stages are to have ended before.
        share: How far into the next one, in the time that those before took each; of five seconds where there is none.
        how: The signal.
        whom: Snakemake alone, or ``its group``, as the terminal does.
        log: Where what it says goes.
    """
    command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "2", "--config", "scale=tiny"]
    journal = project.root / "logs/journal.jsonl"
    before, begun = journal.read_bytes().count(b"\n"), time.monotonic()
    with log.open("ab") as out, subprocess.Popen(command, cwd=project.root, env=project.environ, stdout=out, stderr=out, start_new_session=True) as running:  # fmt: skip
        while journal.read_bytes().count(b"\n") < before + stages and running.poll() is None:
            time.sleep(0.02)
        try:
            running.wait(share * ((time.monotonic() - begun) / stages if stages else 5.0))
            return False
        except subprocess.TimeoutExpired:
            (os.killpg if whom == "its group" else os.kill)(running.pid, how)
        try:
            running.wait(600)  # a job that is to end by itself may be a training
        finally:
            if running.poll() is None:
                running.kill()
    return True


def soak(project: Project, kills: int, most: int, parts: tuple[str, ...], log: Path) -> int:
    """Kill builds so many times, and take away what they have made whenever one comes to its end.

    Args:
        project: Where.
        kills: How many.
        most: Stages that end in a build before it is killed, at most: by stages, not by the clock, a busy machine gets
            as far as an idle one.
        parts: What is taken away.
        log: Where what builds say goes.

    Returns:
        How often one came to its end.
    """
    draw = random.Random(os.getpid())
    done = whole = 0
    while done < kills:
        how, whom = WAYS[done % len(WAYS)] if done < len(WAYS) else draw.choice(WAYS)
        if build_and_kill(project, draw.randint(0, most), draw.random(), how, whom, log):
            done += 1
        elif "Error" not in log.read_text().rsplit("Building DAG", 1)[-1]:
            whole += 1
            wipe(project, parts)
    return whole


def finish(project: Project, log: Path) -> None:
    """Type the same command until it has nothing to wait for: jobs that outlived their Snakemake end by themselves."""
    for _ in range(60):
        done = project.snakemake(DUEL, check=False)
        with log.open("a") as out:
            out.write(done.stderr)
        if done.returncode == 0:
            return
        assert BUSY in done.stderr, done.stderr
        time.sleep(1)
    raise AssertionError("jobs of a killed build have not ended within a minute")


def check(project: Project, wanted: dict[str, str], log: Path, *, store: bool = True) -> None:
    """What must hold after all kills; the store is compared where all of it was taken away before."""
    finish(project, log)
    assert "--unlock" not in log.read_text()
    found, wanted = (
        {n: d for n, d in all_of.items() if store or n[:5] != ".dvc/"} for all_of in (content(project), wanted)
    )
    assert found.keys() - wanted.keys() == set(), "files that an undisturbed build does not leave"
    assert {name for name in wanted if found.get(name) != wanted[name]} == set()
    assert strays(project) == []
    audited = project.pipeline("audit", DUEL, "--config", "scale=mini", check=False)
    assert audited.returncode == 0, audited.stdout
    assert "Nothing to be done" in project.snakemake(DUEL).stderr


def test_a_few_kills(built: Project, tmp_path: Path) -> None:
    wanted, log = content(built), tmp_path / "log"
    objects = (
        ".dvc/cache/files",
        ".dvc/cache/receipts",
        "receipts/measurements",
        "measurements",
        "results",
        ".snakemake",
    )
    wipe(built, objects)
    soak(built, 3, 1, objects, log)
    check(built, wanted, log, store=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills(built: Project, tmp_path: Path) -> None:
    wanted, log = content(built), tmp_path / "log"
    parts = (*PAYLOAD, ".scratch", ".snakemake")
    wipe(built, parts)
    assert soak(built, 50, 4, parts, log) > 0, "kills were to come in every stage of a build"
    check(built, wanted, log)
