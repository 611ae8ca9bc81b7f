"""A training that goes on says from where."""

from __future__ import annotations

import io

import pytest

from pipeline.monitor.report import Report, Screen


@pytest.mark.parametrize(
    "first, said",
    [
        (1, ""),
        (51, "p/m, seed 0  goes on from epoch 5\n"),
        (48, "p/m, seed 0  goes on from step 47, in epoch 5\n"),
    ],
)
def test_from_where_a_training_goes_on(first, said):
    stream = io.StringIO()
    report = Report("p/m, seed 0", 100, 10, stream=stream)
    for step in range(first, first + 9):
        report.tick(step, 100, ())
    assert stream.getvalue() == said


def test_every_seed_says_it_for_itself():
    stream = io.StringIO()
    screen = Screen(stream)
    for seed in (0, 1):
        Report(f"p/m, seed {seed}", 100, 10, screen=screen).tick(11, 100, ())
    assert stream.getvalue() == "p/m, seed 0  goes on from epoch 1\np/m, seed 1  goes on from epoch 1\n"
