"""Extras of the environment: locked, installed on request, and kept whenever it is set up again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # of whoever calls the tests
    return subprocess.run(
        ["make", "-n", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def test_an_extra_is_installed_and_kept(checkout: Path) -> None:
    install = "pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements-timm.txt"
    assert "timm" not in make(checkout, "setup").stdout
    asked = make(checkout, "setup", "EXTRAS=timm").stdout
    assert install in asked and "echo timm > .venv/.extras" in asked
    (checkout / ".venv/.extras").write_text("timm\n")  # as the line above leaves it
    again = make(checkout, "setup").stdout
    assert 0 < again.index("pipeline.install") < again.index(install), "what a set-up takes away comes back"
    (checkout / ".venv/.ready").touch()
    assert install not in make(checkout, "setup").stdout


def test_an_extra_that_is_not_there_is_one_line(checkout: Path) -> None:
    done = make(checkout, "setup", "EXTRAS=tim")
    assert done.returncode and not done.stdout
    assert re.fullmatch(
        r"Makefile:\d+: \*\*\* EXTRAS=tim: there is no such extra; there are: slurm tensorboard timm\..*\n", done.stderr
    )


def test_a_name_alone_is_told_what_to_type(checkout: Path) -> None:
    done = make(checkout, "table8")
    assert done.returncode and not done.stdout
    assert re.fullmatch(
        r"Makefile:\d+: \*\*\* there is no target table8; a table or figure: make results/table8.csv, .*\n", done.stderr
    )
    for target in ("setup", "results/table8.csv", "help"):  # what is read and has no rule is none
        assert make(checkout, target).returncode == 0


def test_what_is_locked_is_what_is_declared_and_pinned_nowhere_twice() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = {
        path.name: dict(re.findall(r"^([\w.-]+)==([\w.+]+)", path.read_text(), re.MULTILINE))
        for path in ROOT.glob("requirements*.txt")
    }
    for extra in ("slurm", "tensorboard", "timm"):
        name = f"requirements-{extra}.txt"
        assert {re.split(r"[>=<]", one)[0] for one in declared[extra]} <= pinned[name].keys()
        assert not pinned[name].keys() & pinned["requirements.txt"].keys()
        text = (ROOT / name).read_text()
        assert len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) <= text.count("--hash=sha256:")


def test_a_variable_in_small_letters_is_refused_and_not_passed_over(checkout: Path) -> None:
    done = make(checkout, "results/table8.csv", "scale=tiny")
    assert done.returncode == 2 and "scale=: variables are upper case here; type: make ... SCALE=tiny" in done.stderr
