"""What readers of an artifact's JSON file say of it, alike on pages and in LaTeX. No stage imports it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.artifacts import page
from pipeline.artifacts.rows import CELL, HIGHER


def bold(report: Mapping[str, Any]) -> str:
    """Say what bold numbers are and among what they are so; empty where there are none.

    See :func:`pipeline.artifacts.rows.mark_best`: baselines are not compared, and data sets are not with each other.
    """
    cells = report["cells"]
    if not any(cell.get("best") for cell in cells):
        return ""
    text = page.BEST[report["measure"].get("better", HIGHER)]
    if "dataset" in report.get("rows", ()):
        text += ", for each data set"
    others = list(dict.fromkeys(cell["role"] for cell in cells if cell.get("role", CELL) != CELL))
    if not others:
        return text
    among = ", of the methods" if "method" in report.get("rows", ()) else ""
    return f"{text}{among} (not compared: {', '.join(others)})"


def place(axis: str, value: Any) -> str:
    """A place on an axis as :func:`pipeline.artifacts.page.place` has it, and ``1 epoch``."""
    return one_epoch(page.place(axis, value))


def one_epoch(text: str) -> str:
    """Text in which epochs are counted, with ``1 epoch`` for ``1 epochs``; ``2, 1 epochs`` and ``21 epochs`` stay."""
    return re.sub(r"(?<![\d.,])(?<!, )1 epochs\b", "1 epoch", text)


def stand_ins(report: Mapping[str, Any]) -> list[str]:
    """Data sets that stand in for those of the paper: ``shapes for stl10, cifar100``; empty if all are the paper's."""
    found: dict[str, dict[str, None]] = {}
    for cell in report["cells"]:
        ours, theirs = cell.get("dataset"), cell.get("paper_dataset")
        if cell["role"] == CELL and ours and theirs and ours != theirs and not cell.get("missing"):
            found.setdefault(ours, {})[theirs] = None
    return [f"{ours} for {', '.join(theirs)}" for ours, theirs in found.items()]
