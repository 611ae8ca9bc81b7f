"""Declarations: how layers become specs, which runs are shared, and that every mistake ends in one line with its fix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import copy_project, dump_yaml, load_yaml, withdraw

from pipeline import components
from pipeline.artifacts.rows import values_read
from pipeline.engine.estimate import Forecast
from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger.workspace import Milestone, Workspace
from pipeline.planning import composition, costs, idle_views, params, spec, yaml_files
from pipeline.planning.catalogue import PARAMS, Catalogue, Request
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan


def planned(*targets: str, **options) -> Plan:
    catalogue = Catalogue(Options(**options))
    return Plan(catalogue, [catalogue.request(target) for target in targets] if targets else catalogue.built())


def cells(plan: Plan, role: str = "cell") -> list[dict]:
    (artifact,) = plan.artifacts.values()
    return [cell for cell in artifact.params["cells"] if cell["role"] == role]


# -- what is planned


@pytest.mark.parametrize("scale", ["quick", "tiny"])
def test_small_scales_stand_for_every_real_data_set_without_a_download(tmp_path, scale):
    """And for each by other images, so that two columns of a table are two experiments.

    CIFAR-10N and CIFAR-10H are one set of images with labels of different people: one committee stands for both.
    """
    real = [name for name, entry in Catalogue(Options()).datasets.items() if entry.files]
    used = {
        *("cifar10", "cifar100", "stl10", "tinyimagenet", "flowers102", "imagenet100", "imagenet"),
        *("cifar10_unbalanced", "cifar100_unbalanced", "cifar10n", "cifar10h", "cifar100n"),
    }  # of the papers
    assert set(real) == used
    artifact = {
        "title": "All data",
        "rows": {"dataset": real},
        "fixed": {"epochs": 1, "method": "m"},
        "measure": "probe",
    }
    paper = {
        "paper": "mine",
        "title": "Mine",
        "authors": "Me",
        "year": 2026,
        "defaults": {
            "views": "simclr", "encoder": "tiny_conv", "projector": "mlp", "predictor": "linear", "target": "same",
            "objective": "cosine", "optimizer": {"kind": "sgd", "lr": 0.1},
        },
        "methods": {"m": {}},
        "measures": {"probe": {"measure": {"kind": "linear_probe"}, "value": "top1_last"}},
        "artifacts": {"t": artifact},
    }  # fmt: skip
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/mine.yaml").write_text(yaml.safe_dump(paper))
    plan = planned(f"results/{scale}/mine/t.csv", extend=str(tmp_path))
    assert {cell["paper_dataset"] for cell in cells(plan)} == used
    assert len(plan.data) == len(used) - 1
    assert all(not data.params["files"] for data in plan.data.values())
    sources = [json.dumps(data.params["source"], sort_keys=True) for data in plan.data.values()]
    assert len(set(sources)) == len(used) - 1


def test_table8_at_paper_scale_is_thirty_runs_of_five_hundred_epochs():
    plan = planned("results/paper/directpred/table8.csv")
    assert len(plan.runs) == 6
    for run in plan.runs.values():
        assert run.milestones == {(seed, Milestone(epochs)) for seed in range(5) for epochs in (100, 300, 500)}
        assert run.run["optimizer"] == {
            "kind": "sgd",
            "lr": 0.03,
            "momentum": 0.9,
            "weight_decay": 4e-4,
            "nesterov": False,
        }
        assert run.run["target"]["momentum"] == 0.996
        assert run.run["batch_size"] == 128
    stems = {run.data.split("-")[0]: run.run["encoder"]["stem"] for run in plan.runs.values()}
    assert stems == {"cifar10": "cifar", "stl10": "stock"}
    splits = {run.data.split("-")[0]: run.run["split"] for run in plan.runs.values()}
    assert splits == {"cifar10": "train", "stl10": "train+unlabeled"}


def test_equal_cells_of_two_tables_are_one_run():
    """Table 2 is regular halves of Tables 5 (without decay) and 3 (with); Table 6 (.3, .1) is Table 8's DirectPred."""
    table2, table3, table5 = (set(planned(f"results/paper/directpred/table{n}.csv").runs) for n in (2, 3, 5))
    both = planned("results/paper/directpred/table2.csv", "results/paper/directpred/table5.csv")
    assert table2 < table3 | table5 and len(table2 & table3) == len(table2 & table5) == 4
    assert len(both.runs) == 20
    table6, table8 = planned("results/paper/directpred/table6.csv"), planned("results/paper/directpred/table8.csv")
    assert len(set(table6.runs) & set(table8.runs)) == 1
    table3 = planned("results/paper/directpred/table3.csv")
    assert len(set(table3.runs) & set(table8.runs)) == 1


