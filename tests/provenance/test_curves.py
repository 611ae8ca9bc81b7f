"""Histories of trainings: from milestones, from progress that is saved while they go on, and as tables for others."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from conftest import Project

from pipeline.numerics import saved_tensors
from pipeline.provenance import curves, histories
from pipeline.provenance.curves import Curves, history, saved_history
from pipeline.provenance.listing import Listing
from pipeline.provenance.runs import KnownRun
from pipeline.training.history import COLUMNS, History

CONFIG = ("--config", "scale=mini")


def test_a_history_as_trainings_write_it_is_read() -> None:
    written = History()
    written.add(1, 2.5, 0.9, 7.0)
    written.add(2, math.nan, math.nan, math.nan)
    found = history(written.text())
    assert ("epoch", *found) == COLUMNS
    assert found["loss"][0] == (1.0, 2.5) and math.isnan(found["loss"][1][1])


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("", None),
        ("epoch,loss\n1,2.0\n2,", [(1, 2.0), (2, math.nan)]),
        ("epoch,loss\n1,2.0\n2", [(1, 2.0)]),
        ("epoch,loss\n1,2.0\n,3.0\nx,4.0\n", [(1, 2.0)]),
        ("epoch,loss\n1,abc\n\0\n", [(1, math.nan)]),
        ("\x89PNG\n\x1a,,,\n", None),
    ],
)
def test_a_history_that_is_broken_says_what_it_can(text: str, loss: list | None) -> None:
    assert repr(history(text).get("loss")) == repr(None if loss is None else [(float(e), v) for e, v in loss])


def test_the_history_in_saved_progress_is_read_without_the_rest(tmp_path: Path) -> None:
    text = "epoch,loss,embedding_std,effective_rank\n1,2.0,0.5,3.0\n"
    tensors = {
        "model.weight": torch.zeros(1000),
        "run.history": torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8),
        "run.losses": torch.zeros(3),
    }
    saved_tensors.write(tmp_path, tensors)
    path = tmp_path / saved_tensors.FILE
    assert saved_history(path) == text
    whole = path.read_bytes()
    for length in range(0, len(whole), 41):  # half-written, wherever it ends
        path.write_bytes(whole[:length])
        assert text.startswith(saved_history(path))
    for broken in (b"\xff" * 500, whole[:40] + b"[1, 2]" + whole[46:], whole[:32] + b"\x02" + b"\0" * 7 + b"{}"):
        path.write_bytes(broken)
        assert saved_history(path) == ""
    assert saved_history(tmp_path / "nowhere") == ""


def test_eigenvalues_are_lists_by_their_name_and_numbers_are_no_counts() -> None:
    found = Curves()
    nested = {"f_eigenvalues": [1.0, 3.0], "alignment": [0.5, 0.2], "wp_eigenvalues": [1.0, None]}
    found.add("spectrum", "spectrum", 2.0, {"spectrum": nested, "rank": 3.5, "samples": 10, "collapsed": False})
    assert found.lists == {"spectrum.f_eigenvalues": [(2.0, [3.0, 1.0])]}
    assert found.numbers == {"spectrum.rank": [(2.0, 3.5)]}
    found.add("eigenvalues", "eigenvalues", 1.0, {"covariance": [2.0, 1.0], "samples": 5})
    assert found.lists["eigenvalues.covariance"] == [(1.0, [2.0, 1.0])]


def listed() -> list[tuple[KnownRun, Curves]]:
    run = KnownRun("cfg-0123456789", 1, "done", "", [2], [2], {"lr": 0.1}, name="=paper, data")
    found = Curves({"loss": [(1.0, -1.5), (2.0, math.nan)], "probe.top1": [(0.5, 10.0), (2.0, 50.0)]})
    found.lists = {"spectrum.f_eigenvalues": [(2.0, [3.0, 1.0])]}
    return [(run, found)]


def test_a_long_table_has_a_row_per_number(tmp_path: Path) -> None:
    known = listed()
    listing = Listing([run for run, _ in known])
    assert histories.write(tmp_path / "a.csv", known, listing) == [tmp_path / "a.csv"]
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["epoch"], row["quantity"], row["value"]) for row in rows] == [
        ("1.0", "loss", "-1.5"), ("2.0", "loss", "nan"), ("0.5", "probe.top1", "10.0"), ("2.0", "probe.top1", "50.0"),
        ("2.0", "spectrum.f_eigenvalues[1]", "3.0"), ("2.0", "spectrum.f_eigenvalues[2]", "1.0"),
    ]  # fmt: skip
    assert {row["name"] for row in rows} == {"'=paper, data"}, "no spreadsheet takes it for a formula"
    histories.write(tmp_path / "a.jsonl", known, listing)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "name": "=paper, data", "config": "cfg-0123456789", "seed": 1, "state": "done", "epoch": 1.0,
        "quantity": "loss", "value": -1.5,
    }  # fmt: skip
    assert lines[1]["value"] is None, "JSON has no NaN"


def test_a_folder_has_a_wide_table_per_training(tmp_path: Path) -> None:
    known = listed()
    written = histories.write(tmp_path / "out", known, Listing([run for run, _ in known]))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "history.csv", "runs.csv", "runs/cfg-0123456789-seed1.csv",
    ]  # fmt: skip
    lines = written[2].read_text().splitlines()
    assert lines[0] == "step,loss,probe.top1,spectrum.f_eigenvalues[1],spectrum.f_eigenvalues[2]"
    assert lines[1:] == ["1,-1.5,,,", "2,,50.0,3.0,1.0"], "whole epochs; what is no number is left empty"


def test_pandas_reads_what_is_exported(built_once: Project, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    said = built_once.pipeline("runs", "mini/duel", "--export", str(tmp_path / "a.csv"), *CONFIG).stdout
    assert said == f"{tmp_path}/a.csv: 2 trainings\n"
    table = pandas.read_csv(tmp_path / "a.csv")
    assert tuple(table.columns) == histories.COLUMNS
    for path in sorted((built_once.root / "checkpoints").glob("*/seed0/epoch0002/history.csv")):
        own = table[(table.config == path.parts[-4]) & table.quantity.isin(curves.HISTORY)]
        wide = own.pivot_table(index="epoch", columns="quantity", values="value")
        other = pandas.read_csv(path).set_index("epoch")
        assert (wide[list(other.columns)].to_numpy() == other.to_numpy()).all() and len(other) == 2
    probes = table[table.quantity == "linear_probe.top1_last"]
    assert sorted(probes.epoch) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("name", "before", "words"),
    [
        ("a.txt", None, "expected FILE.csv, FILE.jsonl or a folder, found .txt"),
        ("a.csv", "thesis", "a file, and no earlier table of runs --export: it is not written over"),
        ("full", "folder", "something is there; name a folder that is new or empty"),
    ],
)
def test_nothing_of_anybodys_is_written_over(tmp_path: Path, name: str, before: str | None, words: str) -> None:
    path = tmp_path / name
    if before == "folder":
        path.mkdir()
        (path / "mine").write_text("mine")
    elif before:
        path.write_text(before)
    known = listed()
    with pytest.raises(Exception, match=words) as raised:
        histories.write(path, known, Listing([run for run, _ in known]))
    assert type(raised.value).__name__ == "UserError"
    assert not before or (path / "mine" if before == "folder" else path).read_text() in ("mine", "thesis")
