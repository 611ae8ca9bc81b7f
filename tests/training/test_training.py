"""The training loop: its arithmetic, its randomness, and that no interruption changes a byte."""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from trainings import LinearEncoder, SlowDisk, content, execute, files_of, make_works, run_spec, write_noise

from pipeline.errors import UserError
from pipeline.monitor.report import Report
from pipeline.monitor.saver import Saver
from pipeline.nets import checkpoint
from pipeline.nets.network import Network
from pipeline.nets.predictors import directpred, linear
from pipeline.nets.predictors import none as no_predictor
from pipeline.nets.projectors.none import NoProjector
from pipeline.nets.targets.same import Same
from pipeline.numerics import saved_tensors
from pipeline.numerics.device import prepare_device
from pipeline.numerics.randomness import derived_seed, generator, seeded
from pipeline.objectives import cosine, euclidean
from pipeline.planning.composition import prune
from pipeline.training import pretrain
from pipeline.training.batches import Batches
from pipeline.training.capture import StepRunner
from pipeline.training.collapse_metrics import collapse_indicators
from pipeline.training.groups import parameter_groups
from pipeline.training.history import History
from pipeline.training.optimizers import adam, sgd
from pipeline.training.schedules import constant
from pipeline.training.step import TrainingStep

ROOT = Path(__file__).resolve().parents[2]
torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other

WHOLE = {"history.csv", "losses.safetensors", "summary.json"}
"""Files of a checkpoint at the end of an epoch, trained or diverged."""


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# randomness


def test_seed_is_the_start_of_sha256() -> None:
    text = b'[3, "views", 7, 11]'
    expected = int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
    assert derived_seed(3, "views", 7, 11) == expected == 7231653440710462256


def test_purposes_do_not_share_their_draws() -> None:
    purposes = [
        (0, "a", 1, 2),
        (0, "a", 12),
        (0, "a", 2, 1),
        (1, "a", 1, 2),
        (0, "b", 1, 2),
        (0, "a", "1", 2),
    ]
    draws = {tuple(torch.rand(2, generator=generator(*purpose)).tolist()) for purpose in purposes}
    assert len(draws) == len(purposes)
    again = torch.rand(2, generator=generator(*purposes[0]))
    assert tuple(again.tolist()) in draws


def test_seeded_block_restores_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with pytest.raises(KeyError), seeded(0, "x"):
        first = torch.rand(2)
        raise KeyError
    assert torch.equal(torch.rand(2), expected)
    with seeded(0, "x"):
        assert torch.equal(torch.rand(2), first)


# batches


def test_an_epoch_visits_every_image_once_in_an_order_of_its_own() -> None:
    images = torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1)
    batches = Batches(images, 4, seed=0)
    assert (batches.steps, batches.full) == (3, 2)
    orders = []
    for epoch in (0, 1, 0):
        parts = [batches.batch(epoch, step).flatten() for step in range(3)]
        assert [len(part) for part in parts] == [4, 4, 2]
        orders.append(torch.cat(parts).tolist())
    assert sorted(orders[0]) == list(range(10))
    assert orders[0] != orders[1] and orders[0] == orders[2]
    assert Batches(images, 4, seed=1).order(0).tolist() != orders[0]


def test_a_single_left_over_image_sits_out_the_epoch() -> None:
    batches = Batches(torch.zeros(9, 1, 1, 1, dtype=torch.uint8), 4, seed=0)
    assert (batches.steps, batches.full) == (2, 2)
    assert Batches(torch.zeros(3, 1, 1, 1, dtype=torch.uint8), 4, seed=0).steps == 1


@pytest.mark.parametrize(("n", "size", "word"), [(9, 1, "batch_size"), (1, 4, "split")])
def test_batches_too_small_for_batchnorm(n: int, size: int, word: str) -> None:
    with pytest.raises(UserError, match=word):
        Batches(torch.zeros(n, 1, 1, 1, dtype=torch.uint8), size, seed=0)


# optimisers and groups


