"""Bars in one line, whatever the width."""

from __future__ import annotations

import pytest

from pipeline.monitor.bars import Row, draw

RUNS = [
    Row("directpred/sgd, shapes for cifar10", 0.5, ["epoch 3/6", "loss -0.8123", "std 0.91"], 83.0, "pretrain"),
    Row("directpred, shapes for cifar10", 0.99, ["epoch 6/6", "loss -0.8123", "std 0.91"], None, "pretrain"),
    Row("build, 3/12 stages", 0.25, (), 3723.0),
]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("width", [1, 2, 7, 20, 39, 40, 59, 60, 61, 80, 120, 300])
def test_no_line_is_as_long_as_the_window_is_wide(width, plain):
    lines = draw(RUNS, width, plain=plain)
    assert len(lines) == 3 and all(len(line) < max(width, 2) for line in lines)
    assert not plain or all(line.isascii() for line in lines)


def test_at_80_columns_names_are_whole():
    assert draw(RUNS, 80) == [
        "directpred/sgd, shapes for cifar10 ━━━━━━──────  epoch 3/6  ETA 1:23",
        "directpred, shapes for cifar10     ━━━━━━━━━━━─  epoch 6/6  loss -0.8123",
        "build, 3/12 stages                 ━━━─────────  ETA 1:02:03",
    ]


def test_at_40_columns_runs_can_be_told_apart():
    assert draw(RUNS, 40, plain=True) == [
        "directpred/sgd, s~ ###---  epoch 3/6",
        "directpred, shape~ #####-  epoch 6/6",
        "build, 3/12 stages #-----  ETA 1:02:03",
    ]


def test_a_wide_window_has_all():
    assert draw(RUNS, 200)[0] == (
        "pretrain directpred/sgd, shapes for cifar10 ━━━━━━──────  epoch 3/6  loss -0.8123  std 0.91  ETA 1:23"
    )


def test_names_that_begin_alike_show_their_ends():
    rows = [Row(f"isoloss/cosine, shapes for stl10, lr {rate}", 0.0) for rate in (0.01, 0.03)]
    first, second = draw(rows, 40)
    assert "lr 0.01" in first and "lr 0.03" in second


def test_a_bar_is_full_when_all_is_done_and_not_before():
    assert "─" not in draw([Row("x", 1.0)], 80)[0]
    assert "─" in draw([Row("x", 0.999)], 80)[0]
    assert "━" not in draw([Row("x", 0.01)], 80)[0]
