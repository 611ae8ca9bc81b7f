"""Which artifacts fit into a budget of time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import durations
from pipeline.commands import _targets
from pipeline.commands import plan as command
from pipeline.engine.budget import additions
from pipeline.engine.estimate import Forecast
from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger.workspace import Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

NAMES = ("directpred/table8", "stepwise/table1", "stepwise/table2", "isoloss/thm1")


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    """Of four artifacts at scale tiny, of which nothing is there; two share their runs."""
    return of(NAMES, tmp_path_factory.mktemp("nothing"))


def of(names: tuple[str, ...], root: Path, scale: str = "tiny") -> Forecast:
    catalogue = Catalogue(Options(scale=scale))
    plan = Plan(catalogue, [_targets.request(name, catalogue) for name in names])
    return Forecast(States(plan, Workspace(root)), catalogue.scale(scale))


def name(addition) -> str:
    return addition.request.stem.split("/", 2)[2]


def test_each_next_one_adds_least_and_what_is_shared_counts_once(forecast: Forecast, tmp_path):
    found = additions(forecast)
    assert {name(one) for one in found} == set(NAMES)
    assert found[-1].until == pytest.approx(forecast.seconds()[0])
    assert sum(one.adds for one in found) == pytest.approx(found[-1].until)
    before = of(tuple(map(name, found[:2])), tmp_path).seconds()[0]
    assert found[1].until == pytest.approx(before), "as a plan of these alone says"
    last = of((*map(name, found[:2]), name(found[3])), tmp_path).seconds()[0]
    assert last - before >= found[2].adds, f"{name(found[3])} would have added less"
    assert min(found[2].adds, found[3].adds) < last - before - 1, "the tables of stepwise share their runs"


def test_what_a_scale_has_no_data_for_is_not_offered(tmp_path):
    found = additions(of(("directpred/table1", "directpred/table8"), tmp_path, "laptop"))
    assert [name(one) for one in found] == ["directpred/table8"]


def test_the_command_says_what_fits_and_what_to_type(monkeypatch, capsys, forecast):
    arguments = ["--config", "scale=tiny"]
    monkeypatch.setattr(_targets, "planned", lambda targets, known: _targets.Planned(
        forecast.states.plan, forecast.states, forecast.scale))  # fmt: skip
    first, second = additions(forecast)[:2]
    said = run(capsys, "--budget", f"{second.until + 0.001:.3f}s", *arguments)
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [name(first), name(second)]
    assert lines[3].startswith(f"2 of 4 artifacts and {first.claims + second.claims} of ")
    assert lines[-1] == (
        f"type: snakemake {' '.join(f'{one.request.stem}.{one.suffix}' for one in (first, second))} --cores 1 "
        "--config scale=tiny"
    )
    found = json.loads(run(capsys, "--budget", "1s", "--json", *arguments))
    assert (found["artifacts"], found["of"], found["budget"]) == ([], 4, 1.0)
    with pytest.raises(UserError, match=r"--budget soon: expected a length of time such as 45min or 2h"):
        run(capsys, "--budget", "soon", *arguments)
    with pytest.raises(UserError, match=r"--budget is of one scale"):
        run(capsys, "--budget", "2h", "--all")


def run(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    import argparse

    parser = argparse.ArgumentParser()
    command.add(parser)
    command.run(parser.parse_args(arguments))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45min", 2700), (" 1.5 h ", 5400), ("0h", None), ("2", None), ("2hours", None), ("-1h", None)],
)
def test_lengths_of_time_are_read(text, seconds):
    assert durations.parse(text) == seconds
