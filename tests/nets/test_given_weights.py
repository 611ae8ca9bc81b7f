"""Encoders by name, and weights of somebody's: what fits is found, kept to the bit, and what does not is one line."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline import annotations, components
from pipeline.errors import UserError
from pipeline.nets import checkpoint
from pipeline.nets.network import build_network

SHAPE = (3, 16, 16)
TINY = {"kind": "tiny_conv", "channels": [4, 8], "strides": [1, 2]}
FILES = {"encoder": components.find("encoder", "tiny_conv")}


def encoder(**spec) -> nn.Module:
    spec = TINY | spec
    return components.make(components.find("encoder", spec["kind"]), spec, SHAPE)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Of a network that has seen data: its BatchNorms have statistics of their own."""
    torch.manual_seed(0)
    network = encoder().train()
    for _ in range(3):
        network(torch.randn(32, *SHAPE) * 3 + 1)
    return network.state_dict()


def plain(state: dict[str, Tensor]) -> nn.Module:
    network = encoder()
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.parametrize("prefix", ["", "encoder.", "module.backbone."])
@pytest.mark.parametrize("nested", [False, True])
def test_a_state_dict_is_found_whatever_stands_before_its_names(tmp_path: Path, state, prefix, nested) -> None:
    named = {prefix + name: tensor for name, tensor in state.items()}
    named["fc.weight" if not prefix else f"{prefix}fc.weight"] = torch.zeros(2, 2)  # a classifier that is not ours
    torch.save({"epoch": 3, "state_dict": named} if nested else named, tmp_path / "a.pth")
    given = encoder(weights=str(tmp_path / "a.pth")).eval()
    images = torch.randn(5, *SHAPE)
    assert torch.equal(given(images), plain(state)(images)) and not torch.equal(given(images), encoder().eval()(images))


def test_safetensors_and_halves_are_read_too(tmp_path: Path, state) -> None:
    floats = {name for name, tensor in state.items() if tensor.is_floating_point()}
    halves = {name: (tensor.half() if name in floats else tensor).contiguous() for name, tensor in state.items()}
    save_file(halves, tmp_path / "a.safetensors")
    given = encoder(weights=str(tmp_path / "a.safetensors"))
    assert given.convolutions[0].weight.dtype == torch.float32
    assert torch.equal(given.convolutions[0].weight, state["convolutions.0.weight"].half().float())


def test_of_two_networks_in_a_file_one_has_to_be_named(tmp_path: Path, state) -> None:
    other = {name: tensor + 1 for name, tensor in state.items()}
    torch.save({"q": state, "k": other}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"2 such networks; say which with encoder.weights_prefix .*: 'k\.' or 'q\.'"):
        encoder(weights=str(tmp_path / "a.pth"))
    given = encoder(weights=str(tmp_path / "a.pth"), weights_prefix="k.")
    assert torch.equal(given.norms[0].running_mean, other["norms.0.running_mean"])


@pytest.mark.parametrize("said", ["module.k", "module.k.", "state_dict.module.k", "k"])
def test_a_prefix_is_told_by_its_end(tmp_path: Path, state, said) -> None:
    both = {f"module.{key}.{name}": tensor + step for step, key in enumerate("qk") for name, tensor in state.items()}
    torch.save({"state_dict": both}, tmp_path / "a.pth")
    given = encoder(weights=str(tmp_path / "a.pth"), weights_prefix=said)
    assert torch.equal(given.norms[0].running_mean, state["norms.0.running_mean"] + 1)
    with pytest.raises(UserError, match=r"does not stand behind 'odule\.k'; there is 'state_dict\.module\.q\.' or"):
        encoder(weights=str(tmp_path / "a.pth"), weights_prefix="odule.k")


def test_statistics_that_were_given_keep_their_place_in_checkpoints(tmp_path: Path, state) -> None:
    """Those of a network that nobody has trained are collected anew, by their names; these must not be."""
    torch.save(state, tmp_path / "a.pth")
    spec = {"encoder": TINY | {"weights": str(tmp_path / "a.pth")}}
    network = build_network(spec, SHAPE, FILES)
    saved = copy.deepcopy(network).state_dict()
    assert not [name for name in saved if name.endswith((".running_mean", ".running_var"))]
    assert torch.equal(saved["encoder.norms.0.given_mean"], state["norms.0.running_mean"])
    again = build_network(spec, SHAPE, FILES)
    again.encoder.norms[0].running_mean.zero_()
    checkpoint.load_state(again, saved, tmp_path)
    assert torch.equal(again.encoder.norms[0].running_mean, state["norms.0.running_mean"])
    with pytest.raises(UserError, match="does not fit"):
        checkpoint.load_state(build_network({"encoder": TINY}, SHAPE, FILES), saved, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "norms.1.bias"}, "expected norms.1.bias"),
        (lambda s: {**s, "convolutions.2.weight": torch.zeros(1)}, "it has convolutions.2.weight, and this encoder has not"),
        (lambda s: {**s, "convolutions.0.weight": torch.zeros(4, 3, 5, 5)}, r"\(4, 3, 5, 5\) there and \(4, 3, 3, 3\)"),
        (lambda s: {**s, "norms.0.weight": torch.full((4,), torch.nan)}, "norms.0.weight holds numbers that are not fin"),
        (lambda s: {"a": torch.zeros(1)}, "whose first is convolutions.0.weight; there are a, ...: choose the encoder"),
        (lambda s: {"model": s, "args": argparse.Namespace(a=1)}, "save the state dict alone"),
        (lambda s: 3, "expected tensors in dictionaries, found int"),
    ],
)  # fmt: skip
def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path, state, change, words) -> None:
    torch.save(change(dict(state)), tmp_path / "a.pth")
    with pytest.raises(UserError, match=words):
        encoder(weights=str(tmp_path / "a.pth"))


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, name) -> None:
    (tmp_path / name).write_text("hello")
    with pytest.raises(UserError, match=r"expected a \.safetensors file, or one of torch\.save"):
        encoder(weights=str(tmp_path / name))
    with pytest.raises(UserError, match="expected an encoder with parameters"):
        encoder(kind="pixels", weights=str(tmp_path / name))


