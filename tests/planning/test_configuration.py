"""Tables of settings: what runs would be trained with, beside what is printed; and drawings, which show nothing else."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from conftest import copy_project

from pipeline.artifacts import scorecard, table
from pipeline.artifacts.settings import AS_PRINTED, BY_SCALE, DIFFERS
from pipeline.comparing import cells
from pipeline.errors import UserError
from pipeline.ledger.keys import merged
from pipeline.nets.encoders import resnet18
from pipeline.planning import spec, yaml_files
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.configuration import text
from pipeline.planning.options import Options
from pipeline.planning.plan import ArtifactPlan, Plan
from pipeline.provenance import views
from pipeline.work import Work


def planned(paper: str, name: str, scale: str = "paper", layer: dict | None = None) -> tuple[Plan, ArtifactPlan]:
    """An artifact of a paper as it is declared, with a layer over the paper's file."""
    known = Catalogue(Options(scale=scale))
    if layer is not None:
        declared = merged(yaml_files.load(known.paths[paper]), layer)
        known = known.with_paper(spec.parse(spec.Paper, declared, "edited"))
    (request,) = [one for one in known.built() if (one.paper, one.artifact) == (paper, name)]
    plan = Plan(known, [request])
    return plan, plan.artifacts[request.stem]


def made(folder: Path, artifact: ArtifactPlan) -> dict:
    """Content of the JSON file of a table."""
    folder.mkdir(exist_ok=True)
    list(table.execute([Work(artifact.request.stem, artifact.params, folder)]))
    return json.loads((folder / f"{artifact.request.artifact}.json").read_text())


def settings(artifact: ArtifactPlan, **axes) -> dict[str, dict]:
    """Setting -> what the plan says of it, in one column."""
    cells_ = [cell for cell in artifact.params["cells"] if axes.items() <= cell["axes"].items()]
    found = {cell["axes"]["setting"]: cell["setting"] for cell in cells_}
    assert len(found) == len(cells_)
    return found


TRAINED = {
    "trained": {
        "title": "The runs of the table",
        "columns": {"dataset": ["cifar10", "stl10", "imagenet100"], "method": ["Barlow Twins", "VICReg"]},
        "fixed": {"epochs": 100},
        "measure": "patches",
        "baselines": False,
    }
}


@pytest.mark.parametrize("scale", ["paper", "quick"])
def test_settings_are_those_of_the_runs_that_a_table_of_scores_would_train(scale):
    _, shown = planned("multiview", "table4", scale)
    _, protocol = planned("multiview", "table5", scale)
    plan, trained = planned("multiview", "trained", scale, {"artifacts": TRAINED})
    for cell in trained.params["cells"]:
        _, config, _, at, measure = cell["nodes"][0].split("/")
        run, probe = plan.runs[config].run, plan.measures[measure]
        found = settings(shown, dataset=cell["axes"]["dataset"], method=cell["axes"]["method"])
        assert found["learning rate"]["value"] == text(run["optimizer"]["lr"])
        assert found["weight decay"]["value"] == text(run["optimizer"]["weight_decay"])
        assert found["batch size"]["value"] == text(run["batch_size"])
        assert f"epoch{int(found['epochs']['value']):04d}" == at
        probed = settings(protocol, dataset=cell["axes"]["dataset"])
        assert probed["learning rate"]["value"] == text(probe["lr"])
        assert probed["epochs"]["value"] == text(probe["epochs"])


def test_nothing_has_to_be_trained_for_it():
    plan, shown = planned("isoloss", "table3", "quick")
    assert not (plan.runs or plan.data or plan.measures or plan.simulations)
    assert shown.nodes == [] and [node.name for node in plan.nodes()] == ["results/quick/isoloss/table3"]
    assert any(item.path == "batch_size" for item in planned("multiview", "table4", "quick")[0].overridden)


def test_a_setting_is_as_printed_or_not_or_set_by_the_scale(tmp_path):
    _, shown = planned("multiview", "table4", "quick", {"defaults": {"optimizer": {"weight_decay": 0.5}}})
    report = made(tmp_path, shown)
    standing = {cell["axes"]["setting"]: cell["setting"]["standing"] for cell in report["cells"]}
    assert standing == {
        "optimizer": AS_PRINTED, "learning rate": AS_PRINTED, "batch size": BY_SCALE, "epochs": BY_SCALE,
        "weight decay": DIFFERS,
    }  # fmt: skip
    (claim,) = report["claims"]
    assert claim["verdict"] == "not shown"
    assert {part["verdict"] for part in claim["parts"]} == {"shown", "not shown", "not tested at this scale"}
    rows = list(csv.DictReader((tmp_path / "table4.csv").read_text().splitlines()))
    batch = next(row for row in rows if row["setting"] == "batch size" and row["paper_dataset"] == "imagenet100")
    wanted = {"of": "batch_size", "value": "64", "declared": "128", "published": "128", "standing": BY_SCALE}
    assert wanted.items() <= batch.items()
    page = (tmp_path / "table4.md").read_text()
    assert "Of 30 printed settings: 12 as printed, 6 other than printed, 12 set by the scale." in " ".join(page.split())
    assert "**0.5** [1e-6]" in page and "64 [128]" in page

    (row,) = [row for row in scorecard.collect([tmp_path / "table4.json"]) if row["kind"] == "cells"]
    counts = {word: number for word, number in scorecard.counts(row).items() if number}
    assert counts == {scorecard.WITHIN: 12, scorecard.OUTSIDE: 6, scorecard.NOT_COMPARABLE: 12}
    assert "0.5 against 1e-6" in row["detail"]


