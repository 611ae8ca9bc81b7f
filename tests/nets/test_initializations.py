"""Initialisations: which parameters are scaled, by exactly what, and what that does to the embedding."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline import components
from pipeline.errors import UserError
from pipeline.nets.initializations import small, standard
from pipeline.nets.network import Network, build_network
from pipeline.nets.predictor import Predictor
from pipeline.nets.targets import ema, same

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other
SHAPE = (3, 8, 8)
ALPHA = 0.25  # a power of two: products are exact


def build(target: dict[str, Any] | None = None, projector: str = "mlp", encoder: str = "tiny_conv") -> Network:
    given = {
        "encoder": {"kind": encoder},
        "projector": {"kind": "mlp", "hidden": 6, "out": 5, "affine": True}
        if projector == "mlp"
        else {"kind": projector},
        "predictor": {"kind": "mlp", "hidden": 7},
        "target": target or {"kind": "ema", "init": "copy"},
    }
    spec = {category: components.resolve(category, params, "test") for category, params in given.items()}
    files: dict[str, Path] = {category: components.find(category, params["kind"]) for category, params in spec.items()}
    network = build_network(spec, SHAPE, files, 0)
    with torch.no_grad():  # so that a factor shows: BatchNorm starts at scale 1 and shift 0
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.125)
    return network


def factors(network: Network, parts: str, alpha: float = ALPHA) -> dict[str, float]:
    """By which factor each tensor of the network has changed."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    small.build(alpha=alpha, parts=parts)(network)
    found = {}
    for name, tensor in network.state_dict().items():
        found[name] = next(f for f in (1.0, alpha) if torch.equal(tensor, f * before[name]))
    return found


WEIGHTS = {f"encoder.convolutions.{i}.weight" for i in range(4)} | {"projector.first.weight", "projector.last.weight"}
NORMS = {f"encoder.norms.{i}.{name}" for i in range(4) for name in ("weight", "bias")}
PROJECTOR = {f"projector.{layer}.{name}" for layer in ("first", "norm", "last") for name in ("weight", "bias")}


@pytest.mark.parametrize(
    ("parts", "scaled"),
    [
        ("all", WEIGHTS | NORMS | PROJECTOR),
        ("weights", WEIGHTS),
        ("projector", PROJECTOR),
        ("readout", {"projector.last.weight", "projector.last.bias"}),
    ],
)
@pytest.mark.parametrize("target", ["same", "copy", "independent"])
def test_what_is_scaled(parts: str, scaled: set[str], target: str) -> None:
    """Exactly these, on the target's branch as well; no buffer and nothing of the predictor."""
    network = build({"kind": "same"} if target == "same" else {"kind": "ema", "init": target})
    found = {name for name, factor in factors(network, parts).items() if factor != 1.0}
    expected = scaled if target == "same" else scaled | {f"target.{name}" for name in scaled}
    # a running mean is 0 and the count of batches 0: no factor shows there, so their values are looked at
    assert found == expected
    state = network.state_dict()
    assert all((state[name] == (1 if name.endswith("var") else 0)).all() for name in state if "running" in name)


@pytest.mark.parametrize("parts", ["all", "weights", "projector", "readout"])
def test_a_copy_stays_a_copy_and_needs_no_gradient(parts: str) -> None:
    network = build()
    small.build(alpha=0.3, parts=parts)(network)
    pairs = list(zip(network.target.parameters(), network.online_parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not any(parameter.requires_grad for parameter in network.target.parameters())
    assert all(parameter.requires_grad and parameter.grad_fn is None for parameter in network.online_parameters())


class Dense(nn.Module):
    """Flattened image through linear layers with ReLU between them, in float64."""

    def __init__(self, widths: list[int], bias: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=bias, dtype=torch.float64) for a, b in pairwise(widths))
        self.features = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else x.relu())
        return x


def dense(bias: bool, projector: bool = True) -> Network:
    torch.manual_seed(0)
    encoder = Dense([12, 10, 8], bias)
    return Network(encoder, Dense([8, 6, 5], bias) if projector else Dense([8], bias), Predictor(), None, same.build())


