"""Residual networks with and without classifier, stems for two sizes of images."""

from __future__ import annotations

import functools

import pytest
import torch
import torchvision
from torch import Tensor, nn

from pipeline import components
from pipeline.nets.encoders import resnet18, resnet50

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other


def images(n: int, shape: tuple[int, int, int]) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(0))


@functools.cache
def stock_resnet50() -> nn.Module:
    return resnet50.build((3, 64, 64)).eval()


# torchvision documents 25,557,032 parameters, of which the classifier has 2048 * 1000 + 1000; a stem has 64 *
# c * k * k
@pytest.mark.parametrize(
    ("stem", "shape", "stem_weights"), [("cifar", (3, 16, 16), 64 * 3 * 9), ("stock", (1, 32, 32), 64 * 49)]
)
def test_resnet50_with_other_stems(stem: str, shape: tuple[int, int, int], stem_weights: int) -> None:
    encoder = resnet50.build(shape, stem=stem)
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count == 25_557_032 - 2_049_000 - 64 * 3 * 49 + stem_weights
    seen: list[Tensor] = []
    encoder.layer1.register_forward_hook(lambda module, given, result: seen.append(given[0].clone()))
    assert encoder(images(2, shape)).shape == (2, 2048)
    assert encoder.features == 2048
    reduction = 4 if stem == "stock" else 1
    assert seen[0].shape == (2, 64, shape[1] // reduction, shape[2] // reduction)
    assert seen[0].min() == 0  # the stem's ReLU is there


def test_resnet50_is_torchvisions_up_to_the_classifier() -> None:
    encoder = stock_resnet50()
    reference = torchvision.models.resnet50(weights=None)
    weights = encoder.state_dict()
    reference.load_state_dict({**weights, "fc.weight": torch.eye(2048)[:1000], "fc.bias": torch.zeros(1000)})
    x = images(2, (3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(encoder(x)[:, :1000], reference.eval()(x), rtol=1e-5, atol=1e-6)


def test_zero_init_residual() -> None:
    def scales(encoder: nn.Module) -> list[Tensor]:
        return [parameter for name, parameter in encoder.named_parameters() if name.endswith("bn3.weight")]

    zero = scales(resnet50.build((3, 32, 32), zero_init_residual=True))
    assert len(zero) == 16 and all((scale == 0).all() for scale in zero)
    assert all((scale == 1).all() for scale in scales(stock_resnet50()))


@pytest.mark.parametrize(("stem", "kernel"), [("stock", None), ("cifar", 3), ("tinyimagenet", 3)])
def test_resnet18_draws_what_it_always_drew(stem: str, kernel: int | None) -> None:
    """A stem that is put in comes after torchvision's draws, so all other weights are those of the stock network."""
    torch.manual_seed(3)
    expected = torchvision.models.resnet18(weights=None).state_dict()
    if kernel:
        expected["conv1.weight"] = nn.Conv2d(3, 64, kernel_size=kernel, bias=False).weight.detach()
    torch.manual_seed(3)
    encoder = resnet18.build((3, 32, 32), stem=stem).state_dict()
    assert encoder.keys() == expected.keys() - {"fc.weight", "fc.bias"}
    assert [name for name, tensor in encoder.items() if not torch.equal(tensor, expected[name])] == []


def test_params_are_found() -> None:
    assert components.resolve("encoder", {"kind": "resnet18"}, "test") == {"kind": "resnet18", "stem": "cifar"}
    assert components.resolve("encoder", {"kind": "resnet50"}, "test") == {
        "kind": "resnet50", "stem": "stock", "zero_init_residual": False,
    }  # fmt: skip
