"""Tables: numbers by hand, published values, missing and diverged cells, bytes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from handmade import DIVERGED, cell, filled, grid, params, work

from pipeline.artifacts import formats, page, rows, scorecard, table, words
from pipeline.errors import UserError
from pipeline.latex import table as latex_table
from pipeline.planning.spec import Measure
from pipeline.site import tables as site_tables

METHODS = ["directpred", "sgd"]
PUBLISHED = {"dataset": "stl10", "epochs": "100", "unit": "%", "source": "text", "note": ""}


def build(folder: Path, spec: dict, scores: dict) -> Path:
    """Run the stage; returns the payload folder."""
    made = work(folder, spec, scores)
    assert list(table.execute([made])) == [made]
    return made.out


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two methods, two lengths; a cell beyond the scale, a seed diverged, baselines, a number not ours."""
    cells = grid(method=METHODS, dataset=["stl10"], epochs=[100, 300])
    cells[1].update(missing="300 epochs: scale gpu ends at 100", nodes=[], dataset="")
    cells += [cell({"dataset": "stl10"}, role=role) for role in ("raw pixels", "untrained encoder")]
    values = {
        ("directpred", "stl10", 100): [50.0, 52.0],
        ("sgd", "stl10", 100): [34.25, 35.25],
        ("sgd", "stl10", 300): [36.0, DIVERGED],
        ("stl10", "raw pixels"): [14.0, 14.0],
        ("stl10", "untrained encoder"): [19.0, 20.0],
    }
    published = [
        {**PUBLISHED, "method": "directpred", "value": "77.86", "std": "0.16"},
        {**PUBLISHED, "method": "sgd", "value": "75.06", "std": "", "note": "misprint"},
        {**PUBLISHED, "method": "simsiam", "value": "70.00", "std": "1.00"},
    ]
    spec = params(columns=["epochs"], fixed={"dataset": "stl10"}, cells=cells, published=published)
    spec["claims"] = [{"text": "It wins", "greater": METHODS, "for_each": ["epochs"]}]
    return build(tmp_path, spec, filled(cells, values))


def test_csv_by_hand(small: Path) -> None:
    expected = """\
paper,artifact,role,method,epochs,dataset,paper_dataset,trained_epochs,mean,std,n,unit,published_mean,published_std,scale,flavour,note
directpred,table8,cell,directpred,100,digits,stl10,8,51.00,1.41,2,%,77.86,0.16,quick,paper,
directpred,table8,cell,directpred,300,,stl10,,,,0,%,,,quick,paper,300 epochs: scale gpu ends at 100
directpred,table8,cell,sgd,100,digits,stl10,8,34.75,0.71,2,%,75.06,,quick,paper,published: misprint
directpred,table8,cell,sgd,300,digits,stl10,14,36.00,,1,%,,,quick,paper,1 of 2 seeds diverged
directpred,table8,raw pixels,,,digits,stl10,0,14.00,0.00,2,%,,,quick,paper,
directpred,table8,untrained encoder,,,digits,stl10,0,19.50,0.71,2,%,,,quick,paper,
"""
    assert (small / "table8.csv").read_text(encoding="utf-8") == expected


