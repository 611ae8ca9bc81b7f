"""The README shows the numbers that are committed."""

from __future__ import annotations

import re

from conftest import ROOT


def rows(text: str) -> list[list[str]]:
    """Cells of all rows of tables, without bold type."""
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    return [[cell.strip().replace("**", "") for cell in line.split("|")] for line in lines]


def test_table_8_at_laptop_is_the_committed_one():
    page = (ROOT / "results/laptop/directpred/table8.md").read_text(encoding="utf-8")
    half = [row for row in rows(page[page.index("## cifar10") :]) if not set(row[0]) <= {"-"}]
    assert len(half) == 6 and half[0][0] == "method"
    shown = rows((ROOT / "README.md").read_text(encoding="utf-8"))
    missing = [row for row in half if row not in shown]
    assert missing == [], "copy them from results/laptop/directpred/table8.md"
