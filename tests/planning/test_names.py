"""What a person calls a run: stable, short where nothing is swept, and no two alike."""

from __future__ import annotations

import pytest

from pipeline.engine import jobs
from pipeline.ledger.workspace import Workspace
from pipeline.monitor import Monitor
from pipeline.planning import names
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

KNOWN = Catalogue(Options(scale="quick"))


def plan(*targets: str) -> Plan:
    return Plan(KNOWN, [KNOWN.request(f"results/quick/{target}.csv") for target in targets])


def name_of(found: Plan, **wanted) -> set[str]:
    """Names of the runs with these params."""
    called = found.called()
    fits = lambda run: all(names.values(run).get(path) == value for path, value in wanted.items())  # noqa: E731
    return {called[config] for config, run in found.runs.items() if fits(run.run)}


def test_a_run_is_called_by_paper_method_and_data() -> None:
    called = set(plan("directpred/table8").called().values())
    assert {"directpred, shapes", "directpred/sgd, shapes", "directpred/directpred-freq5, textured_digits"} <= called
    assert {"raw pixels, shapes", "untrained encoder, shapes"} <= called and len(called) == 10


def test_what_is_swept_is_told_by_the_params_in_which_it_differs_from_the_method() -> None:
    swept = plan("directpred/table6")
    assert name_of(swept, **{"predictor.rho": 0.5, "predictor.epsilon": 0.1}) == {"directpred, shapes, rho 0.5"}
    assert name_of(swept, **{"predictor.rho": 0.3, "predictor.epsilon": 0.1}) == {"directpred, shapes"}, (
        "the method itself"
    )
    both = name_of(swept, **{"predictor.rho": 0.5, "predictor.epsilon": 0.0})
    assert both == {"directpred, shapes, epsilon 0.0, rho 0.5"}


def test_a_method_without_a_predictor_is_called_by_its_name() -> None:
    called = plan("stepwise/fig3").called().values()
    assert not [name for name in called if "none" in name] and any(
        name.startswith("stepwise/SimCLR, usual start") for name in called
    )


def test_a_run_has_the_same_name_whoever_asks_for_it() -> None:
    alone, together = (
        plan("directpred/table2").called(),
        plan("directpred/table2", "directpred/table8", "directpred/table3"),
    )
    later = together.called()
    assert alone and all(later[config] == name for config, name in alone.items())


def test_what_stands_for_another_data_set_with_other_params_says_for_which() -> None:
    tiny = Catalogue(Options(scale="tiny"))
    called = Plan(tiny, [tiny.request("results/tiny/directpred/sec4_epsilon.csv")]).called().values()
    assert "directpred/sgd, shapes for stl10" in called


FEW, *MANY = sorted(KNOWN.papers)


@pytest.mark.parametrize("paper", [FEW, *(pytest.param(paper, marks=pytest.mark.slow) for paper in MANY)])
def test_no_two_trainings_have_one_name(paper: str) -> None:
    found = Plan(KNOWN, [one for one in KNOWN.built() if one.paper == paper])
    called = found.called()
    trained = [name for name in called.values() if not name.startswith(("raw pixels, ", "untrained encoder, "))]
    assert called.keys() == found.runs.keys() and len(set(trained)) == len(trained)
    assert max(map(len, called.values()), default=0) < 130


def test_runs_that_would_have_one_name_are_told_apart_by_what_differs_else_by_their_hashes() -> None:
    runs = {f"c-{k}": {"optimizer": {"kind": "sgd", "lr": lr}, "batch_size": 2} for k, lr in enumerate((0.1, 0.2, 0.2))}
    found = names.apart(dict.fromkeys(runs, "p/m, d"), runs)
    assert (
        found["c-0"] == "p/m, d, lr 0.1" and found["c-1"] == "p/m, d, lr 0.2, 1" and found["c-2"] == "p/m, d, lr 0.2, 2"
    )


def test_a_component_of_another_kind_is_told_by_its_kind() -> None:
    run = {
        "target": {"kind": "same"},
        "predictor": {"kind": "mlp", "hidden": 8, "weight_decay": 0.1},
        "optimizer": {"kind": "sgd", "weight_decay": 0.2},
    }
    method = {
        "target": {"kind": "ema", "momentum": 0.9},
        "predictor": {"kind": "mlp", "hidden": 8, "weight_decay": None},
        "optimizer": {"kind": "sgd", "weight_decay": 0.1},
    }
    assert names.differences(run, method) == ["target same", "predictor.weight_decay 0.1", "optimizer.weight_decay 0.2"]


def test_without_a_declaration_it_is_called_by_what_it_is_made_of() -> None:
    params = {
        "encoder": {"kind": "tiny_conv"},
        "objective": {"kind": "infonce"},
        "predictor": {"kind": "none"},
        "target": {"kind": "same"},
    }
    assert names.plainly(params) == "infonce" and names.plainly(params, trained=False) == "tiny_conv, untrained"
    byol = {
        **params,
        "objective": {"kind": "isoloss_cosine"},
        "predictor": {"kind": "linear"},
        "target": {"kind": "ema"},
    }
    assert names.plainly(byol) == "isoloss cosine, linear predictor, EMA target"
    assert names.plainly({**params, "encoder": {"kind": "pixels"}}) == "raw pixels"


def test_a_file_of_weights_is_told_by_its_name() -> None:
    told = {"path": "/somewhere/theirs.pth", "content": "ab" * 32, "files": 1}
    run = {"encoder": {"kind": "resnet18", "weights": told}}
    method = {"encoder": {"kind": "resnet18", "weights": None}}
    assert names.differences(run, method) == ["weights theirs.pth"]
    del told["path"]  # as receipts have it
    assert names.differences(run, method) == ["weights abababab"]


def test_jobs_hand_the_name_to_lines_of_progress(tmp_path, capsys) -> None:
    workspace = Workspace(tmp_path)
    jobs.write(workspace, jobs.Job("pretrain", "c-1", ("checkpoints/c-1/seed0/epoch0001",), (), called="p/m, d"))
    assert jobs.called(workspace, "c-1") == "p/m, d" and jobs.called(workspace, "c-2") == "c-2"
    assert jobs.load(workspace, "pretrain", "c-1").called == "p/m, d"
    monitor = Monitor(called=lambda node: names.of_seed(jobs.called(workspace, node.split("/")[1]), 0))
    monitor.training("checkpoints/c-1/seed0", 1, 1, None).say("goes on")
    assert capsys.readouterr().err == "p/m, d, seed 0  goes on\n"
