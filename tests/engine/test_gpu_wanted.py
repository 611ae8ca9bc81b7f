"""A scale for a GPU on a machine without one: refused before anything starts, unless it was said."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from conftest import add_mini, copy_project

from pipeline import hardware
from pipeline.engine.workflow import Command, Workflow
from pipeline.errors import UserError
from pipeline.planning.catalogue import Catalogue

DUEL = "results/mini/mini/duel.csv"


@pytest.fixture(scope="module")
def declared(tmp_path_factory) -> Path:
    """A checkout whose only scale of interest is for a GPU."""
    project = add_mini(copy_project(tmp_path_factory.mktemp("gpu") / "project")).alone()
    scale = project.root / "params/scales/mini.yaml"
    scale.write_text(scale.read_text() + "gpu: true\n")
    return project.root


@pytest.fixture
def read(declared: Path, monkeypatch):
    """Reads the Snakefile on a machine that shows no GPU."""
    monkeypatch.chdir(declared)
    monkeypatch.setattr("pipeline.engine.workflow.Catalogue", functools.partial(Catalogue, folder=declared / "params"))
    monkeypatch.setattr(hardware, "accelerator", lambda: False)
    return lambda command, **config: Workflow({"scale": "mini", **config}, command, declared)


def test_it_is_refused_in_one_line_that_names_the_override(read) -> None:
    with pytest.raises(UserError, match=r"scale mini: 2 trainings are for a GPU.* device=cpu .*DEVICE=cpu"):
        read(Command((DUEL,), builds=True))


def test_what_starts_nothing_here_is_not(read, monkeypatch) -> None:
    read(Command((DUEL,)))  # a dry run
    read(Command((DUEL,), builds=True, here=False))  # jobs are sent to machines that have one
    read(Command((DUEL,), builds=True), device="cpu")
    monkeypatch.setattr(hardware, "accelerator", lambda: True)
    assert read(Command((DUEL,), builds=True)).gpu


def test_where_jobs_run_is_read_off_the_command_line(monkeypatch) -> None:
    from pipeline.engine import workflow

    for typed, here in ((["x", "--cores", "1"], True), (["x", "--cores", "1", "--touch"], False)):
        monkeypatch.setattr(workflow.sys, "argv", ["snakemake", *typed])
        assert workflow.typed().here is here
