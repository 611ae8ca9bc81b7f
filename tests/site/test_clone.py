"""The site of a clone: results and receipts as Git has them, and no payload."""

from __future__ import annotations

import re
import shutil

import pytest
from conftest import ROOT

from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.site.build import Site
from pipeline.site.project import Project


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages of the results that are committed, by their path; without records of when and where."""
    root = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "receipts", root / "receipts", ignore=shutil.ignore_patterns("local-*", "*.execution.json"))
    shutil.copytree(ROOT / "results/laptop", root / "results/laptop")
    Site(Project(root), Catalogue(Options(scale="laptop"))).write(root / "site")
    return {
        path.relative_to(root / "site").as_posix(): path.read_text(encoding="utf-8")
        for path in (root / "site").rglob("*.html")
    }


def of(pages: dict[str, str], folder: str) -> dict[str, str]:
    found = {path: text for path, text in pages.items() if re.fullmatch(rf"{folder}/(?!index)[^/]*\.html", path)}
    assert len(found) > 2
    return found


@pytest.mark.parametrize("folder", ["runs", "data"])
def test_a_page_without_payload_says_what_to_type_for_it(pages: dict[str, str], folder: str) -> None:
    for path, text in of(pages, folder).items():
        (target,) = re.findall(r"<code>python -m pipeline restore (results/\S+)\.csv</code>", text)
        assert f"{target.removeprefix('results/')}.html" in text, f"{path}: of a result that is made from it"


def test_columns_of_which_nothing_is_here_are_left_out(pages: dict[str, str]) -> None:
    tables = 0
    for path, text in of(pages, "runs").items():
        assert "left blank" not in text
        for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
            heads = re.findall(r"<th scope=\"col\">(.*?)</th>", table)
            rows = [re.findall(r"<t[hd][ >].*?</t[hd]>", row) for row in re.findall(r"<tr id=.*?</tr>", table)]
            for column, head in enumerate(heads):
                assert any(re.sub(r"<[^>]+>", "", row[column]) for row in rows), f"{path}: {head}"
            tables += 1
    assert tables > 20


def test_a_dash_leads_nowhere(pages: dict[str, str]) -> None:
    cells = [cell for text in pages.values() for cell in re.findall(r"<td class=\"cell.*?</td>", text, re.DOTALL)]
    dashes = [cell for cell in cells if re.sub(r"<[^>]+>", "", cell).strip() == "–"]
    assert dashes, "laptop has none of STL-10"
    assert not any("<a " in cell for cell in dashes)
