"""What draws random numbers is never counted as exact."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import components
from pipeline.artifacts.lost import DIVERGED
from pipeline.artifacts.rows import read
from pipeline.errors import UserError
from pipeline.simulation import draws, stage
from pipeline.simulation.records import Simulation
from pipeline.work import Work

ROOT = Path(__file__).resolve().parents[2]

# -- the watch


def test_generators_are_counted_whoever_asks():
    assert draws.asked() == 0
    before = np.random.default_rng, np.random.PCG64
    with draws.watched():
        first = np.random.default_rng(3).random()
        np.random.PCG64(1).random_raw()
        assert draws.asked() == 2
        with draws.watched():
            assert draws.asked() == 0
        assert draws.asked() == 2
    assert draws.asked() == 0 and (np.random.default_rng, np.random.PCG64) == before
    assert first == np.random.default_rng(3).random(), "watching changes no number"


def test_nothing_else_draws():
    """Whatever theory and the sources of data call for random numbers is watched."""
    for path in [*(ROOT / "pipeline").rglob("*.py")]:
        if path.relative_to(ROOT / "pipeline").parts[0] not in ("simulation", "data", "kernels", "papers"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in ("default_rng", "PCG64", "Generator"), f"{path}: {ast.unparse(node)}"
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            origin = node.module if isinstance(node, ast.ImportFrom) else ""
            assert "random" not in names and origin not in ("random", "numpy.random"), f"{path}: {ast.unparse(node)}"
            assert not (isinstance(node, ast.Attribute) and node.attr in ("rvs", "Generator") and _called(tree, node))


def _called(tree: ast.AST, wanted: ast.Attribute) -> bool:
    """Whether it is called, not only named in an annotation; a generator made of watched bits is watched."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.func is wanted]
    return any("PCG64" not in ast.unparse(node) and "bits" not in ast.unparse(node) for node in calls)


# -- the stage


def work(tmp_path: Path, body: str, **params: Any) -> Work:
    """A simulation of one's own with this body, and a work that runs it."""
    path = tmp_path / f"theirs{abs(hash(body))}.py"
    arguments = ", ".join(f"{name}={value!r}" for name, value in params.items())
    head = "import numpy as np\nfrom pipeline.simulation.records import Simulation\n\n\n"
    path.write_text(f"{head}def simulate(*, {arguments}):\n    made = Simulation()\n{body}    return made\n")
    spec = {"simulation": {"kind": "theirs", **params}}
    (tmp_path / "out").mkdir(exist_ok=True)
    return Work("simulations/theirs", spec, tmp_path / "out", components={"simulation": path})


ONE = """\
    def one(seed):
        found = Simulation()
        found.add(np.random.default_rng(seed).random(), quantity="random")
        if seed != 6:
            found.add(float(seed), quantity="seed")
        found.curves = {"seed": np.array([seed])}
        return found
"""


def records(made: Work) -> list[dict[str, Any]]:
    (done,) = stage.execute([made])
    return json.loads((done.out / "records.json").read_text())


def test_replications_have_a_number_for_each_seed(tmp_path):
    body = ONE + "    made.add(2.0, quantity='exact')\n    made.replicate(one, seed, replications)\n"
    exact, random, seeds = records(work(tmp_path, body, replications=3, seed=5))
    assert exact == {"quantity": "exact", "value": 2.0}
    assert random["value"] == [np.random.default_rng(seed).random() for seed in (5, 6, 7)]
    assert seeds["value"] == [5.0, None, 7.0]
    from pipeline.simulation.curves import read_curves

    assert read_curves(tmp_path / "out")["seed"].tolist() == [5], "curves are those of the first"


def test_a_replication_without_a_number_is_said(tmp_path):
    body = ONE + "    made.replicate(one, seed, replications)\n"
    (done,) = stage.execute([work(tmp_path, body, replications=3, seed=5)])
    cell = {"axes": {"quantity": "seed"}, "role": "cell", "dataset": "", "paper_dataset": "", "trained_epochs": 0}
    spec = {"cells": [{**cell, "missing": None, "nodes": ["simulations/theirs"]}], "measure": {"value": "", "unit": ""}}
    spec |= {"rows": ["quantity"], "columns": [], "fixed": {}, "published": []}
    ((row,), _) = read(Work("results/x", spec, tmp_path, {"simulations/theirs": done.out}))
    assert row.seeds == {0: 5.0, 1: DIVERGED, 2: 7.0} and row.lost == {DIVERGED: 1} and not row.exact


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            ONE + "    made.records += one(seed).records\n    made.add(1.0, quantity='x')\n",
            "quantity x: a single number",
        ),
        ("    np.random.PCG64(1)\n    made.add(1.0, quantity='x')\n", "quantity x: a single number counts as exact"),
        (ONE + "    made.replicate(one, seed, replications)\n    made.add(1.0, quantity='x')\n", "x: a single number"),
        ("    made.add([float('nan')], quantity='x')\n", "quantity x: [nan] is no finite number"),
    ],
)
def test_what_draws_is_never_exact(tmp_path, body, line):
    with pytest.raises(UserError, match=r"^simulations/theirs: ") as error:
        records(work(tmp_path, body, replications=2, seed=0))
    assert line in str(error.value) and "\n" not in str(error.value)