def embed(network: Network) -> Tensor:
    x = torch.randn(7, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return network.projector(network.encoder(x)).detach()


@pytest.mark.parametrize(("parts", "power"), [("all", 4), ("weights", 4), ("projector", 2), ("readout", 1)])
@pytest.mark.parametrize("alpha", [0.093, 1e-4, 1.0, 3.0])
def test_a_homogeneous_network_shrinks_by_a_power_of_alpha(parts: str, power: int, alpha: float) -> None:
    network = dense(bias=False)
    before = embed(network)
    small.build(alpha=alpha, parts=parts)(network)
    torch.testing.assert_close(embed(network), alpha**power * before, rtol=1e-12, atol=0)


def test_biases_are_weights_of_all_but_not_of_weights() -> None:
    network = dense(bias=True)
    before = embed(network)
    small.build(alpha=ALPHA, parts="readout")(network)
    torch.testing.assert_close(embed(network), ALPHA * before, rtol=1e-12, atol=0)  # with its bias
    network = dense(bias=True)
    small.build(alpha=1e-9, parts="weights")(network)
    last = network.projector.layers[-1].bias.detach()
    torch.testing.assert_close(embed(network), last.expand(7, 5), rtol=1e-6, atol=1e-7)
    small.build(alpha=1e-9, parts="all")(network)
    assert embed(network).abs().max() < 1e-8


def test_batch_norm_undoes_the_factor_of_the_layer_before_it() -> None:
    """So ``weights`` shrinks an embedding by the layers after the last BatchNorm only, here one."""
    network = build().double()
    with torch.no_grad():
        network.projector.last.bias.zero_()
        for norm in (*network.encoder.norms, network.projector.norm):
            norm.eps = 1e-300
    x = torch.randn(16, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = network.projector(network.encoder(x)).detach()
    small.build(alpha=ALPHA, parts="weights")(network)
    torch.testing.assert_close(network.projector(network.encoder(x)).detach(), ALPHA * before, rtol=1e-9, atol=1e-12)


def test_without_a_projector_the_readout_is_the_encoders() -> None:
    network = dense(bias=True, projector=False)
    before = [parameter.detach().clone() for parameter in network.encoder.parameters()]
    small.build(alpha=ALPHA, parts="readout")(network)
    changed = [not torch.equal(a, b) for a, b in zip(before, network.encoder.parameters(), strict=True)]
    assert changed == [False, False, True, True]


@pytest.mark.parametrize(
    ("encoder", "parts"), [("tiny_conv", "projector"), ("tiny_conv", "readout"), ("pixels", "all")]
)
def test_nothing_to_scale_is_refused(encoder: str, parts: str) -> None:
    network = build({"kind": "same"}, projector="none", encoder=encoder)
    with pytest.raises(UserError, match=rf"initialization\.parts: {parts} finds nothing"):
        small.build(alpha=ALPHA, parts=parts)(network)


@pytest.mark.parametrize("parts", ["all", "weights", "projector", "readout"])
def test_an_encoder_that_is_alone_is_no_error(parts: str) -> None:
    """It is built to be measured, and its weights come from a file."""
    network = Network(build().encoder)
    small.build(alpha=ALPHA, parts=parts)(network)


@pytest.mark.parametrize("alpha", [0.0, -0.1, float("nan"), float("inf")])
def test_alpha_out_of_range(alpha: float) -> None:
    with pytest.raises(UserError, match=r"initialization\.alpha: expected a positive number"):
        small.build(alpha=alpha)


def test_standard_changes_nothing() -> None:
    network = build()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    standard.build()(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_target_follows_from_the_scaled_weights() -> None:
    """A moving average from a scaled copy stays on scaled weights."""
    network = build()
    small.build(alpha=ALPHA)(network)
    before = [parameter.detach().clone() for parameter in network.online_parameters()]
    ema.build(momentum=0.5).after_step(list(network.target.parameters()), network.online_parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, network.target.parameters(), strict=True))


def test_params_are_found() -> None:
    assert {"standard", "small"} <= set(components.kinds("initialization"))
    assert components.resolve("initialization", {"kind": "small", "alpha": 1}, "test") == {
        "kind": "small", "alpha": 1.0, "parts": "all",
    }  # fmt: skip
    with pytest.raises(UserError, match=r"initialization\.alpha: small needs this key"):
        components.resolve("initialization", {"kind": "small"}, "test")
    with pytest.raises(
        UserError, match=r"initialization\.parts: expected all or weights or projector or readout, found 'half'"
    ):
        components.resolve("initialization", {"kind": "small", "alpha": 0.1, "parts": "half"}, "test")
