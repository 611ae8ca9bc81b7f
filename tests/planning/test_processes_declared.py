"""``processes`` in a declaration: in the key of those runs alone, and refused where it can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_plan import change, planned

from pipeline import components
from pipeline.engine.estimate import Forecast
from pipeline.engine.grouping import jobs_of
from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning import costs
from pipeline.planning.key_files import key_files
from pipeline.planning.plan import Plan

TARGET = "results/small/mine/t.csv"


def every_run(folder: Path, **params: Any) -> None:
    """Have the scale set params of all runs."""
    for name, value in params.items():
        change(folder / "scales/small.yaml", "every_run", name, value=value)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"processes": 0}, "processes: expected a whole number from 1 to 1024, found 0"),
        ({"processes": 33}, "processes: expected at most 32, two images of a minibatch of 64 for each, found 33; set"),
        ({"processes": 2, "accumulation": 2}, "accumulation: 2 processes pass a minibatch in as many parts, each at"),
        ({"sync_batchnorm": False}, "sync_batchnorm: one process has all images of a minibatch; remove it, or set"),
    ],
)
def test_what_several_processes_cannot_do_is_one_line(folder: Path, params: dict[str, Any], words: str) -> None:
    every_run(folder, **params)
    with pytest.raises(UserError) as error:
        planned(TARGET, extend=str(folder))
    assert words in str(error.value) and "\n" not in str(error.value)


def trained(plan: Plan) -> dict[str, dict[str, Any]]:
    """Runs that are no baselines."""
    return {config: run.run for config, run in plan.runs.items() if run.run["predictor"]["kind"] != "none"}


def test_one_process_has_the_keys_that_it_had(folder: Path) -> None:
    before = planned(TARGET, extend=str(folder))
    every_run(folder, processes=1, sync_batchnorm=True)
    after = planned(TARGET, extend=str(folder))
    assert before.runs.keys() == after.runs.keys()
    for path, file in key_files(after, Fingerprints()).items():
        assert "processes" not in file.params and "sync_batchnorm" not in file.params, path
        assert not any("processes" in module for module in file.code), path


def test_several_are_in_the_key_with_the_code_that_they_need(folder: Path) -> None:
    before = planned(TARGET, extend=str(folder))
    every_run(folder, processes=2)
    plan = planned(TARGET, extend=str(folder))
    runs = trained(plan)
    assert runs and not runs.keys() & before.runs.keys()
    baselines = plan.runs.keys() - runs.keys()
    assert baselines and baselines <= before.runs.keys(), "an untrained network needs no process but one"
    files = key_files(plan, Fingerprints())
    for config in runs:
        (file,) = [file for path, file in files.items() if file.stage == "pretrain" and f"/{config}" in path]
        assert file.module == "pipeline/training/processes/stage.py" and file.params["processes"] == 2
        names = {path.name for path in (components.PACKAGE / "training/processes").glob("*.py")}
        assert {f"pipeline/training/processes/{name}" for name in names - {"__init__.py"}} <= file.code.keys()
    for config in baselines:
        (file,) = [file for path, file in files.items() if file.stage == "pretrain" and f"/{config}" in path]
        assert file.module == PRETRAIN.module


def test_a_job_states_what_all_its_processes_take(folder: Path, tmp_path: Path) -> None:
    every_run(folder, processes=4, threads=3)
    change(folder / "scales/small.yaml", "gpu", value=True)
    plan = planned(TARGET, extend=str(folder))
    states = States(plan, Workspace(tmp_path))
    jobs = jobs_of(states)
    forecast = Forecast(states, plan.catalogue.scale("small"))
    for config in trained(plan):
        train, probe = jobs["pretrain", config], jobs["probe", config]
        assert (train.threads, train.gpus, probe.threads, probe.gpus) == (12, 4, 3, 1)
        memory = forecast.memory(config, PRETRAIN)[0]
        assert memory == 4 * forecast.memory(config, Node(probe.nodes[0]).family)[0]
    alone = States(planned(TARGET, extend=str(folder)), Workspace(tmp_path))
    for run in alone.plan.runs.values():
        run.run["processes"] = 1
    one, four = (
        {
            Node(name).milestone: seconds
            for name, seconds in Forecast(of, forecast.scale).parts().items()
            if config in name
        }
        for of in (alone, states)
    )
    for milestone, seconds in four.items():
        if one[milestone] != seconds:  # a measurement takes as long
            assert seconds == pytest.approx(one[milestone] / costs.speedup(4)) and costs.speedup(4) > 1
