"""What an artifact can say: several measures, other data sets, milestones at steps, cells that follow from others."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from conftest import Project, add_mini, copy_project
from safetensors.numpy import load_file

from pipeline.artifacts.derive import values
from pipeline.errors import UserError
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

MORE = """
  lrs: {grow: {optimizer: {lr: 0.05}}}
measures:
  probe: {measure: {kind: linear_probe}, value: top1_last, unit: "%"}
  held out: {measure: {kind: linear_probe, held_out: 0.25}, value: top1_last, unit: "%"}
  neighbours: {measure: {kind: knn, k: 5}, value: top1, unit: "%"}
  loss: {measure: {kind: linear_probe}, value: train_loss, better: lower}
  minutes: {measure: {kind: timing, warm_up: 1, steps: 2, repeats: 2}, value: epoch_minutes, unit: min, better: lower}
  curve: {measure: {kind: losses, points: 2}, value: last, better: lower}
  transfer: {measure: {kind: knn, k: 5}, value: top1, unit: "%", data: {fit: stl10, evaluate: stl10}}
"""

QUANTITIES = """  quantity:
    best: {derive: {best: lr, by: held out}}
    chosen: {derive: {place: lr, by: held out}}
    gain: {derive: {minus: {method: plain}}}
    plain: {}
  when:
    first: {derive: {first: epochs, reaching: 1.0}}
    never: {derive: {first: epochs, reaching: 101.0}}
    other: {derive: {first: epochs, reaching: {method: direct, epochs: 100}}}
    cost: {derive: {first: epochs, reaching: 1.0, times: loss}}
"""

ARTIFACTS = """
  several:
    title: Several measures
    rows: {method: [plain, direct]}
    columns: {measure: [probe, neighbours, loss, transfer, minutes, curve]}
    fixed: {dataset: cifar10, epochs: 100}
    seeds: 2
    baselines: false
  track:
    title: Along training
    rows: {method: [direct]}
    columns: {steps: {start: 1, stop: 64, count: 4}}
    fixed: {dataset: cifar10}
    measure: neighbours
    seeds: 2
    baselines: false
  derived:
    title: Cells that follow from others
    rows: {method: [direct]}
    columns: {quantity: [best, chosen]}
    over: {lr: [0.05, 0.1]}
    fixed: {dataset: cifar10, epochs: 100}
    measure: probe
    seeds: 2
    baselines: false
    claims:
      - {text: It is above nothing, above: 0, where: {quantity: best}}
  gain:
    title: A difference
    rows: {method: [direct]}
    columns: {quantity: [gain]}
    fixed: {dataset: cifar10, epochs: 100}
    measure: probe
    seeds: 2
    baselines: false
  when:
    title: When
    rows: {method: [plain]}
    columns: {when: [first, never, cost, other]}
    over: {epochs: [100, 300]}
    fixed: {dataset: cifar10}
    measure: probe
    seeds: 2
    baselines: false
    claims:
      - {text: It gets there, above: 0, where: {when: never}}
