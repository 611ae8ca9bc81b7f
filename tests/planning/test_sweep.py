"""Sweeps: what is typed becomes a declaration that plans, is kept, and is refused in a line where it is wrong."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from conftest import load_yaml
from handmade import DIVERGED, filled, grid, params, work

from pipeline import __main__
from pipeline.artifacts.figures import sweep as drawn
from pipeline.artifacts.rows import read
from pipeline.errors import UserError
from pipeline.planning import spec, sweep
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan


@pytest.fixture(scope="module")
def known() -> Catalogue:
    return Catalogue(Options(scale="quick"))


def typed(*over: str, **more) -> sweep.Sweep:
    return sweep.Sweep(more.pop("start", "directpred/directpred"), list(over), more.pop("on", ["shapes"]), **more)


def plan(known: Catalogue, *over: str, seeds: int | None = None, **more) -> Plan:
    content = sweep.declared(typed(*over, **more), known)
    paper = spec.parse(spec.Paper, content, "typed")
    other = Catalogue(Options(scale="quick", seeds=seeds))
    other.papers = known.papers
    other = other.with_paper(paper, Path("sweeps/papers/typed.yaml"))
    return Plan(other, [one for one in other.built() if one.paper == paper.paper])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.01,0.03", [0.01, 0.03]),
        ("0..4", [0, 1, 2, 3, 4]),
        ("1,4..6", [1, 4, 5, 6]),
        ("log:0.001..0.1:5", [0.001, 0.00316, 0.01, 0.0316, 0.1]),
        ("log:1..100:3", [1, 10, 100]),
        ("lin:0..1:5", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ('["a, b", c]', ["a, b", "c"]),
        ("with,without", ["with", "without"]),
        ("true,false", [True, False]),
    ],
)
def test_values(text: str, wanted: list) -> None:
    found = sweep.values(text, "--over x")
    assert found == wanted and [type(one) for one in found] == [type(one) for one in wanted]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log:0..1:3", "type lin:0..1:3"),
        ("log:1..x:3", "expected a number"),
        ("lin:0..1:1", "2 to 10,000"),
        ("4..0", "LOW..HIGH"),
        ("0.1..0.5", "log:0.001"),
        ("1,1", "stands twice"),
        ("", "expected values"),
        ("0x10", "two readings"),
        ("[[1]]", "words and numbers"),
    ],
)
def test_values_that_are_none(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        sweep.values(text, "--over x")


def test_a_sweep_is_trained_as_the_paper_is_and_shares_its_runs(known: Catalogue) -> None:
    found = plan(known, "optimizer.lr=0.02,0.1")
    table8 = Plan(known, [known.request("results/quick/directpred/table8.csv")])
    cells = found.artifacts["results/quick/directpred-lr/table"].params["cells"]
    at = {cell["axes"].get("optimizer.lr"): set(cell["nodes"]) for cell in cells}
    paper = {node for artifact in table8.artifacts.values() for node in artifact.nodes}
    assert at[0.1] and at[0.1] <= paper, "at the scale's own rate they are the runs of Table 8"
    assert not at[0.02] & paper
    rates = {run.run["optimizer"]["lr"] for run in found.runs.values() if run.run["predictor"]["kind"] == "directpred"}
    assert rates == {0.02, 0.1}


def test_a_paper_that_is_like_another_has_what_a_scale_says_for_it(known: Catalogue) -> None:
    found = plan(known, "optimizer.lr=0.001,0.01", start="stepwise/SimCLR", on=["shapes"])
    run = next(
        run.run
        for run in found.runs.values()
        if run.run["predictor"]["kind"] == "none" and run.run["projector"]["kind"] == "mlp"
    )
    assert run["projector"]["out"] == 10 and run["optimizer"]["kind"] == "adam"


def test_what_is_swept_is_what_was_typed(known: Catalogue) -> None:
    """A scale narrows the paper's projectors; the widths of a sweep are its own, those of the paper's axis are not."""
    typed_widths = plan(known, "projector.out=64,128", start="multiview/Barlow Twins", on=["shapes"])
    assert {run.run["projector"]["out"] for run in typed_widths.runs.values() if "out" in run.run["projector"]} == {
        64,
        128,
    }
    of_the_paper = plan(known, "pdim=64,128", start="multiview/Barlow Twins", on=["shapes"])
    assert {run.run["projector"]["out"] for run in of_the_paper.runs.values() if "out" in run.run["projector"]} == {
        8,
        16,
    }


def test_rows_columns_seeds(known: Catalogue) -> None:
    content = sweep.declared(typed("rho=0.3,0.5", "seed=0..4", "optimizer.lr=0.01,0.1", epochs=7), known)
    table = content["artifacts"]["table"]
    assert table["rows"] == {"rho": [0.3, 0.5]} and table["columns"] == {"optimizer.lr": [0.01, 0.1]}
    assert table["seeds"] == 5 and table["fixed"] == {"method": "directpred", "dataset": "shapes", "epochs": 7}
    assert content["axes"] == {"optimizer.lr": "optimizer.lr"} and content["paper"] == "directpred-rho-lr"


def test_epochs_are_those_of_the_papers_first_table_or_of_the_schedule(known: Catalogue) -> None:
    for start, epochs in {"directpred/directpred": 100, "isoloss/IsoLoss": 1000, "stepwise/SimCLR": 320}.items():
        content = sweep.declared(typed("optimizer.lr=0.1,0.2", start=start), known)
        assert content["artifacts"]["table"]["fixed"]["epochs"] == epochs, start


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"start": "directpredd/sgd"}, "did you mean directpred"),
        ({"start": "directpred/sgdd"}, "did you mean sgd"),
        ({"start": "directpred"}, "METHOD"),
        ({"over": ["optimizer.lrr=1"]}, "did you mean lr"),
        ({"over": ["lr=1"]}, "did you mean optimizer.lr"),
        ({"over": ["optimizer.lr"]}, "NAME=VALUES"),
        ({"over": []}, "type --over"),
        ({"over": ["seed=0..2"]}, "something to sweep over"),
        ({"over": ["rho=1,2", "rho=3"]}, "stands twice"),
        ({"over": ["rho=1,2", "seed=1..3"]}, "seeds from 0 on"),
        ({"over": ["method=sgd,none"]}, "has no method"),
        ({"on": ["shape"]}, "did you mean shapes"),
        ({"on": []}, "type --on"),
        ({"measures": ["knn"]}, "none of this name"),
        ({"over": ["epochs=1,2"], "epochs": 3}, "leave one of them out"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(known: Catalogue, changes: dict, told: str) -> None:
    given = {"over": ["optimizer.lr=0.1"], **changes}
    with pytest.raises(UserError, match=told):
        sweep.declared(typed(*given.pop("over"), **given), known)


def test_a_value_out_of_its_range_is_refused_before_anything_is_written(known: Catalogue) -> None:
    with pytest.raises(UserError, match=r"optimizer.lr: expected .* found -1"):
        plan(known, "optimizer.lr=-1,0.1")


def test_like_a_paper_that_is_not_there_or_in_a_circle(known: Catalogue) -> None:
    content = sweep.declared(typed("optimizer.lr=0.1,0.2"), known)
    with pytest.raises(UserError, match="did you mean directpred"):
        known.with_paper(spec.parse(spec.Paper, {**content, "like": "directpret"}, "typed"), Path("t.yaml"))
    with pytest.raises(UserError, match="goes in a circle"):
        known.with_paper(spec.parse(spec.Paper, {**content, "paper": "directpred"}, "typed"), Path("t.yaml"))


# -- the command


def call(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["pipeline", "sweep", *arguments])
    code = __main__.main()
    found = capsys.readouterr()
    return code, found.out, found.err


def test_the_file_is_kept_and_once_edited_not_written_over(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    line = [
        "directpred/sgd",
        "--over",
        "optimizer.lr=0.1,0.2",
        "--on",
        "shapes",
        "--no-build",
        "--config",
        "scale=tiny",
    ]
    code, out, err = call(monkeypatch, capsys, *line)
    path = tmp_path / "sweeps/papers/directpred-sgd-lr.yaml"
    assert code == 0 and err == "" and "type: snakemake results/tiny/directpred-sgd-lr/table.csv" in out
    written = path.read_text()
    assert load_yaml(written)["like"] == "directpred" and "optimizer.lr=0.1,0.2" in written.splitlines()[0]
    line[2] = "optimizer.lr=0.1,0.2,0.3"
    assert call(monkeypatch, capsys, *line)[0] == 0, "a sweep as it was written may grow"
    assert "0.3" in path.read_text()
    path.write_text(edited := path.read_text().replace("seeds: 3", "seeds: 4"))
    code, out, err = call(monkeypatch, capsys, *line)
    assert code == 1 and "it is edited" in err and err.count("\n") == 1 and path.read_text() == edited
    path.write_text("paper: directpred-sgd-lr\n")
    assert call(monkeypatch, capsys, *line)[0] == 1 and path.read_text() == "paper: directpred-sgd-lr\n"
    code, out, err = call(monkeypatch, capsys, *line, "--name", "isoloss")
    assert code == 1 and not (tmp_path / "sweeps/papers/isoloss.yaml").exists()


def test_another_sweep_lies_beside_the_first(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sweeps/papers"

    def typed(rates: str, *more: str, on: str = "shapes", scale: str = "tiny") -> tuple[int, str, str]:
        line = ["directpred/sgd", "--over", f"optimizer.lr={rates}", "--on", on, "--no-build", *more]
        return call(monkeypatch, capsys, *line, "--config", f"scale={scale}")

    typed("0.1,0.2")
    first = (folder / "directpred-sgd-lr.yaml").read_text()
    code, out, err = typed("0.3,0.5")
    assert (code, err) == (0, "") and "results/tiny/directpred-sgd-lr-2/table.csv" in out
    assert out.splitlines()[0] == (
        "sweeps/papers/directpred-sgd-lr.yaml declares another sweep and is kept; "
        "this one is sweeps/papers/directpred-sgd-lr-2.yaml"
    )
    code, out, err = typed("0.1,0.2", on="textured_digits")
    assert code == 0 and "sweeps/papers/directpred-sgd-lr-3.yaml: " in out
    assert load_yaml((folder / "directpred-sgd-lr-2.yaml").read_text())["paper"] == "directpred-sgd-lr-2"
    # what was typed before finds its file again, whatever the scale
    before = {path.name: path.read_text() for path in folder.iterdir()}
    for rates, name, scale in (("0.1,0.2", "lr", "quick"), ("0.3,0.5", "lr-2", "tiny")):
        code, out, err = typed(rates, scale=scale)
        assert code == 0 and f"sweeps/papers/directpred-sgd-{name}.yaml: " in out
    assert before == {path.name: path.read_text() for path in folder.iterdir()} and len(before) == 3
    assert before["directpred-sgd-lr.yaml"] == first
    # a name that was typed is meant
    assert typed("0.1,0.2", "--name", "mine")[0] == 0
    code, out, err = typed("0.3,0.5", "--name", "mine")
    assert code == 1 and err == (
        "error: --name mine: sweeps/papers/mine.yaml declares another sweep, directpred/sgd over optimizer.lr; "
        "type another name, or remove that file\n"
    )


def test_seeds_that_are_typed_are_trained_whatever_the_scale_has(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["directpred/sgd", "--over", "optimizer.lr=0.1", "--over", "seed=0..4", "--on", "shapes", "--no-build"]
    code, out, err = call(monkeypatch, capsys, *line, "--config", "scale=tiny")
    assert code == 0, err
    scale = Catalogue(Options(scale="tiny")).scale("tiny")
    assert scale.seeds is not None and scale.seeds < 5 and scale.baselines
    assert "15 runs" in out and "--config scale=tiny seeds=5 extend=sweeps" in out
    code, out, err = call(monkeypatch, capsys, *line, "--config", "scale=tiny", "seeds=2")
    assert code == 1 and "leave one of them out" in err


# -- the figure


def test_the_figure_runs_along_what_is_swept(tmp_path: Path) -> None:
    rates, epsilons = [0.001, 0.01, 0.1], [0.0, 0.5]
    cells = grid(**{"optimizer.lr": rates, "epsilon": epsilons})
    values = {(lr, eps): [10 * k + eps, 10 * k + eps + 2] for k, lr in enumerate(rates) for eps in epsilons}
    values[0.1, 0.5] = [DIVERGED, DIVERGED]
    about = params(rows=["optimizer.lr"], columns=["epsilon"], cells=cells, artifact="curve", fixed={})
    made = work(tmp_path, about, filled(cells, values))
    found = drawn.draw(read(made)[0], about)
    axes = found.figure.axes[0]
    assert axes.get_xlabel() == "optimizer.lr" and axes.get_xscale() == "log"
    lines = {line.get_label(): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    assert list(lines) == ["epsilon 0.0", "epsilon 0.5"]
    assert list(lines["epsilon 0.0"].get_xdata()) == rates and list(lines["epsilon 0.0"].get_ydata()) == [
        1.0,
        11.0,
        21.0,
    ]
    assert list(lines["epsilon 0.5"].get_xdata()) == rates[:2] and "A cross" in found.caption
    means = [one for one in found.records if one["quantity"] == "mean"]
    assert len(means) == 5 and all(math.isfinite(one["value"]) for one in means)
    with pytest.raises(UserError, match="no axis 'lr'"):
        drawn.draw(read(made)[0], about, x="lr")
