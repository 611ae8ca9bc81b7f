"""The scorecard of an edition: every claim with its verdict, and how many cells lie within the published band.

A cell is within the band of its published number if the two differ by no more than

    sqrt((2 s / sqrt(n))^2 + e^2)

with our standard deviation s over n seeds. The paper's part e is twice its standard error where it is known how many
seeds are behind its standard deviation, and else that standard deviation itself (0 where none is printed). A cell on
stand-in data, or trained for other than the paper's epochs, is not comparable, however near it comes; one of
fewer than two seeds has no band; one that lost a seed is not within, for survivors are a choice.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import claims, formats, lost, page, settings
from pipeline.artifacts.rows import CELL, same
from pipeline.errors import UserError

WITHIN, OUTSIDE = "within", "outside"
NOT_COMPARABLE, NO_BAND, NOT_MEASURED = "not comparable", "too few seeds", "not measured"
LOST = "seeds without a number"
STANDINGS = (WITHIN, OUTSIDE, LOST, NO_BAND, NOT_COMPARABLE, NOT_MEASURED)

_SETTINGS = {settings.AS_PRINTED: WITHIN, settings.DIFFERS: OUTSIDE, settings.BY_SCALE: NOT_COMPARABLE}
"""A setting has no error, so it is as printed or it is not; what a scale has set in its place is not compared."""

PAPERS, OURS = "paper", "ours"
"""Whose sentence a claim is: of the paper, or one that no paper states."""

_COUNTS = {standing: f"cells_{standing.replace(' ', '_')}" for standing in STANDINGS}

COLUMNS = (
    "paper", "artifact", "kind", "claim", "whose", "verdict", "because", "parts", "parts_tested", "parts_shown",
    "published_parts", "published_hold", "collapsed", "cells", "cells_published", *_COUNTS.values(),
    "scale", "flavour", "detail",
)  # fmt: skip
"""A row of kind ``claim`` leaves the columns about cells empty, one of kind ``cells`` those about claims;
``collapsed`` counts seeds."""

BAND = (
    "A cell is within the published band if it differs from the printed mean by no more than sqrt((2 s / sqrt(n))² + "
    "e²): s is our standard deviation over n seeds; e is twice the paper's standard error where its number of seeds is "
    "known, and else the standard deviation that it prints. Cells on stand-in data or with other numbers of epochs "
    "than the paper's are not comparable and never count as within, nor do cells of which a seed has no number; "
    "a cell of one seed has no band."
)


@dataclass(frozen=True)
class Standing:
    """A cell beside its published number.

    Attributes:
        word: One of :data:`STANDINGS`.
        difference: Our mean minus the published one; None where nothing was measured.
        band: By how much they may differ; None where that cannot be said.
    """

    word: str
    difference: float | None = None
    band: float | None = None


def stand(cell: Mapping[str, Any]) -> Standing | None:
    """How a cell of an artifact's JSON file stands to its published number; None where none is printed."""
    if cell.get("setting") and cell["role"] == CELL:
        word = _SETTINGS.get(cell["setting"]["standing"])
        return None if word is None else Standing(word)
    published = cell["published_mean"]
    if published is None or cell["role"] != CELL:
        return None
    gone = lost.counts(cell.get("seeds", {}))
    if cell["mean"] is None:
        return Standing(LOST if gone else NOT_MEASURED)
    difference = cell["mean"] - published
    epochs = cell["axes"].get("epochs")
    if cell["dataset"] != cell["paper_dataset"] or not (epochs is None or same(epochs, cell["trained_epochs"])):
        return Standing(NOT_COMPARABLE, difference)
    if gone:
        return Standing(LOST, difference)
    if cell["std"] is None:
        return Standing(NO_BAND, difference)
    theirs = cell["published_std"] or 0.0
    if cell.get("published_n"):
        theirs *= 2 / math.sqrt(cell["published_n"])
    band = math.hypot(2 * cell["std"] / math.sqrt(cell["n"]), theirs)
    return Standing(WITHIN if abs(difference) <= band else OUTSIDE, difference, band)


