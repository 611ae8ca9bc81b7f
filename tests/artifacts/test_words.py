"""What readers say of a result: what is bold, what stands in for what, how many epochs."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.artifacts import words
from pipeline.provenance.cells import differences

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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 epochs", "1 epoch"),
        ("cifar10 stands for stl10; 1 epochs for 320", "cifar10 stands for stl10; 1 epoch for 320"),
        ("2, 1 epochs for 100, 50", "2, 1 epochs for 100, 50"),
        ("21 epochs", "21 epochs"),
        ("0.1 epochs", "0.1 epochs"),
    ],
)
def test_one_epoch_is_no_epochs(text: str, wanted: str) -> None:
    assert words.one_epoch(text) == wanted
    assert [words.place("epochs", 1), words.place("epochs", 2), words.place("lr", 1)] == ["1 epoch", "2 epochs", "lr 1"]


def test_an_audit_says_one_epoch_too() -> None:
    def of(value: str) -> bytes:
        return f"method,epochs,role,mean\na,1,cell,{value}\n".encode()

    (told,) = differences("table8.csv", of("2.0"), of("3.0"))
    assert told == "a, 1 epoch: the file says 2.0, the measurements give 3.0"


def test_which_data_stand_in_for_which() -> None:
    def entry(ours: str, theirs: str, **more: Any) -> dict[str, Any]:
        return {"role": "cell", "dataset": ours, "paper_dataset": theirs, "missing": None, **more}

    cells = [
        entry("cifar10", "cifar10"),
        entry("shapes", "stl10"),
        entry("shapes", "imagenet"),
        entry("shapes", "stl10"),
        entry("digits", "mnist", role="raw pixels"),
        entry("", "flowers102", missing="scale laptop has none"),
        entry("", ""),
    ]
    assert words.stand_ins({"cells": cells}) == ["shapes for stl10, imagenet"]
    assert words.stand_ins({"cells": cells[:1] + cells[4:]}) == []
