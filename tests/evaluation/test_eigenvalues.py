"""Eigenvalues along training, against plain loops; and the threshold of a histogram."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from trainings import files_of, make_works, run_spec, write_noise

from pipeline import components
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.measures import eigenvalues, losses
from pipeline.monitor.progress import Progress
from pipeline.nets.checkpoint import load_network
from pipeline.numerics.randomness import generator
from pipeline.papers.stepwise.figures.histograms import valley
from pipeline.training import pretrain

SPEC = run_spec(predictor={"kind": "none"}, target={"kind": "same", "stop_gradient": False})


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> EvaluationContext:
    """A checkpoint after one epoch."""
    data = write_noise(tmp_path_factory.mktemp("noise"))
    (work,) = pretrain.execute(make_works(SPEC, [1], tmp_path_factory.mktemp("run"), data))
    spec = {name: SPEC[name] for name in eigenvalues.READS}
    return EvaluationContext(spec, 3, torch.device("cpu"), work.out, data, files_of(SPEC), Progress("test"))


def plain(subject: EvaluationContext, samples: int) -> dict[str, np.ndarray]:
    """The three spectra, row by row and image by image."""
    network = load_network(subject.spec, (3, 8, 8), subject.components, subject.checkpoint).train()
    images = subject.images("train")
    chosen = torch.randperm(98, generator=generator(3, "eigenvalues", "images"))
    policy = components.make(subject.components["views"], subject.spec["views"], (3, 8, 8), None)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    features: list[np.ndarray] = []
    for number in range(samples // 16):
        batch = images[chosen[number * 16 : number * 16 + 16]]
        views = policy(batch, generator(3, "eigenvalues", "views", number))
        with torch.no_grad():
            hidden = [network.encoder(view) for view in views]
            first, second = (network.projector(one).double().numpy() for one in hidden)
        pairs += list(zip(first, second, strict=True))
        features += [row for one in hidden for row in one.double().numpy()]
    d, n = len(pairs[0][0]), len(pairs)
    cross = np.zeros((d, d))
    for f, g in pairs:
        for k in range(d):
            for m in range(d):
                cross[k, m] += (f[k] * g[m] + g[k] * f[m]) / (2 * n)
    rows = np.array([row for pair in pairs for row in pair])
    return {
        "cross_correlation": np.linalg.eigvalsh(cross)[::-1],
        "correlation": np.linalg.eigvalsh(sum(np.outer(row, row) for row in rows) / len(rows))[::-1],
        "covariance": np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1],
        "hidden": np.linalg.eigvalsh(np.cov(np.array(features).T, bias=True))[::-1],
    }


def test_eigenvalues_against_a_plain_loop(subject: EvaluationContext) -> None:
    found = eigenvalues.measure(subject, samples=40, threshold=0.01)
    assert found["samples"] == 32
    for name, values in plain(subject, 40).items():
        assert np.allclose(found[name], values, rtol=1e-10, atol=1e-12), name
        assert found[f"{name}_count"] == (values > 0.01).sum()
        assert found[f"{name}_largest"] == pytest.approx(values[0]) and found[f"{name}_third"] == pytest.approx(
            values[2]
        )


def test_the_threshold_may_be_a_share_of_the_largest(subject: EvaluationContext) -> None:
    values = np.array(eigenvalues.measure(subject, samples=32)["covariance"])
    found = eigenvalues.measure(subject, samples=32, threshold=0.2, relative=True, largest=3)
    assert found["covariance_count"] == (values > 0.2 * values[0]).sum() and len(found["covariance"]) == 3


def test_the_running_statistics_stay_as_they_are(subject: EvaluationContext) -> None:
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    eigenvalues.measure(subject, samples=32)
    assert all(torch.equal(before[name], value) for name, value in subject.network.state_dict().items())


def test_losses_are_means_of_as_many_steps(subject: EvaluationContext) -> None:
    whole = losses.measure(subject, points=100)["curve"]
    assert whole["step"] == list(range(1, 8))
    found = losses.measure(subject, points=2)
    assert found["curve"]["step"] == [4, 7]
    assert found["curve"]["loss"] == pytest.approx([np.mean(whole["loss"][:4]), np.mean(whole["loss"][4:])])


@pytest.mark.parametrize(
    ("counts", "at"),
    [
        ([5, 3, 0, 0, 0, 4, 2], 3),
        ([5, 1, 4], 1),
        ([9, 0, 1, 0, 8], 1),
        ([5, 5, 5], None),
        ([0, 0, 7], None),
        ([7, 6, 5, 4], None),
    ],
)
def test_the_valley_lies_between_the_highest_bars(counts: list[int], at: int | None) -> None:
    assert valley(np.array(counts)) == at