def collect(reports: Iterable[Path]) -> list[dict[str, Any]]:
    """Rows of the scorecard, sorted by paper and artifact: its claims, then one row about its cells.

    Args:
        reports: The ``ARTIFACT.json`` files of one edition.

    Raises:
        UserError: A file is no artifact's, or they are not all of one edition.
    """
    found = sorted((_load(Path(path)) for path in reports), key=order)
    editions = {(entry["scale"]["key"], entry["flavour"]) for entry in found}
    if len(editions) > 1:
        names = ", ".join(sorted(f"{scale}-{flavour}" for scale, flavour in editions))
        raise UserError(f"scorecard: these artifacts are of {len(editions)} editions ({names}); give it those of one")
    rows = []
    for entry in found:
        rows += [_claim(entry, verdict) for verdict in entry["claims"]]
        rows.append(_cells(entry))
    return rows


def write(reports: Iterable[Path], table: Path, view: Path) -> None:
    """Write the scorecard as CSV and as a page.

    Raises:
        UserError: As :func:`collect`.
    """
    rows = collect(reports)
    formats.write_csv(table, COLUMNS, rows)
    formats.write_text(view, render(rows))


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page: counts per paper, then every claim and every artifact's cells."""
    if not rows:
        return "# Scorecard\n\nNo artifact of this edition is built."
    flavour = "" if rows[0]["flavour"] == "paper" else f", flavour {rows[0]['flavour']}"
    parts = [f"# Scorecard, scale {rows[0]['scale']}{flavour}"]
    totals, words = summary(rows), verdicts(rows)
    for title, whose in (("## Claims", "claims"), ("## Sentences of ours, which no paper states", "ours")):
        body = [
            [total["paper"], *(str(total[whose][word]) for word in words)]
            for total in totals
            if any(total[whose].values())
        ]
        if body:
            parts += [title, formats.grid(["paper", *words], body)]
    if not any(row["kind"] == "claim" for row in rows):
        parts.append("No artifact of this edition has a claim.")
    if any(total["published"] for total in totals):
        body = [
            [total["paper"], str(total["published"]), *(str(total["cells"][word]) for word in STANDINGS)]
            for total in totals
        ]
        parts += ["## Cells with a published number", formats.grid(["paper", "published", *STANDINGS], body)]
        parts.append(textwrap.fill(BAND, page.WIDTH))
    for paper in dict.fromkeys(row["paper"] for row in rows):
        own = [row for row in rows if row["paper"] == paper]
        parts.append(f"## {paper}")
        lines = [
            [row["artifact"], row["claim"] + " (ours)" * (row["whose"] == OURS),
             f"{row['verdict']} ({row['because']})" if row["because"] else row["verdict"],
             f"{row['parts_shown']} of {row['parts']}",
             f"{row['published_hold']} of {row['published_parts']}" if row["published_parts"] else "",
             str(row["collapsed"] or "")]
            for row in own if row["kind"] == "claim"
        ]  # fmt: skip
        if lines:
            parts.append(
                formats.grid(["artifact", "claim", "verdict", "parts shown", "so in print", "seeds collapsed"], lines)
            )
        lines = [
            [row["artifact"], str(row["cells_published"]), *(str(row[_COUNTS[word]]) for word in STANDINGS),
             str(row["collapsed"] or "")]
            for row in own if row["kind"] == "cells" and row["cells_published"]
        ]  # fmt: skip
        if lines:
            parts.append(formats.grid(["artifact", "cells published", *STANDINGS, "seeds collapsed"], lines))
    return "\n\n".join(parts)


