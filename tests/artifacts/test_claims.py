"""Claims: verdicts against numbers by hand, against independent statistics, and under chance alone."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import load_yaml
from handmade import DIVERGED, cell, filled, grid, params, work
from scipy import stats

from pipeline.artifacts import claims, scorecard, table
from pipeline.artifacts.claims import NOT_SHOWN, SHOWN, UNDECIDED, UNTESTED
from pipeline.artifacts.lost import DIVERGED as LOST
from pipeline.artifacts.rows import CELL, Printed, Row
from pipeline.errors import UserError
from pipeline.planning import spec

DIVERGENT = claims.LOST[LOST]
PARAMS = Path(__file__).resolve().parents[2] / "params"
WHERE = "results/quick/directpred/table8"


def row(values: list, published: tuple[str, str] | None = None, missing: str | None = None, **axes: Any) -> Row:
    """A cell with these values of its seeds."""
    printed = Printed(*published, "") if published else None
    return Row(axes, CELL, "digits", "stl10", 8, dict(enumerate(values)), {}, missing, printed)


def judge(claim: dict[str, Any], rows: list[Row], scale: str = "quick") -> dict[str, Any]:
    """The verdict on one claim."""
    (found,) = claims.judge([{"text": "A text", **claim}], rows, scale, WHERE)
    return found


def theory(value: float, **axes: Any) -> Row:
    """A cell with one number that has no error."""
    return Row(axes, CELL, "", "", 0, {0: value}, exact=True)


def two(first: list, second: list) -> list[Row]:
    """Cells of the methods a and b."""
    return [row(first, method="a"), row(second, method="b")]


# -- two cells


@pytest.mark.parametrize(
    ("first", "second", "by", "verdict"),
    [
        # differences of runs of one seed: 11, 11.5, 10.5 with standard error 0.29; Student's bound for three is 4.30
        ([51.0, 53.0, 52.0], [40.0, 41.5, 41.5], 0, SHOWN),
        ([40.0, 41.5, 41.5], [51.0, 53.0, 52.0], 0, NOT_SHOWN),
        ([51.0, 53.0, 52.0], [40.0, 41.5, 41.5], 9.7, SHOWN),  # 1.3 beyond the margin > 4.30 x 0.29
        ([51.0, 53.0, 52.0], [40.0, 41.5, 41.5], 9.8, UNDECIDED),
        ([51.0, 53.0, 52.0], [40.0, 41.5, 41.5], 12.3, NOT_SHOWN),  # better, but not by so much
        ([51.0, 53.0], [40.0, 42.5], 0, SHOWN),  # 10.75 +- 0.25 > 12.7 x 0.25
        ([51.0, 53.0], [40.0, 44.0], 0, UNDECIDED),  # 10 +- 1
        ([51.0], [40.0, 42.0], 0, UNDECIDED),
        ([51.0, LOST], [40.0, 42.0], 0, DIVERGENT),
        ([LOST, LOST], [40.0, 42.0], 0, DIVERGENT),
        ([LOST, LOST], [LOST, LOST], 0, DIVERGENT),
        ([51.0, 53.0, 52.0, LOST], [40.0, 41.5, 41.5, 41.0], 0, DIVERGENT),  # survivors are a choice
        ([40.0, 41.5, 41.5, LOST], [51.0, 53.0, 52.0, 52.0], 0, DIVERGENT),
        ([50.0, 50.0], [50.0, 50.0], 0, NOT_SHOWN),  # a tie
        ([50.0, 51.0], [50.0, 51.0], 0, NOT_SHOWN),
        ([0.3] * 6, [0.1 + 0.2] * 6, 0, NOT_SHOWN),  # as is a difference of rounding
        ([50.0] * 5, [49.0] * 5, 0, UNDECIDED),  # five of one sign come by chance once in 32 times
        ([50.0] * 6, [49.0] * 6, 0, SHOWN),
        ([49.0] * 6, [50.0] * 6, 0, NOT_SHOWN),
    ],
)
def test_greater(first: list, second: list, by: float, verdict: str) -> None:
    found = judge({"greater": ["a", "b"], "by": by}, two(first, second))
    assert found["verdict"] == verdict == found["parts"][0]["verdict"]
    assert found["margin"] == by


@pytest.mark.parametrize(
    ("first", "second", "within", "verdict"),
    [
        ([70.0, 71.0, 72.0], [70.1, 71.0, 72.1], 1.0, SHOWN),  # -0.07 +- 0.03: worse by less than a point
        ([70.0, 71.0, 72.0], [70.1, 71.0, 72.1], 0.05, UNDECIDED),
        ([70.0, 71.0, 72.0], [72.1, 73.0, 74.1], 1.0, NOT_SHOWN),
        ([75.0, 76.1, 77.0], [70.0, 71.0, 72.0], 1.0, SHOWN),  # better is at least as good
        ([70.0, 71.0, 72.0, 73.0], [70.0, 71.0, 72.0, 73.0], 1.0, UNDECIDED),  # four alike have no spread to judge by
        ([70.0] * 6, [70.0] * 6, 1.0, SHOWN),
        ([40.0, 70.0, 90.0], [60.0, 65.0, 70.0], 1.0, UNDECIDED),  # noise is no equality
        ([70.0, 71.0, LOST], [70.1, 71.0, 72.1], 1.0, DIVERGENT),
    ],
)
def test_at_least_as_good(first: list, second: list, within: float, verdict: str) -> None:
    assert judge({"at_least": ["a", "b"], "within": within}, two(first, second))["verdict"] == verdict


def test_the_papers_own_numbers_may_fall_short_by_the_margin() -> None:
    cells = [row([1.0], ("74.9", ""), method="a"), row([1.0], ("75.0", ""), method="b")]
    assert judge({"at_least": ["a", "b"], "within": 0.5}, cells)["published"] == {"holds": 1, "of": 1}
    assert judge({"greater": ["a", "b"]}, cells)["published"] == {"holds": 0, "of": 1}


def test_sentences_of_ours_are_marked() -> None:
    cells = two([51.0, 53.0], [40.0, 42.0])
    assert judge({"greater": ["a", "b"], "ours": True}, cells)["ours"]
    assert not judge({"greater": ["a", "b"]}, cells)["ours"]


def test_why_a_claim_does_not_show_is_told_only_where_it_does_not() -> None:
    claim = {"greater": ["a", "b"], "because": "error in print"}
    assert judge(claim, two([40.0, 41.5, 41.5], [51.0, 53.0, 52.0]))["because"] == "error in print"
    assert judge(claim, two([51.0, 53.0, 52.0], [40.0, 41.5, 41.5]))["because"] is None
    assert judge(claim, two([51.0, LOST], [40.0, 41.5]))["because"] is None


# -- one cell


@pytest.mark.parametrize(
    ("values", "check", "verdict"),
    [
        ([40.0, 41.0, 42.0], {"above": 38.5}, SHOWN),  # 41 +- 0.577, Student's bound for three is 4.30
        ([40.0, 41.0, 42.0], {"above": 38.6}, UNDECIDED),
        ([40.0, 41.0, 42.0], {"above": 43.5}, NOT_SHOWN),
        ([40.0, 41.0, 42.0], {"below": 43.5}, SHOWN),
        ([40.0, 41.0, 42.0], {"below": 43.4}, UNDECIDED),
        ([40.0, 41.0, 42.0], {"below": 38.5}, NOT_SHOWN),
        ([40.0, 41.0, 42.0], {"above": 0.0}, SHOWN),  # a bound of zero is a bound
        ([40.0], {"below": 90.0}, UNDECIDED),
        ([LOST, LOST], {"below": 90.0}, DIVERGENT),
        ([40.0, 41.0, 42.0, LOST], {"below": 43.5}, DIVERGENT),
        ([30.0, 50.0] * 50, {"spread_above": 5.0}, SHOWN),  # 10.05 +- 0.71
        ([40.0, 41.0] * 50, {"spread_above": 5.0}, NOT_SHOWN),
        ([30.0, 31.0], {"spread_above": 5.0}, UNDECIDED),  # of two seeds little is known
        ([30.0], {"spread_above": 5.0}, UNDECIDED),
    ],
)
def test_bounds(values: list, check: dict, verdict: str) -> None:
    assert judge(check, [row(values, c_j=0.1)])["verdict"] == verdict


@pytest.mark.parametrize(
    ("value", "check", "verdict"),
    [
        (0.3, {"above": 0.2}, SHOWN),
        (0.3, {"above": 0.3}, NOT_SHOWN),
        (0.1 + 0.2, {"above": 0.3}, NOT_SHOWN),  # above by rounding alone
        (0.3, {"below": 0.3}, NOT_SHOWN),
        (0.0, {"below": 0.0}, NOT_SHOWN),
        (0.0, {"above": 0.0}, NOT_SHOWN),
        (1e-16, {"below": 1e-12}, SHOWN),
    ],
)
def test_a_number_of_a_theory_is_on_one_side_or_not(value: float, check: dict, verdict: str) -> None:
    assert judge(check, [theory(value, c_j=0.1)])["verdict"] == verdict


# -- along an axis


def along(*values: list) -> list[Row]:
    return [row(list(found), alpha_p=alpha) for alpha, found in zip([1.0, 2.0, 4.0, 8.0, 16.0], values, strict=False)]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([[40, 41], [42, 44], [50, 52], [60, 61], [70, 71]], SHOWN),
        ([[40, 90], [42, 92], [50, 93], [60, 95], [70, 99]], SHOWN),  # each seed rises, whatever its level
        ([[70, 71], [60, 61], [50, 52], [42, 44], [40, 41]], NOT_SHOWN),
        ([[40, 70], [41, 69], [50, 52], [60, 45], [71, 40]], UNDECIDED),
        ([[40], [42], [50], [60], [70]], UNDECIDED),  # one seed has no error
        ([[40, 41], [LOST, LOST], [50, 52], [60, 61], [70, 71]], DIVERGENT),
        ([[40, 41], [42, LOST], [50, 52], [60, 61], [70, 71]], DIVERGENT),
        ([[40, 40], [40, 40], [40, 40], [40, 40], [40, 40]], UNDECIDED),
    ],
)
def test_rising(values: list, verdict: str) -> None:
    cells = along(*values)
    assert judge({"rising": "alpha_p"}, cells)["verdict"] == verdict
    assert judge({"rising": "alpha_p"}, cells[::-1])["verdict"] == verdict, "the order of declaration is no matter"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0, 2.0, 3.0, 4.0], SHOWN),
        ([1.0, 2.0], SHOWN),
        ([1.0, 3.0, 2.0, 4.0], NOT_SHOWN),  # correlated, and not rising
        ([1.0, 2.0, 2.0, 4.0], NOT_SHOWN),
        ([1.0, 2.0, 2.0 + 1e-14, 4.0], NOT_SHOWN),  # a step of rounding is none
        ([4.0, 3.0, 2.0, 1.0], NOT_SHOWN),
        ([1.0, 1.0, 1.0], NOT_SHOWN),
    ],
)
def test_what_is_exact_rises_at_every_step(values: list, verdict: str) -> None:
    cells = [theory(value, eta=0.1 * place) for place, value in enumerate(values)]
    assert judge({"rising": "eta"}, cells)["verdict"] == verdict


def lines(first: list, second: list) -> list[Row]:
    """Two methods along an axis; each has a list of seeds per place."""
    sides = (("a", first), ("b", second))
    return [row(list(at), method=name, t=float(t)) for name, line in sides for t, at in enumerate(line)]


UP = [[1, 2, 3], [2, 3, 4], [5, 5, 5], [6, 7, 8], [9, 9, 9], [11, 10, 12], [13, 14, 15], [20, 21, 22]]
DOWN = UP[::-1]
WAVES = [[3, 1, 8], [1, 5, 2], [2, 8, 7], [8, 2, 1], [5, 7, 6], [7, 3, 3], [4, 6, 5], [6, 4, 4]]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (UP, UP, SHOWN),
        (UP, [[x * x for x in at] for at in UP], SHOWN),  # their order alone counts
        (DOWN, DOWN, SHOWN),  # they may fall together
        (UP, DOWN, NOT_SHOWN),
        (UP, WAVES, UNDECIDED),
        ([at[:1] for at in UP], [at[:1] for at in UP], UNDECIDED),  # one seed has no error
        (UP, [[5, 5, 5]] * 8, UNDECIDED),  # what is constant goes with nothing
        (UP, [[*at[:2], LOST] for at in UP], DIVERGENT),
        (UP[:3], UP[:3], UNDECIDED),  # three places are too few
    ],
)
def test_together(first: list, second: list, verdict: str) -> None:
    claim = {"together": ["a", "b"], "along": "t"}
    cells = lines(first, second)
    assert judge(claim, cells)["verdict"] == verdict
    assert judge(claim, cells[::-1])["verdict"] == verdict
    swapped = judge({"together": ["b", "a"], "along": "t"}, cells)
    assert swapped["verdict"] == verdict and swapped["parts"][0]["value"] == judge(claim, cells)["parts"][0]["value"]


def test_together_is_scipys_correlation_of_each_seed() -> None:
    (part,) = judge({"together": ["a", "b"], "along": "t"}, lines(UP, WAVES))["parts"]
    each = [stats.spearmanr([at[k] for at in UP], [at[k] for at in WAVES]).statistic for k in range(3)]
    assert part["value"] == pytest.approx(np.mean(each), rel=1e-12)
    assert part["standard_error"] == pytest.approx(max(np.std(each, ddof=1), 7**-0.5) / 3**0.5, rel=1e-12)
    exact = [theory(float(value), method=name, t=float(t)) for name in "ab" for t, value in enumerate((1, 3, 2))]
    assert judge({"together": ["a", "b"], "along": "t"}, exact)["verdict"] == SHOWN


# -- parts, scales, missing cells


def test_overall() -> None:
    assert claims.overall([SHOWN, SHOWN]) == SHOWN
    assert claims.overall([SHOWN, NOT_SHOWN, UNDECIDED, UNTESTED]) == NOT_SHOWN
    assert claims.overall([SHOWN, UNDECIDED, UNTESTED]) == UNDECIDED
    assert claims.overall([SHOWN, UNTESTED]) == UNTESTED
    assert claims.overall([SHOWN, UNDECIDED, DIVERGENT]) == DIVERGENT
    assert claims.overall([]) == UNTESTED


def test_parts_missing_cells_and_the_papers_own_numbers() -> None:
    cells = [
        row([51.0, 53.0], ("77.86", "0.16"), method="a", epochs=100),
        row([40.0, 42.1], ("75.06", "0.52"), method="b", epochs=100),
        row([51.0, 53.0], ("70.00", ""), method="a", epochs=300),
        row([50.0, 52.5], ("75.25", ""), method="b", epochs=300),
        row([], ("80.00", ""), missing="500 epochs: scale gpu ends at 300", method="a", epochs=500),
        row([40.0, 42.0], method="b", epochs=500),
    ]
    found = judge({"greater": ["a", "b"], "for_each": ["epochs"]}, cells)
    assert [part["at"] for part in found["parts"]] == [{"epochs": 100}, {"epochs": 300}, {"epochs": 500}]
    assert [part["verdict"] for part in found["parts"]] == [SHOWN, UNDECIDED, UNTESTED]
    assert found["verdict"] == UNDECIDED
    assert [part["published"] for part in found["parts"]] == [pytest.approx(2.8), pytest.approx(-5.25), None]
    assert found["published"] == {"holds": 1, "of": 2}


@pytest.mark.parametrize(
    ("check", "published", "value", "holds"),
    [
        ({"below": 45.0}, ("40.67", "0.50"), 40.67, True),
        ({"below": 40.0}, ("40.67", "0.50"), 40.67, False),
        ({"above": 40.0}, ("40.67", "0.50"), 40.67, True),
        ({"spread_above": 5.0}, ("46.57", "18.43"), 18.43, True),
        ({"spread_above": 5.0}, ("46.57", ""), None, None),
    ],
)
def test_bounds_on_published_numbers(check: dict, published: tuple, value: float | None, holds: bool | None) -> None:
    found = judge(check, [row([1.0, 2.0], published, freq=1)])
    assert (found["parts"][0]["published"], found["parts"][0]["published_holds"]) == (value, holds)


def test_a_claim_of_other_scales_is_not_tested_but_measured() -> None:
    claim = {"greater": ["a", "b"], "scales": ["gpu", "paper"]}
    cells = two([51.0, 53.0, 52.0], [40.0, 41.5, 41.5])
    found = judge(claim, cells)
    assert found["verdict"] == UNTESTED and found["parts"][0]["value"] == 11.0
    assert judge(claim, cells, "gpu")["verdict"] == SHOWN


def test_numbers_of_axes_are_compared_as_numbers() -> None:
    cells = [row([51.0, 53.0, 52.0], eps=0.1), row([40.0, 41.5, 41.5], eps=0.0)]
    assert judge({"greater": [{"eps": "0.10"}, {"eps": 0}]}, cells)["verdict"] == SHOWN


def test_where_holds_for_both_sides() -> None:
    cells = [row([50.0 + a + b, 51.0 + a + b], freq=b, c_j=a) for a in (0, 20) for b in (1, 2)]
    found = judge({"greater": [{"c_j": 20}, {"c_j": 0}], "where": {"freq": 2}}, cells)
    assert found["parts"][0]["cells"] == [{"freq": 2, "c_j": 20}, {"freq": 2, "c_j": 0}]
    assert found["parts"][0]["value"] == 20.0


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (
            {"greater": ["directpredd", "sgd"]},
            "method directpredd picks no cell; method has: directpred, sgd",
        ),
        ({"greater": [{"freq": 1}, "sgd"]}, "there is no axis 'freq'; the axes are: method, epochs"),
        (
            {"greater": ["directpred", "sgd"]},
            r"picks 2 cells; give it one value of epochs, or for_each: \[epochs\]",
        ),
        ({"greater": ["directpred", "sgd"], "for_each": ["length"]}, "for_each: there is no axis 'length'"),
        ({"below": 10.0, "where": {"epochs": 200}}, "epochs 200 picks no cell; epochs has: 100, 300"),
        ({"below": 10.0}, "the claim picks 4 cells; give it one value of method and epochs"),
        ({"rising": "method", "for_each": ["epochs"]}, "rising: method has no numbers but: directpred, sgd"),
        ({"rising": "epochs"}, "epochs 100 picks 2 cells; give it one value of method"),
        ({"together": ["directpred", "sgd"], "along": "nothing"}, "together: there is no axis 'nothing'"),
        ({"greater": [{"epochs": 100}, "sgd"], "for_each": ["epochs"]}, "epochs is set to one value as well"),
        ({}, "0 checks; give it one of: greater, at_least, above, below, spread_above, rising"),
        ({"above": 1.0, "below": 2.0}, "2 checks"),
    ],
)
def test_bad_selections_name_the_claim_and_what_there_is(claim: dict, message: str) -> None:
    cells = [row([1.0, 2.0], method=method, epochs=n) for method in ("directpred", "sgd") for n in (100, 300)]
    with pytest.raises(UserError, match=f"^{WHERE}: claim 'A text'.*{message}") as error:
        judge(claim, cells)
    assert "\n" not in str(error.value)


def test_baselines_are_no_cells() -> None:
    cells = two([51.0, 53.0], [40.0, 42.0])
    pixels = Row({"method": "a"}, "raw pixels", "digits", "stl10", 0, {0: 99.0, 1: 99.0})
    assert judge({"greater": ["a", "b"]}, [*cells, pixels])["parts"][0]["value"] == 11.0


# -- declarations


def declared() -> list[tuple[str, str]]:
    """All declared artifacts with numbers, as (paper's file, artifact); settings have tests of their own."""
    return [
        (path.stem, name)
        for path in sorted((PARAMS / "papers").glob("*.yaml"))
        for name, entry in load_yaml(path.read_text(encoding="utf-8"))["artifacts"].items()
        if "configuration" not in entry
    ]


ILLEGIBLE = {("multiview", "table2")}
"""Printed tables of which so few cells are legible that no claim is on two of them."""


@pytest.mark.parametrize(("paper", "name"), declared())
def test_declared_claims_fit_their_table_and_its_printed_numbers(tmp_path: Path, paper: str, name: str) -> None:
    """Every selection picks a cell, every printed number finds one, and these numbers bear the claim out."""
    entry = load_yaml((PARAMS / f"papers/{paper}.yaml").read_text(encoding="utf-8"))["artifacts"][name]
    parsed = spec.parse(spec.Artifact, entry, name)
    axes = {"rows": parsed.rows, "columns": parsed.columns, "fixed": parsed.fixed}
    cells = grid(**axes["rows"], **axes["columns"], **{axis: [value] for axis, value in axes["fixed"].items()})
    together = parsed.combinations
    cells = [made for made in cells if not together or any(one.items() <= made["axes"].items() for one in together)]
    for made in cells:
        made.update(missing="not run", nodes=[])
    published = []
    if "published" in entry:
        with (PARAMS / "published" / entry["published"]["file"]).open(encoding="utf-8", newline="") as file:
            where = entry["published"].get("where", {})
            rows = [row for row in csv.DictReader(file) if all(row[k] == str(v) for k, v in where.items())]
        published = [{**row, "unit": ""} for row in rows]  # numbers of several measures may stand in one table
    declared = params(artifact=name, cells=cells, published=published, claims=entry.get("claims", []))
    declared |= {"rows": list(axes["rows"]), "columns": list(axes["columns"]), "fixed": axes["fixed"]}
    rendered = work(tmp_path, declared, {})
    list(table.execute([rendered]))
    report = json.loads((rendered.out / f"{name}.json").read_text(encoding="utf-8"))
    assert [row for row in report["published_unmatched"] if "caption" not in row["note"]] == []
    for claim in report["claims"]:
        assert claim["verdict"] == UNTESTED
        assert claim["published"]["holds"] == claim["published"]["of"], claim["text"]
        assert claim["published"]["of"] > 0 or not published or (paper, name) in ILLEGIBLE


# -- scorecard


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    """Two tables: one claim shown, one undecided in one of its parts."""
    made = []
    for artifact, best in (("table10", 60.0), ("table8", 36.0)):
        cells = grid(method=["directpred", "sgd"], dataset=["stl10"], epochs=[100, 300])
        cells.append(cell({"dataset": "stl10"}, role="raw pixels"))
        values = {("stl10", "raw pixels"): [1.0, 1.0]}
        values |= {("sgd", "stl10", n): [34.0, 35.5] for n in (100, 300)}
        values |= {("directpred", "stl10", 100): [60.0, 61.0], ("directpred", "stl10", 300): [best, best + 1]}
        claim = {"text": "DirectPred | wins", "greater": ["directpred", "sgd"], "for_each": ["epochs"]}
        published = [
            {"method": name, "dataset": "stl10", "epochs": "100", "value": value, "std": "0.1", "unit": "%"}
            for name, value in (("directpred", "77.86"), ("sgd", "75.06"))
        ]
        spec = params(artifact=artifact, cells=cells, claims=[claim], published=published)
        done = work(tmp_path / artifact, spec, filled(cells, values))
        list(table.execute([done]))
        made.append(done.out / f"{artifact}.json")
    return made


def test_scorecard(reports: list[Path], tmp_path: Path) -> None:
    scorecard.write(reports, tmp_path / "scorecard.csv", tmp_path / "scorecard.md")
    with (tmp_path / "scorecard.csv").open(encoding="utf-8", newline="") as file:
        first, cells, second, _ = csv.DictReader(file)
    assert [row["kind"] for row in (first, cells, second)] == ["claim", "cells", "claim"]
    assert (first["artifact"], first["verdict"]) == ("table8", UNDECIDED), "table8 stands before table10"
    assert (second["artifact"], second["verdict"]) == ("table10", SHOWN)
    assert (first["parts"], first["parts_tested"], first["parts_shown"]) == ("2", "2", "1")
    assert (first["published_parts"], first["published_hold"]) == ("1", "1")
    assert first["whose"] == "paper"
    assert first["detail"] == (
        "100 epochs: +25.8 ± 0.2 (paper +2.80): shown; 300 epochs: +1.8 ± 0.2: undecided (seed noise)"
    )
    assert (cells["artifact"], cells["cells"], cells["cells_published"]) == ("table8", "4", "2")
    assert (cells["cells_not_comparable"], cells["cells_within"]) == ("2", "0"), "digits stands for stl10"
    page = (tmp_path / "scorecard.md").read_text(encoding="utf-8")
    assert re.search(r"\| directpred +\| 4 +\| 0 +\| 0 +\| 0 +\| 0 +\| 4 +\| 0 +\|", page), "cells of both tables"
    assert re.search(r"\| table10 +\| 2 +\| 0 +\| 0 +\| 0 +\| 0 +\| 2 +\| 0 +\|", page)
    assert re.search(r"\| directpred \| 1 +\| 1 +\| 0 +\| 0 +\|", page)
    assert DIVERGENT not in page, "what no claim has needs no column"
    gone = [{**row, "verdict": DIVERGENT} if row.get("verdict") == SHOWN else row for row in scorecard.collect(reports)]
    counted = r"\| directpred \| 0 +\| 1 +\| 1 +\| 0 +\| 0 +\|"
    assert re.search(rf"\| {re.escape(DIVERGENT)} \|.*\n.*\n{counted}", scorecard.render(gone))
    assert re.search(r"\| table8 +\| DirectPred \\\| wins \| undecided \(seed noise\) \| 1 of 2 +\| 1 of 1 +\|", page)
    before = page.encode()
    scorecard.write(reversed(reports), tmp_path / "scorecard.csv", tmp_path / "scorecard.md")
    assert (tmp_path / "scorecard.md").read_bytes() == before, "the order of the files is no matter"


def test_sentences_of_ours_are_counted_apart(reports: list[Path], tmp_path: Path) -> None:
    entry = json.loads(reports[0].read_text(encoding="utf-8"))
    entry["claims"][0]["ours"] = True
    reports[0].write_text(json.dumps(entry), encoding="utf-8")
    rows = scorecard.collect(reports)
    (total,) = scorecard.summary(rows)
    assert (total["claims"], total["ours"]) == ({UNDECIDED: 1}, {SHOWN: 1})
    page = scorecard.render(rows)
    assert page.index("## Claims") < page.index("## Sentences of ours, which no paper states")
    assert r"DirectPred \| wins (ours)" in page
    assert [row["whose"] for row in rows if row["kind"] == "claim"] == ["paper", "ours"]


def test_a_scorecard_is_of_one_edition(reports: list[Path]) -> None:
    entry = json.loads(reports[0].read_text(encoding="utf-8"))
    entry["scale"]["key"] = "gpu"
    reports[0].write_text(json.dumps(entry), encoding="utf-8")
    with pytest.raises(UserError, match=r"2 editions \(gpu-paper, quick-paper\)"):
        scorecard.collect(reports)


def test_a_scorecard_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "table8.json").write_text("[]")
    with pytest.raises(UserError, match=r"table8\.json: not the JSON file of an artifact"):
        scorecard.collect([tmp_path / "table8.json"])