def test_a_scale_may_give_one_artifact_fewer_seeds(folder):
    change(folder / "scales/small.yaml", "seeds", value=3)
    change(folder / "scales/small.yaml", "papers", value={"mine": {"artifacts": {"t": {"seeds": 2}}}})
    fewer = {
        seed
        for run in planned("results/small/mine/t.csv", extend=str(folder)).runs.values()
        for seed, _ in run.milestones
    }
    change(folder / "scales/small.yaml", "papers", value={"mine": {"artifacts": {}}})
    all_of_them = {
        seed
        for run in planned("results/small/mine/t.csv", extend=str(folder)).runs.values()
        for seed, _ in run.milestones
    }
    assert (fewer, all_of_them) == ({0, 1}, {0, 1, 2})


def test_a_scale_may_build_only_some_places_of_an_axis(folder):
    change(folder / "scales/small.yaml", "papers", value={"mine": {"artifacts": {"t": {"only": {"method": ["sgd"]}}}}})
    found = cells(planned("results/small/mine/t.csv", extend=str(folder)))
    missing = {cell["missing"] for cell in found if cell["role"] == "cell" and cell["axes"]["method"] != "sgd"}
    assert len(missing) > 0 and all(" not built at scale small" in text for text in missing)
    assert all(cell["missing"] is None for cell in found if cell["axes"].get("method") == "sgd")


def test_who_asks_for_less_trains_less():
    plan = planned("results/paper/directpred/table6.csv")
    assert {at.epoch for run in plan.runs.values() for _, at in run.milestones} == {100}


def test_quick_changes_all_methods_alike_and_says_what_stands_for_what():
    plan = planned("results/quick/directpred/table8.csv")
    trained = [run.run for run in plan.runs.values() if run.run["predictor"]["kind"] != "none"]
    assert len(trained) == 6
    shared = {json.dumps([r["encoder"], r["views"], r["optimizer"], r["batch_size"], r["target"]]) for r in trained}
    assert len(shared) == 1
    found = {(cell["paper_dataset"], cell["dataset"]) for cell in cells(plan)}
    assert found == {("stl10", "shapes"), ("cifar10", "textured_digits")}
    assert {cell["paper_dataset"] for cell in cells(plan, "raw pixels")} == {"cifar10", "stl10"}
    assert {cell["trained_epochs"] for cell in cells(plan, "untrained encoder")} == {0}


def test_flavour_released_takes_the_codes_constants():
    text = planned("results/paper/directpred/table8.csv")
    code = planned("results/paper-released/directpred/table8.csv")
    floors = [
        {run.run["predictor"]["floor"] for run in plan.runs.values() if run.run["predictor"]["kind"] == "directpred"}
        for plan in (text, code)
    ]
    assert floors == [{0.0}, {1e-4}]
    offsets = [
        {(run.run["predictor"]["offset"], run.run["predictor"]["epsilon"]) for run in plan.runs.values()}
        for plan in (
            planned("results/paper/directpred/table7.csv"),
            planned("results/paper-released/directpred/table7.csv"),
        )
    ]
    assert offsets == [{(c, 0.0) for c in (0.1, 0.05, -0.05, -0.1)}, {(0.0, -c) for c in (0.1, 0.05, -0.05, -0.1)}]
    values = [next(iter(plan.artifacts.values())).params["measure"]["value"] for plan in (text, code)]
    assert values == ["top1_last", "top1_best"]


def test_without_ema_the_target_is_the_online_network():
    plan = planned("results/paper/directpred/table3.csv")
    kinds = {run.run["target"]["kind"] for run in plan.runs.values()}
    assert kinds == {"ema", "same"}
    two_layer = [run.run for run in plan.runs.values() if run.run["predictor"]["kind"] == "mlp"]
    assert len(two_layer) == 8


def test_decay_on_the_predictor_only():
    plan = planned("results/paper/directpred/table5.csv")
    decays = {(r.run["optimizer"]["weight_decay"], r.run["predictor"]["weight_decay"]) for r in plan.runs.values()}
    assert decays == {(0.0, 4e-4), (0.0, 0.0)}


def test_a_scale_may_leave_cells_out_and_says_so():
    plan = planned("results/gpu/directpred/table8.csv", datasets=("cifar10",))
    reasons = {cell["missing"] for cell in cells(plan)}
    assert reasons == {
        None,
        "stl10: not among --config datasets=cifar10",
        "300 epochs: scale gpu ends at 100",
        "500 epochs: scale gpu ends at 100",
    }
    assert {run.data.split("-")[0] for run in plan.runs.values()} == {"cifar10"}


def test_a_scale_may_have_none_of_a_data_set_and_says_so():
    plan = planned("results/laptop/directpred/table8.csv")
    assert {(cell["paper_dataset"], cell["missing"]) for cell in cells(plan)} == {
        ("cifar10", None),
        ("stl10", "stl10: scale laptop has none"),
    }
    assert {cell["paper_dataset"] for cell in cells(plan, "raw pixels")} == {"cifar10"}
    assert {run.data.split("-")[0] for run in plan.runs.values()} == {"cifar10"}
    settings = cells(planned("results/laptop/isoloss/table3.csv"))
    assert {cell["missing"] for cell in settings if cell["paper_dataset"] == "tinyimagenet"} == {
        "tinyimagenet: scale laptop has none"
    }
    assert all(cell["setting"] for cell in settings if cell["paper_dataset"] == "cifar10")


