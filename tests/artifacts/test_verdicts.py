"""Counts of verdicts in the documentation: taken from a scorecard, never typed."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from generator import verdicts  # noqa: E402

from pipeline.artifacts import claims, scorecard  # noqa: E402
from pipeline.errors import UserError  # noqa: E402


def row(verdict: str, whose: str = "paper", because: str = "") -> dict[str, str]:
    return {"whose": whose, "verdict": verdict, "because": because}


def test_counts_by_hand() -> None:
    rows = [row("shown")] * 3 + [row("not shown", because="error in print"), row("not shown")]
    rows += [row("undecided (seed noise)"), *(row(verdict) for verdict in claims.LOST.values()), row("shown", "ours")]
    assert " ".join(verdicts.sentence(rows).split()) == (
        "Of 9 sentences of the papers about them 3 show, 4 are undecided and 2 do not show (1 error in print, 1 no "
        "reason known). Of 1 sentences of ours about them 1 show, 0 are undecided and 0 do not show."
    )


def test_a_page_without_marks_stays_as_it_is() -> None:
    assert verdicts.counted("a page") == "a page"
    assert "old" not in verdicts.counted(f"x\n{verdicts.BEGIN}\nold\n{verdicts.END}\ny")


def test_a_scorecard_has_to_have_every_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "FILE", tmp_path / "verdicts.csv")
    rows = [dict.fromkeys(scorecard.COLUMNS, "") | dict(zip(verdicts.COLUMNS, key, strict=False)) for key in ALL]
    path = tmp_path / "scorecard.csv"
    for kept in (rows, rows[1:]):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, scorecard.COLUMNS)
            writer.writeheader()
            writer.writerows({**one, "kind": "claim", "verdict": "shown"} for one in kept)
        if kept is rows:
            verdicts.take(path)
            assert {verdicts.key(one) for one in verdicts.read(tmp_path / "verdicts.csv")} == set(ALL)
        else:
            with pytest.raises(UserError, match=r"lacks .*; type: snakemake, then this again"):
                verdicts.take(path)


ALL = sorted(verdicts.declared())


@pytest.mark.slow
def test_the_counts_are_of_the_claims_as_they_are_declared() -> None:
    if not verdicts.FILE.is_file():
        pytest.skip("no scorecard has been counted")
    kept = {verdicts.key(one) for one in verdicts.read()}
    assert kept == set(ALL), "type: snakemake && python docs/generate.py --verdicts results/quick/scorecard.csv"