def test_page_by_hand(small: Path) -> None:
    expected = """\
# Table 8: DirectPred against the SGD baseline

Linear probe, top-1 in %, mean ± standard deviation (seeds). Tian, Chen, Ganguli 2021, "Understanding".

**Scale quick** (CPU, minutes, stand-in data): digits stands for stl10; 8, 14 epochs for 100, 300. In
[brackets] the paper's own numbers, on its own data: only orderings can be compared with the paper, no single
number.

| method            | 100 epochs                        | 300 epochs     |
|-------------------|-----------------------------------|----------------|
| directpred        | **51.0 ± 1.4 (2)** [77.86 ± 0.16] | -              |
| sgd               | 34.8 ± 0.7 (2) [75.06]            | 36.0 (1)†      |
| raw pixels        | 14.0 ± 0.0 (2)                    | 14.0 ± 0.0 (2) |
| untrained encoder | 19.5 ± 0.7 (2)                    | 19.5 ± 0.7 (2) |

Not measured:

- 300 epochs: scale gpu ends at 100 (1 cell)

† Seeds that have no number and are left out of the mean: sgd, 300 epochs (1 of 2 seeds diverged).

## Claims

- **not tested at this scale**: It wins (1 of 2 parts; paper: 1 of 1)
  - 100 epochs: +16.2 ± 0.5 (paper +2.80): shown
  - 300 epochs: not tested at this scale (1 of 2 seeds diverged)

Claims stand with ± one standard error. A verdict needs a distance from the margin that chance makes in 2.5%
of cases (Student's t; runs of one seed are compared in pairs).
"""
    assert (small / "table8.md").read_text(encoding="utf-8") == expected


def test_json_has_all_digits_seeds_and_what_is_unmatched(small: Path) -> None:
    found = json.loads((small / "table8.json").read_text(encoding="utf-8"))
    first, _, sgd, lost = found["cells"][:4]
    assert first["seeds"] == {"0": 50.0, "1": 52.0} and first["mean"] == 51.0
    assert first["std"] == pytest.approx(2**0.5, rel=1e-15)
    assert first["nodes"]["1"].endswith("directpred-stl10-100/seed1/epoch0008/linear_probe-0")
    assert (sgd["published_mean"], sgd["published_std"]) == (75.06, None)
    assert lost["seeds"] == {"0": 36.0, "1": "diverged"} and lost["n"] == 1 and lost["std"] is None
    assert [entry["method"] for entry in found["published_unmatched"]] == ["simsiam"]
    assert found["counts"] == {"cells": 4, "measured": 3, "published": 2}
    assert found["claims"][0]["parts"][0]["value"] == 16.25
    assert found["claims"][0]["parts"][0]["standard_error"] == pytest.approx(0.5, rel=1e-15)  # 15.75 and 16.75


def test_all_seeds_diverged_is_said_and_a_collapse_is_a_number(tmp_path: Path) -> None:
    cells = grid(method=METHODS, dataset=["stl10"], epochs=[100])
    values = {("directpred", "stl10", 100): [DIVERGED, DIVERGED], ("sgd", "stl10", 100): [0.0, 0.0]}
    out = build(tmp_path, params(cells=cells), filled(cells, values))
    gone, collapsed = lines(out / "table8.csv")
    assert (gone["mean"], gone["n"], gone["note"]) == ("", "0", "2 of 2 seeds diverged")
    assert (collapsed["mean"], collapsed["std"], collapsed["n"]) == ("0.00", "0.00", "2")
    assert "| directpred | diverged " in (out / "table8.md").read_text(encoding="utf-8")


def test_not_a_number_counts_as_diverged_and_none_as_not_defined(tmp_path: Path) -> None:
    cells = grid(method=["sgd"], dataset=["stl10"], epochs=[100], seeds=4)
    scores = filled(cells, {("sgd", "stl10", 100): [1.0, float("nan"), float("inf"), {"top1_last": None}]})
    (found,) = lines(build(tmp_path, params(cells=cells), scores) / "table8.csv")
    assert (found["mean"], found["std"], found["n"], found["note"]) == (
        "1.00",
        "",
        "1",
        "2 of 4 seeds diverged, 1 of 4 seeds have no value",
    )