def test_an_empty_scorecard() -> None:
    assert "No artifact of this edition is built" in scorecard.render([])


def _printed(**changes) -> dict:
    """A cell of an artifact's JSON file on the paper's own data: 75.0 ± 1.0 of four seeds, 76.0 ± 0.5 in print."""
    return {
        "axes": {"method": "sgd", "dataset": "stl10", "epochs": 100}, "role": "cell",
        "dataset": "stl10", "paper_dataset": "stl10", "trained_epochs": 100, "mean": 75.0, "std": 1.0, "n": 4,
        "published_mean": 76.0, "published_std": 0.5, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "word", "band"),
    [
        ({}, scorecard.WITHIN, math.hypot(1.0, 0.5)),
        ({"mean": 74.89}, scorecard.WITHIN, math.hypot(1.0, 0.5)),
        ({"mean": 74.87}, scorecard.OUTSIDE, math.hypot(1.0, 0.5)),
        ({"mean": 77.13}, scorecard.OUTSIDE, math.hypot(1.0, 0.5)),
        ({"published_n": 25}, scorecard.WITHIN, math.hypot(1.0, 0.2)),
        ({"published_n": 25, "mean": 74.97}, scorecard.OUTSIDE, math.hypot(1.0, 0.2)),
        ({"published_std": None}, scorecard.WITHIN, 1.0),
        ({"std": None, "n": 1, "mean": 76.0}, scorecard.NO_BAND, None),
        ({"mean": 76.0, "seeds": {"0": 75.0, "1": 77.0, "2": "diverged"}}, scorecard.LOST, None),
        ({"mean": None, "std": None, "n": 0, "seeds": {"0": "diverged"}}, scorecard.LOST, None),
        ({"mean": None, "std": None, "n": 0}, scorecard.NOT_MEASURED, None),
        ({"dataset": "digits", "mean": 76.0}, scorecard.NOT_COMPARABLE, None),
        ({"trained_epochs": 8, "mean": 76.0}, scorecard.NOT_COMPARABLE, None),
        ({"axes": {"method": "sgd", "dataset": "stl10", "epochs": "100"}}, scorecard.WITHIN, math.hypot(1.0, 0.5)),
    ],
)
def test_the_published_band(changes: dict, word: str, band: float | None) -> None:
    found = scorecard.stand(_printed(**changes))
    assert found.word == word
    assert found.band == (None if band is None else pytest.approx(band))


