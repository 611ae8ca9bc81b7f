"""What readers say of a result: what is bold, what stands in for what, how many epochs."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.artifacts import words

BASELINES = ("raw pixels", "untrained encoder")


def report(*roles: str, rows: tuple[str, ...] = ("method",), **changes: Any) -> dict[str, Any]:
    """A report of which the first cell is best."""
    cells = [{"role": role, "best": not number} for number, role in enumerate(("cell", "cell", *roles))]
    return {"rows": list(rows), "cells": cells, "measure": {"better": "higher"}, **changes}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (report(), "the highest of its column"),
        (report(measure={"better": "lower"}), "the lowest of its column"),
        (
            report(*BASELINES, *BASELINES),
            "the highest of its column, of the methods (not compared: raw pixels, untrained encoder)",
        ),
        (
            report("raw pixels", rows=("ema", "decay")),
            "the highest of its column (not compared: raw pixels)",
        ),
        (report(rows=("dataset", "method")), "the highest of its column, for each data set"),
        (report(cells=[{"role": "cell", "best": False}]), ""),
    ],
)
def test_bold_numbers_are_explained_with_what_they_are_best_of(found: dict[str, Any], wanted: str) -> None:
    assert words.bold(found) == wanted