def test_sgd_two_steps_by_hand() -> None:
    w, p = (nn.Parameter(torch.tensor([value], dtype=torch.float64)) for value in (2.0, -1.0))
    groups = [
        {"params": [w], "lr_multiplier": 1.0},
        {"params": [p], "lr_multiplier": 3.0, "weight_decay": 0.0},
    ]
    optimizer = sgd.build(groups, lr=0.1, momentum=0.9, weight_decay=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (w.square() + p.square()).sum().backward()
        optimizer.step()
    # w: v1 = 4 + 1 = 5, w1 = 1.5; v2 = .9 * 5 + 3 + .75 = 8.25, w2 = 1.5 - .825
    # p: v1 = -2, p1 = -1 + .6 = -.4; v2 = -1.8 - .8 = -2.6, p2 = -.4 + .78
    assert w.item() == pytest.approx(0.675, abs=1e-15)
    assert p.item() == pytest.approx(0.38, abs=1e-15)


@pytest.mark.parametrize(
    ("momentum", "weight_decay", "nesterov"),
    [(0.9, 4e-4, False), (0.0, 0.1, False), (0.9, 0.0, False), (0.9, 0.1, True)],
)
def test_sgd_equals_that_of_torch(momentum: float, weight_decay: float, nesterov: bool) -> None:
    build = functools.partial(sgd.build, lr=0.05, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)

    def parameters() -> list[nn.Parameter]:
        return [
            nn.Parameter(draw(3, 2, seed=1)),
            nn.Parameter(draw(4, seed=2)),
            nn.Parameter(draw(2, seed=3)),
        ]

    ours, theirs = parameters(), parameters()
    mine = build([{"params": ours, "lr_multiplier": 1.0}])
    reference = torch.optim.SGD(theirs, lr=0.05, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)
    for step in range(6):
        for optimizer, (a, b, c) in ((mine, ours), (reference, theirs)):
            optimizer.zero_grad()
            loss = (a.sum() - 1).square() + b.square().square().sum()
            (loss + c.sin().sum() if step >= 2 else loss).backward()  # c joins later
            optimizer.step()
        for x, y in zip(ours, theirs, strict=True):
            torch.testing.assert_close(x, y, rtol=0, atol=1e-15)
        if step == 3:  # a fresh optimiser goes on from the state
            saved = {name: tensor.clone() for name, tensor in checkpoint.optimizer_tensors(mine).items()}
            mine = build([{"params": ours, "lr_multiplier": 1.0}])
            checkpoint.load_optimizer(mine, saved)
    assert len(saved) == (3 if momentum else 0)


def test_restored_velocities_lie_in_memory_as_the_weights_do() -> None:
    w = nn.Parameter(draw(4, 3, 2, 2).to(memory_format=torch.channels_last))
    optimizer = sgd.build([{"params": [w], "lr_multiplier": 1.0}])
    w.square().sum().backward()
    optimizer.step()
    (saved,) = checkpoint.plain(checkpoint.optimizer_tensors(optimizer)).values()
    assert saved.is_contiguous()
    checkpoint.load_optimizer(optimizer, {"optimizer.0.momentum_buffer": saved})
    (restored,) = checkpoint.optimizer_tensors(optimizer).values()
    assert restored.stride() == w.stride() and not restored.requires_grad
    assert torch.equal(restored, saved)


def test_adam_first_step_and_state() -> None:
    w, p = nn.Parameter(draw(3, seed=1)), nn.Parameter(draw(3, seed=2))
    start = [w.detach().clone(), p.detach().clone()]
    groups = [
        {"params": [w], "lr_multiplier": 1.0},
        {"params": [p], "lr_multiplier": 2.0, "weight_decay": 0.3},
    ]
    optimizer = adam.build(groups, lr=0.01)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.3]
    (w.sum() - p.sum() * 5).backward()
    optimizer.step()
    # the first step of Adam has length lr, against the sign of the gradient
    torch.testing.assert_close(w.detach(), start[0] - 0.01, rtol=0, atol=1e-9)
    torch.testing.assert_close(p.detach(), start[1] + 0.02, rtol=0, atol=1e-9)
    saved = checkpoint.optimizer_tensors(optimizer)
    again = adam.build(groups, lr=0.01)
    checkpoint.load_optimizer(again, saved)
    assert all(torch.equal(tensor, saved[name]) for name, tensor in checkpoint.optimizer_tensors(again).items())
    assert len(saved) == 6


def linear_network(w: Tensor, predictor: nn.Module, stop_gradient: bool = True) -> Network:
    return Network(LinearEncoder(w), NoProjector(len(w)), predictor, None, Same(stop_gradient))


