"""Milestones between epochs: what they hold, and that a training is the same however often it is looked at."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from trainings import make_works, run_spec, write_noise

from pipeline.ledger.workspace import Milestone, Node, checkpoint, is_node, measurement
from pipeline.nets.checkpoint import read_summary
from pipeline.planning.spec import Axis, Scale, Spaced
from pipeline.training import pretrain
from pipeline.training.batches import fraction_of, steps_of
from pipeline.work import Work

PER_EPOCH = 7
"""Steps of an epoch: 98 images in minibatches of 16, the last one of 2."""


def with_steps(root: Path, data: Path, epochs: list[int], steps: list[int], **more) -> list[Work]:
    """Works of milestones of both kinds, in the order in which the executor hands them out."""
    works = make_works(run_spec(), epochs, root, data, **more)
    for step in steps:
        out = root / f"step{step:06d}"
        out.mkdir(parents=True)
        first = works[0]
        name = f"{root.name}/seed{first.seed}/step{step:06d}"
        works.append(
            Work(name, first.spec, out, first.inputs, seed=first.seed, step=step, scratch=first.scratch,
                 components=first.components, context=first.context)
        )  # fmt: skip
    return sorted(works, key=lambda work: Milestone(work.epoch, work.step or 0))


def payload(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path, list[Work]]:
    """Data, and a training that was looked at in and between its epochs."""
    data = write_noise(tmp_path_factory.mktemp("noise"))
    root = tmp_path_factory.mktemp("run") / "looked"
    done = list(pretrain.execute(with_steps(root, data, [1, 2], [1, 5, 7, 10, 14])))
    return data, root, done


def test_a_training_has_the_same_bytes_however_often_it_is_looked_at(trained, tmp_path):
    data, root, _ = trained
    list(pretrain.execute(make_works(run_spec(), [1, 2], tmp_path / "plain", data)))
    for epoch in ("epoch0001", "epoch0002"):
        assert payload(root / epoch) == payload(tmp_path / "plain" / epoch)


def test_between_epochs_there_is_nothing_from_which_a_training_goes_on(trained):
    _, root, _ = trained
    assert sorted(payload(root / "step000005")) == ["losses.safetensors", "model.safetensors", "summary.json"]
    assert sorted(payload(root / "epoch0001")) == [
        "history.csv", "losses.safetensors", "model.safetensors", "state.safetensors", "summary.json",
    ]  # fmt: skip
    assert read_summary(root / "step000005")["step"] == 5


def test_a_step_at_the_end_of_an_epoch_has_its_weights(trained):
    _, root, _ = trained
    for step, epoch in ((PER_EPOCH, 1), (2 * PER_EPOCH, 2)):
        names = f"step{step:06d}", f"epoch{epoch:04d}"
        one, other = (load_file(root / name / "model.safetensors") for name in names)
        assert all(torch.equal(one[name], other[name]) for name in other)


def test_milestones_come_in_the_order_of_the_training(trained):
    _, _, done = trained
    assert [work.name.rsplit("/", 1)[1] for work in done] == [
        "step000001", "step000005", "step000007", "epoch0001", "step000010", "step000014", "epoch0002",
    ]  # fmt: skip
    assert [round(work.trained_epochs * PER_EPOCH) for work in done] == [1, 5, 7, 7, 10, 14, 14]


def test_the_loss_of_every_step_is_kept(trained):
    """Their mean over the images of an epoch is the loss of its row in the history."""
    _, root, _ = trained
    losses = load_file(root / "epoch0002/losses.safetensors")["loss"]
    assert losses.shape == (2 * PER_EPOCH,) and losses.dtype == torch.float32
    images = torch.tensor([16.0] * 6 + [2.0])
    rows = (root / "epoch0002/history.csv").read_text().splitlines()[1:]
    for epoch, row in enumerate(rows):
        mean = (losses[epoch * PER_EPOCH : (epoch + 1) * PER_EPOCH] * images).sum() / 98
        assert math.isclose(mean, float(row.split(",")[1]), rel_tol=1e-6)
    for name, steps in (("epoch0001", PER_EPOCH), ("step000010", 10)):
        assert torch.equal(load_file(root / name / "losses.safetensors")["loss"], losses[:steps])


@pytest.mark.parametrize("ended_after", [3, 6, 9])
def test_after_a_crash_it_goes_on_to_the_same_bytes(trained, tmp_path, monkeypatch, ended_after):
    data, root, _ = trained
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen = 0
    add = pretrain.StepLosses.add

    def dying(self, step, loss):
        nonlocal seen
        seen += 1
        if seen > ended_after:
            raise KeyboardInterrupt
        add(self, step, loss)

    monkeypatch.setattr(pretrain.StepLosses, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        list(pretrain.execute(with_steps(tmp_path / "first", data, [1, 2], [1, 5, 7, 10, 14], scratch=scratch)))
    monkeypatch.setattr(pretrain.StepLosses, "add", add)
    list(pretrain.execute(with_steps(tmp_path / "again", data, [2], [10, 14], scratch=scratch)))
    for name in ("epoch0002", "step000010", "step000014"):
        assert payload(tmp_path / "again" / name) == payload(root / name), name


def test_it_goes_on_from_an_earlier_epoch(trained, tmp_path):
    data, root, _ = trained
    works = with_steps(tmp_path / "more", data, [2], [10])
    for work in works:
        work.resume = root / "epoch0001"
    list(pretrain.execute(works))
    for name in ("epoch0002", "step000010"):
        assert payload(tmp_path / "more" / name) == payload(root / name)


def test_of_a_training_that_diverges_a_step_has_no_weights(tmp_path):
    data = write_noise(tmp_path)
    works = with_steps(tmp_path / "wild", data, [1], [2, 6])
    for work in works:
        work.spec["optimizer"] = {**work.spec["optimizer"], "lr": 1e30}
    list(pretrain.execute(works))
    summary = json.loads((tmp_path / "wild/step000006/summary.json").read_text())
    assert (summary["outcome"], summary["diverged_in_epoch"]) == ("diverged", 1)
    assert sorted(payload(tmp_path / "wild/step000006")) == ["losses.safetensors", "summary.json"]


# -- names


def test_names_of_milestones():
    node = checkpoint("shapes-a-b-c-1", 0, Milestone(step=120))
    assert node.name == "checkpoints/shapes-a-b-c-1/seed0/step000120" and is_node(node.name)
    assert (node.epoch, node.step, node.seed, node.milestone) == (None, 120, 0, "seed0/step000120")
    below = measurement(node.config, 0, node.at, "knn-1").resolve_input("checkpoints/{config}/{milestone}")
    assert below == node and Node(below.name).at == Milestone(step=120)
    assert checkpoint("a", 1, 8) == checkpoint("a", 1, Milestone(8))
    assert not is_node("checkpoints/a/seed0/step12/../x")


# -- how an artifact and a scale say it


def test_a_logarithmic_axis():
    assert Spaced(start=1, stop=64, count=7).values() == [1, 2, 4, 8, 16, 32, 64]
    assert Spaced(start=1, stop=4, count=100).values() == [1, 2, 3, 4]
    assert Axis.__metadata__[-1].func({"start": 1, "stop": 8, "count": 4}) == [1, 2, 4, 8]


@given(st.integers(2, 10**6), st.integers(2, 10**6), st.lists(st.integers(1, 10**6), min_size=2, max_size=20))
def test_steps_of_a_scale_keep_their_order_and_their_ends(paper, ours, steps):
    scale = Scale.model_validate({"title": "x", "steps": {paper: ours}, "estimate": {"measurement": 1}})
    taken = [scale.taken(step) for step in sorted(steps)]
    assert taken == sorted(taken) and min(taken) >= 1
    assert scale.taken(1) == 1 and scale.taken(paper) == ours


# -- a share of the images


def test_a_fraction_of_the_images_is_of_the_seed_and_of_nothing_else(tmp_path):
    images = torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1)
    half = fraction_of(images, 0.5, seed=1).flatten().tolist()
    assert len(half) == 25 and half == sorted(half) and half == fraction_of(images, 0.5, seed=1).flatten().tolist()
    assert half != fraction_of(images, 0.5, seed=2).flatten().tolist()
    assert set(fraction_of(images, 0.2, seed=1).flatten().tolist()) < set(half)
    assert fraction_of(images, 1.0, seed=1) is images


def test_a_training_on_a_fraction_has_fewer_steps_and_measures_all(tmp_path):
    data = write_noise(tmp_path)
    works = make_works(run_spec() | {"fraction": 0.5}, [1], tmp_path / "half", data)
    (done,) = pretrain.execute(works)
    summary = read_summary(done.out)
    assert (summary["images"], summary["steps_per_epoch"]) == (49, 3) and steps_of(49, 16) == 3
    assert load_file(done.out / "losses.safetensors")["loss"].shape == (3,)