"""


def declare(project: Project) -> Project:
    """The mini paper with all of it."""
    path = project.root / "params/papers/mini.yaml"
    text = path.read_text()
    head, _, rest = text.partition("measures:\n")
    measures = MORE.partition("measures:\n")[2]
    rest = rest.partition("axes:\n")[2]
    text = f"{head}measures:\n{measures}axes:\n{QUANTITIES}{rest}{ARTIFACTS}"
    path.write_text(text)
    scale = project.root / "params/scales/mini.yaml"
    scale.write_text(
        scale.read_text().replace(
            "size: 8}}", "size: 8}, stl10: {name: shapes, train: 64, test: 32, size: 8, seed: 5}}\nsteps: {64: 6}"
        )
    )
    return project


ALL = [f"results/mini/mini/{name}.csv" for name in ("several", "track", "derived", "gain", "when")]


@pytest.fixture(scope="module")
def grammar(tmp_path_factory) -> Project:
    project = declare(add_mini(copy_project(tmp_path_factory.mktemp("grammar") / "project")))
    project.build(*ALL)
    return project


def report(project: Project, name: str) -> dict:
    return json.loads((project.root / f"results/mini/mini/{name}.json").read_text())


def cell(project: Project, name: str, **axes) -> dict:
    (found,) = [c for c in report(project, name)["cells"] if axes.items() <= c["axes"].items()]
    return found


def score(project: Project, node: str, name: str) -> float:
    return json.loads((project.root / node / "scores.json").read_text())[name]


def test_several_measures_each_with_its_value_and_unit(grammar):
    probe, knn, loss = (cell(grammar, "several", method="plain", measure=m) for m in ("probe", "neighbours", "loss"))
    assert (probe["unit"], loss["unit"]) == ("%", "")
    assert probe["nodes"] == loss["nodes"] and probe["nodes"] != knn["nodes"]
    for found, name in ((probe, "top1_last"), (knn, "top1"), (loss, "train_loss")):
        assert found["seeds"] == {seed: score(grammar, node, name) for seed, node in found["nodes"].items()}


def test_the_lower_loss_is_best_in_its_column(grammar):
    both = [cell(grammar, "several", method=method, measure="loss") for method in ("plain", "direct")]
    assert [found["best"] for found in both] == [found["mean"] == min(f["mean"] for f in both) for found in both]


def test_a_measure_on_another_data_set(grammar):
    own, other = (cell(grammar, "several", method="plain", measure=name) for name in ("neighbours", "transfer"))
    assert (score(grammar, own["nodes"]["0"], "n_test"), score(grammar, other["nodes"]["0"], "n_test")) == (64, 32)
    receipt = json.loads((grammar.root / f"receipts/{other['nodes']['0']}.json").read_text())
    assert (
        receipt["inputs"]["fit"]["node"] == receipt["inputs"]["evaluate"]["node"] != receipt["inputs"]["data"]["node"]
    )


def test_minutes_are_measured_once_per_run_and_have_a_receipt(grammar):
    found = cell(grammar, "several", method="plain", measure="minutes")
    (node, other) = found["nodes"].values()
    assert "/epoch0000/timing-" in node and node != other
    known = {name: score(grammar, node, name) for name in ("step_seconds", "epoch_views", "n", "hardware", "mode")}
    assert known["epoch_views"] == 2 * 96 and known["n"] == 2 and known["hardware"]
    assert math.isclose(found["seeds"]["0"], known["step_seconds"] * 3 / 60)  # three minibatches of 32
    receipt = json.loads((grammar.root / f"receipts/{node}.json").read_text())
    assert receipt["stage"] == "timing" and receipt["outputs"]


def test_the_loss_of_a_training_is_read_off_its_record(grammar):
    node = cell(grammar, "several", method="plain", measure="curve")["nodes"]["0"]
    losses = load_file(grammar.root / Path(node.replace("measurements", "checkpoints")).parent / "losses.safetensors")[
        "loss"
    ]
    losses = losses.astype("float64")
    assert score(grammar, node, "curve") == {
        "step": [2, 3],
        "loss": [losses[:2].mean(), losses[2]],
    }


def test_along_training(grammar):
    found = [cell(grammar, "track", steps=steps) for steps in (1, 4, 16, 64)]
    assert [c["trained_steps"] for c in found] == [1, 2, 3, 6]
    assert [node.split("/")[3] for c in found for node in c["nodes"].values()] == [
        f"step{n:06d}" for n in (1, 2, 3, 6) for _ in range(2)
    ]
    rows = list(csv.DictReader((grammar.root / "results/mini/mini/track.csv").read_text().splitlines()))
    assert [(row["steps"], row["trained_steps"], row["trained_epochs"]) for row in rows][-1] == ("64", "6", "")


def test_the_best_place_is_chosen_on_images_held_out(grammar):
    best, place = (cell(grammar, "derived", quantity=name) for name in ("best", "chosen"))
    (params,) = [
        json.loads(p.read_text())["params"] for p in grammar.root.glob("results/mini/mini/derived.receipt.json")
    ]
    parts = params["cells"][0]["derive"]["parts"]
    judged = [
        math.fsum(score(grammar, node, "top1_last") for node in part["held out"]) / len(part["held out"])
        for part in parts
    ]
    chosen = parts[judged.index(max(judged))]
    assert list(best["nodes"].values()) == chosen["nodes"]
    assert set(place["seeds"].values()) == {chosen["at"]} and place["unit"] == ""
    assert f"lr {chosen['at']} of 2, chosen by held out" in best["note"]
    held = score(grammar, parts[0]["held out"][0], "n_test"), score(grammar, parts[0]["held out"][0], "n_train")
    assert held == (24, 72)


def test_a_difference_seed_by_seed(grammar):
    found = cell(grammar, "gain", quantity="gain")
    sides = {m: cell(grammar, "several", method=m, measure="probe")["seeds"] for m in ("plain", "direct")}
    assert found["seeds"] == {seed: sides["direct"][seed] - sides["plain"][seed] for seed in ("0", "1")}


def test_when_a_threshold_is_reached_and_that_it_is_not(grammar):
    first, never, cost = (cell(grammar, "when", when=name) for name in ("first", "never", "cost"))
    assert first["seeds"] == {"0": 100, "1": 100} and never["seeds"] == {"0": "not reached", "1": "not reached"}
    (params,) = [json.loads(p.read_text())["params"] for p in grammar.root.glob("results/mini/mini/when.receipt.json")]
    losses = params["cells"][2]["derive"]["parts"][0]["loss"]
    trained = cell(grammar, "several", method="plain", measure="probe")["trained_epochs"]  # of 100
    assert trained < 100
    assert list(cost["seeds"].values()) == [trained * score(grammar, node, "train_loss") for node in losses]
    other = cell(grammar, "when", when="other")
    level = cell(grammar, "several", method="direct", measure="probe")["seeds"]
    track = {
        epochs: part["nodes"] for epochs, part in zip((100, 300), params["cells"][3]["derive"]["parts"], strict=True)
    }
    for number, seed in enumerate(("0", "1")):
        reached = [
            epochs for epochs, nodes in track.items() if score(grammar, nodes[number], "top1_last") >= level[seed]
        ]
        assert other["seeds"][seed] == (reached[0] if reached else "not reached")
    (claim,) = report(grammar, "when")["claims"]
    assert claim["verdict"] == "undecided (seeds that did not come that far)"
    assert "not reached" in (grammar.root / "results/mini/mini/when.md").read_text()


def test_all_of_it_is_audited_and_verified(grammar, tmp_path):
    assert "Nothing to be done" in grammar.snakemake(*ALL).stderr
    for path in ALL:
        assert "everything holds" in grammar.pipeline("audit", path).stdout.lower(), path
    pack = tmp_path / "pack.zip"
    grammar.pipeline("bundle", ALL[2], "-o", str(pack))
    done = grammar.pipeline("verify", str(pack), check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr


def test_a_forged_choice_is_found(grammar, tmp_path):
    """The second learning rate is shown where the first was chosen, or the other way round."""
    project = grammar.copy(tmp_path / "project")
    path = project.root / "results/mini/mini/derived.json"
    found = json.loads(path.read_text())
    part = found["cells"][0]
    part["mean"] = part["mean"] + 1
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert project.pipeline("audit", ALL[2], check=False).returncode != 0


# -- what cannot be


def planned(tmp_path: Path, old: str, new: str) -> Plan:
    project = declare(add_mini(copy_project(tmp_path / "project")))
    project.edit("params/papers/mini.yaml", old, new)
    catalogue = Catalogue(Options.parse({"scale": "mini"}, {}), project.root / "params")
    return Plan(catalogue, [catalogue.request(path) for path in ALL])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{best: lr, by: held out}", "{best: lr}", "derive: by goes with best and place"),
        ("{best: lr, by: held out}", "{best: size, by: held out}", "expected an axis in over \\(lr\\), found 'size'"),
        ("{best: lr, by: held out}", "{best: lr, by: nobody}", "nobody is none of"),
        ("{minus: {method: plain}}", "{minus: {methods: plain}}", "derive.minus: did you mean method"),
        ("measure: neighbours\n    seeds: 2", "measure: nobody\n    seeds: 2", "measure: nobody is none of"),
        ("start: 1, stop: 64", "start: 64, stop: 64", "start: expected a number below stop"),
        ("columns: {steps: {start: 1, stop: 64, count: 4}}", "columns: {steps: [0, 1]}", "steps: expected"),
        ("{derive: {first: epochs, reaching: 101.0}}", "{}", "only cells that derive run over it"),
        ("data: {fit: stl10", "data: {fitted: stl10", "data"),
    ],
)
def test_one_line_for_a_mistake(tmp_path, old, new, message):
    with pytest.raises(UserError, match=message):
        planned(tmp_path, old, new)


def test_what_is_multiplied_are_the_epochs_that_the_scale_trains(tmp_path):
    """The axis is the paper's: what a place on it costs are epochs of this machine."""
    project = declare(add_mini(copy_project(tmp_path / "project")))
    for mapped, trained in ((None, [1, 2]), ("{100: 100, 300: 300}", [100, 300])):
        if mapped:
            project.edit("params/scales/mini.yaml", "epochs: {100: 1, 300: 2}", f"epochs: {mapped}")
        catalogue = Catalogue(Options.parse({"scale": "mini"}, {}), project.root / "params")
        (artifact,) = Plan(catalogue, [catalogue.request("results/mini/mini/when.csv")]).artifacts.values()
        rules = {cell["axes"]["when"]: cell["derive"] for cell in artifact.params["cells"]}
        assert [part["at"] for part in rules["cost"]["parts"]] == trained
        assert [part["stands_for"] for part in rules["cost"]["parts"]] == [100, 300]
        assert [part["at"] for part in rules["first"]["parts"]] == [100, 300], "a place is the paper's"