def test_a_paper_may_have_what_its_scale_has_none_of():
    plan = planned("results/laptop/stepwise/table1.csv")
    assert {(cell["paper_dataset"], cell["dataset"], cell["missing"]) for cell in cells(plan)} == {
        ("stl10", "cifar10", None)
    }


def test_images_of_a_data_set_that_a_scale_has_none_of_are_refused(folder):
    scale = load_yaml((folder / "scales/small.yaml").read_text())
    scale["datasets"]["cifar10"] = None
    (folder / "scales/small.yaml").write_text(dump_yaml(scale))
    with pytest.raises(UserError, match=r"datasets.cifar10: expected a data set, which .* figS6 needs, found null"):
        planned("results/small/embnorms/figS6.png", extend=str(folder))


@pytest.mark.parametrize(
    ("points", "epochs", "trained"),
    [
        ({}, 123, 123),
        ({100: 8, 500: 20}, 0, 0),
        ({100: 8, 500: 20}, 100, 8),
        ({100: 8, 500: 20}, 300, 14),
        ({100: 8, 500: 20}, 1, 1),
        ({100: 8, 500: 20}, 1000, 40),
    ],
)
def test_epochs_of_a_scale_are_between_its_points(points, epochs, trained):
    scale = spec.Scale(title="", epochs=points)
    assert scale.trained(epochs) == trained


def test_the_plan_needs_no_torch():
    import subprocess
    import sys

    program = (
        "import sys; from pipeline.planning.catalogue import Catalogue; from pipeline.planning.options import Options; "
        "from pipeline.planning.plan import Plan; from pipeline.planning.key_files import key_files; "
        "from pipeline.ledger.fingerprint import Fingerprints; c = Catalogue(Options()); key_files(Plan(c, c.built()), Fingerprints()); "
        "print([m for m in ('torch', 'numpy', 'pandas', 'snakemake', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PARAMS.parent
    )
    assert done.stdout.strip() == "[]"


# -- names


def test_all_ninety_two_artifacts_have_a_name():
    registry = Catalogue(Options()).registry
    ours = {("stepwise", name) for name in ("ntk_evolution", "exact", "propositions")}
    ours |= {("stepwise", name) for name in ("learning_steps", "learning_order", "byol_steps")}
    ours |= {("directpred", name) for name in ("sec4_epsilon", "theorems", "appD")}
    ours |= {("multiview", "equations"), ("multiview", "best_weight"), ("zoo", "methods")}
    assert ours < registry.keys() and len(registry) == 92 + len(ours)
    of_papers = registry.keys() - ours
    counts = {paper: sum(key == paper for key, _ in of_papers) for paper, _ in of_papers}
    assert counts == {"directpred": 21, "stepwise": 14, "isoloss": 14, "embnorms": 20, "multiview": 23}


def test_every_declared_artifact_is_registered_and_expands():
    catalogue = Catalogue(Options())
    for scale in catalogue.scales:
        Plan(catalogue, catalogue.built(scale))