def test_published_values_meet_their_cell_by_the_axes_they_name(tmp_path: Path) -> None:
    cells = grid(rho=[0.3, 0.5], eps=[0.0, 0.1], dataset=["stl10"], epochs=[100], method=["directpred"])
    spec = params(rows=["rho"], columns=["eps"], cells=cells, artifact="table6")
    spec["fixed"] = {"dataset": "stl10", "epochs": 100, "method": "directpred"}
    spec["published"] = [
        {**PUBLISHED, "rho": "0.30", "eps": "0.10", "value": "77.86", "std": "0.16"},
        {**PUBLISHED, "rho": ".5", "eps": "0", "value": "76.65", "std": "0.20"},
        {**PUBLISHED, "rho": "0.3", "eps": "0.1", "value": "1", "std": "", "epochs": "300"},
    ]
    values = {(rho, eps, "stl10", 100, "directpred"): [1.0, 1.0] for rho in (0.3, 0.5) for eps in (0.0, 0.1)}
    out = build(tmp_path, spec, filled(cells, values))
    found = {(row["rho"], row["eps"]): row["published_mean"] for row in lines(out / "table6.csv")}
    assert found == {("0.3", "0.0"): "", ("0.3", "0.1"): "77.86", ("0.5", "0.0"): "76.65", ("0.5", "0.1"): ""}
    report = json.loads((out / "table6.json").read_text(encoding="utf-8"))
    assert [row["epochs"] for row in report["published_unmatched"]] == ["300"]


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [("0.10", 0.1, True), (100, "1e2", True), (1, 1.0, True), ("-.05", -0.05, True), ("with", "with", True),
     (0.1, 0.11, False), ("with", "without", False), ("nan", "nan", True), ("1_0", 10, False)],
)  # fmt: skip
def test_values_of_axes(first: object, second: object, alike: bool) -> None:
    assert rows.same(first, second) is alike


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{"value": "1", "std": ""}, {"value": "2", "std": ""}], "two rows fit method sgd"),
        ([{"value": "0.75", "std": "", "unit": "share"}], "is in share, the measure in %"),
        ([{"value": "about 75", "std": ""}], "expected a number, found 'about 75'"),
    ],
)
def test_published_values_that_cannot_be_placed(tmp_path: Path, changes: list[dict], message: str) -> None:
    cells = grid(method=["sgd"], dataset=["stl10"], epochs=[100])
    spec = params(cells=cells, published=[{**PUBLISHED, "method": "sgd", **change} for change in changes])
    with pytest.raises(UserError, match=f"results/quick/directpred/table8: published: .*{message}"):
        build(tmp_path, spec, filled(cells, {("sgd", "stl10", 100): [1.0, 2.0]}))


def test_a_value_that_the_measure_does_not_have_is_named(tmp_path: Path) -> None:
    cells = grid(method=["sgd"], dataset=["stl10"], epochs=[100])
    scores = filled(cells, {("sgd", "stl10", 100): [1.0, 2.0]}, name="top1")
    with pytest.raises(UserError, match=r"scores.json: there is no value called 'top1_last'; .*: top1, outcome"):
        build(tmp_path, params(cells=cells), scores)


def wide() -> tuple[dict, dict]:
    """Table 8 in full: two data sets by three lengths, with baselines."""
    cells = grid(method=METHODS, dataset=["stl10", "cifar10"], epochs=[100, 300, 500])
    cells += [cell({"dataset": name}, role="raw pixels") for name in ("stl10", "cifar10")]
    values: dict[tuple, list] = {
        ("stl10", "raw pixels"): [11.0, 11.0],
        ("cifar10", "raw pixels"): [22.0, 22.0],
    }
    for number, entry in enumerate(cells[:12]):
        values[tuple(entry["axes"].values())] = [30.0 + number, 31.0 + number / 3]
    claims = [{"text": "It wins", "greater": METHODS[::-1], "for_each": ["dataset", "epochs"]}]
    return params(cells=cells, claims=claims), filled(cells, values)


def test_wide_tables_come_in_blocks_with_their_own_baseline(tmp_path: Path) -> None:
    text = (build(tmp_path, *wide()) / "table8.md").read_text(encoding="utf-8")
    first, second = text.split("## ")[1:3]
    assert first.startswith("stl10 (digits stands for it)") and second.startswith("cifar10 (shapes stands for it)")
    assert first.count("11.0 ± 0.0 (2)") == 3 and "22.0" not in first
    assert second.count("22.0 ± 0.0 (2)") == 3
    for block in (first, second):
        table_lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(line) for line in table_lines}) == 1, "columns line up"
    assert max(map(len, text.splitlines())) <= 120


