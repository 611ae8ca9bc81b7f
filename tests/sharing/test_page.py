"""The page of a bundle: what stands in it, and how it looks in a browser, narrow and wide."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from browsing import browser  # noqa: F401  # a fixture
from conftest import ROOT

from pipeline.artifacts import page as pages
from pipeline.artifacts import scorecard
from pipeline.ledger.sources import Folder
from pipeline.provenance.chain import walk
from pipeline.sharing import index_page
from pipeline.site import claimed

STEMS = [f"results/laptop/{name}" for name in ("directpred/table8", "stepwise/table1", "embnorms/fig3")]


def written(**changed: bytes) -> str:
    """The page of results that are committed, with other contents of some files, by stem."""
    chain = walk(Folder(ROOT), STEMS)
    assert not chain.findings
    files = [ROOT / f"{stem}.{suffix}" for stem in STEMS for suffix in ("json", "csv", "png")]
    members = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files if path.is_file()}
    members |= {f"{stem}.json": changed[stem.rsplit("/", 1)[1]] for stem in STEMS if stem.rsplit("/", 1)[1] in changed}
    return index_page.render(index_page.title(STEMS), chain, members).decode()


@pytest.fixture(scope="module")
def page() -> str:
    """The page of results that are committed."""
    return written()


def cell(page: str, number: str) -> str:
    """The cell that shows a number, as text with its elements' names."""
    found = next(found for found in re.findall(r"<td.*?</td>", page) if number in found)
    return html.unescape(found)


def test_a_cell_says_what_the_site_says_of_it(page: str) -> None:
    assert cell(page, "41.3 ± 3.1") == (
        '<td class="number">41.3 ± 3.1‡ (5)<br><small>paper 85.21 ± 0.23</small>'
        "<br><small><span>−43.9, not comparable</span></small></td>"
    )
    assert "<strong>45.7 ± 2.6</strong> (5)" in cell(page, "45.7 ± 2.6")
    assert "paper 79.90 ± 0.66" in cell(page, "79.90"), "as printed"
    assert "not measured" in cell(page, "77.86 ± 0.16")


def test_marks_bold_and_band_are_explained(page: str) -> None:
    text = html.unescape(page)
    for words in (pages.COLLAPSED, pages.UNTRAINED, scorecard.BAND):
        assert f'<p class="remark">{words}' in text
    assert '<p class="remark">Bold: the highest of its column, of the methods (not compared: raw pixels' in text
    assert "1 epoch for 320" in text and "1 epochs" not in text


def test_claims_have_verdicts_marks_and_numbers(page: str) -> None:
    text = html.unescape(page)
    own = [json.loads((ROOT / f"{stem}.json").read_text(encoding="utf-8")) for stem in STEMS]
    found = [(claim, claimed.told(claim, report)) for report in own for claim in report["claims"]]
    assert {claim["ours"] for claim, _ in found} == {True, False}
    for claim, told in found:
        mark = ' <small class="ours">ours</small>' if claim["ours"] else ""
        assert f">{told['verdict']}</strong>: {claim['text']}{mark}\n" in text
        for part in told["parts"]:
            assert part["text"] in text


@pytest.mark.parametrize("reason", ["error in print", "limit of our setting"])
def test_what_is_not_shown_for_a_reason_is_told_with_it(reason: str) -> None:
    report = json.loads((ROOT / f"{STEMS[1]}.json").read_text(encoding="utf-8"))
    report["claims"][0] |= {"verdict": "not shown", "because": reason}
    assert f">not shown: {reason}</strong>: " in written(table1=json.dumps(report).encode())


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_the_page_is_as_wide_as_its_window(browser, page: str, width: int, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    shown = browser.new_page(viewport={"width": width, "height": 900})
    shown.goto(f"file://{tmp_path}/index.html")
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    cut = shown.evaluate(
        "() => [...document.querySelectorAll('figcaption, p, dd, li, h1, h2')]"
        ".filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.textContent)"
    )
    assert cut == []
    for found in shown.query_selector_all("table, pre"):
        box = found.evaluate_handle("one => one.closest('.scroll')").as_element()
        assert box is not None and box.get_attribute("tabindex") == "0"
        assert "local" in box.evaluate("one => getComputedStyle(one).backgroundAttachment"), "a shade at the side"
    scrolls = shown.evaluate("[...document.querySelectorAll('.scroll')].some(one => one.scrollWidth > one.clientWidth)")
    assert scrolls == (width < 1000)
    shown.close()