def test_what_draws_has_a_seed(tmp_path):
    with pytest.raises(UserError, match="draws random numbers without a parameter; add to it: seed: int = 0"):
        records(work(tmp_path, "    made.add([np.random.default_rng().random()], quantity='x')\n", replications=2))


# -- every simulation of the papers


SMALL: dict[str, dict[str, Any]] = {
    "directpred_fig3": {"starts": 4, "marks": 10},
    "directpred_fig5": {"steps": 300},
    "directpred_fig7": {"steps": 40},
    "directpred_fig8": {"until": 20.0},
    "directpred_fig9": {"until": 20.0},
    "directpred_table4": {"starts": 5, "until": 50.0},
    "embnorms_fig2a": {"pairs": 40, "norms": [0.5, 1.0, 2.0, 10.0], "alphas": [-0.5, 0.0, 0.5], "samples": 500},
    "embnorms_fig2b": {"members": 60, "epochs": 1},
    "embnorms_fig2c": {"members": 60, "epochs": 1},
    "embnorms_figS2": {"members": 60, "epochs": 1, "kept": 5},
    "isoloss_fig4": {"steps": 20, "samples": 100},
    "isoloss_thm1": {"until": 1.0, "dimension": 50},
    "isoloss_thm2": {"samples": 200},
    "isoloss_toy": {"steps": 20, "steps_without_predictor": 400, "samples": 20, "samples_without_predictor": 20},
    "multiview_fig6abc": {"images": 40},
    "multiview_fig7": {"images": 40, "samples": 3},
    "multiview_toyB4": {"long": 20.0, "draws": 50},
    "stepwise_exact": {"pairs": 8, "size": 16, "crop": 8, "hidden": 64, "outputs": 3, "steps": 50},
    "stepwise_fig1ab": {"pairs": 60, "size": 16, "crop": 8, "outputs": 4, "rate": 2e-4},
    "stepwise_fig2ab": {
        "pairs": 8, "size": 16, "crop": 8, "hidden": 256, "outputs": 3, "alpha": 1e-3, "rate": 1e-3, "steps": 2000,
    },
}  # fmt: skip
"""What makes a simulation small; its other params are those of the artifact."""


def declared() -> dict[str, dict[str, Any]]:
    """Kind of each simulation -> leaves that some artifact gives it."""
    found = {}
    for path in sorted((ROOT / "params/papers").glob("*.yaml")):
        for artifact in yaml.safe_load(path.read_text(encoding="utf-8"))["artifacts"].values():
            if "simulation" in artifact:
                given = artifact["simulation"]
                given = {"kind": given} if isinstance(given, str) else given
                found[given["kind"]] = given
    return found


CHEAP = {
    *("directpred/fig3", "directpred/fig4", "directpred/appd", "embnorms/fig1"),
    *("multiview/equations", "stepwise/fig8", "stepwise/propositions", "isoloss/thm2"),
}
"""Simulations that take a second or two; the others run in `make test-all`."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in CHEAP else pytest.mark.slow) for kind in declared()]
)
def test_what_a_paper_counts_as_exact_is_the_same_for_every_seed(kind):
    params = components.resolve("simulation", dict(declared()[kind]), "test") | SMALL.get(kind, {})
    params.pop("kind")
    params |= {"replications": 2} if "replications" in params else {}
    component = components.load(components.find("simulation", kind))

    def run(**more: Any) -> Simulation:
        with draws.watched():
            made = component.simulate(**params, **more)
            random.append(draws.asked() > 0)
        assert made.doubtful == []
        return made

    random: list[bool] = []
    if "seed" not in params:
        run()
        assert random == [False]
        return
    seed = params.pop("seed")
    first, second = run(seed=seed), run(seed=seed + 1000)
    assert random == [True, True], "a seed that nothing is drawn from"
    exact = [[record for record in made.records if not isinstance(record["value"], list)] for made in (first, second)]
    assert exact[0] == exact[1]
    lists = [[r["value"] for r in made.records if isinstance(r["value"], list)] for made in (first, second)]
    assert all(len(values) == 2 for values in lists[0])