def test_readers_tell_another_setting(tmp_path):
    before = made(tmp_path / "a", planned("multiview", "table4")[1])
    after = made(tmp_path / "b", planned("multiview", "table4", layer={"defaults": {"optimizer": {"lr": 0.01}}})[1])
    told = {cell.title: cell.verdict for cell in cells.compare(before, after)}
    assert told["setting learning rate, dataset stl10, method VICReg"] == cells.OTHER
    assert told["setting epochs, dataset stl10, method VICReg"] == cells.IDENTICAL
    assert views._value(after["cells"][6]) == "0.01 (optimizer.lr)"


def test_a_parameter_that_the_scale_s_network_lacks_says_so():
    found = settings(planned("isoloss", "table3", "quick")[1], dataset="stl10")
    kernel = found["first conv kernel"]
    assert kernel["absent"] == "encoder tiny_conv has no stem" and "value" not in kernel
    assert kernel["declared_value"] == "7x7"


@pytest.mark.parametrize("dataset", ["cifar10", "stl10", "tinyimagenet"])
def test_words_for_stems_are_what_the_networks_have(dataset):
    """The words of a table are written by hand; here they are compared with the layers."""
    plan, _ = planned("isoloss", "table3")
    artifact = plan.catalogue.papers["isoloss"].artifacts["table3"]
    stem = plan.catalogue.papers["isoloss"].datasets[dataset]["encoder"]["stem"]
    network = resnet18.build((3, 32, 32), stem=stem)
    words = {name: artifact.configuration[name].words[stem] for name in ("first conv kernel", "first max-pool")}
    height, width = network.conv1.kernel_size
    assert words["first conv kernel"] == f"{height}x{width}"
    assert words["first max-pool"] == ("yes" if type(network.maxpool).__name__ == "MaxPool2d" else "no")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"configuration": {"epochs": "optimizer.rate"}}, "table4: configuration.epochs: optimizer.rate: no optimizer"),
        ({"configuration": {"epochs": "batchsize"}}, "no run has such a parameter; did you mean batch_size"),
        ({"configuration": {"epochs": "measures.nobody.lr"}}, "nobody is none of"),
        ({"configuration": {"epochs": {"of": "optimizer.kind", "over": 2.0}}}, "expected a number to divide"),
        ({"configuration": {"epochs": {"of": "epochs", "form": "px"}}}, "form: expected text with {}"),
        ({"configuration": {"epochs": {}}}, "expected just one of of, lacking"),
        ({"rows": {"setting": ["optimiser"]}}, "setting: did you mean optimizer"),
        ({"columns": {"method": ["VICReg"]}, "fixed": {"epochs": 100, "dataset": "cifar10"}, "measure": "patches"},
         "expected measure, simulation or configuration, one of them"),
        ({"claims": [{"text": "x", "above": 0.0, "where": {"setting": "epochs"}, "for_each": ["dataset", "method"]}]},
         "above is for numbers, not for setting epochs"),
        ({"published": None, "claims": [{"text": "x", "as_printed": True, "where": {"setting": "epochs"},
                                         "for_each": ["dataset", "method"]}]}, "nothing is printed for setting epochs"),
    ],
)  # fmt: skip
def test_one_line_for_a_mistake(tmp_path, layer, message):
    with pytest.raises(UserError) as caught:
        made(tmp_path, planned("multiview", "table4", layer={"artifacts": {"table4": layer}})[1])
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"claims": [{"text": "x", "above": 0.0}]}, "a drawing has none"),
        ({"kind": "table", "draw": None}, "expected measure, simulation or configuration, one of them"),
        ({"rows": {"method": ["VICReg"]}}, "expected measure, simulation or configuration, one of them"),
        ({"quantity": "x"}, "unit and quantity go with simulation"),
    ],
)
def test_what_a_drawing_cannot_have(more, message):
    with pytest.raises(UserError) as caught:
        planned("multiview", "fig1ab", layer={"artifacts": {"fig1ab": more}})
    assert message in str(caught.value)


def test_a_drawing_has_nothing_below_it():
    plan, drawing = planned("directpred", "fig1", "quick")
    assert drawing.params["cells"] == [] and drawing.nodes == [] and not (plan.runs or plan.data)


@pytest.mark.slow
def test_what_reads_nothing_with_snakemake(tmp_path):
    """A table of settings and a drawing: built, left alone, made again by an edit, verified, shown on the site."""
    project = copy_project(tmp_path / "project")
    stems = [f"results/tiny/{name}" for name in ("multiview/table4", "directpred/fig1")]
    targets = [f"{stems[0]}.csv", f"{stems[1]}.png"]
    assert project.build(*targets) == {"table": 1, "figure": 1}
    assert project.build(*targets) == {}
    for target in targets:
        assert "everything holds" in project.pipeline("audit", target, "--config", "scale=tiny").stdout
    project.pipeline("bundle", *targets, "-o", "some.zip", "--config", "scale=tiny")
    told = project.pipeline("verify", "some.zip", check=False)
    assert told.returncode == 3 and "2 receipts down to declarations alone" in told.stdout
    project.pipeline("site", "--config", "scale=tiny")
    page = (project.root / "site/tiny/multiview/table4.html").read_text()
    assert "what runs are trained with" in page and "set by the scale" in page and "A number leads" not in page
    assert "fig1.png" in (project.root / "site/tiny/directpred/fig1.html").read_text()

    path = project.root / "params/papers/multiview.yaml"
    path.write_text(path.read_text().replace("weight_decay: 1.0e-6}\n", "weight_decay: 1.0e-5}\n", 1))
    assert project.build(*targets) == {"table": 1}
    row = next(line for line in (project.root / targets[0]).read_text().splitlines() if ",weight decay," in line)
    assert ",1e-05,1e-05,1e-6,other than printed," in row
