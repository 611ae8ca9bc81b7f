"""Views that pass together give what they give one by one: embeddings, gradients, running statistics."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn

from pipeline.nets import per_view
from pipeline.nets.encoders import resnet18, resnet50, tiny_conv
from pipeline.nets.per_view import together
from pipeline.nets.projectors import mlp, none
from pipeline.nets.target import embed, embed_each

ENCODERS = {
    "tiny_conv": lambda: tiny_conv.build((3, 8, 8), channels=[4, 6], strides=[1, 2]),
    "resnet18": lambda: resnet18.build((3, 16, 16)),
    "resnet50, stock": lambda: resnet50.build((3, 32, 32), stem="stock"),
}
PROJECTORS = {"mlp": lambda n: mlp.build(n, hidden=7, out=5, affine=True), "none": none.build}


def views_of(count: int, side: int, batch: int = 5) -> list[Tensor]:
    source = torch.Generator().manual_seed(1)
    scales = [1.0 + 2.0 * i for i in range(count)]  # statistics of the views differ
    return [scale * torch.randn(batch, 3, side, side, generator=source, dtype=torch.float64) for scale in scales]


def passed(way, encoder: nn.Module, projector: nn.Module, views: list[Tensor]) -> dict[str, Tensor]:
    """Embeddings, gradients of a loss that weights them unequally, and buffers."""
    parts = nn.ModuleList([copy.deepcopy(encoder), copy.deepcopy(projector)])
    embeddings = way(*parts, views)
    source = torch.Generator().manual_seed(2)
    loss = sum((e * torch.randn(e.shape, generator=source, dtype=e.dtype)).sum() for e in embeddings)
    loss.backward()
    found = {f"embedding {i}": e.detach() for i, e in enumerate(embeddings)}
    found |= {f"gradient {name}": parameter.grad for name, parameter in parts.named_parameters()}
    return found | {f"buffer {name}": buffer for name, buffer in parts.named_buffers()}


CASES = list(itertools.product(ENCODERS, PROJECTORS, [2, 3]))


@pytest.mark.parametrize(
    ("name", "projector", "count"),  # of a large encoder one case: what is around it is the same
    [
        pytest.param(*case, marks=() if case[0] == "tiny_conv" or case[1:] == ("none", 2) else pytest.mark.slow)
        for case in CASES
    ],
)
def test_together_as_one_by_one(name: str, projector: str, count: int) -> None:
    torch.manual_seed(0)
    encoder = ENCODERS[name]().double()
    head = PROJECTORS[projector](encoder.features).double()
    views = views_of(count, 32 if "stock" in name else 8)
    calls = []

    def counting(*args):
        calls.append(len(args[-1]))
        return embed(*args)

    found = passed(together(counting), encoder, head, views)
    assert calls == [5 * count]  # one pass
    for key, value in passed(embed_each, encoder, head, views).items():
        # of the largest entry: five images on one pixel are ill-conditioned, rounding grows ten thousand times
        near = 1e-10 * max(1.0, float(value.abs().max()))
        torch.testing.assert_close(found[key], value, rtol=0, atol=near, msg=lambda text, key=key: f"{key}: {text}")
    assert all(m.views == 1 for m in encoder.modules() if isinstance(m, per_view._PerView))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2, 4)])
@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": None}], ids=str
)
def test_a_layer_as_pytorchs(options: dict, shape: tuple[int, ...]) -> None:
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    plain = kind(3, eps=0.1, **options).double()
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    declared = copy.deepcopy(plain)
    per_view.separable(declared)
    source = torch.Generator().manual_seed(0)
    batch = torch.randn(shape, generator=source, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(shape, generator=source, dtype=torch.float64)
    found = []
    for layer, views in ((plain, 1), (declared, 2)):
        batch.grad = None
        with per_view._views(views, layer):
            outputs = [layer(part) for part in batch.chunk(2 // views)]
        (torch.cat(outputs) * weights).sum().backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        found.append([*outputs, batch.grad, *gradients, *layer.buffers()])
    found[0][:2] = [torch.cat(found[0][:2])]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    plain.eval(), declared.eval()
    with per_view._views(2, declared):
        expected = torch.cat([plain(part) for part in batch.chunk(2)])
        torch.testing.assert_close(declared(batch), expected, rtol=1e-12, atol=1e-12)


def test_half_precision_is_normalised_in_float32() -> None:
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(4)
    per_view.separable(layer)
    batch = (100 + torch.randn(64, 4, 5, 5)).to(torch.bfloat16)
    with per_view._views(2, layer):
        found = layer(batch)
    assert found.dtype == torch.bfloat16
    expected = torch.cat([nn.BatchNorm2d(4)(part.float()) for part in batch.chunk(2)])
    torch.testing.assert_close(found.float(), expected, rtol=2**-8, atol=1e-6)
    with pytest.raises(ValueError, match="expected 4D input"), per_view._views(2, layer):
        layer(batch[..., 0])


def test_statistics_of_all_views_at_once_would_be_others() -> None:
    encoder = ENCODERS["tiny_conv"]().double()
    head = none.build(encoder.features)
    views = views_of(2, 8)
    wrong = projected = embed(encoder, head, torch.cat(views)).chunk(2)
    assert (projected[0] - embed_each(encoder, head, views)[0]).abs().max() > 0.1 and wrong


class Own(nn.Module):
    """Somebody's encoder, which says nothing about what it mixes."""

    features = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) - images.mean()


@pytest.mark.parametrize("case", ["not declared", "one view", "two sizes"])
def test_otherwise_each_view_has_its_pass(case: str) -> None:
    encoder = Own() if case == "not declared" else ENCODERS["tiny_conv"]().double()
    head = none.build(encoder.features)
    views = {"one view": views_of(1, 8), "two sizes": [views_of(1, 8)[0], views_of(1, 16)[0]]}.get(case, views_of(2, 8))
    sizes = []

    def counting(*args):
        sizes.append(len(args[-1]))
        return embed(*args)

    for one, other in zip(together(counting)(encoder, head, views), embed_each(encoder, head, views), strict=True):
        assert torch.equal(one, other)
    assert sizes == [5] * len(views)


def test_what_is_declared_keeps_names_and_values() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5), nn.BatchNorm1d(5))
    declared = copy.deepcopy(plain)
    per_view.separable(declared)
    assert list(declared.state_dict()) == list(plain.state_dict())
    images = views_of(1, 8)[0].float()
    assert torch.equal(declared(images), plain(images))
    assert isinstance(declared[1], nn.BatchNorm2d) and declared[1].views == 1
