"""What is called how, where no plan names it: runs, data sets and simulations of a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import ROOT

from pipeline.engine import jobs
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.titles import built, declared, titles

RUN = {
    "encoder": {"kind": "tiny_conv"},
    "objective": {"kind": "cosine"},
    "predictor": {"kind": "directpred", "rho": 0.3},
    "target": {"kind": "ema"},
    "optimizer": {"kind": "sgd", "lr": 0.1},
}


def chain(runs: dict[str, dict[str, Any]], sets: dict[str, dict[str, Any]] | None = None, epoch: int = 2) -> Chain:
    """Receipts of runs on the first of some data sets."""
    sets = sets or {"shapes-5dbc0737": {"name": "shapes", "source": {"kind": "shapes", "size": 8}}}
    links = {f"data/{name}": {"params": own, "inputs": {}} for name, own in sets.items()}
    for name, own in runs.items():
        read = {"data": {"node": f"data/{next(iter(sets))}"}}
        links[f"checkpoints/{name}/seed0/epoch{epoch:04d}"] = {"params": {**RUN, **own}, "inputs": read}
    return Chain({name: Link(Node(name), found, "") for name, found in links.items()})


def test_a_run_keeps_the_name_that_a_plan_before_gave_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    jobs.write(workspace, jobs.Job("pretrain", "r-1", (), (), called="directpred, shapes, lr 0.03"))
    jobs.write(workspace, jobs.Job("pretrain", "r-2", (), (), called="r-2"))
    found = titles(chain({"r-1": {}, "r-2": {}, "r-3": {"predictor": {"kind": "none"}}}), workspace, {"r-3": "now"})
    assert found["r-1"] == "directpred, shapes, lr 0.03"
    assert found["r-2"] == "cosine, directpred predictor, EMA target", "its folder is no name"
    assert found["r-3"] == "now", "what is declared stands before all"


def test_what_is_declared_stands_before_what_a_plan_before_wrote(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    jobs.write(workspace, jobs.Job("pretrain", "r-1", (), (), called="before"))
    assert titles(chain({"r-1": {}}), workspace, {"r-1": "now"})["r-1"] == "now"


def test_runs_of_one_name_are_told_apart_by_what_differs() -> None:
    found = titles(chain({f"r-{lr}": {"optimizer": {"kind": "sgd", "lr": lr}} for lr in (0.1, 0.2)}))
    assert found["r-0.1"] == "cosine, directpred predictor, EMA target, lr 0.1"
    assert found["r-0.2"] == "cosine, directpred predictor, EMA target, lr 0.2"


def test_a_param_that_became_null_tells_runs_apart() -> None:
    found = titles(
        chain({"r-1": {"target": {"kind": "ema", "init": None}}, "r-2": {"target": {"kind": "ema", "init": "copy"}}})
    )
    assert found["r-1"].endswith(", init unset") and found["r-2"].endswith(", init copy")


def test_data_sets_are_called_as_declared_and_by_what_differs() -> None:
    source = {"kind": "shapes", "size": 8, "seed": 0}
    sets = {
        "local-shapes-11111111": {"name": "shapes", "classes": 8, "source": source},
        "local-shapes-22222222": {"name": "shapes", "classes": 8, "source": {**source, "seed": 1}},
        "local-digits-33333333": {"name": "digits", "classes": 10, "source": {"kind": "digits"}},
    }
    found = titles(chain({"r-1": {}}, sets))
    assert [found[name] for name in sets] == ["shapes, seed 0", "shapes, seed 1", "digits"]


def test_one_data_set_that_git_keeps_and_one_that_it_does_not() -> None:
    own = {"name": "shapes", "source": {"kind": "shapes"}}
    found = titles(chain({}, {"shapes-11111111": own, "local-shapes-11111111": own}))
    assert found == {"shapes-11111111": "shapes, tracked on", "local-shapes-11111111": "shapes, tracked off"}


def test_somebodys_weights_are_not_called_untrained() -> None:
    own = {"encoder": {"kind": "resnet18", "weights": {"content": "ab" * 32, "files": 1}}}
    assert titles(chain({"r-1": own}, epoch=0))["r-1"] == "resnet18, given weights"
    assert titles(chain({"r-1": {"encoder": {"kind": "resnet18"}}}, epoch=0))["r-1"] == "resnet18, untrained"


def test_what_is_built_is_called_as_it_is_declared() -> None:
    known, stems = Catalogue(Options(scale="laptop")), built(Workspace(ROOT))
    assert "results/laptop/directpred/table8" in stems
    assert "directpred/sgd, cifar10" in declared(known, [*stems, "results/laptop/nobody/none"]).values()
