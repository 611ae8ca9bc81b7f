"""The probe on mean features of several views, and smoothed labels, against plain computations."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from trainings import files_of, make_works, run_spec, write_noise

from pipeline import components
from pipeline.evaluation import softmax
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.measures import linear_probe, patch_probe
from pipeline.monitor.progress import Progress
from pipeline.numerics.randomness import generator
from pipeline.training import pretrain

SPEC = run_spec()


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> EvaluationContext:
    data = write_noise(tmp_path_factory.mktemp("noise"))
    (work,) = pretrain.execute(make_works(SPEC, [1], tmp_path_factory.mktemp("run"), data))
    spec = {name: SPEC[name] for name in patch_probe.READS}
    return EvaluationContext(spec, 3, torch.device("cpu"), work.out, data, files_of(SPEC), Progress("test"))


def test_features_are_means_over_the_image_and_its_views(subject: EvaluationContext) -> None:
    found = patch_probe._features(subject, "train", 4)
    policy = components.make(subject.components["views"], SPEC["views"], (3, 8, 8), None)
    images = subject.images("train")
    views = [
        *policy(images, generator(3, "patches", "train", 0, 1)),
        *policy(images, generator(3, "patches", "train", 0, 3)),
    ]
    with torch.no_grad():
        plain = sum(subject.network.encoder(view) for view in views[:3]) + subject.features("train")
    assert torch.allclose(found, plain / 4, atol=1e-6)


@pytest.mark.parametrize(
    ("views", "first"),
    [
        ({"kind": "simclr", "count": 4, "size": 64}, {"kind": "simclr", "count": 4, "size": 64}),
        ({"count": [2, 6], "size": [64, 32], "flip": 0.5}, {"count": 2, "size": 64, "flip": 0.5}),
        ({"count": [2, 6], "size": 64, "flip": [0.5, 0.0]}, {"count": 2, "size": 64, "flip": 0.5}),
        ({"count": 2, "size": [64, 32]}, {"count": 1, "size": 64}),
        ({"count": 2, "flip": [0.5, 0.0]}, {"count": 2, "flip": [0.5, 0.0]}),
    ],
)
def test_views_of_another_size_are_no_patches(views: dict, first: dict) -> None:
    assert patch_probe._first_kind(views) == first


def test_one_patch_is_the_image_as_it_is(subject: EvaluationContext) -> None:
    assert torch.equal(patch_probe._features(subject, "test", 1), subject.features("test"))
    params = {"lr": 1e-3, "weight_decay": 1e-6, "batch_size": 32, "epochs": 3, "label_smoothing": 0.1}
    one = patch_probe.measure(subject, patches=1, **params)
    plain = linear_probe.measure(subject, standardize=False, optimizer="adam", momentum=0.0, **params)
    assert one == plain


def test_the_cached_features_are_not_written_to(subject: EvaluationContext) -> None:
    before = subject.features("train").clone()
    patch_probe._features(subject, "train", 3)
    assert torch.equal(before, subject.features("train"))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_smoothed_labels_are_those_of_torch(smoothing: float) -> None:
    """Loss and first step of plain descent, in float64, against torch's cross-entropy by autograd."""
    source = torch.Generator().manual_seed(0)
    inputs = torch.randn(12, 6, dtype=torch.float64, generator=source)
    inputs[:, -1] = 1
    labels = torch.randint(0, 4, (12,), generator=source)
    params = {"optimizer": "sgd", "lr": 0.3, "momentum": 0.0, "weight_decay": 0.0, "batch_size": 12, "seed": 1}
    (first, loss), *_ = softmax.train(inputs, labels, 4, epochs=1, label_smoothing=smoothing, **params)
    bound = 1 / 5**0.5
    start = torch.rand(4, 6, generator=generator(1, "linear_probe", "weights"), dtype=torch.float64)
    weight = ((2 * start - 1) * bound).requires_grad_()
    plain = functional.cross_entropy(inputs @ weight.T, labels, label_smoothing=smoothing)
    plain.backward()
    assert loss == pytest.approx(plain.item(), rel=1e-12)
    assert torch.allclose(first, weight.detach() - 0.3 * weight.grad, rtol=1e-12, atol=0)