@pytest.mark.parametrize("scale", ["quick", "tiny", "gpu", "paper"])
def test_published_numbers_find_their_cells(scale):
    plan = planned(*(f"results/{scale}/directpred/table{n}.csv" for n in (1, 2, 3, 5, 6, 7, 8)))
    for artifact in plan.artifacts.values():
        wanted = {
            tuple(
                sorted(
                    (axis, str(cell["axes"][axis])) for axis in artifact.params["published"][0] if axis in cell["axes"]
                )
            )
            for cell in artifact.params["cells"]
            if cell["role"] == "cell"
        }
        printed = {
            tuple(sorted((axis, value) for axis, value in row.items() if axis in artifact.declaration.axes()))
            for row in artifact.params["published"]
        }
        assert wanted <= printed


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/table99.csv", "no paper has an artifact called 'table99'; did you mean table9"),
        ("results/table1.csv", "papers have an artifact of this name; type results/quick/directpred/table1.csv or"),
        ("results/quick/directprd/table8.csv", "there is no paper called 'directprd'; did you mean directpred?"),
        ("results/quik/directpred/table8.csv", "there is no scale called 'quik'; did you mean quick?"),
        ("results/quick/directpred/tabel8.csv", "directpred has no artifact called 'tabel8'; did you mean table8"),
        ("results/quick/directpred/table8.png", "is a table; type results/quick/directpred/table8.csv or .md"),
        ("results/directpred/table8.csv", "a folder per scale; type results/quick/directpred/table8.csv"),
        ("results/directpred/fig1.png", "a folder per scale; type results/quick/directpred/fig1.png"),
        ("results/quick-relased/directpred/table8.csv", "has no flavour 'relased'; did you mean released?"),
    ],
)
def test_a_wrong_name_says_the_right_one(target, words):
    with pytest.raises(UserError) as error:
        Catalogue(Options()).request(target)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_nobody_named_is_asked_for(tmp_path):
    shutil.copytree(PARAMS, tmp_path / "params")
    (tmp_path / "sweeps/papers").mkdir(parents=True)
    (tmp_path / "sweeps/papers/lr.yaml").write_text("{paper: lr, artifacts: {table: {}, curve: {}}}")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/paper.yaml").write_text("{paper: pics, artifacts: {probes: {}}}")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/paper.yaml").write_text("{paper: [")
    known = Catalogue(Options(), tmp_path / "params")
    for target, path, folder in (
        ("results/probes.csv", "mine/paper.yaml", "mine"),
        ("results/tiny/pics/probes.csv", "mine/paper.yaml", "mine"),
        ("results/quick/lr/table.csv", "sweeps/papers/lr.yaml", "sweeps"),
    ):
        with pytest.raises(UserError) as error:
            known.request(target)
        assert str(error.value).endswith(f"; {tmp_path}/{path} declares one: did you forget --config extend={folder}?")
    with pytest.raises(UserError, match="no paper has an artifact called 'tabel8'; did you mean table8"):
        known.request("results/tabel8.csv")
    with pytest.raises(UserError, match="there is no paper called 'pics'; there are"):
        known.request("results/quick/pics/table.csv")


