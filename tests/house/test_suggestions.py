"""What is mistyped is answered with what was meant."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from pipeline import __main__
from pipeline.errors import UserError, nearest
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.provenance.listing import Listing

COLUMNS = ["state", "source.size", "views.size", "optimizer.lr", "objective.strength"]


@pytest.mark.parametrize(
    ("typed", "known", "told"),
    [
        ("tyni", ["gpu", "quick", "tiny"], "did you mean tiny?"),
        ("tiy", ["gpu", "quick", "tiny"], "did you mean tiny?"),
        ("stregth", COLUMNS, "did you mean objective.strength?"),
        ("size", COLUMNS, "did you mean source.size or views.size?"),
        ("sizes", COLUMNS, "there are: state, source.size, views.size, optimizer.lr, objective.strength"),
        ("nothing", ["gpu", "quick"], "there are: gpu, quick"),
    ],
)
def test_the_name_that_was_meant(typed: str, known: list[str], told: str) -> None:
    assert nearest(typed, known) == told


def test_a_scale(capsys) -> None:
    known = Catalogue(Options(scale="tyni"))
    with pytest.raises(UserError, match=r"^--config scale=tyni: there is no such scale; did you mean tiny\?$"):
        known.scale("tyni")


def test_a_column_of_runs() -> None:
    run = SimpleNamespace(params={"objective.strength": 1.0}, scores={"linear_top1": 1.0}, told=[])
    with pytest.raises(UserError, match=r"--where stregth: .*; did you mean objective.strength\?$"):
        Listing([run]).where(["stregth=1"])  # type: ignore[list-item]


def test_a_command(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "plna", "--all"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("error: there is no command 'plna'; did you mean plan?")