BOLD = {"higher": {(100, "b"), (300, "a"), (300, "c")}, "lower": {(100, "a"), (300, "b")}, "neither": set()}


@pytest.mark.parametrize("better", BOLD)
def test_what_is_best_in_a_column_depends_on_the_measure(tmp_path: Path, better: str) -> None:
    cells = grid(method=["a", "b", "c"], dataset=["stl10"], epochs=[100, 300])
    means = {("a", 100): 1.0, ("b", 100): 3.0, ("c", 100): 2.0, ("a", 300): 4.0, ("b", 300): -2.0, ("c", 300): 4.0}
    values = {(method, "stl10", epochs): [mean, mean] for (method, epochs), mean in means.items()}
    measure = {"value": "top1_last", "unit": "", "title": "distance", "better": better}
    out = build(tmp_path, params(cells=cells, measure=measure), filled(cells, values))
    found = json.loads((out / "table8.json").read_text(encoding="utf-8"))
    best = {(one["axes"]["epochs"], one["axes"]["method"]) for one in found["cells"] if one["best"]}
    assert best == BOLD[better]
    text = (out / "table8.md").read_text(encoding="utf-8")
    for line, method in ((line, line[2]) for line in text.splitlines() if line.startswith(("| a", "| b", "| c"))):
        for epochs, shown in zip((100, 300), line.split("|")[2:4], strict=True):
            assert shown.strip().startswith("**") == ((epochs, method) in best), line
    on_site = site_tables.grid(found)
    assert on_site is not None
    bold = {
        (epochs, names[0])
        for names, line in on_site.lines
        for epochs, one in zip((100, 300), line, strict=True)
        if one.best
    }
    assert bold == best
    assert words.bold(found) == (
        {"higher": "the highest", "lower": "the lowest"}[better] + " of its column" if best else ""
    )


def test_whatever_a_measure_calls_better_bold_numbers_are_explained() -> None:
    """Several measures together call nothing better, and each of them has its best."""
    assert set(get_args(Measure.model_fields["better"].annotation)) == set(page.BEST)
    for better, means in page.BEST.items():
        assert words.bold({"cells": [{"best": True}], "measure": {"better": better}}) == means
        assert words.bold({"cells": [{"best": False}], "measure": {"better": better}}) == ""


def test_a_collapsed_seed_is_marked_in_the_table_the_claims_and_the_scorecard(tmp_path: Path) -> None:
    cells = grid(method=METHODS, dataset=["stl10"], epochs=[100])
    cells.append(cell({"dataset": "stl10"}, role="untrained encoder"))

    def score(value: float, **remarks: object) -> dict:
        return {"top1_last": value, **remarks}

    values = {
        ("directpred", "stl10", 100): [score(50.0, collapsed=False), score(52.0, collapsed=False)],
        ("sgd", "stl10", 100): [score(84.0, collapsed=True), score(35.0, collapsed=False)],
        ("stl10", "untrained encoder"): [score(19.0, collapsed=False, batchnorm="calibrated")] * 2,
    }
    spec = params(cells=cells, claims=[{"text": "It wins", "greater": METHODS}])
    out = build(tmp_path, spec, filled(cells, values))
    text = (out / "table8.md").read_text(encoding="utf-8")
    assert "(2)‡" in text and text.count("(2)‡") == 1
    assert "sgd, stl10, 100 epochs (1 of 2)." in " ".join(text.split("‡ Seeds that collapsed")[1].split())
    assert "BatchNorm has the statistics of one pass over the training images" in " ".join(text.split())
    assert "(1 seed collapsed)" in text
    notes = {line["method"] or line["role"]: line["note"] for line in lines(out / "table8.csv")}
    assert notes == {
        "directpred": "",
        "sgd": "1 of 2 seeds collapsed",
        "untrained encoder": "never trained: BatchNorm has the statistics of the training images",
    }
    found = json.loads((out / "table8.json").read_text(encoding="utf-8"))
    assert [one["collapsed"] for one in found["cells"]] == [[], [0], []]
    assert found["claims"][0]["parts"][0]["collapsed"] == 1
    claim, numbers = scorecard.collect([out / "table8.json"])
    assert claim["collapsed"] == numbers["collapsed"] == 1 and "1 seed collapsed" in claim["detail"]
    assert "seeds collapsed" in scorecard.render([claim, numbers])
    marked = [one.marks for _, line in site_tables.grid(found).lines for one in line]
    assert marked == ["", "‡"] and len(site_tables.footnotes(found)) == 2