def test_what_is_registered_and_not_declared_is_told_so(tmp_path):
    shutil.copytree(PARAMS, tmp_path / "params")
    known = Catalogue(Options(), withdraw(tmp_path / "params", "embnorms", "table1"))
    with pytest.raises(UserError) as error:
        known.request("results/quick/embnorms/table1.csv")
    assert "embnorms/table1 (" in str(error.value)
    assert "is not declared yet; of this paper there are: table2, " in str(error.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"scael": "gpu"}, "--config scael: unknown key; did you mean scale?"),
        ({"datasets": None}, "--config datasets: expected names such as cifar10"),
        ({"artifacts": 8}, "--config artifacts: expected names such as directpred"),
        ({"seeds": "two"}, "--config seeds: expected a whole number from 1 to 1000, found 'two'"),
        ({"scale": 5}, "--config scale: expected a name or path, found 5"),
        ({"extend": "/no/such/folder"}, "--config extend: there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_config_says_the_right_one(config, words):
    with pytest.raises(UserError, match=words.replace("?", r"\?")):
        Options.parse(config, {})


def test_names_given_with_config_are_checked():
    with pytest.raises(UserError, match=r"--config datasets: there is no data set called 'stl01'; did you mean stl10"):
        Catalogue(Options(datasets=("stl01",)))
    with pytest.raises(UserError, match=r"--config flavour=relased: did you mean released"):
        Catalogue(Options(flavour="relased")).built()
    with pytest.raises(
        UserError, match=r"artifacts: there is no .* 'directpred/tabel8'; did you mean directpred/table8"
    ):
        Catalogue(Options(artifacts=("stepwise", "directpred/tabel8"))).wanted()


def test_all_of_a_scale_may_be_a_part_of_it():
    part = Catalogue(Options.parse({"artifacts": "stepwise/table1,directpred"}, {}))
    names = {(request.paper, request.artifact) for request in part.wanted()}
    assert ("stepwise", "table1") in names and {paper for paper, _ in names} == {"stepwise", "directpred"}
    assert len(names) == 1 + len(part.papers["directpred"].artifacts) < len(part.built())
    assert part.wanted("tiny")[0].edition == "tiny"
    everything = Catalogue(Options.parse({"artifacts": "all"}, {}))
    assert everything.wanted() == everything.built()


def test_the_untrained_encoder_does_not_depend_on_the_method():
    """One run per data set and seed serves every table."""
    tables = [planned(f"results/quick/directpred/table{n}.csv") for n in (3, 6, 8)]
    found = [
        {node for cell in cells(plan, "untrained encoder") for node in cell["nodes"] if "shapes" in node}
        for plan in tables
    ]
    assert found[0] == found[2]
    assert found[1] and found[1] <= found[0]  # a grid with fewer seeds


def test_the_raw_folder_may_come_from_the_environment(tmp_path):
    assert Options.parse({}, {"SSL_RAW_DIR": str(tmp_path)}).raw_dir == str(tmp_path)
    assert Options.parse({"raw_dir": "/a"}, {"SSL_RAW_DIR": "/b"}).raw_dir == "/a"


# -- mistakes in declarations


def change(path: Path, *keys, value) -> None:
    """Set a param of a YAML file; a value of None removes it."""
    data = load_yaml(path.read_text())
    place = data
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path.write_text(dump_yaml(data))


MISTAKES = [
    (("defaults", "batchsize"), 64, "batchsize: unknown key; did you mean batch_size?"),
    (("defaults", "batch_size"), "many", "batch_size: expected a whole number from 1 to 10,000,000, found 'many'"),
    (("defaults", "batch_size"), 0, "batch_size: expected a whole number from 1 to 10,000,000, found 0"),
    (("artifacts", "t", "colums"), {}, "artifacts.t.colums: unknown key; did you mean columns?"),
    (("artifacts", "t", "measure"), "top1", "measure: top1 is none of: linear_top1"),
    (("artifacts", "t", "rows"), {"method": ["sdg"]}, "there is no method 'sdg'; there are: sgd"),
    (("artifacts", "t", "rows"), {"gamma": [1]}, "gamma: no such axis; declare it under axes"),
    (("methods", "directpred", "predictor"), {"kind": "directpred", "hidden": 512}, "predictor.hidden: directpred sets one linear map from F and has no hidden layer; remove hidden, or use predictor: {kind: mlp}"),
    (("methods", "directpred", "predictor"), {"kind": "directpred", "layers": 2}, "is no two-layer predictor; remove layers"),
    (("methods", "directpred", "predictor"), {"kind": "directpred", "epsilom": 0.1}, "predictor.epsilom: directpred has no such key; did you mean epsilon?"),
    (("methods", "directpred", "predictor"), {"kind": "directpred", "epsilon": "big"}, "predictor.epsilon: expected a number from -1,000,000 to 1,000,000, found 'big'"),
    (("methods", "directpred", "predictor"), {"kind": "directpred", "freq": 1.5}, "predictor.freq: expected a whole number from 1 to 10,000,000, found 1.5"),
    (("methods", "directpred", "predictor"), {"kind": "directpred", "epsilon_mode": "odd"}, "predictor.epsilon_mode: expected literal or normalized, found 'odd'"),
    (("methods", "directpred", "predictor"), {"kind": "direct"}, "there is no predictor called 'direct'; did you mean directpred?"),
    (("methods", "directpred", "like"), "directpred", "goes in a circle"),
    (("methods", "sgd", "objective"), {"kind": "cosin"}, "there is no objective called 'cosin'; did you mean cosine?"),
    (("methods", "sgd", "target"), {"kind": "same", "momentum": 0.9}, "target.momentum: the target is the online network"),
    (("datasets", "cifar10", "encoder"), {"stem": "wide"}, "encoder.stem: expected cifar or cifar_padded or tinyimagenet or stock, found 'wide'"),
    (("defaults", "optimizer"), None, "optimizer: this key is needed"),
    (("measures", "linear_top1", "measure"), {"kind": "linear_prob"}, "there is no measure called 'linear_prob'; did you mean linear_probe?"),
    (("artifacts", "t", "claims"), [{"text": "x"}], "artifacts.t.claims.0: expected just one of greater"),
    (("artifacts", "t", "published"), {"file": "nope.csv"}, "published.file: there is no file published/nope.csv"),
    (("flavours", "released", "kinds", "predictr"), {}, "flavours.released.kinds: there is no 'predictr'; did you mean predictor?"),
    (("flavours", "released", "kinds", "predictor", "direct"), {}, "kinds.predictor: predictor: there is no predictor called 'direct'"),
    (("flavours", "released", "kinds", "predictor", "directpred"), {"flor": 1}, "predictor.directpred.flor: no such key; did you mean floor?"),
    (("flavours", "released", "measures"), {"linear_top": "x"}, "flavours.released.measures: there is no 'linear_top'; did you mean linear_top5?"),
    (("flavours", "released", "axes"), {"c_k": {}}, "flavours.released.axes: there is no 'c_k'; did you mean c_j?"),
    (("artifacts", "t", "columns"), {"dataset": ["mnist"], "epochs": [100]}, "there is no data set called 'mnist'"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "words"), MISTAKES, ids=[m[2][:40] for m in MISTAKES])
def test_a_mistake_is_one_line_with_file_key_and_fix(folder, place, value, words):
    change(folder / "papers/mine.yaml", *place, value=value)
    with pytest.raises(UserError) as error:
        planned("results/paper/mine/t.csv", extend=str(folder))
    text = str(error.value)
    assert words in text
    assert "mine.yaml" in text or "datasets.yaml" in text
    assert "\n" not in text


def test_a_param_of_a_scale_that_no_component_has_is_refused(folder):
    change(folder / "scales/small.yaml", "every_run", "target", value={"momentun": 1.0})
    with pytest.raises(UserError, match=r"every_run: target.momentun: no target has such a key"):
        planned("results/small/mine/t.csv", extend=str(folder))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "datasets",
            {"stl01": "shapes"},
            "small.yaml: datasets: there is no data set called 'stl01'; did you mean stl10?",
        ),
        ("measures", {"linear_prob": {}}, "small.yaml: measures: measure: there is no measure called 'linear_prob'"),
        ("measures", {"linear_probe": {"epoch": 2}}, "measures.linear_probe.epoch: no such key; did you mean epochs?"),
    ],
)
def test_unknown_names_in_a_scale_are_refused(folder, key, value, words):
    change(folder / "scales/small.yaml", key, value=value)
    with pytest.raises(UserError) as error:
        planned("results/small/mine/t.csv", extend=str(folder))
    assert words in str(error.value)


