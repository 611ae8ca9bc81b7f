"""What readers of an artifact's JSON file say of it, alike on pages and in LaTeX. No stage imports it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts import page, settings
from pipeline.artifacts.rows import CELL, HIGHER, same

_DIGITS = "printed"
"""Entry of a cell: mean and standard deviation as the paper prints them."""


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


def settings_shown(report: Mapping[str, Any]) -> bool:
    """Say whether a table shows what runs are trained with, and nothing that was measured."""
    return report["measure"].get("value") == settings.VALUE


def as_printed(report: Mapping[str, Any], published: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A report whose cells have the paper's own numbers with all digits that are printed: 79.90 and not 79.9.

    Args:
        report: Content of an artifact's JSON file, which has them as numbers.
        published: The printed numbers as text: ``published`` of the params in the artifact's receipt.
    """
    cells = []
    for cell in report["cells"]:
        found = next((entry for entry in published if _is_of(entry, cell)), None)
        digits = None if found is None else [str(found["value"]), str(found.get("std") or "")]
        cells.append(cell if digits is None else {**cell, _DIGITS: digits})
    return {**report, "cells": cells}


def _is_of(entry: Mapping[str, Any], cell: Mapping[str, Any]) -> bool:
    """Whether a row of printed numbers is that of a cell: as :mod:`pipeline.artifacts.rows` has found it."""
    if cell["role"] != CELL or cell["published_mean"] is None:
        return False
    with contextlib.suppress(ValueError):
        axes = cell["axes"].items()
        return float(entry["value"]) == cell["published_mean"] and all(
            same(entry[axis], value) for axis, value in axes if entry.get(axis) not in (None, "")
        )
    return False


def printed(cell: Mapping[str, Any], between: str) -> str:
    """The paper's own number of a cell, digit by digit where :func:`as_printed` has told them; empty for none.

    Args:
        cell: Of an artifact's JSON file.
        between: What stands between mean and standard deviation, such as a plus-minus sign.
    """
    mean, std = cell["published_mean"], cell["published_std"]
    if mean is None:
        return ""
    digits = cell.get(_DIGITS) or [f"{mean:g}", "" if std is None else f"{std:g}"]
    return between.join(filter(None, digits))