def minus(first, second, read):
    rule = {"rule": "minus", "minus": {"method": second}, "parts": [{"nodes": first}, {"nodes": second}]}
    return {seed: value for seed, (value, _) in values(rule, "top1", "higher", read, "t").seeds.items()}


def test_a_place_without_all_its_seeds_is_not_chosen_and_what_follows_says_why():
    nodes = {"a": [50.0, "diverged"], "b": [40.0, 41.0], "c": [3.0, "not defined"]}

    def read(names, value):
        return {seed: (number, f"{names}{seed}") for seed, number in enumerate(nodes[names])}

    assert minus("a", "b", read) == {0: 10.0, 1: "diverged"} and minus("b", "c", read) == {0: 37.0, 1: "not defined"}

    rule = {
        "rule": "best", "best": "lr", "by": "x", "x.value": "top1", "x.better": "higher",
        "parts": [{"at": 1, "nodes": "a", "x": "a"}, {"at": 2, "nodes": "b", "x": "b"}],
    }  # fmt: skip
    found = values(rule, "top1", "higher", read, "t")
    assert {seed: value for seed, (value, _) in found.seeds.items()} == {0: 40.0, 1: 41.0}
    lower = values({**rule, "x.better": "lower", "parts": rule["parts"][1:]}, "top1", "lower", read, "t")
    assert lower.seeds[0][0] == 40.0
