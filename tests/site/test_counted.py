"""What the site counts and how it tells it: verdicts with their reasons, ours apart, settings apart, sentences in order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from handmade import filled, grid, params, work

from pipeline.artifacts import claims, scorecard, settings
from pipeline.artifacts.report import report as report_of
from pipeline.artifacts.rows import read
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.spec import Claim
from pipeline.provenance.chain import Chain
from pipeline.site import claimed, editions, tables, templating, verdicts
from pipeline.site.counts import Counts
from pipeline.site.leads import leads
from pipeline.site.project import ResultPage

MISPRINT, SETTING = verdicts.REASONS.values()

CLAIMS = [
    {"text": "a is above b", "greater": ["a", "b"]},
    {"text": "a is below 5, as printed", "below": 5, "where": {"method": "a"}, "because": "error in print"},
    {"text": "so is b", "below": 5, "where": {"method": "b"}, "because": "limit of our setting"},
    {"text": "b is below 4", "below": 4, "where": {"method": "b"}},
    {"text": "b is above 10", "above": 10, "where": {"method": "b"}, "ours": True, "because": "error in print"},
]


def result(tmp_path: Path, values: dict[tuple, list] | None = None, **changes: Any) -> ResultPage:
    """A table of two methods, judged and reported as a stage does it."""
    spec = params(**{"cells": grid(method=["a", "b"]), "columns": [], "rows": ["method"], **changes})
    values = values or {("a",): [80.0, 80.5], ("b",): [70.1, 70.48]}
    found, unmatched = read(work(tmp_path, spec, filled(spec["cells"], values)))
    made = ResultPage("results/quick/directpred/table8", Chain({}, []))
    made.report = report_of(spec, found, claims.judge(spec["claims"], found, "quick", "here"), unmatched)
    return made


def plain(markup: object) -> str:
    """Text of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", str(markup)).split())


# -- verdicts and their reasons


def test_every_declared_reason_and_verdict_has_a_word_and_a_mark() -> None:
    declared = {
        one for part in Claim.model_fields["because"].annotation.__args__ for one in getattr(part, "__args__", ())
    }
    assert declared == verdicts.REASONS.keys()
    assert set(claims.VERDICTS) < set(verdicts.WORDS) == verdicts.MARKS.keys()
    style = (ROOT / "pipeline/site/assets/style.css").read_text()
    assert all(f".{mark} {{ color: var(--" in style for mark in verdicts.MARKS.values())


def test_what_is_not_shown_for_a_reason_is_told_with_it(tmp_path: Path) -> None:
    report = result(tmp_path, claims=CLAIMS).report
    assert report is not None
    told = [claimed.told(claim, report)["verdict"] for claim in report["claims"]]
    assert told == [claims.SHOWN, MISPRINT, SETTING, claims.NOT_SHOWN, claims.SHOWN]


def test_reasons_and_sentences_of_ours_are_counted_apart(tmp_path: Path) -> None:
    found = Counts.over([result(tmp_path, claims=CLAIMS)])
    assert found.claims == {claims.SHOWN: 1, MISPRINT: 1, SETTING: 1, claims.NOT_SHOWN: 1}
    assert found.ours == {claims.SHOWN: 1}
    assert verdicts.told(found.claims) == [(claims.SHOWN, 1), (claims.NOT_SHOWN, 1), (MISPRINT, 1), (SETTING, 1)]
    assert verdicts.counted(found.ours) == [claims.SHOWN, claims.UNDECIDED, claims.NOT_SHOWN, claims.UNTESTED]
    assert len(verdicts.explained(found.claims)) == 2 and verdicts.explained(found.ours) == []


def test_a_card_marks_what_is_ours(tmp_path: Path) -> None:
    parts = templating.environment()
    parts.globals["previews"] = {}
    card = plain(parts.get_template("parts.html").module.card(result(tmp_path, claims=CLAIMS), ""))
    assert "1 shown 1 not shown 1 error in print 1 limit of our setting ours 1 shown" in card


# -- numbers and settings


def test_numbers_that_cannot_be_compared_are_named(tmp_path: Path) -> None:
    made = result(tmp_path)
    assert made.report is not None
    for cell in made.report["cells"]:
        cell.update(published_mean=80.0, published_std=1.0, dataset="stl10", paper_dataset="stl10")
    assert Counts.over([made]).within == "1 of 2"
    made.report["cells"][1]["dataset"] = "shapes"
    assert Counts.over([made]).within == "1 of 2 (1 not comparable)"
    assert Counts().within == ""


def test_settings_are_no_numbers(tmp_path: Path) -> None:
    made = result(tmp_path)
    assert made.report is not None
    for cell, standing in zip(made.report["cells"], (settings.AS_PRINTED, settings.BY_SCALE), strict=True):
        cell["setting"] = {"value": "Adam", "declared": "Adam", "printed": "Adam", "standing": standing}
        assert scorecard.stand(cell) is not None, "the scorecard of an edition counts it"
        shown = tables.cell(0, cell, "%")
        assert (shown.word, shown.difference) == (standing, ""), "it is within no band"
    found = Counts.over([made])
    assert found.numbers.total() == 0 and found.within == ""
    assert found.as_printed == "1 of 2 (1 set by the scale)"


