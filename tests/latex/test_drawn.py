"""Figures drawn anew for a paper: as wide as asked for, in fonts that are embedded, from payload that was compared."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest
from conftest import BARS, Project

from pipeline.artifacts import style
from pipeline.errors import UserError
from pipeline.latex import look, mark
from pipeline.latex.drawn import options

CONFIG = ("--config", "scale=mini")
STEM = BARS.removesuffix(".csv")


def box(path: Path) -> tuple[float, float]:
    """Width and height of a page in inches."""
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", path.read_bytes())
    assert found is not None
    return float(found[1]) / 72, float(found[2]) / 72


def fonts(path: Path) -> set[str]:
    """Names of embedded fonts, without the marks of their parts."""
    found = re.findall(rb"/FontName /(?:[A-Z]{6}\+)?([\w-]+)", path.read_bytes())
    return {name.decode() for name in found}


def typed(project: Project, *arguments: str) -> str:
    """What the command says."""
    done = project.pipeline("tex", "bars", *arguments, *CONFIG, check=False)
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


def test_a_figure_as_wide_as_asked_for_in_a_font_that_is_embedded(drawn: Project) -> None:
    told = typed(drawn, "-o", "paper", "--width", "3.3", "--width", "6.9", "--font", "serif").splitlines()
    assert told[1:] == [rf"\includegraphics{{paper/bars-{width}in.pdf}}" for width in ("3.3", "6.9")]
    for width in (3.3, 6.9):
        path = drawn.root / f"paper/bars-{width}in.pdf"
        assert box(path)[0] == pytest.approx(width, abs=0.01)
        assert fonts(path) == {"STIXGeneral-Regular"}
        assert mark.source(path) == STEM
    assert fonts(drawn.root / f"{STEM}.pdf") == {"LiberationSans"}
    first = path.read_bytes()
    typed(drawn, "-o", "paper", "--width", "6.9", "--font", "serif")
    assert path.read_bytes() == first, "the same bytes each time"


def test_what_is_always_wanted_stands_in_a_file_and_what_is_typed_goes_before(drawn: Project) -> None:
    file = drawn.root / look.FILE
    file.write_text("width: [2.5, 5]\nfont: DejaVu Serif\n")
    typed(drawn, "-o", "paper")
    assert {path.name for path in (drawn.root / "paper").glob("*.pdf")} == {"bars-2.5in.pdf", "bars-5in.pdf"}
    assert fonts(drawn.root / "paper/bars-5in.pdf") == {"DejaVuSerif"}
    typed(drawn, "-o", "other", "--width", "3", "--font", "sans-serif")
    assert [path.name for path in (drawn.root / "other").glob("*.pdf")] == ["bars-3in.pdf"]
    assert fonts(drawn.root / "other/bars-3in.pdf") == {"LiberationSans"}
    assert not drawn.build(BARS, *CONFIG), "none of it is in a key"


def test_nothing_is_drawn_where_nothing_is_asked_for(drawn: Project) -> None:
    assert r"\includegraphics" not in typed(drawn, "-o", "paper")
    assert not list((drawn.root / "paper").glob("*.pdf"))


def test_payload_that_is_not_as_its_receipt_says_is_not_drawn(drawn: Project) -> None:
    for path in (drawn.root / "measurements").glob("*/seed0/epoch0001/*/scores.json"):
        path.write_text(path.read_text().replace("1", "2"))
    told = typed(drawn, "--width", "3.3")
    assert "is not what its receipt says" in told and f"type: python -m pipeline restore {STEM}.csv" in told
    for path in (drawn.root / "measurements").glob("*/seed0/epoch0001/*/scores.json"):
        path.unlink()
    assert "scores.json is not here; type: python -m pipeline restore" in typed(drawn, "--width", "3.3")
    drawn.pipeline("restore", BARS, *CONFIG)
    assert "bars-3.3in.pdf" in typed(drawn, "--width", "3.3")


def test_a_pdf_of_somebodys_own_or_of_another_figure_stays(drawn: Project) -> None:
    mine = drawn.root / "paper/bars-3.3in.pdf"
    mine.parent.mkdir()
    for content, why in (
        (b"%PDF-1.4 mine", "a file, and no earlier file of tex"),
        ((drawn.root / f"{STEM}.pdf").read_bytes(), "a file, and no earlier file of tex"),
        (f"%PDF-1.4 ({mark.drawn_from('results/a/b/bars', '0' * 16)})".encode(), "is from results/a/b/bars"),
    ):
        mine.write_bytes(content)
        assert why in typed(drawn, "-o", "paper", "--width", "3.3") and mine.read_bytes() == content


def test_a_look_without_a_figure_is_refused(drawn: Project) -> None:
    done = drawn.pipeline("tex", "duel", "--font", "serif", *CONFIG, check=False)
    assert "are for figures, and no target is one" in done.stderr


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (([0.2], None, None), "--width: expected a number from 1 to 40, found 0.2"),
        ((None, "seriff", None), "font seriff: this machine has none of this name; did you mean serif?"),
        ((None, "DejaVu Serifs", None), "did you mean DejaVu Serif?"),
        ((None, None, 400.0), "--size: expected a number from 4 to 40, found 400.0"),
    ],
)
def test_what_no_figure_can_look_like_is_refused(tmp_path: Path, typed: tuple, wanted: str) -> None:
    with pytest.raises(UserError) as error:
        look.chosen(*typed, tmp_path / "figures.yaml")
    assert wanted in str(error.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("widht: 3", "unknown key; did you mean width?"),
        ("width: wide", "figures.yaml: width: expected a number from 1 to 40"),
        ("- 3", "expected keys such as width: 3.3"),
        ("size: 1", "figures.yaml: size: expected a number from 4 to 40, found 1"),
        ("font: [a]", "figures.yaml: font: expected"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "figures.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        look.chosen(None, None, None, tmp_path / "figures.yaml")
    assert wanted in str(error.value)


def test_the_file_that_is_committed_asks_for_nothing() -> None:
    assert look.FILE.is_file() and look.chosen(None, None, None) is None


def test_a_font_is_known_in_any_case() -> None:
    found = look.chosen(None, "dejavu SERIF", None)
    assert found is not None and found.font == "DejaVu Serif"


def test_all_letters_grow_and_the_style_is_as_it_was_afterwards() -> None:
    before = style.SMALL
    with look.applied(look.Look(size=13.0)):
        assert style.SMALL / before == 2.0 and matplotlib.rcParams["xtick.labelsize"] == 12.0
        assert matplotlib.rcParams["font.size"] == 13.0 and matplotlib.rcParams["axes.linewidth"] == 0.6
    assert style.SMALL / before == 1.0


@pytest.mark.parametrize(
    ("given", "built", "width", "wanted"),
    [
        ({"height": 1.75, "width": 3.3}, (3.3, 1.75), 6.6, 1.75 * 2**0.5),  # flat: by the root of the factor
        ({"height": 4.9, "width": 3.3}, (3.3, 4.9), 6.9, 5.175),  # high already: up to three quarters of the width
        ({"height": 4.9, "width": 3.3}, (3.3, 4.9), 3.3, 4.9),
        ({"height": 1.6, "width": 3.2}, (3.2, 1.6), 1.8, 1.2),
        ({"panel": 1.0, "width": 3.3}, (3.3, 1.5), 6.6, 2**0.5),
    ],
)
def test_letters_stay_as_large_so_height_grows_less_than_width(given, built, width, wanted) -> None:
    found = options({"kind": "x", **given, "data": ""}, built, width)
    assert found["width"] == width and found[next(iter(given))] == pytest.approx(wanted) and found["data"] == ""
    assert "kind" not in found and options({"kind": "x"}, built, width) == {}
