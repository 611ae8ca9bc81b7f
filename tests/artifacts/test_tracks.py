"""Curves along training: panels hold what the rows say, and tell why they are empty."""

from __future__ import annotations

from typing import Any

import pytest
from handmade import params

from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.lost import DIVERGED
from pipeline.artifacts.rows import CELL, Row
from pipeline.artifacts.tracks import draw_tracks

STEPS = (1, 10, 100)
SPECTRA = {
    "one": [[1.0, 0.1, 1e-9], [2.0, 0.3, 0.2], [1e9, 1.0, 0.9]],  # it explodes in the end
    "other": [DIVERGED] * 3,
}


def drawn(**changes: Any) -> Drawing:
    rows = []
    for method, spectra in SPECTRA.items():
        for at, values in zip(STEPS, spectra, strict=True):
            losses: Any = {"step": list(range(1, at + 1)), "loss": [1 / step for step in range(1, at + 1)]}
            losses = losses if values != DIVERGED else DIVERGED
            for measure, value in (("loss", losses), ("eigenvalues", values)):
                axes = {"method": method, "measure": measure, "steps": at}
                rows.append(Row(axes, CELL, "shapes", "stl10", 0, {0: value, 1: value}, trained_steps=at))
    return draw_tracks(rows, params(), spectra={"eigenvalues": "eigenvalues"}, **changes)


def test_panels_hold_what_the_rows_say() -> None:
    made = drawn(threshold=0.25)
    assert len(made.figure.axes) == 4
    losses = {row["steps"]: row["value"] for row in made.records if row["quantity"] == "loss"}
    assert losses == {step: 1 / step for step in range(1, 101)}, (
        "of the last milestone, which reaches back to the start"
    )
    found = {(row["steps"], row["mode"]): row["value"] for row in made.records if row["quantity"] == "eigenvalue"}
    assert found == {
        (1, 1): 1.0, (1, 2): 0.1, (10, 1): 2.0, (10, 2): 0.3, (10, 3): 0.2, (100, 1): 1e9,
    }, "what is rounding beside the largest of its time is left out, whatever the largest becomes"  # fmt: skip
    lines = made.figure.axes[2].collections[0].get_segments()
    assert sorted(len(line) for line in lines) == [1, 2, 3]


def test_a_panel_without_a_number_says_why() -> None:
    texts = [[text.get_text() for text in axes.texts] for axes in drawn().figure.axes]
    assert texts == [[], [DIVERGED], [], [DIVERGED]]


@pytest.mark.parametrize(("modes", "count"), [(1, 3), (2, 5)])
def test_so_many_modes_and_no_more(modes: int, count: int) -> None:
    assert sum(row["quantity"] == "eigenvalue" for row in drawn(modes=modes).records) == count
