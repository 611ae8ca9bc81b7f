"""LARS against a plain loop, and the cosine schedule, in float64."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pipeline import components
from pipeline.errors import UserError
from pipeline.nets.checkpoint import load_optimizer, optimizer_tensors
from pipeline.training.optimizers import lars
from pipeline.training.schedules import cosine

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other
SHAPES = [(4, 3), (4,), (2, 3, 3, 3), (2,), (), (5, 2)]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(draw(*shape, seed=i)) for i, shape in enumerate(SHAPES)]


def gradients(step: int) -> list[Tensor]:
    return [draw(*shape, seed=1000 * (step + 1) + i) for i, shape in enumerate(SHAPES)]


def groups(given: list[nn.Parameter], **own: Any) -> list[dict[str, Any]]:
    """The first four are encoder and projector, the others the predictor with params of its own."""
    return [{"params": given[:4], "lr_multiplier": 1.0}, {"params": given[4:], "lr_multiplier": 3.0, **own}]


def set_gradients(given: list[nn.Parameter], step: int) -> None:
    for parameter, gradient in zip(given, gradients(step), strict=True):
        parameter.grad = gradient


def by_hand(
    w: np.ndarray, g: np.ndarray, v: np.ndarray, lr: float, momentum: float, weight_decay: float, trust: float
) -> tuple[np.ndarray, np.ndarray]:
    """One parameter, one step: weights and velocity after it."""
    if w.ndim > 1:
        g = g + weight_decay * w
        norm_w, norm_g = math.sqrt(sum(x * x for x in w.flat)), math.sqrt(sum(x * x for x in g.flat))
        if norm_w > 0 and norm_g > 0:
            g = g * (trust * norm_w / norm_g)
    v = momentum * v + g
    return w - lr * v, v


@pytest.mark.parametrize("bias_lr", [None, 0.0048, 0.0])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_against_a_plain_loop_with_a_schedule(bias_lr: float | None, momentum: float) -> None:
    given = parameters()
    params = {"lr": 0.2, "momentum": momentum, "weight_decay": 0.05, "trust": 0.02}
    optimizer = lars.build(groups(given, weight_decay=0.3), **params, bias_lr=bias_lr)
    base = [group["lr"] for group in optimizer.param_groups]
    w = [parameter.detach().numpy().copy() for parameter in given]
    v = [np.zeros_like(weight) for weight in w]
    for step in range(7):
        factor = 0.3 + step / 5  # what the training does with every group
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor
        set_gradients(given, step)
        optimizer.step()
        for i, g in enumerate(gradients(step)):
            rate = 0.2 if bias_lr is None or w[i].ndim > 1 else bias_lr
            rate *= factor * (1.0 if i < 4 else 3.0)
            w[i], v[i] = by_hand(w[i], g.numpy(), v[i], rate, momentum, 0.05 if i < 4 else 0.3, 0.02)
    for parameter, expected in zip(given, w, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-13, atol=1e-15)


def test_a_step_leaves_gradients_as_they_are() -> None:
    given = parameters()
    optimizer = lars.build(groups(given), weight_decay=0.0)
    set_gradients(given, 0)
    optimizer.step()
    assert all(torch.equal(p.grad, g) for p, g in zip(given, gradients(0), strict=True))
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in given)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_first_step_has_the_length_of_trust(scale: float) -> None:
    """``|dw| = lr trust |w|`` for every layer, however large its gradient is; biases move by ``lr |g|``."""
    given = parameters()
    before = [parameter.detach().clone() for parameter in given]
    optimizer = lars.build([{"params": given, "lr_multiplier": 1.0}], lr=0.2, weight_decay=0.0, trust=0.01)
    set_gradients(given, 0)
    for parameter in given:
        parameter.grad *= scale
    optimizer.step()
    for old, new, g in zip(before, given, gradients(0), strict=True):
        length = (new.detach() - old).norm().item()
        assert length == pytest.approx(
            0.2 * (0.01 * old.norm() if old.dim() > 1 else scale * g.norm()).item(), rel=1e-9
        )


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 2.0), (2.0, 0.0), (0.0, 0.0)])
def test_a_zero_norm_gives_ratio_one(weight: float, gradient: float) -> None:
    parameter = nn.Parameter(torch.full((2, 2), weight, dtype=torch.float64))
    other = nn.Parameter(torch.ones(2, 2, dtype=torch.float64))  # its ratio must be its own
    optimizer = lars.build([{"params": [parameter, other], "lr_multiplier": 1.0}], lr=0.5, weight_decay=0.0)
    parameter.grad, other.grad = torch.full_like(parameter, gradient), torch.full_like(other, 3.0)
    optimizer.step()
    assert torch.equal(parameter.detach(), torch.full((2, 2), weight - 0.5 * gradient, dtype=torch.float64))
    torch.testing.assert_close(other.detach(), torch.full_like(other, 1 - 0.5 * 0.001 * 1.0), rtol=1e-14, atol=0)


def test_parameters_without_a_gradient_stay() -> None:
    given = parameters()
    before = [parameter.detach().clone() for parameter in given]
    optimizer = lars.build(groups(given), weight_decay=0.1)
    given[0].grad = gradients(0)[0]
    optimizer.step()
    assert [torch.equal(a, b) for a, b in zip(before, given, strict=True)] == [False] + 5 * [True]
    optimizer.zero_grad()
    optimizer.step()  # nothing to do
    set_gradients(given, 1)  # the others join late: their first velocity is their first update
    optimizer.step()
    expected = by_hand(before[5].numpy(), gradients(1)[5].numpy(), 0 * before[5].numpy(), 0.6, 0.9, 0.1, 0.001)[0]
    np.testing.assert_allclose(given[5].detach().numpy(), expected, rtol=1e-13)


def test_groups_keep_one_order_and_no_group_is_empty() -> None:
    given = parameters()
    optimizer = lars.build(groups(given, weight_decay=0.3), lr=0.2, bias_lr=0.01)
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2, 1, 1]
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.01, 0.6, 0.03])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [1e-6, 0.0, 0.3, 0.0]
    assert [group["trust"] for group in optimizer.param_groups] == [0.001, None, 0.001, None]
    alone = lars.build([{"params": [given[1]], "lr_multiplier": 1.0}])
    assert [group["lr"] for group in alone.param_groups] == [0.2]


@pytest.mark.parametrize("half", [2, 3])
def test_a_training_goes_on_from_a_checkpoint(half: int) -> None:
    whole, parted = parameters(), parameters()
    straight = lars.build(groups(whole), bias_lr=0.01)
    for step in range(5):
        set_gradients(whole, step)
        straight.step()
    first = lars.build(groups(parted), bias_lr=0.01)
    for step in range(half):
        set_gradients(parted, step)
        first.step()
    saved = {name: tensor.clone() for name, tensor in optimizer_tensors(first).items()}
    assert len(saved) == len(SHAPES)
    second = lars.build(groups(parted), bias_lr=0.01)
    load_optimizer(second, saved)
    for step in range(half, 5):
        set_gradients(parted, step)
        second.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, parted, strict=True))
    # without its velocity the training would go elsewhere
    third = lars.build(groups(parted), bias_lr=0.01)
    assert third.state_dict() == {"state": {}}


def test_memory_format_does_not_matter() -> None:
    weight, gradient = draw(4, 3, 3, 3), draw(4, 3, 3, 3, seed=1)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        parameter = nn.Parameter(weight.clone(memory_format=layout))
        optimizer = lars.build([{"params": [parameter], "lr_multiplier": 1.0}])
        for _ in range(3):
            parameter.grad = gradient.clone()
            optimizer.step()
        found.append(parameter.detach())
    torch.testing.assert_close(found[0], found[1], rtol=1e-14, atol=1e-16)


def test_nothing_waits_for_the_device() -> None:
    """A fake tensor has no values, so whoever asks for one is refused."""
    with FakeTensorMode():
        given = [nn.Parameter(torch.empty(shape)) for shape in SHAPES]
        optimizer = lars.build(groups(given))
        for _ in range(2):
            for parameter in given:
                parameter.grad = torch.empty_like(parameter)
            optimizer.step()


def test_it_trains() -> None:
    torch.manual_seed(0)
    x, layer = draw(40, 6), nn.Linear(6, 3).double()
    y = x @ draw(6, 3, seed=5) + draw(3, seed=6)
    optimizer = lars.build(
        [{"params": list(layer.parameters()), "lr_multiplier": 1.0}], lr=1.0, trust=0.02, bias_lr=0.05
    )
    losses = []
    for _ in range(200):
        loss = (layer(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]


def test_params_are_found() -> None:
    assert components.resolve("optimizer", {"kind": "lars"}, "test") == {
        "kind": "lars", "lr": 0.2, "momentum": 0.9, "weight_decay": 1e-6, "trust": 0.001, "bias_lr": None,
        "clip": False,
    }  # fmt: skip
    assert components.resolve("schedule", {"kind": "cosine"}, "test") == {
        "kind": "cosine", "epochs": None, "warmup": 10.0, "final": 0.001, "start": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "warmup", "final"), [(100, 10.0, 0.001), (7, 2.5, 0.0), (3, 0.0, 0.2), (1, 0.5, 1.0)]
)
def test_cosine_against_the_released_rule_in_steps(epochs: int, warmup: float, final: float) -> None:
    """Warm-up and cosine counted in steps, as the released code does."""
    factor = cosine.build(epochs=epochs, warmup=warmup, final=final)
    per_epoch = 8
    total, rising = epochs * per_epoch, warmup * per_epoch
    for step in range(total + 1):
        if step < rising:
            expected = step / rising
        else:
            q = 0.5 * (1 + math.cos(math.pi * (step - rising) / (total - rising)))
            expected = q + final * (1 - q)
        assert factor(step / per_epoch) == pytest.approx(expected, abs=1e-15)


def test_cosine_at_its_corners() -> None:
    factor = cosine.build(epochs=100, warmup=10.0, final=0.001)
    assert factor(0) == 0.0
    assert factor(5) == 0.5
    assert factor(10) == 1.0 and factor(10 - 1e-9) == pytest.approx(1.0)
    assert factor(55) == pytest.approx((1 + 0.001) / 2, abs=1e-15)  # half way down
    assert factor(100) == pytest.approx(0.001, abs=1e-15) == factor(250)
    assert cosine.build(epochs=2, warmup=0.0)(0) == 1.0
    down = [factor(10 + t / 4) for t in range(361)]
    assert all(a > b for a, b in pairwise(down))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"schedule\.epochs: .*set it"),
        ({"epochs": 10}, r"schedule\.warmup: .*\(10\), found 10\.0"),
        ({"epochs": 5, "warmup": 6.0}, r"schedule\.warmup: .*\(5\), found 6\.0"),
        ({"epochs": 5, "warmup": -1.0}, r"schedule\.warmup: .*found -1\.0"),
        ({"epochs": 5, "warmup": math.nan}, r"schedule\.warmup: .*found nan"),
        ({"epochs": 0, "warmup": 0.0}, r"schedule\.warmup: .*\(0\), found 0\.0"),
    ],
)
def test_cosine_refuses(params: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cosine.build(**params)
