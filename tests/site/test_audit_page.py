"""The page of an audit: folded as its graph is, called as a build calls runs, and as wide as a phone."""

from __future__ import annotations

import re

import pytest
from browsing import browser  # noqa: F401  # a fixture
from conftest import DUEL, Project

from pipeline.ledger.sources import Folder
from pipeline.provenance.chain import walk

TABLE = "results/mini/mini/duel"


def page_of(project: Project) -> str:
    project.pipeline("audit", DUEL, "--html", "audit.html", "--config", "scale=mini", check=False)
    return (project.root / "audit.html").read_text(encoding="utf-8")


def test_nodes_are_folded_as_the_graph_folds_them(drawn: Project) -> None:
    text = page_of(drawn)
    boxes = re.findall(r'<details id="([^"]+)">', text)
    assert len(boxes) == len(set(boxes)) == 1 + 2 + 2 + 1, "the table, two measures, two runs, a data set; all closed"
    assert text.count("<tr><td>") == len(walk(Folder(drawn.root), [TABLE]).links), "each node is in one of them"
    assert set(re.findall(r'href="#([^"]+)"', text)) == set(boxes), "raw files lead to their data set"
    assert boxes[0] == TABLE and boxes[-1].startswith("data/")


def test_what_does_not_hold_is_open(drawn: Project) -> None:
    next((drawn.root / "receipts/data").glob("*[0-9a-f].json")).unlink()
    assert re.findall(r'<details id="(data)/[^"]+" open>', page_of(drawn)) == ["data"]


def test_runs_are_called_as_a_build_calls_them(drawn: Project) -> None:
    text = page_of(drawn)
    assert "<summary>mini/direct, shapes for cifar10 <" in text and ">mini/direct, shapes for cifar10</text>" in text
    assert "<summary>linear_probe of mini/direct, shapes for cifar10 <" in text and "<summary>shapes <" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser, drawn: Project, scheme: str) -> None:  # noqa: F811  # the fixture
    page_of(drawn)
    page = browser.new_page(viewport={"width": 390, "height": 900}, color_scheme=scheme)
    page.goto((drawn.root / "audit.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for summary in page.locator("summary").all():
        summary.click()
    assert page.locator("details[open]").count() == 6
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "open too"
    page.close()
