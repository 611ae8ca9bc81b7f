"""The scorecard of an edition: every claim of every artifact with its verdict, beside what is published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts import claims, formats, page
from pipeline.errors import UserError

COLUMNS = (
    "paper", "artifact", "claim", "verdict", "parts", "parts_tested", "parts_shown",
    "published_parts", "published_hold", "scale", "flavour", "detail",
)  # fmt: skip


def collect(reports: Iterable[Path]) -> list[dict[str, Any]]:
    """Rows of the scorecard, sorted by paper and artifact.

    Args:
        reports: The ``ARTIFACT.json`` files of one edition.

    Raises:
        UserError: A file is no artifact's, or they are not all of one edition.
    """
    found = sorted((_load(Path(path)) for path in reports), key=_order)
    editions = {(entry["scale"]["key"], entry["flavour"]) for entry in found}
    if len(editions) > 1:
        names = ", ".join(sorted(f"{scale}-{flavour}" for scale, flavour in editions))
        raise UserError(f"scorecard: these artifacts are of {len(editions)} editions ({names}); give it those of one")
    return [_row(entry, verdict) for entry in found for verdict in entry["claims"]]


def write(reports: Iterable[Path], table: Path, view: Path) -> None:
    """Write the scorecard as CSV and as a page.

    Raises:
        UserError: As :func:`collect`.
    """
    rows = collect(reports)
    formats.write_csv(table, COLUMNS, rows)
    formats.write_text(view, render(rows))


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page: counts per paper, then every claim."""
    if not rows:
        return "# Scorecard\n\nNo artifact of this edition has a claim."
    flavour = "" if rows[0]["flavour"] == "paper" else f", flavour {rows[0]['flavour']}"
    papers = dict.fromkeys(row["paper"] for row in rows)
    counts = {paper: Counter(row["verdict"] for row in rows if row["paper"] == paper) for paper in papers}
    body = [[paper, *(str(counts[paper][verdict]) for verdict in claims.VERDICTS)] for paper in papers]
    if len(body) > 1:
        body.append(["all", *(str(sum(count[verdict] for count in counts.values())) for verdict in claims.VERDICTS)])
    lines = [
        [row["artifact"], row["claim"], row["verdict"], f"{row['parts_shown']} of {row['parts']}",
         f"{row['published_hold']} of {row['published_parts']}" if row["published_parts"] else ""]
        for row in rows
    ]  # fmt: skip
    parts = [
        f"# Scorecard, scale {rows[0]['scale']}{flavour}",
        formats.grid(["paper", *claims.VERDICTS], body),
    ]
    for paper in papers:
        own = [line for line, row in zip(lines, rows, strict=True) if row["paper"] == paper]
        parts += [
            f"## {paper}",
            formats.grid(["artifact", "claim", "verdict", "parts shown", "so in print"], own),
        ]
    return "\n\n".join(parts)


def _load(path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if {"paper", "artifact", "claims", "scale", "flavour"} <= entry.keys():
            return entry
    except (OSError, ValueError, AttributeError):
        pass
    raise UserError(f"{path}: not the JSON file of an artifact; type: snakemake {path}")


def _order(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Paper, then tables before figures, table2 before table10."""
    name = entry["artifact"]
    digits = "".join(c for c in name if c.isdigit())
    return entry["paper"]["key"], entry["kind"] != "table", int(digits or 0), name


def _row(entry: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    parts = verdict["parts"]
    unit = entry["measure"]["unit"]
    texts = [page.detail(verdict, part, unit, True) for part in parts]
    return {
        "paper": entry["paper"]["key"],
        "artifact": entry["artifact"],
        "claim": verdict["text"],
        "verdict": verdict["verdict"],
        "parts": len(parts),
        "parts_tested": sum(part["verdict"] != claims.UNTESTED for part in parts),
        "parts_shown": sum(part["verdict"] == claims.SHOWN for part in parts),
        "published_parts": verdict["published"]["of"],
        "published_hold": verdict["published"]["holds"],
        "scale": entry["scale"]["key"],
        "flavour": entry["flavour"],
        "detail": "; ".join(texts),
    }
