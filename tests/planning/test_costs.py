"""What a plan says of costs: operations of encoders, images of data sets, and what artifacts share."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import Project
from torch.utils.flop_counter import FlopCounterMode

from pipeline import components
from pipeline.ledger.families import MEASURE, PRETRAIN
from pipeline.ledger.workspace import Milestone
from pipeline.planning import costs
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.costs import Cost
from pipeline.planning.options import Options
from pipeline.planning.overview import overview
from pipeline.planning.plan import Plan
from pipeline.planning.spec import Estimate

RESIDUAL = [
    ({"kind": kind, "stem": stem}, side, 0.25 if stem == "cifar_padded" else 0.08)
    for kind in ("resnet18", "resnet50")
    for stem in ("stock", "tinyimagenet", "cifar", "cifar_padded")
    for side in (32, 64, 224)
]
SMALL = [
    ({"kind": "tiny_conv", "channels": [8, 16, 32, 32], "strides": [2, 1, 2, 1]}, 16, 1e-12),
    ({"kind": "tiny_conv", "channels": [4, 8], "strides": [1, 2]}, 7, 1e-12),
]


@pytest.mark.parametrize(("encoder", "side", "within"), [*RESIDUAL, *SMALL])
def test_operations_are_those_that_torch_counts(encoder, side, within):
    build = components.load(components.find("encoder", encoder["kind"])).build
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build((3, side, side), **{name: value for name, value in encoder.items() if name != "kind"})
        network.eval()(torch.empty(1, 3, side, side))
    assert costs.forward(encoder, side) == pytest.approx(counter.get_total_flops() / 2, rel=within)


def test_raw_pixels_cost_nothing_and_an_encoder_of_theirs_something():
    assert costs.forward({"kind": "pixels"}, 32) == 0
    assert costs.forward({"kind": "theirs"}, 32) > 0


@pytest.mark.parametrize(
    ("name", "split", "count"),
    [
        ("cifar10", "train", 50_000),
        ("stl10", "train+unlabeled", 105_000),
        ("stl10", "unlabeled", 100_000),
        ("imagenet", "train", 1_281_167),
        ("cifar10_unbalanced", "train", 14_736),
        ("shapes", "train", 2_000),
    ],
)
def test_images_are_those_that_are_declared(name, split, count):
    catalogue = Catalogue(Options())
    plan = Plan(catalogue, [])
    plan.add_data(name, {}, False, "here", "here")
    (data,) = plan.data.values()
    assert costs.images(data.params, data.omitted_defaults, split) == count
    assert costs.images(data.params, data.omitted_defaults, split, 0.5) == round(count / 2)


def test_a_cut_tail_and_a_limit_are_counted():
    plan = Plan(Catalogue(Options()), [])
    plan.add_data("shapes", {"train": 5560, "imbalance": 1.5}, False, "here", "here")
    plan.add_data("cifar10", {"limit_train": 2000}, False, "here", "here")
    tail, limited = plan.data.values()
    assert costs.images(tail.params, tail.omitted_defaults, "train") == pytest.approx(2000, rel=0.01)
    assert costs.images(limited.params, limited.omitted_defaults, "train") == 2000


def test_views_of_several_sizes_add_up():
    encoder = {"kind": "resnet18", "stem": "stock"}
    one = costs.step_image({"encoder": encoder, "views": {"count": 1}}, 32)
    assert costs.step_image({"encoder": encoder, "views": {"count": 4}}, 32) == 4 * one
    assert costs.step_image({"encoder": encoder, "views": {"count": 4, "size": 16}}, 32) == one
    assert costs.step_image({"encoder": encoder, "views": {"count": [2, 4], "size": [32, 16]}}, 32) == 3 * one


def test_images_seen_at_a_milestone():
    assert costs.seen(Milestone(epoch=3), 128, 50_000) == 150_000
    assert costs.seen(Milestone(step=7), 128, 50_000) == 896


def test_a_step_takes_a_while_for_each_view_however_small_it_is():
    guess = Estimate(speed=2.0, step=0.01)
    assert Cost(6e9, 200).seconds(guess) == pytest.approx(3 + 2)
    assert Cost(6e9, 200).since(Cost(2e9, 150)).seconds(guess) == pytest.approx(2 + 0.5)
    assert Cost(1e9, 1).since(Cost(2e9, 2)).seconds(guess) == 0
    catalogue = Catalogue(Options())
    plan = Plan(catalogue, [one for one in catalogue.built("tiny") if one.stem.endswith("multiview/figE2")])
    for config, planned in plan.runs.items():
        run, count = planned.run, planned.run["views"]["count"]
        views = sum(count) if isinstance(count, list) else count
        assert costs.spent(plan, config, Milestone(step=7)).passes == 7 * views
        assert costs.spent(plan, config, Milestone(step=7)).operations == 7 * run["batch_size"] * costs.step_image(
            run, costs.side(plan, config)
        )


def test_the_overview_is_what_plans_of_single_artifacts_add_up_to():
    catalogue = Catalogue(Options())
    found = overview(catalogue, "tiny")
    plans = {request.stem.split("/", 2)[2]: Plan(catalogue, [request]) for request in catalogue.built("tiny")}
    runs = {
        name: {(node.config, node.seed) for node in plan.nodes() if node.family is PRETRAIN}
        for name, plan in plans.items()
    }
    rows = {row.name: row for row in found.rows}
    for name, own in runs.items():
        others = set().union(*(theirs for other, theirs in runs.items() if other != name))
        assert (rows[name].runs, rows[name].shared) == (len(own), len(own & others)), name
        plan = plans[name]
        measurements = sum(node.family is MEASURE for node in plan.nodes())
        assert rows[name].seconds >= catalogue.scale("tiny").estimate.measurement * measurements
    everything = Plan(catalogue, catalogue.built("tiny"))
    assert found.runs == len({(n.config, n.seed) for n in everything.nodes() if n.family is PRETRAIN})
    assert found.seconds < sum(row.seconds for row in found.rows)


def test_all_targets_at_all_scales_are_listed(project: Project):
    for path in (project.root / "params/papers").glob("*.yaml"):
        if path.stem not in ("isoloss", "zoo"):
            path.unlink()
    said = project.pipeline("plan", "--all").stdout
    assert "14 of 92 targets of the papers, and" in said
    assert said.splitlines()[0].split()[-2:] == ["gpu", "paper"]
    found = json.loads(project.pipeline("plan", "--all", "--json").stdout)
    assert {row["name"] for row in found["tiny"]["rows"]} >= {"isoloss/table1"}
    refused = project.pipeline("plan", "--all", "table8", check=False)
    assert refused.returncode == 1
    assert (
        refused.stderr.strip() == "error: --all: lists every target at every scale; leave the targets and --specs out"
    )
