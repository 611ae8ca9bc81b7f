"""How many claims about theory show: counted from a scorecard, not typed."""

from __future__ import annotations

import csv
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import claims, scorecard
from pipeline.errors import UserError
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options

FILE = Path(__file__).resolve().parents[1] / "verdicts.csv"
COLUMNS = ("paper", "artifact", "claim", "whose", "verdict", "because")
BEGIN, END = (
    "<!-- verdicts: python docs/generate.py --verdicts results/quick/scorecard.csv -->",
    "<!-- verdicts end -->",
)

Rows = Sequence[dict[str, str]]


def read(path: Path = FILE) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def take(path: Path) -> None:
    """Keep the verdicts of a scorecard on claims of simulations, which are the same at every scale.

    Raises:
        UserError: The scorecard lacks a claim that is declared.
    """
    known = declared()
    rows = [row for row in read(path) if row["kind"] == "claim" and key(row) in known]
    if missing := known - {key(row) for row in rows}:
        paper, artifact, claim, _ = min(missing)
        raise UserError(f"{path}: {paper}/{artifact} lacks {claim!r}; type: snakemake, then this again")
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def key(row: dict[str, str]) -> tuple[str, ...]:
    """What is declared of a claim."""
    return tuple(row[name] for name in COLUMNS[:4])


def declared() -> set[tuple[str, ...]]:
    """Claims of all simulations as they are declared now, as :func:`key` has them."""
    return {
        (name, artifact, claim.text, scorecard.OURS if claim.ours or entry.ours else scorecard.PAPERS)
        for name, paper in Catalogue(Options()).papers.items()
        for artifact, entry in paper.artifacts.items()
        if entry.simulation is not None
        for claim in entry.claims
    }


def counted(page: str) -> str:
    """A page with the counts of today's file between its two marks; without that file it says so."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    text = sentence(read()) if FILE.is_file() else "How many of them show is in the scorecard that you build."
    return f"{before}{BEGIN}\n{text}\n{END}{after}" if after else page


def sentence(rows: Rows) -> str:
    """What shows, what does not and why: sentences of the papers, then ours."""
    parts = []
    for whose, of in ((scorecard.PAPERS, "sentences of the papers"), (scorecard.OURS, "sentences of ours")):
        own = [row for row in rows if row["whose"] == whose]
        verdicts = Counter(row["verdict"] for row in own)
        because = Counter(row["because"] or "no reason known" for row in own if row["verdict"] == claims.NOT_SHOWN)
        undecided = sum(verdicts[one] for one in (claims.UNDECIDED, *claims.LOST.values()))
        text = f"Of {len(own)} {of} about them {verdicts[claims.SHOWN]} show, {undecided} are undecided and "
        text += f"{verdicts[claims.NOT_SHOWN]} do not show"
        reasons = ", ".join(f"{number} {why}" for why, number in sorted(because.items()))
        parts.append(f"{text} ({reasons})." if reasons else f"{text}.")
    return textwrap.fill(" ".join(parts), 131)