def test_nothing_is_bold_where_data_sets_are_the_rows(tmp_path: Path) -> None:
    cells = grid(dataset=["stl10", "cifar10"], alpha_p=[1.0, 2.0], epochs=[100])
    values = {tuple(entry["axes"].values()): [float(k), float(k)] for k, entry in enumerate(cells)}
    spec = params(rows=["dataset"], columns=["alpha_p"], fixed={"epochs": 100}, cells=cells)
    text = (build(tmp_path, spec, filled(cells, values)) / "table8.md").read_text(encoding="utf-8")
    assert "**0.0" not in text and "**2.0" not in text and "| stl10   | 0.0 ± 0.0 (2) | 1.0 ± 0.0 (2) |" in text


def test_a_scale_without_stand_ins_makes_no_excuses(tmp_path: Path) -> None:
    cells = grid(method=METHODS, dataset=["stl10"], epochs=[100])
    for entry in cells:
        entry.update(dataset="stl10", trained_epochs=100)
    spec = params(cells=cells, scale={"key": "paper", "title": "the paper's own budget"})
    spec["published"] = [{**PUBLISHED, "method": "sgd", "value": "75.06", "std": "0.52"}]
    values = {("directpred", "stl10", 100): [1.0, 2.0], ("sgd", "stl10", 100): [1.0, 1.5]}
    text = (build(tmp_path, spec, filled(cells, values)) / "table8.md").read_text(encoding="utf-8")
    assert "Scale paper (the paper's own budget). In [brackets] the paper's own numbers.\n" in text
    assert "orderings" not in text and "stands for" not in text


def test_units_other_than_percent(tmp_path: Path) -> None:
    cells = grid(method=["sgd"], dataset=["stl10"], epochs=[100])
    spec = params(cells=cells, measure={"value": "rank", "unit": "", "title": "effective rank"})
    scores = filled(cells, {("sgd", "stl10", 100): [1234.56789, 0.5]}, name="rank")
    (found,) = lines(build(tmp_path, spec, scores) / "table8.csv")
    assert (found["mean"], found["std"], found["unit"]) == ("617.534", "872.618", "")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(-0.004, "%", "0.00"), (-0.006, "%", "-0.01"), (None, "%", ""), (1e-7, "", "1e-07"), (-0.0, "", "0")],
)
def test_numbers(value: float | None, unit: str, text: str) -> None:
    assert formats.number(value, unit) == text


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    spec, scores = wide()
    first = build(tmp_path / "a", spec, scores)
    second = build(tmp_path / "b", spec, dict(reversed(scores.items())))
    for name in ("table8.csv", "table8.json", "table8.md"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert b"\r" not in (first / name).read_bytes()


def test_a_table_needs_no_large_library_and_no_half_second(tmp_path: Path) -> None:
    spec, scores = wide()
    made = work(tmp_path, spec, scores)
    expected = build(tmp_path / "here", spec, scores)
    (tmp_path / "work.json").write_text(json.dumps([made.spec, {node: str(p) for node, p in made.inputs.items()}]))
    script = """
import json, sys, time
from pathlib import Path
from pipeline.artifacts import table
from pipeline.work import Work
spec, inputs = json.loads(Path("work.json").read_text())
inputs = {node: Path(path) for node, path in inputs.items()}
made = Work("results/quick/directpred/table8", spec, Path("out"), inputs)
list(table.execute([made]))
print(time.process_time(), *{name.split(".")[0] for name in sys.modules})
"""
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(table.__file__).parents[2]), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"torch", "numpy", "pandas", "matplotlib", "pydantic", "yaml", "scipy"} & set(found[1:])
    assert float(found[0]) < 0.5
    for name in ("table8.csv", "table8.json", "table8.md"):
        assert (tmp_path / "out" / name).read_bytes() == (expected / name).read_bytes()


