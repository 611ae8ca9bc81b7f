"""A claim in words: the number behind each of its parts, and where the cells stand that it compares.

This module runs where a bundle is verified: with the standard library alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.artifacts import evidence, formats, page, words
from pipeline.artifacts.rows import CELL
from pipeline.site import tables, verdicts

FEW = 5
"""Parts of a claim, or cells that one compares, that stand in the open; more are folded away."""

_NUMBERS = ("value", "standard_error")


def told(claim: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a claim of a report with its verdict and parts in words."""
    parts = []
    for part in claim["parts"]:
        at = ", ".join(words.place(*item) for item in part["at"].items())
        found = [
            (number, cell)
            for axes in part["cells"]
            for number, cell in enumerate(report["cells"])
            if cell["axes"] == axes and cell["role"] == CELL
        ]
        cells = [(f"cell-{number}", tables.where(report, cell, part["at"]) or "this cell") for number, cell in found]
        units = [cell.get("unit", report["measure"]["unit"]) for _, cell in found] or [report["measure"]["unit"]]
        shown = _without_rounding(part, [cell for _, cell in found])
        text = page.detail(claim, {**shown, "at": {}}, _unit(shown, units[0]), False)
        parts.append({"at": at, "text": text, "verdict": part["verdict"], "cells": cells})
    counted = verdicts.told(Counter(part["verdict"] for part in parts))
    return {**claim, "verdict": verdicts.of(claim), "parts": parts, "told": counted}


def _without_rounding(part: Mapping[str, Any], cells: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The part with 0 for what is nothing but rounding of the numbers that it was made from."""
    shown = [value for cell in cells for value in cell["seeds"].values() if isinstance(value, int | float)]
    least = evidence.ROUNDING * max(map(abs, shown), default=0.0)
    return {**part, **{name: 0.0 for name in _NUMBERS if part[name] is not None and abs(part[name]) <= least}}


def _unit(part: Mapping[str, Any], unit: str) -> str:
    """In what the number of a part is told; in none, which keeps more digits, where one decimal would hide it."""
    numbers = [part[name] for name in _NUMBERS if part[name]]
    return "" if any(not float(formats.number(number, unit, 1)) for number in numbers) else unit