def test_the_predictor_is_a_group_of_its_own() -> None:
    network = linear_network(draw(3, 4), linear.build(3))
    first, second = parameter_groups(network, {"lr_multiplier": 5.0, "weight_decay": 0.0})
    assert first == {"params": [network.encoder.weight], "lr_multiplier": 1.0, "scheduled": True}
    own = {"params": [network.predictor.weight], "scheduled": True}
    assert second == {**own, "lr_multiplier": 5.0, "weight_decay": 0.0}
    (_, plain) = parameter_groups(network, {"weight_decay": None})
    assert plain == {**own, "lr_multiplier": 1.0}
    optimizer = sgd.build(parameter_groups(network, {"lr_multiplier": 5.0}), lr=0.1, weight_decay=0.2)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [
        (0.1, 0.2),
        (0.5, 0.2),
    ]


def test_a_predictor_that_is_set_is_not_trained() -> None:
    assert len(parameter_groups(linear_network(draw(3, 4), directpred.build(3)), {})) == 1
    assert len(parameter_groups(linear_network(draw(3, 4), directpred.build(3, freq=2)), {})) == 2
    assert len(parameter_groups(linear_network(draw(3, 4), no_predictor.build(3)), {})) == 1


def test_constant_schedule() -> None:
    assert {constant.build()(epochs) for epochs in (0.0, 0.5, 300.0)} == {1.0}


# the science of one step


def two_views(seed: int = 0, n: int = 256, dim: int = 6, noise: float = 0.3) -> list[Tensor]:
    x = draw(n, dim, seed=seed)
    return [x + noise * draw(n, dim, seed=seed + i) for i in (1, 2)]


def train(network: Network, objective: Any, steps: int, lr: float, **params: float) -> Iterator[float]:
    predictor = {
        "lr_multiplier": params.pop("lr_multiplier", 1.0),
        "weight_decay": params.pop("predictor_decay", None),
    }
    optimizer = sgd.build(
        parameter_groups(network, predictor),
        lr=lr,
        momentum=0.0,
        weight_decay=params.pop("weight_decay", 0.0),
    )
    step = TrainingStep(network, objective, optimizer)
    views = two_views()
    for number in range(1, steps + 1):
        yield step(views, network.predictor.due(number))[0].item()


def size_of_f(network: Network) -> float:
    f = network.encoder(two_views()[0]).detach()
    return (f.T @ f / len(f)).trace().item()


def test_without_stop_gradient_or_without_predictor_the_representation_collapses_with_both_it_does_not() -> None:
    w = 0.5 * draw(4, 6, seed=9)
    start = size_of_f(linear_network(w, no_predictor.build(4)))
    final = {}
    for stop_gradient in (True, False):
        for trained in (True, False):
            torch.manual_seed(0)
            predictor = (linear if trained else no_predictor).build(4).double()
            network = linear_network(w, predictor, stop_gradient)
            for _ in train(network, euclidean.loss, steps=400, lr=0.5):
                pass
            final[stop_gradient, trained] = size_of_f(network) / start
    assert final[True, True] > 0.5
    for collapsed in ((True, False), (False, True), (False, False)):
        assert final[collapsed] < 1e-3


def test_no_predictor_decays_as_equation_57() -> None:
    # W <- W - lr W (S - C) with S the moment of one view and C that of two: X' of the sample
    w, views, lr = 0.5 * draw(4, 6, seed=9), two_views(), 0.1
    s = sum(view.T @ view for view in views) / (2 * len(views[0]))
    c = (views[0].T @ views[1] + views[1].T @ views[0]) / (2 * len(views[0]))
    network = linear_network(w, no_predictor.build(4))
    for _ in train(network, euclidean.loss, steps=50, lr=lr):
        pass
    expected = w @ torch.linalg.matrix_power(torch.eye(6, dtype=torch.float64) - lr * (s - c), 50)
    torch.testing.assert_close(network.encoder.weight.detach(), expected, rtol=0, atol=1e-13)