def test_yaml_mistakes_name_the_line(folder):
    path = folder / "papers/mine.yaml"
    path.write_text("paper: mine\ntitle: [unclosed\n")
    with pytest.raises(UserError, match=r"mine\.yaml:\d+: not readable as YAML"):
        planned(extend=str(folder))
    path.write_text("paper: mine\npaper: twice\n")
    with pytest.raises(UserError, match="stands here twice"):
        planned(extend=str(folder))


def test_yes_and_no_are_words_and_exponents_are_numbers(tmp_path):
    (tmp_path / "a.yaml").write_text("a: yes\nb: no\nc: 1e-4\nd: 4.0e-4\ne: true\nf: 10\ng: .5\nh: 1.2.3\n")
    assert yaml_files.load(tmp_path / "a.yaml") == {
        "a": "yes", "b": "no", "c": 1e-4, "d": 4e-4, "e": True, "f": 10, "g": 0.5, "h": "1.2.3",
    }  # fmt: skip


# -- layers


def test_another_kind_replaces_a_component_and_the_same_changes_it():
    base = {"predictor": {"kind": "linear", "bias": True}, "batch_size": 1}
    assert params.overlay(base, {"predictor": {"bias": False}})["predictor"] == {"kind": "linear", "bias": False}
    assert params.overlay(base, {"predictor": {"kind": "linear"}})["predictor"] == {"kind": "linear", "bias": True}
    assert params.overlay(base, {"predictor": "mlp"})["predictor"] == {"kind": "mlp"}
    assert base == {"predictor": {"kind": "linear", "bias": True}, "batch_size": 1}


def test_params_of_components_are_read_from_their_source_without_importing_them(tmp_path):
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives/mine.py").write_text(
        "import a_library_that_is_not_there\nDEFAULT_BEFORE = {'later': 1}\n"
        "def loss(predictions, targets, *, weight: float = 1.0, later: int = 1, must: str): ...\n"
    )
    found = components.resolve("objective", {"kind": "mine", "must": "x", "weight": 2}, "here", tmp_path)
    assert found == {"kind": "mine", "weight": 2.0, "later": 1, "must": "x"}
    kept, omitted_defaults = composition.prune({"objective": found}, tmp_path)
    assert kept == {"objective": {"kind": "mine", "weight": 2.0, "must": "x"}}
    assert omitted_defaults == {"objective": {"later": 1}}
    with pytest.raises(UserError, match="mine needs this key"):
        components.resolve("objective", {"kind": "mine"}, "here", tmp_path)


# -- how long


@pytest.mark.parametrize(("scale", "words"), [("gpu", "GPU-hours"), ("tiny", "of work for one worker")])
def test_the_plan_says_how_long_in_the_unit_that_is_paid_for(scale, words, tmp_path):
    """From records of like runs: those with a GPU where the scale has one, others where it has none."""
    root = copy_project(tmp_path / "p").root
    plan = Plan(Catalogue(Options(scale=scale)), [Request(scale, scale, "paper", "stepwise", "table2")])
    like = next(iter(plan.runs))
    for name, gpu, seconds in (("a", None, 36.0), ("b", "a card", 72.0)):
        folder = root / f"receipts/checkpoints/{like[:-10]}{name * 10}/seed0"
        folder.mkdir(parents=True)
        record = {"seconds": seconds, "epochs": 1, "gpu": gpu}
        (folder / "epoch0001.execution.json").write_text(json.dumps(record))
    states = States(plan, Workspace(root))
    found = Forecast(states, plan.catalogue.scale(scale))
    run = plan.runs[like].run
    epoch = costs.epoch_images(plan, like) * costs.step_image(run, costs.side(plan, like))
    assert found._training(like) == pytest.approx((72.0 if scale == "gpu" else 36.0) / epoch)
    assert "receipts of like runs" in found.seconds()[1]
    project = copy_project(tmp_path / "q")
    assert words in project.pipeline("plan", f"results/{scale}/stepwise/table2.csv").stdout


@pytest.mark.parametrize("name", ["a b", "a;reboot", "$(x)", "-x", "a.b", "\u00e4", "a\nb"])
def test_a_scale_whose_name_is_none_is_refused(folder, name):
    (folder / "scales/small.yaml").rename(folder / f"scales/{name}.yaml")
    with pytest.raises(UserError, match="a scale's name has letters, digits, _ and - only; rename the file"):
        Catalogue(Options(extend=str(folder))).scale("quick")


