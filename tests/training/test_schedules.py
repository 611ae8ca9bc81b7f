"""Curves over a training in both flavours: learning rate, momentum of the target, weight decay; against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from trainings import make_works, run_spec, write_noise

from pipeline.nets.targets import ema
from pipeline.training import pretrain
from pipeline.training.optimizers import lars, sgd
from pipeline.training.schedules import constant, cosine

torch.set_num_threads(1)

EPOCHS, PER_EPOCH = 100, 20
FLAVOURS: dict[str, dict[str, float]] = {
    "isoloss paper": {"rate": 0.1, "start": 0.0, "momentum": 0.996, "decay": 4e-4},
    "isoloss released": {"rate": 1.0, "start": 3e-5, "momentum": 0.99, "decay": 1e-4},
}


def halved(way: float) -> float:
    return (1 + math.cos(math.pi * way)) / 2


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_learning_rate_rises_for_ten_epochs_and_falls_to_nothing(flavour: str) -> None:
    rate, start = FLAVOURS[flavour]["rate"], FLAVOURS[flavour]["start"]
    factor = cosine.build(epochs=EPOCHS, warmup=10.0, final=0.0, start=start / rate)
    curve = [rate * factor(step / PER_EPOCH) for step in range(EPOCHS * PER_EPOCH + 1)]
    for step, found in enumerate(curve):
        epoch = step / PER_EPOCH
        expected = start + (rate - start) * epoch / 10 if epoch < 10 else rate * halved((epoch - 10) / 90)
        assert found == pytest.approx(expected, abs=1e-15)
    assert curve[0] == pytest.approx(start) and curve[-1] == pytest.approx(0, abs=1e-15)
    assert max(curve) == curve[10 * PER_EPOCH] == rate
    # continuous where they meet: no step is longer than that of the warm-up, and the join is approached from both sides
    assert max(abs(b - a) for a, b in pairwise(curve)) < 1.001 * rate / (10 * PER_EPOCH)
    assert rate * factor(10 - 1e-9) == pytest.approx(rate, rel=1e-8) == rate * factor(10 + 1e-9)


def test_directpred_has_one_rate() -> None:
    assert {constant.build()(step / PER_EPOCH) for step in range(EPOCHS * PER_EPOCH)} == {1.0}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_weight_of_the_initial_target_along_the_training(flavour: str) -> None:
    """Of the target's first weights there is left the product of all momenta; the rest is online weights."""
    momentum = FLAVOURS[flavour]["momentum"]
    strategy = ema.build(momentum=momentum, schedule="cosine", epochs=EPOCHS)
    target, online = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    left, total = 1.0, EPOCHS * PER_EPOCH
    for k in range(total):
        strategy.begin(k / PER_EPOCH, torch.device("cpu"))
        strategy.after_step([target], [online])
        left *= 1 - (1 - momentum) * halved(k / total)
        assert target.item() == pytest.approx(left, rel=1e-12)


@pytest.mark.parametrize("name", ["sgd", "lars"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_decay_follows_the_learning_rate(flavour: str, name: str) -> None:
    """Without a gradient weights shrink by ``1 - lr decay`` per step; with LARS by ``1 - lr trust``, whatever the decay."""
    chosen = FLAVOURS[flavour]
    factor = cosine.build(epochs=EPOCHS, warmup=10.0, final=0.0, start=chosen["start"] / chosen["rate"])
    weight = nn.Parameter(torch.ones(2, 2, dtype=torch.float64))
    build: Any = {"sgd": sgd, "lars": lars}[name].build
    groups = [{"params": [weight], "lr_multiplier": 1.0}]
    optimizer = build(groups, lr=chosen["rate"], momentum=0.0, weight_decay=chosen["decay"])
    per_step = {"sgd": chosen["decay"], "lars": 0.001}[name]
    left = 1.0
    for step in range(0, EPOCHS * PER_EPOCH, 7):
        rate = chosen["rate"] * factor(step / PER_EPOCH)
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        left *= 1 - rate * per_step
        assert weight[0, 0].item() == pytest.approx(left, rel=1e-11)


def test_a_training_takes_each_step_at_the_rate_and_the_momentum_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many steps as there are, counted from 0, over three epochs of 98 images in minibatches of 16."""
    data = write_noise(tmp_path)
    spec = run_spec(
        optimizer={"kind": "sgd", "lr": 0.1},
        schedule={"kind": "cosine", "epochs": 3, "warmup": 1, "final": 0.0, "start": 0.1},
        target={"kind": "ema", "momentum": 0.99, "schedule": "cosine", "epochs": 3},
    )
    seen: list[tuple[float, float]] = []
    original = ema.Ema.after_step

    def after_step(self: ema.Ema, *args: Any) -> None:
        seen.append((float(run.optimizer.param_groups[0]["lr"]), 1 - float(self.pull)))
        original(self, *args)

    monkeypatch.setattr(ema.Ema, "after_step", after_step)
    built = pretrain.Run.__init__

    def init(self: pretrain.Run, *args: Any, **more: Any) -> None:
        nonlocal run
        built(self, *args, **more)
        run = self

    run: Any = None
    monkeypatch.setattr(pretrain.Run, "__init__", init)
    list(pretrain.execute(make_works(spec, [1, 3], tmp_path / "a", data)))
    assert len(seen) == 21
    for k, (rate, momentum) in enumerate(seen):
        epoch = k / 7
        assert rate == pytest.approx(0.1 * (0.1 + 0.9 * epoch if epoch < 1 else halved((epoch - 1) / 2)), abs=1e-15)
        assert momentum == pytest.approx(1 - 0.01 * halved(epoch / 3), abs=1e-15)
