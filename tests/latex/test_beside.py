"""The LaTeX beside every table of results/: written by builds, never over somebody's own, nobody's evidence."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest
import typeset
from conftest import DUEL, ROOT, Project

from pipeline.latex import beside

CONFIG = ("--config", "scale=mini")
STEM = DUEL.removesuffix(".csv")
VIEW = f"{STEM}.tex"


def times(path: Path, seconds: int) -> int:
    """Set when a file was last written, from now on; returns it as the file system has it."""
    at = time.time() + seconds
    os.utime(path, (at, at))
    return path.stat().st_mtime_ns


def test_a_build_writes_it_and_one_with_nothing_to_do_too(built: Project) -> None:
    path = built.root / VIEW
    text = path.read_text()
    typeset.check(text)
    assert text.startswith(f"% Written by python -m pipeline tex from {STEM}.json (key ")
    assert VIEW not in (built.root / f"{STEM}.receipt.json").read_text()
    path.unlink()
    assert not built.build(DUEL, "--config", "scale=mini") and path.read_text() == text
    path.unlink()
    built.snakemake(DUEL, "-n", *CONFIG)
    assert not path.exists(), "a dry run writes nothing"


def test_it_is_the_table_that_the_command_writes(built: Project) -> None:
    built.pipeline("tex", "duel", "-o", "paper", *CONFIG)
    assert (built.root / "paper/duel.tex").read_text() == (built.root / VIEW).read_text()


def test_one_that_is_newer_than_its_json_file_is_not_read(built: Project) -> None:
    path = built.root / VIEW
    path.write_text("edited")
    at = times(path, 0)
    assert beside.write(built.root, [STEM]) == [] and path.stat().st_mtime_ns == at and path.read_text() == "edited"


@pytest.mark.parametrize("seconds", [-1000, 1000])
def test_one_of_another_time_is_written_anew_once(built: Project, seconds: int) -> None:
    path = built.root / VIEW
    text = path.read_text()
    path.write_text(text + "old\n")
    times(path, seconds)
    assert beside.write(built.root, [STEM]) == [] and path.read_text() == text
    times(path, -1000)
    assert beside.write(built.root, [STEM]) == []
    assert path.stat().st_mtime_ns >= (built.root / f"{STEM}.json").stat().st_mtime_ns, "or it would be read each time"


@pytest.mark.parametrize(
    "text", ["my own", "% Written by python -m pipeline tex from results/a/b/c.json (key 0); written anew, not edited"]
)
def test_somebodys_own_stays_whatever_its_time(built: Project, text: str) -> None:
    path = built.root / VIEW
    path.write_text(text)
    times(path, -1000)
    told = built.snakemake(DUEL, *CONFIG).stderr
    assert path.read_text() == text and f"{VIEW} is not what a build writes there, and stays" in told


def test_a_table_that_is_not_as_written_has_no_view_made_of_it(built: Project) -> None:
    json, path = built.root / f"{STEM}.json", built.root / VIEW
    path.unlink()
    json.write_text(json.read_text().replace("One against", "Two against"))
    assert beside.write(built.root, [STEM]) == [] and not path.exists()


def test_an_audit_lets_it_be_and_says_where_it_was_edited(built: Project) -> None:
    for name in (DUEL, VIEW):
        told = built.pipeline("audit", name, *CONFIG).stdout
        assert "everything holds: " in told and "remark: results" not in told
    with (built.root / VIEW).open("a") as file:
        file.write("99.9\n")
    told = built.pipeline("audit", DUEL, *CONFIG).stdout
    assert "everything holds: " in told and f"remark: {VIEW}: not what its JSON file gives" in told
    (built.root / VIEW).write_text("my own")
    told = built.pipeline("audit", DUEL, *CONFIG, check=False).stdout
    assert f"foreign: {VIEW}: " in told


def test_gc_takes_it_along_and_leaves_somebodys_own(built: Project) -> None:
    other = built.root / "results/mini/mini/early.tex"
    built.build("results/mini/mini/early.csv", *CONFIG)
    assert other.is_file()
    other.write_text("my own")
    built.alone()
    (built.root / "params/papers/mini.yaml").unlink()
    built.pipeline("gc", "--delete", *CONFIG)
    left = {path.name for path in (built.root / "results/mini/mini").iterdir()}
    assert left == {"early.tex"} and other.read_text() == "my own"


def test_a_bundle_and_dvc_do_without_it(built: Project) -> None:
    built.pipeline("bundle", "duel", "-o", "duel.zip", *CONFIG)
    assert not any(name.endswith(".tex") for name in zipfile.ZipFile(built.root / "duel.zip").namelist())
    assert "/results/*/*/*.tex" in (built.root / ".dvcignore").read_text().splitlines()


def test_committed_tables_have_theirs() -> None:
    tables = sorted((ROOT / "results/laptop").glob("*/table*.csv"))
    assert tables
    for path in tables:
        stem = path.relative_to(ROOT).with_suffix("").as_posix()
        assert beside.content(ROOT, stem) == path.with_suffix(".tex").read_text(encoding="utf-8")
