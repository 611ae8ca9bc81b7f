"""How pages of the documentation look: the theme's style sheet with ours above it, in a real browser."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from browsing import browser  # noqa: F401  # a fixture
from conftest import ROOT
from PIL import Image

LONG = "pretrain: checkpoints/local-shapes-tiny_conv-directpred-ema-9137db805d/seed0/epoch0008 and 8 more: to execute"
CELLS = "".join(f"<td><p>55.{k} ± 2.1 (3) [77.86\u00a0±\u00a00.16]</p></td>" for k in range(3))
PAGE = f"""<!doctype html><html><head><meta name="viewport" content="width=device-width"><style>
body {{ --color-code-background: #f2f2f2 }}</style></head><body>
<div class="page"><aside class="sidebar-drawer"></aside><div class="main"><div class="content"><div class="article-container">
<article role="main"><p>{"A sentence of prose. " * 20}</p>
<div class="highlight-text notranslate"><div class="highlight"><pre>{LONG}</pre></div></div>
<div class="highlight-bash notranslate"><div class="highlight"><pre>{LONG * 3}</pre></div></div>
<div class="table-wrapper colwidths-auto docutils container"><table class="docutils"><tbody>
<tr><td><p>directpred-freq5</p></td>{CELLS}</tr></tbody></table></div></article>
</div></div><aside class="toc-drawer"></aside></div></div></body></html>"""


@pytest.fixture
def show(browser):  # noqa: F811
    """Opens the page at a width of the window."""
    theme = importlib.util.find_spec("furo")
    if theme is None or theme.origin is None:
        pytest.skip("the theme is not installed")
    sheets = [Path(theme.origin).parent / "theme/furo/static/styles/furo.css", ROOT / "docs/_static/docs.css"]
    pages = []

    def opened(width: int):
        page = browser.new_page(viewport={"width": width, "height": 900})
        pages.append(page)
        page.set_content(PAGE)
        for sheet in sheets:
            page.add_style_tag(content=sheet.read_text(encoding="utf-8"))
        return page

    yield opened
    for page in pages:
        page.close()


def edges(page, what: str) -> tuple[float, float]:
    """Brightness of the foot of an element at its left and right edge, from 0 to 255."""
    image = np.asarray(Image.open(io.BytesIO(page.locator(what).first.screenshot())).convert("L"), dtype=float)
    foot = image[-5:-2]
    return foot[:, 4:7].mean(), foot[:, -4:-1].mean()


def test_a_wide_window_has_room_for_output_and_tables(show) -> None:
    page = show(1400)
    for what in (".highlight-text pre", ".table-wrapper"):
        wide, inside = page.locator(what).first.evaluate("one => [one.clientWidth, one.scrollWidth]")
        assert wide > 840 and inside <= wide, f"{what}: all of it is seen"
    assert page.locator("article > p").evaluate("one => one.clientWidth") <= 46 * 16, "prose stays legible"
    lines = "one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)"
    assert page.locator("td p").evaluate_all(f"all => all.map({lines})") == pytest.approx([1] * 4, abs=0.2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1400


@pytest.mark.parametrize("what", [".table-wrapper", ".highlight-text pre", ".highlight-bash pre"])
def test_what_goes_on_at_a_side_has_a_shadow_there(show, what: str) -> None:
    page = show(390)
    assert page.locator(what).evaluate("one => one.scrollWidth > one.clientWidth + 50")
    left, right = edges(page, what)
    assert left > right + 15, "it goes on at the right"
    page.locator(what).evaluate("one => one.scrollLeft = one.scrollWidth")
    left, right = edges(page, what)
    assert right > left + 15, "it goes on at the left"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_published_numbers_in_tables_are_not_broken() -> None:
    spec = importlib.util.spec_from_file_location("docs_conf", ROOT / "docs/conf.py")
    assert spec is not None and spec.loader is not None
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    source = ["Prose of 1.0 ± 0.5\n\n| a | 55.8 ± 2.1 (3) [77.86 ± 0.16] |\n"]

    class App:
        class env:
            @staticmethod
            def doc2path(name: str) -> str:
                return str(ROOT / "docs" / f"{name}.md")

    conf._links(App, "results", source)
    assert source == ["Prose of 1.0 ± 0.5\n\n| a | 55.8\u00a0±\u00a02.1 (3) [77.86\u00a0±\u00a00.16] |\n"]