# -- augmentations that do nothing

BLUR = {"blur_probability": 1.0, "blur_kernel": 0.1}
JITTER = {"jitter_probability": 0.8, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}


@pytest.mark.parametrize(
    ("views", "side", "message"),
    [
        (BLUR, 16, "views.blur_kernel: 0.1 of 16 pixels is a kernel of one pixel, which blurs nothing; set it to 0.13"),
        (BLUR, 19, "0.1 of 19 pixels is a kernel of one pixel"),
        (BLUR, 20, None),
        (BLUR, None, None),
        (BLUR | {"size": 16}, 96, "of 16 pixels"),
        (BLUR | {"blur_probability": [0.0, 1.0]}, 16, "of 16 pixels"),
        (BLUR | {"blur_probability": [0.0, 1.0], "blur_kernel": [0.1, 0.2]}, 16, None),
        (BLUR | {"blur_probability": 0.0}, 16, None),
        (JITTER, None, "views.jitter_probability: 0.8 with brightness, contrast, saturation, hue at 0 changes nothing"),
        (JITTER | {"hue": 0.1}, None, None),
        (JITTER | {"jitter_probability": 0}, None, None),
        ({}, 8, None),
    ],
)
def test_an_augmentation_that_does_nothing_is_refused(views, side, message):
    if message is None:
        idle_views.refuse(views, side, "p.yaml: artifacts.t")
        return
    with pytest.raises(UserError) as error:
        idle_views.refuse(views, side, "p.yaml: artifacts.t")
    assert str(error.value).startswith("p.yaml: artifacts.t: views.") and message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_plan_and_the_policy_agree_on_kernels_of_one_pixel():
    blur = pytest.importorskip("pipeline.views.blur")
    for side in range(1, 120):
        for share in (0.02, 0.1, 0.14, 0.5):
            one = blur.kernel_side(share, side) == 1
            try:
                idle_views.refuse(BLUR | {"blur_kernel": share}, side, "here")
            except UserError:
                assert one
            else:
                assert not one


def test_a_blur_that_does_nothing_is_refused_before_anything_runs(tmp_path):
    """Where the data set's size is declared, or the scale sets another one."""
    shutil.copytree(PARAMS, tmp_path / "params")
    scale = tmp_path / "params/scales/quick.yaml"
    text = scale.read_text().replace("blur_probability: 0.0", "blur_probability: 0.5")
    scale.write_text(text)
    catalogue = Catalogue(Options(scale="quick"), tmp_path / "params")
    with pytest.raises(UserError, match=r"0\.1 of 16 pixels is a kernel of one pixel"):
        Plan(catalogue, [catalogue.request("results/table8.csv")])
    scale.write_text(text.replace("stl10: shapes", "stl10: {name: shapes, size: 32}"))
    catalogue = Catalogue(Options(scale="quick"), tmp_path / "params")
    with pytest.raises(UserError, match=r"0\.1 of 16 pixels"):  # cifar10's stand-in is as small as before
        Plan(catalogue, [catalogue.request("results/table8.csv")])
    Plan(catalogue, [catalogue.request("results/quick/directpred/table1.csv")])


# -- momentum of a target that ends with the training


def _runs_with(folder, target, scale="small"):
    change(folder / "papers/mine.yaml", "methods", "directpred", "target", value=target)
    plan = planned(f"results/{scale}/mine/t.csv", extend=str(folder))
    return {name: run for name, run in plan.runs.items() if run.run["predictor"]["kind"] == "directpred"}


def test_a_cosine_of_the_target_ends_with_the_training_and_is_another_run_for_each_length(folder):
    constant = _runs_with(folder, {"kind": "ema", "momentum": 0.99})
    assert {run.run["target"]["epochs"] for run in constant.values()} == {None}
    rising = _runs_with(folder, {"kind": "ema", "momentum": 0.99, "schedule": "cosine"})
    assert not rising.keys() & constant.keys()
    for run in rising.values():
        assert run.run["target"]["epochs"] == max(milestone.epoch for _, milestone in run.milestones)
    lengths = {milestone.epoch for run in constant.values() for _, milestone in run.milestones}
    assert {run.run["target"]["epochs"] for run in rising.values()} == lengths


def test_an_end_of_the_target_s_cosine_is_mapped_by_the_scale_as_epochs_are(folder):
    change(folder / "scales/small.yaml", "epochs", value={100: 2, 300: 3, 500: 4})
    runs = _runs_with(folder, {"kind": "ema", "schedule": "cosine", "epochs": 300})
    assert {run.run["target"]["epochs"] for run in runs.values()} == {3}


