"""Encoders, projectors, targets and the network that is put together from them."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from waiting import imagined_gpu

from pipeline import components
from pipeline.errors import UserError
from pipeline.nets.encoders import pixels, resnet18, tiny_conv
from pipeline.nets.network import Network, build_network
from pipeline.nets.projectors import mlp, none
from pipeline.nets.target import Branch
from pipeline.nets.targets import ema, same

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other
SHAPE = (3, 16, 16)


def images(n: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 8, 8), (3, 32, 32)])
def test_tiny_conv_has_the_width_of_its_last_convolution(shape: tuple[int, int, int]) -> None:
    encoder = tiny_conv.build(shape)
    features = encoder(images(5, shape))
    assert features.shape == (5, encoder.features) == (5, 32)
    widths = [shape[0], 8, 16, 32, 32]
    convolutions = sum(9 * a * b for a, b in pairwise(widths))
    assert count(encoder) == convolutions + 2 * sum(widths[1:])
    assert (features >= 0).all() and (features > 0).any()  # the mean of what passed a ReLU
    wide = tiny_conv.build(shape, channels=[4, 6], strides=[2, 1])
    assert wide(images(5, shape)).shape == (5, 6)


def test_tiny_conv_against_plain_layers() -> None:
    encoder = tiny_conv.build(SHAPE)
    x = expected = images(6)
    for convolution, norm, stride in zip(encoder.convolutions, encoder.norms, (1, 2, 2, 1), strict=True):
        y = nn.functional.conv2d(expected, convolution.weight, stride=stride, padding=1)
        y = (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), keepdim=True, correction=0) + norm.eps).sqrt()
        expected = y.clamp_min(0)
    torch.testing.assert_close(encoder(x), expected.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_tiny_conv_needs_a_stride_for_each_convolution() -> None:
    with pytest.raises(UserError, match=r"encoder\.strides"):
        tiny_conv.build(SHAPE, channels=[8, 16], strides=[1])


def test_pixels_are_the_image() -> None:
    encoder = pixels.build(SHAPE)
    x = images(4)
    assert encoder.features == 768
    assert torch.equal(encoder(x), x.reshape(4, 768))
    assert count(encoder) == 0


# torchvision documents 11,689,512 parameters, of which the classifier has 512 * 1000 + 1000; a stem has 64 *
# c * k * k
@pytest.mark.parametrize(
    ("stem", "shape", "stem_weights"),
    [
        ("stock", (3, 64, 64), 64 * 3 * 49),
        ("cifar", (3, 32, 32), 64 * 3 * 9),
        ("cifar", (1, 8, 8), 64 * 9),
        ("tinyimagenet", (3, 64, 64), 64 * 3 * 9),
        ("cifar_padded", (3, 32, 32), 64 * 3 * 9),
    ],
)
def test_resnet18(stem: str, shape: tuple[int, int, int], stem_weights: int) -> None:
    encoder = resnet18.build(shape, stem=stem)
    assert count(encoder) == 11_689_512 - 513_000 - 64 * 3 * 49 + stem_weights
    seen: list[Tensor] = []
    encoder.layer1.register_forward_hook(lambda module, given, result: seen.append(given[0].clone()))
    assert encoder(images(2, shape)).shape == (2, 512)
    assert encoder.features == 512
    after_stem = seen[0]
    reduction, more = {"stock": 4, "tinyimagenet": 2}.get(stem, 1), 2 if stem == "cifar_padded" else 0
    assert after_stem.shape == (2, 64, shape[1] // reduction + more, shape[2] // reduction + more)
    assert after_stem.min() == 0  # the stem's ReLU is there


def test_mlp_projector_is_the_released_one() -> None:
    projector = mlp.build(512)
    assert count(projector) == 512 * 512 + 512 + 512 * 128 + 128  # BatchNorm has none
    assert projector.features == 128
    f = torch.randn(30, 512, generator=torch.Generator().manual_seed(0))
    hidden = f @ projector.first.weight.T
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + projector.norm.eps).sqrt()
    expected = hidden.clamp_min(0) @ projector.last.weight.T + projector.last.bias
    torch.testing.assert_close(projector(f), expected, rtol=1e-4, atol=1e-4)
    assert count(mlp.build(8, hidden=5, out=3, bias=False, affine=True)) == 8 * 5 + 2 * 5 + 5 * 3


def test_no_projector_passes_through() -> None:
    f = torch.ones(2, 7)
    assert none.build(7).features == 7
    assert torch.equal(none.build(7)(f), f)


def spec(**changes: dict[str, Any]) -> dict[str, Any]:
    chosen = {
        "encoder": {"kind": "tiny_conv"},
        "projector": {"kind": "mlp", "hidden": 20, "out": 10},
        "predictor": {"kind": "linear"},
        "target": {"kind": "ema", "momentum": 0.9},
        **changes,
    }
    return {category: components.resolve(category, given, "test") for category, given in chosen.items()}


def files(given: dict[str, Any]) -> dict[str, Path]:
    return {category: components.find(category, params["kind"]) for category, params in given.items()}


def build(seed: int = 0, **changes: dict[str, Any]) -> Network:
    chosen = spec(**changes)
    return build_network(chosen, SHAPE, files(chosen), seed)


def test_names_of_the_weights() -> None:
    prefixes = {name.rsplit(".", 3)[0].split(".convolutions")[0].split(".norms")[0] for name in build().state_dict()}
    assert {name.split(".")[0] for name in prefixes} == {"encoder", "projector", "predictor", "target"}
    target = {name.removeprefix("target.") for name in build().state_dict() if name.startswith("target.")}
    online = {name for name in build().state_dict() if name.startswith(("encoder.", "projector."))}
    assert target == online
    assert not any(name.startswith("target.") for name in build(target={"kind": "same"}).state_dict())


def test_the_encoders_start_depends_on_its_spec_and_the_seed_alone() -> None:
    reference = build(seed=3).encoder.state_dict()
    others = [
        build(seed=3, projector={"kind": "none"}, predictor={"kind": "directpred"}, target={"kind": "same"}),
        build(seed=3, projector={"kind": "mlp", "hidden": 7, "out": 5}, predictor={"kind": "mlp"}),
    ]
    chosen = {"encoder": spec()["encoder"]}
    others.append(build_network(chosen, SHAPE, files(chosen), 3))
    for other in others:
        assert all(torch.equal(tensor, reference[name]) for name, tensor in other.encoder.state_dict().items())
    another = build(seed=4).encoder.state_dict()
    assert not torch.equal(another["convolutions.0.weight"], reference["convolutions.0.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    build()
    assert torch.equal(torch.rand(3), expected)


def test_an_encoder_alone_can_be_built() -> None:
    chosen = {"encoder": spec()["encoder"]}
    network = build_network(chosen, SHAPE, files(chosen))
    assert network.projector is None and network.predictor is None and network.target is None
    assert list(network.parameter_counts()) == ["encoder"]


def test_each_view_has_batch_statistics_of_its_own() -> None:
    network = build(target={"kind": "same"})
    views = [images(8), 3 * images(8, seed=1) + 1]
    embeddings, predictions, targets = network(views)
    for view, embedding, prediction, target in zip(views, embeddings, predictions, targets, strict=True):
        alone = build(target={"kind": "same"})
        torch.testing.assert_close(embedding, alone.projector(alone.encoder(view)))
        torch.testing.assert_close(prediction, embedding @ network.predictor.weight.T)
        assert torch.equal(target, embedding)
        assert not target.requires_grad and embedding.requires_grad


def test_target_same_shares_the_forward_pass_and_stops_gradients_on_request() -> None:
    network = build(target={"kind": "same", "stop_gradient": False})
    calls: list[int] = []
    network.encoder.register_forward_hook(lambda *_: calls.append(1))
    embeddings, _, targets = network([images(8), images(8, seed=1)])
    assert len(calls) == 2
    assert all(target is embedding for target, embedding in zip(targets, embeddings, strict=True))
    assert same.build(stop_gradient=True).embeddings(None, [], embeddings)[0].requires_grad is False


def test_target_ema_runs_on_batch_statistics_without_gradient() -> None:
    network = build()
    views = [images(8), images(8, seed=1)]
    _, _, targets = network(views)
    assert not any(target.requires_grad for target in targets)
    assert not any(parameter.requires_grad for parameter in network.target.parameters())
    branch = Branch(build().target.encoder, build().target.projector)
    torch.testing.assert_close(targets[1], branch(views[1]).detach())


@pytest.mark.parametrize("init", ["independent", "copy"])
def test_target_ema_starts_as_asked(init: str) -> None:
    network = build(target={"kind": "ema", "init": init})
    pairs = list(zip(network.target.parameters(), network.online_parameters(), strict=True))
    weights = [(a, b) for a, b in pairs if a.dim() > 1]
    assert all(torch.equal(a, b) == (init == "copy") for a, b in weights)
    assert all(a is not b for a, b in pairs)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.97, 1.0])
def test_ema_in_closed_form(momentum: float) -> None:
    strategy = ema.build(momentum=momentum)
    series = [torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(t)) for t in range(6)]
    target = series[0].clone()
    for online in series[1:]:
        strategy.after_step([target], [online])
    expected = momentum**5 * series[0]
    for t in range(1, 6):
        expected = expected + (1 - momentum) * momentum ** (5 - t) * series[t]
    torch.testing.assert_close(target, expected, rtol=0, atol=1e-14)


def test_ema_averages_parameters_and_not_running_statistics() -> None:
    network = build()
    network([images(8)])
    before = {name: tensor.clone() for name, tensor in network.target.state_dict().items()}
    network.strategy.after_step(list(network.target.parameters()), network.online_parameters())
    parameters = {name for name, _ in network.target.named_parameters()}
    for name, tensor in network.target.state_dict().items():
        if name not in parameters:
            assert torch.equal(tensor, before[name])
    assert not torch.equal(network.target.projector.last.weight, before["projector.last.weight"])


@pytest.mark.parametrize(("momentum", "final"), [(0.996, 1.0), (0.99, 1.0), (0.9, 0.99)])
def test_the_momentum_of_byol_rises_in_half_a_cosine_over_all_steps(momentum: float, final: float) -> None:
    """Text (0.996) and released code (0.99) of Halvagal 2023, in steps: ``k`` done of ``K``."""
    epochs, per_epoch = 5, 8
    total = epochs * per_epoch
    strategy = ema.build(momentum=momentum, schedule="cosine", final=final, epochs=epochs)
    for k in range(total + 9):
        strategy.begin(k / per_epoch, torch.device("cpu"))
        tau = final - (final - momentum) * (math.cos(math.pi * min(k, total) / total) + 1) / 2
        assert 1 - strategy.pull == pytest.approx(tau, abs=1e-15)
        if k in (0, total // 2, total):
            assert 1 - strategy.pull == pytest.approx({0: momentum, total: final}.get(k, (momentum + final) / 2))
    assert ema.build(momentum=momentum, schedule="cosine", final=final, epochs=epochs).pull == pytest.approx(
        1 - momentum
    )
    constant = ema.build(momentum=momentum)
    constant.begin(4.0, torch.device("cpu"))
    assert constant.pull == 1 - momentum


def test_a_momentum_on_the_device_is_the_same_up_to_rounding() -> None:
    """A captured step reads it from a scalar; there is one for all steps, made at the first."""
    online = [torch.randn(40, 3), torch.randn(7)]
    target = [torch.randn(40, 3), torch.randn(7)]
    strategy = ema.build(momentum=0.9, schedule="cosine", epochs=4)
    pulls = set()
    with imagined_gpu():
        for k in range(3):
            strategy.begin(float(k), torch.device("cuda"))
            pulls.add(id(strategy.pull))
        assert strategy.pull.device.type == "cuda" and len(pulls) == 1
    strategy.pull = torch.tensor(0.05)
    moved = [tensor.clone() for tensor in target]
    strategy.after_step(moved, online)
    for found, before, to in zip(moved, target, online, strict=True):
        torch.testing.assert_close(found, before.lerp(to, 0.05), rtol=1e-6, atol=1e-7)
        assert not torch.equal(found, before)
    strategy.after_step([], [])


def test_a_cosine_without_an_end_is_one_line() -> None:
    with pytest.raises(
        UserError, match=r"target\.epochs: expected the number of epochs of the run, found none; set it"
    ):
        ema.build(schedule="cosine")


@pytest.mark.parametrize("momentum", [-0.1, 1.5])
def test_ema_momentum_out_of_range(momentum: float) -> None:
    with pytest.raises(UserError, match=r"target\.momentum"):
        ema.build(momentum=momentum)


def test_parameter_counts_are_those_of_the_online_parts() -> None:
    counts = build(predictor={"kind": "directpred"}).parameter_counts()
    assert counts["projector"] == 32 * 20 + 20 + 20 * 10 + 10
    assert counts["predictor"] == 100
    assert set(counts) == {"encoder", "projector", "predictor"}