def test_cosine_without_stop_gradient_and_predictor_loses_rank_where_directpred_gains_it() -> None:
    w = 0.5 * draw(4, 6, seed=9)
    start = collapse_indicators([two_views()[0] @ w.T])[1]
    ranks = {}
    for name, predictor, stop_gradient in (
        ("neither", no_predictor.build(4), False),
        ("directpred", directpred.build(4).double(), True),
    ):
        network = linear_network(w, predictor, stop_gradient)
        for _ in train(network, cosine.loss, steps=500, lr=0.5):
            pass
        ranks[name] = collapse_indicators([network.encoder(two_views()[0])])[1]
    assert 3.5 < start < 3.8
    assert ranks["neither"] < 2.8
    assert ranks["directpred"] > 3.9


@pytest.mark.parametrize(("alpha_p", "decay"), [(1.0, 0.0), (3.0, 0.0), (3.0, 0.2)])
def test_balance_of_theorem_1(alpha_p: float, decay: float) -> None:
    w, p = 0.5 * draw(4, 6, seed=9), 0.4 * draw(4, 4, seed=10)
    residuals = []
    for lr in (8e-3, 4e-3):
        predictor = linear.build(4).double()
        with torch.no_grad():
            predictor.weight.copy_(p)
        network = linear_network(w, predictor)
        steps = round(1.2 / lr)
        params = {"lr_multiplier": alpha_p, "weight_decay": decay, "predictor_decay": decay / alpha_p}
        for _ in train(network, euclidean.loss, steps=steps, lr=lr, **params):
            pass
        with torch.no_grad():
            now = network.encoder.weight @ network.encoder.weight.T - predictor.weight.T @ predictor.weight / alpha_p
            kept = math.exp(-2 * decay * lr * steps) * (w @ w.T - p.T @ p / alpha_p)
            residuals.append((now - kept).abs().max().item())
            assert (predictor.weight - p).abs().max() > 0.3  # it has moved
    assert residuals[1] < 1e-2
    assert residuals[0] / residuals[1] == pytest.approx(2.0, rel=0.05)  # first order in the step


def test_the_step_calls_its_hooks_after_the_update() -> None:
    class Watching(type(linear.build(3))):  # type: ignore[misc]
        def observe(self, embeddings: list[Tensor], targets: list[Tensor]) -> None:
            calls.append(("observe", self.weight.detach().clone(), [e.requires_grad for e in embeddings + targets]))

        def after_step(self) -> None:
            calls.append(("after_step", torch.is_grad_enabled()))

    calls: list[tuple[Any, ...]] = []
    torch.manual_seed(0)
    predictor = Watching(3).double()
    start = predictor.weight.detach().clone()
    network = linear_network(draw(3, 6), predictor)
    list(train(network, cosine.loss, steps=1, lr=0.1))
    (first, weight, grads), second = calls
    assert first == "observe" and not torch.equal(weight, start) and not any(grads)
    assert second == ("after_step", False)


def test_directpred_that_never_acts_is_plain_sgd_and_one_that_always_acts_ignores_its_rate() -> None:
    def final(predictor: nn.Module, lr_multiplier: float = 1.0) -> Network:
        network = linear_network(draw(4, 6, seed=9), predictor.double())
        list(train(network, cosine.loss, steps=20, lr=0.05, lr_multiplier=lr_multiplier))
        return network

    def seeded_build(build: Any, **params: Any) -> nn.Module:
        torch.manual_seed(0)
        return build(4, **params)

    plain = final(seeded_build(linear.build))
    idle = final(seeded_build(directpred.build, freq=21))
    assert torch.equal(plain.encoder.weight, idle.encoder.weight)
    assert torch.equal(plain.predictor.weight, idle.predictor.weight)
    slow, fast = (final(seeded_build(directpred.build), rate) for rate in (0.1, 10.0))
    assert torch.equal(slow.encoder.weight, fast.encoder.weight)
    assert not torch.allclose(slow.encoder.weight, plain.encoder.weight)


# indicators, history, report


def test_indicators_in_closed_form() -> None:
    assert collapse_indicators([torch.ones(8, 5), torch.ones(4, 5)]) == pytest.approx((0.0, 1.0), abs=1e-6)
    basis = torch.eye(5)
    assert collapse_indicators([basis, -3 * basis]) == pytest.approx((1.0, 5.0), abs=1e-6)
    two = torch.cat([basis[:2], -basis[:2]])  # two of five dimensions, each with standard deviation sqrt(1/2)
    assert collapse_indicators([two]) == pytest.approx((2 / 5 * 0.5**0.5 * 5**0.5, 2.0), abs=1e-6)
    assert all(math.isnan(value) for value in collapse_indicators([torch.full((3, 2), float("inf"))]))


