"""Artifacts that show a theory: a simulation is a node like any other, its records are cells, its curves a figure."""

from __future__ import annotations

import importlib
import json
from collections import Counter

import pytest
from conftest import Project, copy_project

from pipeline.simulation import draws

PAPER = """
paper: theirs
title: A theory of theirs
authors: somebody
year: 2027
artifacts:
  decay:
    title: Decay of a mode
    simulation: {kind: decay, rates: [0.5, 2.0]}
    quantity: value at the end
    rows: {rate: [0.5, 2.0]}
    columns: {quantity: [end, noisy]}
    claims:
      - {text: The faster mode ends lower, greater: [{rate: 0.5}, {rate: 2.0}], where: {quantity: end}}
      - {text: No mode grows, below: 1.0, where: {quantity: end}, for_each: [rate]}
  flow:
    title: Decay of a mode in time
    kind: figure
    draw: flow
    simulation: {kind: decay, rates: [0.5, 2.0]}
    rows: {rate: [0.5, 2.0]}
    fixed: {quantity: end}
"""

SIMULATION = '''
"""Exponential decay."""

import numpy as np

from pipeline.simulation.records import Simulation


def simulate(*, rates: list = [1.0], until: float = 3.0, replications: int = 4, seed: int = 0) -> Simulation:
    """Modes x' = -rate x from 1, and noisy readings of their ends."""
    made = Simulation()
    time = np.linspace(0.0, until, 31)
    for rate in rates:
        curve = np.exp(-rate * time)
        made.add(curve[-1], rate=rate, quantity="end")
        made.curves[f"x{rate}"] = curve
    made.curves["time"] = time

    def one(seed: int) -> Simulation:
        found, rng = Simulation(), np.random.default_rng(seed)
        for rate in rates:
            found.add(np.exp(-rate * time[-1]) + 0.01 * rng.standard_normal(), rate=rate, quantity="noisy")
        return found

    made.replicate(one, seed, replications)
    return made
'''

FIGURE = '''
"""Curves of a decay."""

from matplotlib.figure import Figure

from pipeline.artifacts.drawing import Drawing


def draw(rows, params, curves, *, width: float = 3.0):
    """One line per rate."""
    figure = Figure(figsize=(width, 2.0))
    axes = figure.subplots()
    records = []
    for row in rows:
        rate = row.axes["rate"]
        axes.plot(curves["time"], curves[f"x{rate}"], label=str(rate))
        records += [{"rate": rate, "quantity": "x", "value": float(x)} for x in curves[f"x{rate}"]]
    return Drawing(figure, ["rate"], records, "Decay.")
'''

CONFIG = ("--config", "scale=tiny", "extend=theirs")
TABLE, FLOW = "results/tiny/theirs/decay.csv", "results/tiny/theirs/flow.csv"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("theory") / "project")
    files = {
        "papers/theirs.yaml": PAPER,
        "simulations/decay.py": SIMULATION,
        "figures/flow.py": FIGURE,
    }
    for name, text in files.items():
        path = project.root / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project.snakemake(TABLE, FLOW, *CONFIG)
    return project


def test_two_artifacts_share_one_simulation(theirs):
    executed = Counter(entry["stage"] for entry in theirs.journal() if entry["decision"] == "executed")
    assert executed == {"simulate": 1, "table": 1, "figure": 1}


def test_exact_numbers_have_no_error_and_replications_have_one(theirs):
    report = json.loads((theirs.root / TABLE.replace(".csv", ".json")).read_text())
    cells = {(cell["axes"]["rate"], cell["axes"]["quantity"]): cell for cell in report["cells"]}
    assert cells[0.5, "end"]["mean"] == pytest.approx(0.22313016014842982, rel=1e-12)
    assert cells[0.5, "end"]["std"] is None and cells[0.5, "end"]["n"] == 1
    assert cells[2.0, "noisy"]["n"] == 2, "scale tiny cuts replications"
    assert [claim["verdict"] for claim in report["claims"]] == ["shown", "shown"]
    page = (theirs.root / TABLE.replace(".csv", ".md")).read_text()
    assert "0.223 " in page and "(1)" not in page and "too few seeds" not in page


def test_a_changed_param_runs_only_its_simulation(theirs):
    path = theirs.root / "theirs/papers/theirs.yaml"
    text = path.read_text()
    path.write_text(
        text.replace(
            "simulation: {kind: decay, rates: [0.5, 2.0]}\n    rows",
            "simulation: {kind: decay, rates: [0.5, 2.0], until: 4.0}\n    rows",
        )
    )
    assert theirs.build(TABLE, FLOW, *CONFIG) == {"simulate": 1, "figure": 1}
    path.write_text(text)
    assert theirs.build(TABLE, FLOW, *CONFIG) == Counter()


def test_audit_and_bundle_know_simulations(theirs):
    told = theirs.pipeline("audit", TABLE, *CONFIG).stdout
    assert "everything holds: 2 receipts" in told and "1 simulate" in told
    theirs.pipeline("bundle", TABLE, "-o", "decay.zip", *CONFIG)
    told = theirs.pipeline("verify", "decay.zip", check=False).stdout
    assert "\nUNANCHORED" in told
    assert "NOT verified" not in told and "the same bytes" in told
    record = next((theirs.root / "simulations").rglob("records.json"))
    content = record.read_text()
    record.write_text(content.replace("0.22", "0.23"))
    told = theirs.pipeline("audit", TABLE, *CONFIG, check=False)
    assert told.returncode == 1 and "records.json" in told.stdout
    record.write_text(content)


def test_the_site_and_the_graphs_show_simulations(theirs):
    theirs.pipeline("site", *CONFIG)
    page = (theirs.root / "site/tiny/theirs/flow.html").read_text()
    assert "<svg" in page and "decay" in page
    assert "simulate" in theirs.pipeline("audit", TABLE, "--mermaid", *CONFIG).stdout
    theirs.pipeline("audit", TABLE, "--html", "audit.html", *CONFIG)
    assert "Everything holds" in (theirs.root / "audit.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "simulation: {kind: decay, rates: [0.5, 2.0]}\n    quantity",
            "simulation: {kind: decai}\n    quantity",
            "did you mean decay?",
        ),
        ("rates: [0.5, 2.0]}\n    quantity", "rate: 1}\n    quantity", "decay has no such key; did you mean rates?"),
        (
            "    quantity: value at the end",
            "    measure: probe",
            "expected measure, simulation or configuration, one of them",
        ),
    ],
)
def test_a_wrong_declaration_is_one_line(theirs, old, new, line):
    path = theirs.root / "theirs/papers/theirs.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = theirs.pipeline("plan", "decay", *CONFIG, check=False)
    path.write_text(text)
    assert done.returncode == 1 and line in done.stderr and done.stderr.count("\n") == 1


DRAWN = [
    ("directpred", "theorems"), ("directpred", "appd"), ("multiview", "equations"), ("stepwise", "propositions"),
]  # fmt: skip


@pytest.mark.parametrize(("paper", "name"), DRAWN)
def test_identities_of_random_matrices_are_replicated(paper: str, name: str) -> None:
    """One draw is no theory: a single number would count as exact, and the stage refuses it."""
    simulate = importlib.import_module(f"pipeline.papers.{paper}.simulations.{name}").simulate
    with draws.watched():
        made = simulate(replications=2)
    assert made.records and not made.doubtful
    assert all(len(record["value"]) == 2 for record in made.records)
