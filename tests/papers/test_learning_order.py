"""The order in which modes of the initial kernel grow: theory's own solution, a plain descent, and what has no order."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from trainings import files_of, make_works, run_spec, write_noise

from pipeline.evaluation.context import EvaluationContext
from pipeline.monitor.progress import Progress
from pipeline.nets.checkpoint import MODEL, SUMMARY
from pipeline.papers.stepwise.kernel import solve
from pipeline.papers.stepwise.measures import learning_order
from pipeline.papers.stepwise.measures.learning_order import order, strengths
from pipeline.training import pretrain

N, D = 12, 4


@pytest.fixture
def inputs() -> np.ndarray:
    """Pairs of a linear model, (2n, m): views share most of their image, whose coordinates have falling variances."""
    rng = np.random.default_rng(3)
    image = rng.standard_normal((N, 16)) * 2.0 ** -np.arange(16)
    return np.concatenate([image + 0.02 * rng.standard_normal((N, 16)) for _ in range(2)])


def test_strengths_are_the_singular_values_of_theory(inputs: np.ndarray) -> None:
    """Embeddings of Eq. 24 with known s_j have just these, whatever their rotation."""
    kernel = inputs @ inputs.T
    theory = solve(kernel, D)
    s = np.array([0.9, 1e-3, 0.2, 5e-5])
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0]
    outputs = theory.outputs(kernel, scales=s, turn=turn)
    np.testing.assert_allclose(strengths(outputs, theory.modes), s, rtol=1e-9)


def test_growth_of_eq_10_is_ordered_like_gamma(inputs: np.ndarray) -> None:
    """s_j(t) = exp(4 gamma_j t) / sqrt(1 / s_j(0)^2 + (exp(8 gamma_j t) - 1) gamma_j), before all are learnt."""
    theory = solve(inputs @ inputs.T, D)
    start = np.array([1e-6, 4e-6, 2e-6, 3e-6])
    time = math.log(1e3) / (4 * theory.gamma[0])
    grown = np.exp(4 * theory.gamma * time)
    s = grown / np.sqrt(start**-2.0 + (grown**2 - 1) * theory.gamma)
    assert order(theory.gamma, s / start) == pytest.approx(1.0)
    assert order(theory.gamma, (s / start)[::-1]) == pytest.approx(-1.0)


def test_when_all_is_learnt_theory_has_the_reverse_order(inputs: np.ndarray) -> None:
    """From equal starts: a learnt mode is at gamma_j^-1/2. So the question is one of the time before."""
    theory = solve(inputs @ inputs.T, D)
    assert order(theory.gamma, theory.gamma**-0.5 / 1e-6) == pytest.approx(-1.0)


def test_a_descent_grows_modes_in_the_order_of_gamma(inputs: np.ndarray) -> None:
    """Barlow Twins of Eqs. 1 and 2 by automatic differentiation of the printed loss, a linear model from a small start."""
    x, n = torch.from_numpy(inputs), N
    weights = (
        1e-6 * torch.randn(D, x.shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ).requires_grad_()
    theory = solve(inputs @ inputs.T, D)
    before = strengths((weights @ x.T).detach().numpy(), theory.modes)
    rate = 0.02 / theory.gamma[0]
    steps = int(math.log(1e3) / (4 * theory.gamma[0] * rate))
    for _ in range(steps):
        first, second = weights @ x[:n].T, weights @ x[n:].T
        correlation = (first @ second.T + second @ first.T) / (2 * n)
        (gradient,) = torch.autograd.grad((correlation - torch.eye(D)).square().sum(), weights)
        with torch.no_grad():
            weights -= rate * gradient
    growth = strengths((weights @ x.T).detach().numpy(), theory.modes) / before
    assert order(theory.gamma, growth) == pytest.approx(1.0)
    np.testing.assert_allclose(np.log(growth), 4 * theory.gamma * rate * steps, rtol=0.05)


def test_what_has_not_grown_has_no_order() -> None:
    assert order(np.array([3.0, 2.0, 1.0]), np.ones(3)) is None
    assert (
        order(np.array([2.0, 1.0]), np.array([2.0, 1.0])) is None
    )  # two modes are in order by chance, half of the time


def test_a_change_of_running_statistics_alone_is_no_growth(tmp_path: Path) -> None:
    """In the first steps they are next to what a BatchNorm begins with, and would seem to be all that happens."""
    spec = run_spec(predictor={"kind": "none"}, target={"kind": "same", "stop_gradient": False})
    for name in ("noise", "run"):
        (tmp_path / name).mkdir()
    data = write_noise(tmp_path / "noise")
    (work,) = pretrain.execute(make_works(spec, [0], tmp_path / "run", data))
    later = shutil.copytree(work.out, tmp_path / "later")
    summary = {name: value for name, value in json.loads((later / SUMMARY).read_text()).items() if name != "epoch"}
    (later / SUMMARY).write_text(json.dumps({**summary, "step": 1}))
    model = load_file(later / MODEL)
    changed = {name: value + 0.5 if ".running_" in name else value for name, value in model.items()}
    assert any((changed[name] != model[name]).any() for name in model)
    save_file(changed, later / MODEL)

    def subject(checkpoint: Path, reference: EvaluationContext | None = None) -> EvaluationContext:
        read = {name: spec[name] for name in learning_order.READS}
        found = EvaluationContext(read, 3, torch.device("cpu"), checkpoint, data, files_of(spec), Progress("test"))
        found.reference = reference
        return found

    found = learning_order.measure(subject(later, subject(work.out)), reference="first", pairs=20, precision="fp64")
    assert found["order"] is None and len(found["growths"]) >= 3
    assert found["growths"] == pytest.approx(np.ones(len(found["growths"])), abs=1e-12)