@pytest.mark.parametrize(
    ("mean", "std", "unit", "text"),
    [
        (0.52961, 0.04244, "", "0.530 ± 0.042"),
        (0.0165123, 0.000351, "", "0.01651 ± 0.00035"),
        (123.456, 11.99, "", "123 ± 12"),
        (-2.0, 0.0, "", "-2 ± 0"),
        (1e9, 1e7, "", "1e+09 ± 1e+07"),
        (0.5, None, "", "0.5"),
        (77.86, 0.16, "%", "77.9 ± 0.2"),
    ],
)
def test_a_mean_has_the_decimals_of_its_deviation(mean, std, unit, text):
    assert formats.spread(mean, std, unit) == text


@pytest.mark.parametrize("where", ["columns", "rows"])
def test_a_baseline_stands_beside_the_measure_that_it_has(tmp_path: Path, where: str) -> None:
    layout = {"rows": ["method"], "columns": ["dataset", "measure"]}
    if where == "rows":
        layout = {"rows": ["method", "measure"], "columns": ["dataset"]}
    measures = {name: {"value": name, "unit": "%", "title": name} for name in ("top1", "top5")}
    cells = grid(method=["a"], dataset=["stl10", "cifar10"], measure=list(measures), epochs=[100])
    told = [{"dataset": name, "measure": measure} for name in ("stl10", "cifar10") for measure in measures]
    cells += [cell(axes, role="raw pixels") for axes in told]
    scores = {
        node: {"top1": 10.0 * len(entry["paper_dataset"]), "top5": 11.0 * len(entry["paper_dataset"])}
        for entry in cells
        for node in entry["nodes"]
    }
    spec = params(cells=cells, **layout, fixed={"epochs": 100}, measures=measures, measure=measures["top1"])
    out = build(tmp_path, spec, scores)
    wanted = {("stl10", "top1"): 50.0, ("stl10", "top5"): 55.0, ("cifar10", "top1"): 70.0, ("cifar10", "top5"): 77.0}
    found = json.loads((out / "table8.json").read_text(encoding="utf-8"))
    assert {
        (one["axes"]["dataset"], one["axes"]["measure"]): one["mean"] for one in found["cells"] if one["role"] != "cell"
    } == wanted
    lines: dict[str, list[str]] = {}
    for line in (out / "table8.md").read_text(encoding="utf-8").splitlines():  # wide ones come in blocks
        if line.startswith("| raw pixels"):
            name, *texts = [text.strip() for text in line.split("|")[1:-1]]
            lines.setdefault(name, []).extend(text.split()[0] for text in texts if text)
    on_site = site_tables.grid(found)
    assert on_site is not None
    shown = {names[0]: [one.text.split()[0] for one in line if one] for names, line in on_site.baselines}
    typeset = latex_table.tabular(found, printed=False).splitlines()
    tex = [line.removesuffix(r" \\").split("&") for line in typeset if "raw pixels" in line]
    if where == "columns":
        assert lines["raw pixels"] == shown["raw pixels"] == ["50.0", "55.0", "70.0", "77.0"]
        assert [text.strip() for text in tex[0][1:]] == ["50.0", "55.0", "70.0", "77.0"]
    else:
        assert lines["raw pixels, top1"] == shown["raw pixels, top1"] == ["50.0", "70.0"]
        assert lines["raw pixels, top5"] == shown["raw pixels, top5"] == ["55.0", "77.0"]
        assert [[text.strip() for text in line[2:]] for line in tex] == [["50.0", "70.0"], ["55.0", "77.0"]]