@pytest.mark.parametrize(("key", "value"), [("epochs", 100), ("final", 0.5)])
def test_what_means_nothing_without_a_cosine_is_refused(folder, key, value):
    with pytest.raises(UserError) as error:
        _runs_with(folder, {"kind": "ema", key: value})
    assert (
        f'target.{key}: expected beside schedule: "cosine" alone, found schedule: "constant"; remove {key}, or set'
        in str(error.value)
    )
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)


def test_a_plan_refuses_what_does_not_go_with_the_objective_but_for_its_baselines(folder):
    """Which have no predictor, and take no step."""
    change(folder / "papers/mine.yaml", "defaults", "objective", value={"kind": "isoloss_cosine"})
    change(folder / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["directpred"]})
    change(folder / "papers/mine.yaml", "artifacts", "t", "claims", value=[])
    change(folder / "scales/small.yaml", "baselines", value=True)
    plan = planned("results/small/mine/t.csv", extend=str(folder))
    assert {run.run["predictor"]["kind"] for run in plan.runs.values()} == {"directpred", "none"}
    change(folder / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["sgd"]})
    with pytest.raises(
        UserError, match=r"mine.*predictor\.kind: expected a predictor that is set by a rule of its own"
    ):
        planned("results/small/mine/t.csv", extend=str(folder))


def test_a_baseline_has_the_measure_of_its_column():
    made = planned("results/tiny/directpred/table9.csv").artifacts["results/tiny/directpred/table9"]
    values = {name: found["value"] for name, found in made.params["measures"].items()}
    baselines = [one for one in made.params["cells"] if one["role"] != "cell"]
    told = {(one["role"], one["axes"]["measure"]) for one in baselines}
    assert told == {(role, name) for role in ("raw pixels", "untrained encoder") for name in values}
    read = {one["axes"]["measure"]: made.params["cells"].index(one) for one in baselines}
    found = {number: name for number, _, name in values_read(made.params)}
    assert len(set(values.values())) == 2 and {name: found[at] for name, at in read.items()} == values


# -- editions in place of scales


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"scale": "gpu"}, ("gpu", "paper", "gpu")),
        ({"scale": "gpu-released"}, ("gpu", "released", "gpu-released")),
        ({"scale": "gpu", "flavour": "released"}, ("gpu", "released", "gpu-released")),
        ({"scale": "gpu-released", "flavour": "released"}, ("gpu", "released", "gpu-released")),
        ({"scale": "gpu", "datasets": "all"}, ("gpu", "paper", "gpu")),
    ],
)
def test_an_edition_stands_for_its_scale_and_flavour(config, expected) -> None:
    options = Catalogue(Options.parse(config, {})).options
    assert (options.scale, options.flavour, options.edition()) == expected
    assert options.datasets == ()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"scale": "gpu-nosuch"}, "--config flavour=nosuch: "),
        ({"scale": "nosuch-released"}, "--config scale=nosuch-released: there is no such scale; "),
        ({"scale": "gpu-released", "flavour": "other"}, "--config scale=gpu-released flavour=other: these are two "),
    ],
)
def test_an_edition_that_there_is_not_is_one_line(config, message) -> None:
    with pytest.raises(UserError) as error:
        catalogue = Catalogue(Options.parse(config, {}))
        catalogue.scale(catalogue.options.scale)
        catalogue.built()
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_scale_whose_name_looks_like_an_edition_is_that_scale(tmp_path) -> None:
    (tmp_path / "scales").mkdir()
    (tmp_path / "scales/tiny-released.yaml").write_text((PARAMS / "scales/tiny.yaml").read_text())
    options = Catalogue(Options(scale="tiny-released", extend=str(tmp_path))).options
    assert (options.scale, options.flavour) == ("tiny-released", "paper")


# -- what is asked for again


def test_what_only_looks_like_what_was_asked_before_is_looked_at() -> None:
    plan = Plan(Catalogue(Options()), [])
    asked = {"kind": "linear_probe", "standardize": True, "epochs": 20}
    first = plan.add_measure(asked, "here")
    assert plan.add_measure(dict(asked), "there") == first
    for name, value in (("standardize", 1), ("epochs", 20.5), ("epochs", "20")):
        with pytest.raises(UserError, match=f"there.*{name}"):
            plan.add_measure({**asked, name: value}, "there")
    assert plan.add_measure({**asked, "epochs": 21}, "here") != first
    assert plan.add_measure(asked, "here", {"fit": "data-a"}) != plan.add_measure(asked, "here", {"fit": "data-b"})
    small = plan.add_data("shapes", {"train": 96}, False, "here", "here")
    assert plan.add_data("shapes", {"train": 96}, False, "here", "here") == small
    assert plan.add_data("shapes", {"train": 96}, True, "here", "here") != small
    assert plan.add_data("shapes", {"train": 97}, False, "here", "here") != small
    with pytest.raises(UserError, match="there"):
        plan.add_data("shapes", {"train": 96.5}, False, "there", "there")