def test_a_number_is_told_in_the_unit_of_its_cells_and_with_the_digits_that_it_needs(tmp_path: Path) -> None:
    small = {("a",): [0.0011, 0.0013], ("b",): [0.0004, 0.0005]}
    made = result(tmp_path, small, claims=CLAIMS[:1]).report
    assert made is not None
    (part,) = claimed.told(made["claims"][0], made)["parts"]
    assert "0.00075 ± 5e-05" in part["text"], "not 0.0 ± 0.0"
    usual = result(tmp_path / "usual", claims=CLAIMS[:1]).report
    assert usual is not None
    assert "+10.0 ± 0.1" in claimed.told(usual["claims"][0], usual)["parts"][0]["text"]
    for cell in usual["cells"]:
        cell["unit"] = "minutes"
    assert "+9.96 ± 0.06" in claimed.told(usual["claims"][0], usual)["parts"][0]["text"]


def test_what_is_nothing_but_rounding_is_told_as_0(tmp_path: Path) -> None:
    made = result(tmp_path, claims=CLAIMS[:1]).report
    assert made is not None
    made["claims"][0]["parts"][0] |= {"value": 8.88e-16, "standard_error": 2.08}
    (part,) = claimed.told(made["claims"][0], made)["parts"]
    assert part["text"].startswith("0.0 ± 2.1")


# -- tables


def test_columns_without_a_number_stand_last() -> None:
    report = {"rows": ["method"], "columns": ["dataset", "epochs"], "fixed": {}, "artifact": "x"}
    cells = [
        {"axes": {"method": "a", "dataset": data, "epochs": epochs}, "role": "cell", "dataset": data,
         "paper_dataset": data, "trained_epochs": epochs, "mean": 1.0 if data == "cifar10" and epochs == 300 else None,
         "std": None, "n": 1, "seeds": {}, "nodes": {}, "published_mean": 2.0, "published_std": None, "note": ""}
        for data in ("stl10", "cifar10") for epochs in (100, 300)
    ]  # fmt: skip
    found = tables.grid({**report, "cells": cells, "measure": {"unit": "", "title": "loss"}})
    assert found is not None
    assert [head.text for head in found.heads[0]] == ["cifar10", "stl10"]
    assert [head.text for head in found.heads[1]] == ["100 epochs", "300 epochs"] * 2, "an order within stays"
    assert [one.text for one in found.lines[0][1] if one] == ["–", "1", "–", "–"]


def test_a_card_shows_as_many_columns_as_its_names_leave_room_for(tmp_path: Path) -> None:
    cells = grid(method=["a", "b"], epochs=[100, 300, 500])
    values = {tuple(one["axes"].values()): [40.0, 42.0] for one in cells}
    short = result(tmp_path / "short", values, cells=cells, columns=["epochs"]).report
    assert short is not None
    found = tables.preview(short)
    assert found is not None and found.heads == ["100 epochs", "300 epochs", "500 epochs"]
    for cell in short["cells"]:
        cell["axes"]["method"] += " with a name that is long"
    found = tables.preview(short)
    assert found is not None and found.heads == ["100 epochs", "300 epochs"]
    assert found.lines[0][1] == ["41.0", "41.0"], "no number is cut"


# -- sentences


@pytest.mark.parametrize(
    ("artifact", "sentence", "lead"),
    [
        ("stepwise/table1", "Those of VICReg too", "Theory predicts the embeddings of Barlow Twins"),
        ("stepwise/table1", "for SimCLR", "Alignment is ten times that of chance"),
        ("stepwise/table2", "SimCLR and VICReg", "Different losses learn related embeddings"),
        ("stepwise/fig1cd", "At least three are by the end", "Eigenvalues become large"),
        ("directpred/table4", "#6: and along a run on the parabola", "#6: at given p and s"),
        ("embnorms/fig3", "Trained on CIFAR-10: training images of CIFAR-100 too", "Trained on CIFAR-10: test images"),
        ("directpred/table8", "DirectPred (freq 5) beats the SGD predictor", ""),
    ],
)
def test_a_sentence_is_told_with_the_one_that_it_goes_on_from(artifact: str, sentence: str, lead: str) -> None:
    paper, name = artifact.split("/")
    texts = [claim.text for claim in Catalogue(Options()).papers[paper].artifacts[name].claims]
    found = dict(zip(texts, leads(texts), strict=True))[sentence]
    assert found.startswith(lead) and bool(found) == bool(lead)


def test_the_first_sentence_of_an_artifact_goes_on_from_none() -> None:
    assert leads(["so it does", "It does"]) == ["", "so it does"]


# -- editions


def test_editions_stand_by_what_they_are_worth() -> None:
    known = ["tiny", "quick", "mine", "laptop-released", "paper", "gpu", "laptop", "quick-released"]
    assert sorted(known, key=editions.order) == [
        "paper", "gpu", "laptop", "laptop-released", "mine", "quick", "quick-released", "tiny",
    ]  # fmt: skip
    assert [name for name in known if editions.folded(name)] == ["tiny"]


def test_every_scale_has_its_place_among_the_editions() -> None:
    scales = {path.stem for path in (ROOT / "params/scales").glob("*.yaml")}
    assert scales == {"paper", "gpu", "laptop", "quick", "tiny"}, (
        "a new scale: say in site/editions.py what it is worth"
    )
