"""The papers' own numbers in LaTeX and on pages: digit by digit as their files have them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import settings, words
from pipeline.artifacts.report import report
from pipeline.artifacts.rows import read
from pipeline.latex.escape import escape
from pipeline.latex.table import tabular
from pipeline.planning.catalogue import PARAMS, Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.site import tables
from pipeline.work import Work

FILES = sorted(path.name for path in (PARAMS / "published").glob("*.csv"))


@cache
def planned() -> dict[str, list[dict[str, Any]]]:
    """File of printed numbers -> params of the artifacts that show them, of which nothing is measured."""
    catalogue = Catalogue(Options(scale="paper"))
    found: dict[str, list[dict[str, Any]]] = {}
    for request in catalogue.wanted("paper"):
        declared = catalogue.papers[request.paper].artifacts[request.artifact].published
        if declared is not None:
            plan = Plan(catalogue, [request])
            params = {**plan.artifacts[request.stem].params}
            params["cells"] = [
                cell if "setting" in cell else {**cell, "missing": "not built"} for cell in params["cells"]
            ]
            # a derived cell that has no number has no unit either
            params["published"] = [{**entry, "unit": ""} for entry in params["published"]]
            found.setdefault(declared.file, []).append(params)
    return found


def told(params: Mapping[str, Any]) -> dict[str, Any]:
    """The report of an artifact as readers take it: its JSON file, with what its receipt knows."""
    rows, unmatched = read(Work("results/paper/x/y", dict(params), Path(), {}))
    return words.as_printed(report(params, rows, [], unmatched), params["published"])


def printed(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Mean and standard deviation of each printed number of an artifact that has a cell, as its file has them."""
    unmatched = [dict(entry) for entry in told(params)["published_unmatched"]]
    yield from (
        (entry["value"], entry.get("std") or "") for entry in params["published"] if dict(entry) not in unmatched
    )


def test_every_file_of_printed_numbers_is_shown_somewhere() -> None:
    assert set(FILES) == set(planned())


@pytest.mark.parametrize("file", FILES)
def test_every_printed_number_stands_in_latex_and_on_pages_as_in_its_file(file: str) -> None:
    with (PARAMS / "published" / file).open(encoding="utf-8", newline="") as opened:
        held = {(row["value"], row.get("std") or "") for row in csv.DictReader(opened)}
    for params in planned()[file]:
        found = told(params)
        wanted = Counter(printed(params))
        assert wanted and wanted.keys() <= held, "the plan has the text of the file"
        setting = params["measure"]["value"] == settings.VALUE
        cells = re.split(r"&|\\\\", tabular(found, printed=True))
        latex = {cell.strip().removeprefix("{").removesuffix("}") for cell in cells}
        grid = tables.grid(found)
        assert grid is not None
        shown = {cell.published for _, line in grid.lines for cell in line if cell is not None}
        for mean, std in wanted:
            assert (escape(mean) if setting else mean + rf" \pm {std}" * bool(std)) in latex
            assert mean + f" ± {std}" * bool(std) in shown


def test_a_report_without_its_receipt_has_what_numbers_can_tell() -> None:
    cell = {"role": "cell", "axes": {"epochs": 100}, "published_mean": 79.9, "published_std": None}
    assert words.printed(cell, " ± ") == "79.9"
    (other,) = words.as_printed({"cells": [cell]}, [{"epochs": "100", "value": "79.90", "std": "0.10"}])["cells"]
    assert words.printed(other, " ± ") == "79.90 ± 0.10"
    for entry in ({"epochs": "300", "value": "79.90"}, {"epochs": "100", "value": "79.80"}, {"value": "none"}):
        (same,) = words.as_printed({"cells": [cell]}, [entry])["cells"]
        assert words.printed(same, " ± ") == "79.9"
    assert words.printed({**cell, "published_mean": None}, " ± ") == ""