def verdicts(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Verdicts that are counted: all there are, but for those of seeds without a number that no claim has."""
    found = {row["verdict"] for row in rows if row["kind"] == "claim"}
    return [verdict for verdict in claims.VERDICTS if verdict in found or verdict not in claims.LOST.values()]


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Counts per paper, and over all where there are several: verdicts on claims, standings of published cells.

    Returns:
        Per paper ``paper``, ``claims`` (a count per verdict) and ``ours`` (the same for sentences that it does not
        state), ``cells`` (one per standing), ``published`` (their sum).
    """
    papers = list(dict.fromkeys(row["paper"] for row in rows))
    found = []
    for paper in [*papers, None] if len(papers) > 1 else papers:
        own = [row for row in rows if paper in (None, row["paper"])]
        judged = {
            whose: Counter(row["verdict"] for row in own if row["kind"] == "claim" and row["whose"] == whose)
            for whose in (PAPERS, OURS)
        }
        cells = [row for row in own if row["kind"] == "cells"]
        standings = Counter({word: sum(row[_COUNTS[word]] for row in cells) for word in STANDINGS})
        found.append(
            {
                "paper": paper or "all",
                "claims": judged[PAPERS],
                "ours": judged[OURS],
                "cells": standings,
                "published": sum(standings.values()),
            }
        )
    return found


def counts(row: Mapping[str, Any]) -> dict[str, int]:
    """Standing -> how many published cells of an artifact have it, from its row of kind ``cells``."""
    return {word: row[column] for word, column in _COUNTS.items()}


def _load(path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if {"paper", "artifact", "claims", "scale", "flavour"} <= entry.keys():
            return entry
    except (OSError, ValueError, AttributeError):
        pass
    raise UserError(f"{path}: not the JSON file of an artifact; type: snakemake {path}")


def order(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Paper, then tables before figures, table2 before table10."""
    name = entry["artifact"]
    digits = "".join(c for c in name if c.isdigit())
    return entry["paper"]["key"], entry["kind"] != "table", int(digits or 0), name


def _claim(entry: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    parts = verdict["parts"]
    unit = entry["measure"]["unit"]
    texts = [page.detail(verdict, part, unit, True) for part in parts]
    return {
        "paper": entry["paper"]["key"],
        "artifact": entry["artifact"],
        "kind": "claim",
        "claim": verdict["text"],
        "whose": OURS if verdict["ours"] else PAPERS,
        "verdict": verdict["verdict"],
        "because": verdict["because"] or "",
        "parts": len(parts),
        "parts_tested": sum(part["verdict"] != claims.UNTESTED for part in parts),
        "parts_shown": sum(part["verdict"] == claims.SHOWN for part in parts),
        "published_parts": verdict["published"]["of"],
        "published_hold": verdict["published"]["holds"],
        "collapsed": sum(part.get("collapsed", 0) for part in parts),
        "scale": entry["scale"]["key"],
        "flavour": entry["flavour"],
        "detail": "; ".join(texts),
    }


def _against(cell: Mapping[str, Any], at: Standing) -> str:
    """A cell and what is printed for it."""
    if cell.get("setting"):
        return f"{cell['setting']['declared']} against {cell['setting']['printed']}"
    return (
        f"{formats.short(cell['mean'], cell['unit'])} against {cell['published_mean']:g}, "
        f"band ± {formats.short(at.band, cell['unit'])}"
    )


def _cells(entry: Mapping[str, Any]) -> dict[str, Any]:
    """How many cells lie within the published band; the detail names those outside."""
    found = [(cell, stand(cell)) for cell in entry["cells"] if cell["role"] == CELL]
    words = Counter(standing.word for _, standing in found if standing)
    outside = [
        f"{', '.join(page.place(*item) for item in cell['axes'].items() if item[0] not in entry['fixed'])}: "
        f"{_against(cell, at)}"
        for cell, at in found
        if at and at.word == OUTSIDE
    ]
    return {
        "paper": entry["paper"]["key"],
        "artifact": entry["artifact"],
        "kind": "cells",
        "collapsed": sum(len(cell.get("collapsed", ())) for cell, _ in found),
        "cells": len(found),
        "cells_published": sum(words.values()),
        **{column: words[word] for word, column in _COUNTS.items()},
        "scale": entry["scale"]["key"],
        "flavour": entry["flavour"],
        "detail": "; ".join(outside),
    }
