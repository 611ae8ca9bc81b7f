"""Results as LaTeX: digits by the error, tables that hold together, numbers by name, nothing of the user's overwritten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typeset
from handmade import DIVERGED, cell, filled, grid, params, work

from pipeline.artifacts import words
from pipeline.artifacts.report import report
from pipeline.artifacts.rows import read
from pipeline.comparing import cells as compared
from pipeline.comparing.artifacts import Comparison
from pipeline.errors import UserError
from pipeline.latex import changes, written
from pipeline.latex.escape import escape, slug
from pipeline.latex.numbers import numbers
from pipeline.latex.quantity import column, quantity
from pipeline.latex.table import tabular


@pytest.mark.parametrize(
    ("mean", "std", "unit", "wanted"),
    [
        (51.234, 0.432, "%", r"51.2 \pm 0.4"),
        (51.234, 0.0432, "%", r"51.23 \pm 0.04"),
        (47.12, 12.3, "%", r"47 \pm 12"),
        (51.25, 0.961, "%", r"51.2 \pm 1.0"),
        (51.0, 0.149, "%", r"51.00 \pm 0.15"),
        (-0.0004, 0.03, "", r"0.00 \pm 0.03"),
        (-3.14159, 0.2, "", r"-3.1 \pm 0.2"),
        (12345.0, 120.0, "", r"12340 \pm 120"),
        (1.2345e-7, 3e-9, "", r"1.23 \pm 0.03e-7"),
        (2.5e8, 4e6, "", r"2.50 \pm 0.04e8"),
        (51.234, None, "%", "51.2"),
        (51.234, 0.0, "%", "51.2"),
        (0.12345, None, "", "0.123"),
        (123456789.0, None, "", "1.23e08"),
    ],
)
def test_a_number_has_as_many_decimals_as_its_error_bears(mean, std, unit, wanted) -> None:
    assert quantity(mean, std, unit) == wanted


def test_a_column_has_room_for_all_its_numbers() -> None:
    assert column([r"51.2 \pm 0.4", r"7.25 \pm 0.15", r"-3 \pm 12"]) == "-2.2(2)"
    assert column(["51.2", "7"]) == "2.1"
    assert column([r"1.23 \pm 0.04e-10", "0.1"]) == "1.2(1)e-10"
    assert column(["51.2", "many"]) is None and column([]) is None


def test_text_is_set_as_it_stands() -> None:
    assert escape("50 % of a_b & {c} \\d #1 ~^$") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{}d \#1 \textasciitilde{}\textasciicircum{}\$"
    )
    assert escape("two\nlines") == "two lines"
    assert [slug(value) for value in (-0.05, 0.05, "a b/c", 1e-6, "")] == [
        "minus0_05",
        "0_05",
        "a-b-c",
        "1e-06",
        "none",
    ]


METHODS = ["direct_pred", "sgd"]


def table(folder: Path, **changes) -> dict:
    """The report of a table of two methods, two data sets and two epochs, with all that can happen to a cell."""
    cells = grid(method=METHODS, dataset=["stl10", "cifar10"], epochs=[100, 300])
    values = {tuple(one["axes"].values()): [40.0 + k, 42.0 + 1.5 * k] for k, one in enumerate(cells)}
    values["sgd", "stl10", 300] = [DIVERGED, DIVERGED]
    values["sgd", "cifar10", 300] = [DIVERGED, 3.0]
    cells[-2].update(missing="not built", nodes=[])
    values["sgd", "cifar10", 100] = []
    for data in ("stl10", "cifar10"):
        cells.append(cell({"dataset": data}, role="raw pixels"))
        values[data, "raw pixels"] = [20.0, 20.5]
    about = params(cells=cells, published=[
        {"method": "sgd", "dataset": "stl10", "epochs": "100", "value": "71.94", "std": "0.78", "unit": "%"},
    ])  # fmt: skip
    made = work(folder, about, filled(cells, values))
    rows, unmatched = read(made)
    return {**report(about, rows, [], unmatched), **changes}


def test_a_table_holds_together(tmp_path: Path) -> None:
    text = tabular(table(tmp_path))
    typeset.check(text)
    body = typeset.plain(text)
    assert r"\multicolumn{2}{c}{stl10} & \multicolumn{2}{c}{cifar10}" in body
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}" in body and r"{100 epochs} & {300 epochs}" in body
    line = next(line for line in body.splitlines() if line.startswith(r"direct\_pred"))
    assert line.split(" & ")[1] == r"\bfseries 41.0 \pm 1.4" or line.split(" & ")[1] == r"41.0 \pm 1.4"
    line = next(line for line in body.splitlines() if line.startswith("sgd"))
    assert "{diverged}" in line and "{--}" in line and r"{\textdagger{}}" in line
    assert body.count("raw pixels") == 1 and body.index("raw pixels") > body.rindex(r"\midrule")
    assert "digits stands for stl10" in text, "what stands in for the paper's data is said in the file"


def test_printed_numbers_stand_beside_ours(tmp_path: Path) -> None:
    text = tabular(table(tmp_path), printed=True)
    typeset.check(text)
    assert r"71.94 \pm 0.78" in text and "{here} & {printed}" in text
    assert r"\multicolumn{4}{c}{stl10}" in text


@pytest.mark.parametrize(("rows", "columns"), [([], ["method"]), (["method"], []), (["method", "dataset"], ["epochs"])])
def test_tables_of_other_shapes(tmp_path: Path, rows: list, columns: list) -> None:
    cells = grid(
        **{axis: {"method": METHODS, "dataset": ["stl10"], "epochs": [1, 2]}[axis] for axis in [*rows, *columns]}
    )
    about = params(rows=rows, columns=columns, cells=cells)
    values = {tuple(one["axes"].values()): [1.0, 2.0] for one in cells}
    found, unmatched = read(work(tmp_path, about, filled(cells, values)))
    typeset.check(tabular(report(about, found, [], unmatched)))


def test_a_table_without_a_number_is_a_table(tmp_path: Path) -> None:
    cells = grid(method=METHODS, dataset=["stl10"], epochs=[1])
    for one in cells:
        one.update(missing="not built", nodes=[])
    about = params(cells=cells)
    found, unmatched = read(work(tmp_path, about, {}))
    text = tabular(report(about, found, [], unmatched))
    typeset.check(text)
    assert typeset.plain(text).count("{--}") == 2 and "seeds" not in text


def test_numbers_have_names(tmp_path: Path) -> None:
    found = numbers(table(tmp_path))
    assert found["direct_pred-stl10-100"] == r"\num[separate-uncertainty=true]{41.0 \pm 1.4}"
    assert "sgd-stl10-300" not in found and "raw-pixels-cifar10" in found
    typeset.check(*found.values())


def test_two_numbers_never_share_a_name(tmp_path: Path) -> None:
    cells = grid(a=["x y", "x-y"], b=[1])
    about = params(rows=["a"], columns=["b"], cells=cells)
    values = {tuple(one["axes"].values()): [1.0, 2.0] for one in cells}
    found, unmatched = read(work(tmp_path, about, filled(cells, values)))
    assert len(numbers(report(about, found, [], unmatched))) == 2


def test_what_is_somebody_elses_is_not_written_over(tmp_path: Path) -> None:
    made = written.content("results/quick/directpred/table8", table(tmp_path), "0" * 64, tmp_path / "tex")
    assert tmp_path / "tex/table8.tex" in made and tmp_path / "tex/table8/sgd-stl10-100.tex" in made
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.check(path, "results/quick/directpred/table8")
    mine, old = tmp_path / "tex/table8/mine.tex", tmp_path / "tex/table8/gone.tex"
    mine.write_text("my own")
    old.write_text(made[tmp_path / "tex/table8/sgd-stl10-100.tex"])
    with pytest.raises(UserError, match="no earlier file of tex"):
        written.check(mine, "results/quick/directpred/table8")
    written.drop_old(tmp_path / "tex/table8", made, "results/quick/directpred/table8")
    assert mine.read_text() == "my own" and not old.exists()


def test_a_number_is_one_number_without_a_space(tmp_path: Path) -> None:
    made = written.content("results/quick/directpred/table8", table(tmp_path), "0" * 64, tmp_path / "tex")
    text = made[tmp_path / "tex/table8/sgd-stl10-100.tex"]
    assert re.fullmatch(r"% Written by [^\n]*\n\\num\[separate-uncertainty=true\]\{[^}]*\}%\n", text)


def test_files_of_another_artifact_of_the_same_name_are_not_written_over(tmp_path: Path) -> None:
    ours, others = "results/quick/mine/table", "results/quick/yours/table"
    for path, text in written.content(others, table(tmp_path, artifact="table"), "0" * 64, tmp_path / "tex").items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.check(path, others)
        with pytest.raises(UserError, match=f"is from {others}; write {ours} into another folder with -o"):
            written.check(path, ours)
    folder = tmp_path / "tex/table"
    with pytest.raises(UserError, match=f"is from {others}"):
        written.check_folders({folder / "a-place-of-ours-alone.tex": ours}, tmp_path / "tex")
    written.drop_old(folder, {}, ours)
    assert list(folder.glob("*.tex")), "numbers of others are not those that ours no longer has"


def test_a_figure_without_numbers_has_no_file(tmp_path: Path) -> None:
    drawn = table(tmp_path, kind="figure", cells=[])
    assert written.content("results/quick/directpred/fig2", drawn, "0" * 64, tmp_path) == {}


def test_what_changed_is_a_table(tmp_path: Path) -> None:
    before = table(tmp_path / "a")
    after = table(tmp_path / "b")
    after["cells"][0] = {**after["cells"][0], "seeds": {"0": 50.0, "1": 60.0}}
    found = compared.compare(before, after)
    side: compared.Any = type("Side", (), {"report": after, "title": "x"})()
    one = Comparison("results/quick/directpred/table8", side, side, found, [], [], [])
    same = Comparison("results/quick/directpred/table8", side, side, compared.compare(after, after), [], [], [])
    text = changes.changes([one, same], "HEAD~1", "100 % new", ["results/x: not built"])
    typeset.check(text)
    rows = [line for line in text.splitlines() if line.startswith(r"\quad")]
    assert len(rows) == 1 and r"\num{41.0 \pm 1.4}" in rows[0] and r"\num{55 \pm 7}" in rows[0]
    assert "all identical" in text and text.startswith(changes.HEAD) and r"100 \% new" in text


def test_bold_is_explained_as_on_the_site(tmp_path: Path) -> None:
    found = table(tmp_path)
    found["cells"][0]["best"] = True
    said = "% bold: the highest of its column, of the methods (not compared: raw pixels)"
    assert said in tabular(found).splitlines() and said == f"% bold: {words.bold(found)}"
    for entry in found["cells"]:
        entry["best"] = False
    assert "bold" not in tabular(found).replace("bfseries", "")