def test_a_file_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"a": Evil()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="only running its code would make"):
        encoder(weights=str(tmp_path / "a.pth"))
    assert not (tmp_path / "ran").exists()


def test_who_says_nothing_of_weights_has_the_spec_that_was(tmp_path: Path) -> None:
    known = {"kind": "resnet18", "stem": "cifar"}
    assert components.resolve("encoder", {"kind": "resnet18"}, "here") == known
    assert components.resolve("encoder", {"kind": "resnet18", "weights": None, "weights_prefix": ""}, "here") == known
    assert components.finishes("encoder", known) is None
    (tmp_path / "a.pth").write_text("x")
    given = components.resolve("encoder", {"kind": "resnet18", "weights": str(tmp_path / "a.pth")}, "here")
    assert given["weights"].keys() == {"path", "content", "files"} and "weights_prefix" not in given
    assert components.finishes("encoder", given).name == "given_weights.py"
    assert components.unfinished("encoder", given) == known
    with pytest.raises(UserError, match="there is no file or folder"):
        components.resolve("encoder", {"kind": "resnet18", "weights": "nowhere.pth"}, "here")


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_networks_of_torchvision_are_its_own_without_the_classifier(tmp_path: Path, name) -> None:
    from torchvision import models

    torch.manual_seed(0)
    theirs = models.get_model(name, weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    ours = encoder(kind="torchvision", name=name, weights=str(tmp_path / "a.pth")).eval()
    place, last = [(n, m) for n, m in theirs.named_modules() if isinstance(m, nn.Linear)][-1]
    seen: list[Tensor] = []
    last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    images = torch.randn(2, 3, 32, 32)
    theirs(images)
    features = ours(images)
    assert features.shape == (2, ours.features) == (2, last.in_features)
    assert torch.equal(features, seen[0]), place
    assert torch.equal(ours.train()(images), ours.train()(images)), "nothing in it is left to chance"


def test_images_are_brought_to_a_size_and_stems_are_for_residual_networks() -> None:
    small = encoder(kind="torchvision", name="resnet18", stem="cifar", resize=8).eval()
    images = torch.rand(2, *SHAPE)
    expected = nn.functional.interpolate(images, (8, 8), mode="bilinear", antialias=True, align_corners=False)
    assert torch.equal(small(images), small(expected))
    with pytest.raises(UserError, match="shufflenet_v2_x0_5 is no residual network"):
        encoder(kind="torchvision", name="shufflenet_v2_x0_5", stem="cifar")
    with pytest.raises(UserError, match="expected a multiple of 32"):
        encoder(kind="torchvision", name="vit_b_32")


def test_every_name_that_is_offered_is_one_of_torchvisions() -> None:
    from torchvision import models

    (kind, _, _) = components.params("encoder", "torchvision")["name"]
    offered = annotations.schema(kind)["enum"]
    assert len(offered) > 60 and set(offered) <= set(models.list_models(module=models))


def test_networks_of_timm() -> None:
    try:
        import timm
    except ModuleNotFoundError:
        with pytest.raises(UserError, match="timm is not installed here; type: make setup EXTRAS=timm"):
            encoder(kind="timm", name="vit_tiny_patch16_224")
        return
    torch.manual_seed(0)
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).eval()
    ours = encoder(kind="timm", name="vit_tiny_patch16_224.augreg_in21k", resize=32).eval()
    ours.network.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(ours(images), theirs(images)) and ours.features == 192
    with pytest.raises(
        UserError, match=r"vit_tiny_patch16_224 can.t be made for images of 8 pixels .*; type for instance resize: 224"
    ):
        encoder(kind="timm", name="vit_tiny_patch16_224", resize=8)
    with pytest.raises(UserError, match="no network called 'vit_tinny_patch16_224'; did you mean"):
        encoder(kind="timm", name="vit_tinny_patch16_224")