def test_history_survives_its_text() -> None:
    history = History()
    history.add(1, -0.1 - 0.2, 1 / 3, 1e-17)
    history.add(2, math.nan, math.nan, math.nan)
    text = history.text()
    assert text.splitlines()[0] == "epoch,loss,embedding_std,effective_rank"
    assert History(text).text() == text
    assert History(text).rows[0] == history.rows[0]


def test_a_report_is_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    history, stream = History(), io.StringIO()
    report = Report("run/seed0", images_per_epoch=100, steps_per_epoch=10, stream=stream)
    history.add(1, -1.5, 0.9, 3.0)
    for step in range(1, 26):
        clock[0] += 1.0
        report.tick(step, 100, history.rows)
    report.close()
    first, _ = stream.getvalue().splitlines()
    assert first == "run/seed0  epoch 2/10  loss -1.5000  std 0.90  rank 3.0  10 images/s  ETA 1:29"


# checkpoints and the device


def test_device_and_precision_are_checked() -> None:
    assert prepare_device({"threads": 1, "precision": "fp32"}, {"device": "cpu"}) == torch.device("cpu")
    assert torch.get_num_threads() == 1
    for precision in ("tf32", "bf16"):
        assert prepare_device({"threads": 1, "precision": precision}, {"device": "cpu"}).type == "cpu"
    with pytest.raises(UserError, match="precision: expected fp32, tf32, bf16, found 'fp8'"):
        prepare_device({"threads": 1, "precision": "fp8"}, {})
    with pytest.raises(UserError, match="device"):
        prepare_device({"threads": 1}, {"device": "gpu"})
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="use device=cpu"):
            prepare_device({"threads": 1}, {"device": "cuda"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


def test_a_run_that_need_not_be_deterministic_keeps_its_name() -> None:
    assert prune({"batch_size": 3, "deterministic": False}) == ({"batch_size": 3}, {"deterministic": False})
    assert prune({"batch_size": 3, "deterministic": True})[0] == {"batch_size": 3, "deterministic": True}


SPECS = {
    "directpred": run_spec(),
    "adam": run_spec(optimizer={"kind": "adam"}, predictor={"kind": "mlp", "symmetric": True}, target={"kind": "same"}),
    "partitions": run_spec(predictor={"kind": "directpred", "partitions": 2}, objective={"kind": "euclidean"}),
    "optimal": run_spec(predictor={"kind": "optimal"}, batch_size=64),
    "in parts": run_spec(
        predictor={"kind": "mlp", "hidden": 12, "scheduled": False},
        optimizer={"kind": "sgd", "lr": 0.05, "nesterov": True},
        schedule={"kind": "cosine", "epochs": 4, "warmup": 1.0},
        accumulation=3,
    ),
}


def test_a_step_in_parts_is_one_step_of_rates_target_and_predictor(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pretrain.Run(make_works(SPECS["in parts"], [1], tmp_path, data)[0])
    strategy, passed, followed = run.network.strategy, [], []
    monkeypatch.setattr(strategy, "after_step", lambda target, online: followed.append(len(passed)))
    forward = run.network.forward

    def counted(views: list[torch.Tensor], *more: Any) -> Any:
        passed.append(len(views[0]))
        return forward(views, *more)

    monkeypatch.setattr(run.network, "forward", counted)
    rates = []
    for step in range(3):
        before = {name: value.clone() for name, value in run.network.named_parameters()}
        run.step(0, step)
        rates.append([float(group["lr"]) for group in run.optimizer.param_groups])
        still = [name for name, value in run.network.named_parameters() if torch.equal(value, before[name])]
        assert all(name.startswith("target.") for name in still) or step == 0, "the first rate of the encoder is 0"
    assert passed == [6, 5, 5] * 3 and followed == [3, 6, 9]
    steps = run.batches.steps
    assert rates == [[pytest.approx(0.05 * step / steps), 0.05] for step in range(3)]


@pytest.mark.parametrize("name", SPECS)
def test_any_set_of_milestones_gives_the_same_bytes(name: str, data: Path, tmp_path: Path) -> None:
    spec = SPECS[name]
    straight = execute(spec, [4], tmp_path / "a", data)
    all_of_them = execute(spec, [0, 1, 2, 3, 4], tmp_path / "b", data)
    assert straight[4] == all_of_them[4]
    assert len({bytes_["model.safetensors"] for bytes_ in all_of_them.values()}) == 5
    resumed = execute(spec, [4], tmp_path / "c", data, resume=tmp_path / "b" / "epoch0002")
    assert resumed[4] == straight[4]
    other_seed = execute(spec, [1], tmp_path / "d", data, seed=4)
    assert other_seed[1]["model.safetensors"] != all_of_them[1]["model.safetensors"]


def test_a_payload_has_all_its_files_and_epoch_0_the_initial_weights(data: Path, tmp_path: Path) -> None:
    found = execute(SPECS["directpred"], [0, 2], tmp_path, data)
    for epoch in (0, 2):
        assert set(found[epoch]) == {*WHOLE, "model.safetensors", "state.safetensors"}
        summary = json.loads((tmp_path / f"epoch{epoch:04d}/summary.json").read_text())
        assert (summary["outcome"], summary["epoch"]) == ("trained", epoch)
        assert summary["parameters"]["encoder"] == 3 * 4 * 9 + 4 * 6 * 9 + 20
        lines = (tmp_path / f"epoch{epoch:04d}/history.csv").read_text().splitlines()
        assert len(lines) == 1 + epoch
    folder = tmp_path / "epoch0000"
    spec = SPECS["directpred"]
    network = checkpoint.load_network(spec, (3, 8, 8), files_of(spec), folder)
    fresh = pretrain.build_network(spec, (3, 8, 8), files_of(spec), 3)
    assert all(torch.equal(a, fresh.state_dict()[name]) for name, a in network.state_dict().items())
    assert network.training is False and not any(p.requires_grad for p in network.parameters())


def test_history_is_what_happened(data: Path, tmp_path: Path) -> None:
    execute(run_spec(optimizer={"kind": "sgd", "lr": 1e-12}), [1], tmp_path, data)
    epoch, loss, spread, rank = map(float, (tmp_path / "epoch0001/history.csv").read_text().splitlines()[1].split(","))
    # with a learning rate of nothing the loss is that of the initial weights, but for the predictor that is
    # set
    assert epoch == 1 and -4 < loss < 4 and 0 < spread < 1 and 1 < rank < 8


@pytest.mark.parametrize("stop", [1, 4, 6, 7, 8, 13])
def test_a_crash_at_any_step_changes_nothing(
    stop: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 98 images in batches of 16: 7 steps per epoch, the last with two images
    spec = SPECS["directpred"]
    undisturbed = execute(spec, [3], tmp_path / "a", data)
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    real = StepRunner.__call__

    def failing(self: StepRunner, images: Tensor, epoch: int, step: int, number: int) -> Any:
        if number > stop:
            raise KeyboardInterrupt
        return real(self, images, epoch, step, number)

    monkeypatch.setattr(StepRunner, "__call__", failing)
    with pytest.raises(KeyboardInterrupt):
        execute(spec, [3], tmp_path / "b", data, scratch=tmp_path / "scratch")
    saved = saved_tensors.read(tmp_path / "scratch")
    assert saved is not None
    # not between the last full minibatch and the end of the epoch: the indicators are of that minibatch
    assert int(saved["state.step"]) == (5 if stop == 6 else stop if stop != 13 else 12)
    taken: list[int] = []

    def counting(self: StepRunner, images: Tensor, epoch: int, step: int, number: int) -> Any:
        taken.append(number)
        return real(self, images, epoch, step, number)

    monkeypatch.setattr(StepRunner, "__call__", counting)
    again = execute(spec, [3], tmp_path / "c", data, scratch=tmp_path / "scratch")
    assert again == undisturbed
    assert taken == list(range(int(saved["state.step"]) + 1, 22))
    assert list((tmp_path / "scratch").iterdir()) == []


def leave_progress(spec: dict[str, Any], epoch: int, data: Path, tmp_path: Path, scratch: Path, seed: int = 3) -> None:
    run = pretrain.Run(make_works(spec, [epoch], tmp_path / "left", data, seed=seed)[0])
    report = Report("x", 98, 7, io.StringIO())
    for _ in range(epoch):
        list(run.train_epoch(Saver(None), report, 99))
    saved_tensors.write(scratch, run.tensors())


def test_progress_of_the_same_run_is_used_up_to_the_goal_and_not_beyond(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPECS["directpred"]
    undisturbed = execute(spec, [1, 3], tmp_path / "a", data)
    leave_progress(spec, 2, data, tmp_path, tmp_path / "scratch")
    taken: list[int] = []
    real = StepRunner.__call__

    def counting(self: StepRunner, images: Tensor, epoch: int, step: int, number: int) -> Any:
        taken.append(number)
        return real(self, images, epoch, step, number)

    monkeypatch.setattr(StepRunner, "__call__", counting)
    assert execute(spec, [1, 3], tmp_path / "b", data, scratch=tmp_path / "scratch") == undisturbed
    assert taken == [*range(1, 8), *range(15, 22)]


def test_the_further_of_milestone_and_progress_is_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPECS["directpred"]
    undisturbed = execute(spec, [1, 2, 3], tmp_path / "a", data)
    steps: list[int] = []
    real = StepRunner.__call__

    def counting(self: StepRunner, images: Tensor, epoch: int, step: int, number: int) -> Any:
        steps.append(number)
        return real(self, images, epoch, step, number)

    leave_progress(spec, 1, data, tmp_path, tmp_path / "scratch")
    monkeypatch.setattr(StepRunner, "__call__", counting)
    milestone = tmp_path / "a" / "epoch0002"
    assert execute(spec, [3], tmp_path / "b", data, tmp_path / "scratch", milestone)[3] == undisturbed[3]
    assert steps == list(range(15, 22))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other seed", "other spec"])
def test_progress_that_is_not_whole_or_of_another_run_is_ignored(damage: str, data: Path, tmp_path: Path) -> None:
    spec, scratch = SPECS["directpred"], tmp_path / "scratch"
    undisturbed = execute(spec, [2], tmp_path / "a", data)
    left = run_spec(optimizer={"kind": "sgd", "lr": 0.01}) if damage == "other spec" else spec
    leave_progress(left, 1, data, tmp_path, scratch, seed=8 if damage == "other seed" else 3)
    path = scratch / saved_tensors.FILE
    blob = bytearray(path.read_bytes())
    if damage == "cut":
        blob = blob[:-1]
    elif damage == "flipped":
        blob[len(blob) // 2] ^= 1
    elif damage == "empty":
        blob = bytearray()
    path.write_bytes(blob)
    assert execute(spec, [2], tmp_path / "b", data, scratch=scratch) == undisturbed


def test_a_full_disk_costs_the_progress_and_not_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = execute(SPECS["directpred"], [1], tmp_path / "a", data)
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    real = os.fsync

    def full(descriptor: int) -> None:
        real(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    again = execute(SPECS["directpred"], [1], tmp_path / "b", data, scratch=tmp_path / "scratch")
    assert again == undisturbed
    assert "progress is not saved (No space left on device)" in capsys.readouterr().err
    assert list((tmp_path / "scratch").iterdir()) == []


def test_progress_is_saved_after_two_seconds_or_fifty_times_the_last_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk.instead(monkeypatch)
    saver = Saver(lambda: saved_tensors.write(tmp_path, disk.tensors()))
    for _ in range(150):
        disk.now += 0.1
        saver.maybe_save()
    saves = disk.saves
    assert [saves[0], saves[1] - saves[0], saves[2] - saves[1]] == pytest.approx([2.0, 5.1, 5.1], abs=0.11)


@pytest.mark.parametrize("kind", ["linear", "directpred"])
def test_a_training_that_diverges_says_so_in_every_later_milestone(kind: str, data: Path, tmp_path: Path) -> None:
    spec = run_spec(optimizer={"kind": "sgd"}, predictor={"kind": kind}, objective={"kind": "euclidean"})
    spec["optimizer"]["lr"] = 1e30  # no plan takes such a rate
    found = execute(spec, [0, 1, 3], tmp_path / "a", data)
    assert "model.safetensors" in found[0]
    for epoch in (1, 3):
        assert set(found[epoch]) == WHOLE
        summary = json.loads((tmp_path / f"a/epoch{epoch:04d}/summary.json").read_text())
        assert (summary["outcome"], summary["diverged_in_epoch"], summary["epoch"]) == ("diverged", 1, epoch)
    assert (tmp_path / "a/epoch0003/history.csv").read_text().splitlines()[1] == "1,nan,nan,nan"
    resumed = execute(spec, [3], tmp_path / "b", data, resume=tmp_path / "a" / "epoch0001")
    assert resumed[3] == found[3]
    with pytest.raises(UserError, match="diverged") as caught:
        checkpoint.load_network(spec, (3, 8, 8), files_of(spec), tmp_path / "a" / "epoch0003")
    assert "\n" not in str(caught.value)


def test_an_encoder_alone_is_loaded_from_a_checkpoint(data: Path, tmp_path: Path) -> None:
    spec = SPECS["directpred"]
    execute(spec, [1], tmp_path, data)
    folder = tmp_path / "epoch0001"
    whole = checkpoint.load_network(spec, (3, 8, 8), files_of(spec), folder)
    alone = checkpoint.load_network({"encoder": spec["encoder"]}, (3, 8, 8), files_of(spec), folder)
    x = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(alone.encoder(x), whole.encoder(x))
    assert alone.projector is None
    assert whole.predictor.batches == 7


@pytest.mark.parametrize(
    ("damage", "word"), [("cut", "safetensors"), ("gone", "safetensors"), ("other", "does not fit")]
)
def test_a_bad_checkpoint_is_one_line(damage: str, word: str, data: Path, tmp_path: Path) -> None:
    spec = SPECS["directpred"]
    execute(spec, [0], tmp_path, data)
    folder, asked = tmp_path / "epoch0000", spec
    model = folder / "model.safetensors"
    if damage == "cut":
        model.write_bytes(model.read_bytes()[:200])
    elif damage == "gone":
        model.unlink()
    else:
        asked = run_spec(encoder={"kind": "tiny_conv", "channels": [4, 7], "strides": [2, 1]})
    with pytest.raises(UserError, match=word) as caught:
        checkpoint.load_network(asked, (3, 8, 8), files_of(asked), folder)
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)


SERVER = """
import json, os, sys
from pathlib import Path
from pipeline.training import pretrain
from pipeline.work import Work

for line in sys.stdin:
    given = json.loads(line)
    for key in ("inputs", "components"):
        given[key] = {name: Path(path) for name, path in given[key].items()}
    child = os.fork()  # one import of torch serves all attempts
    if child == 0:
        work = Work(**{**given, "out": Path(given["out"]), "scratch": Path(given["scratch"])})
        list(pretrain.execute([work]))
        os._exit("torch._dynamo" in sys.modules)  # its import would cost more than many a training
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_five_kills_leave_the_same_bytes(data: Path, tmp_path: Path) -> None:
    spec = run_spec(views={"kind": "simclr", "jitter_probability": 0.0, "grayscale": 0.0})
    epochs, scratch = 40, tmp_path / "scratch"
    start_of_run = time.monotonic()
    undisturbed = execute(spec, [epochs], tmp_path / "a", data)[epochs]
    duration = time.monotonic() - start_of_run
    out = tmp_path / "b"
    given = {
        "name": "killed/seed3/epoch",
        "spec": spec,
        "inputs": {"data": str(data)},
        "seed": 3,
        "epoch": epochs,
        "scratch": str(scratch),
        "components": {name: str(path) for name, path in files_of(spec).items()},
        "context": {"device": "cpu"},
    }
    environment = {
        **os.environ,
        "SSL_PROGRESS_SECONDS": str(duration / 100),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    moments = random.Random(0)
    positions = [0]
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as server:
        assert server.stdin is not None and server.stdout is not None

        def start(attempt: int) -> int:
            folder = out / str(attempt)
            folder.mkdir(parents=True)
            server.stdin.write(json.dumps({**given, "out": str(folder)}) + "\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        for attempt in range(5):
            child = start(attempt)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:  # until the training has moved on
                saved = saved_tensors.read(scratch)
                if saved is not None and int(saved["state.step"]) > positions[-1]:
                    break
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.1 * duration))
            os.kill(child, signal.SIGKILL)
            assert int(server.stdout.readline()) == -signal.SIGKILL
            saved = saved_tensors.read(scratch)
            assert saved is not None
            positions.append(int(saved["state.step"]))
        start(5)
        assert int(server.stdout.readline()) == 0
        server.stdin.close()
    assert sorted(set(positions)) == positions and positions[-1] < epochs * 7
    assert content(out / "5") == undisturbed