def test_a_cell_without_a_published_number_stands_nowhere() -> None:
    assert scorecard.stand(_printed(published_mean=None)) is None
    assert scorecard.stand(_printed(role="raw pixels")) is None


def test_cells_outside_the_band_are_named(tmp_path: Path) -> None:
    cells = grid(method=["directpred", "sgd"], dataset=["stl10"], epochs=[100])
    for made in cells:
        made.update(dataset="stl10", trained_epochs=100)
    values = {("directpred", "stl10", 100): [77.0, 79.0], ("sgd", "stl10", 100): [34.0, 36.0]}
    published = [
        {"method": name, "dataset": "stl10", "epochs": "100", "value": value, "std": "0.1", "unit": "%"}
        for name, value in (("directpred", "77.86"), ("sgd", "75.06"))
    ]
    done = work(tmp_path, params(cells=cells, published=published), filled(cells, values))
    list(table.execute([done]))
    (row,) = scorecard.collect([done.out / "table8.json"])
    assert (row["cells_within"], row["cells_outside"], row["cells_not_comparable"]) == (1, 1, 0)
    assert row["detail"] == "sgd, stl10, 100 epochs: 35.0 against 75.06, band ± 2.0"
    page = scorecard.render([row])
    assert "No artifact of this edition has a claim" in page
    assert "sqrt((2 s / sqrt(n))" in page, "the page says what the band is"


def test_a_diverged_side_is_said_on_the_page(tmp_path: Path) -> None:
    cells = grid(method=["directpred", "sgd"], dataset=["stl10"], epochs=[100])
    values = {("directpred", "stl10", 100): [DIVERGED, DIVERGED], ("sgd", "stl10", 100): [34.0, 36.0]}
    spec = params(cells=cells, claims=[{"text": "It wins", "greater": ["directpred", "sgd"]}])
    done = work(tmp_path, spec, filled(cells, values))
    list(table.execute([done]))
    assert "- **undecided (seeds that diverged)**: It wins\n  - no number (2 of 4 seeds diverged)\n" in (
        done.out / "table8.md"
    ).read_text("utf-8")
