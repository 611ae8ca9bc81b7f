"""IsoLoss as an objective: against the paper's equations in numpy, finite differences, closed forms and trainings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from trainings import LinearEncoder

from pipeline.errors import UserError
from pipeline.nets.network import Network
from pipeline.nets.predictors import directpred
from pipeline.nets.projectors.none import NoProjector
from pipeline.nets.targets.same import Same
from pipeline.numerics.arithmetic import upcast
from pipeline.objectives import cosine, euclidean, isoloss_cosine, isoloss_euclidean
from pipeline.papers.isoloss import losses, modes
from pipeline.training.groups import parameter_groups
from pipeline.training.optimizers import sgd
from pipeline.training.step import TrainingStep

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other

PRODUCT = functools.partial(isoloss_euclidean.loss, form="product")
FORMS = {
    "cosine": ("cosine", isoloss_cosine.loss),
    "euclidean": ("euclidean", isoloss_euclidean.loss),
    "euclidean, product": ("euclidean", PRODUCT),
}
PLAIN = {"cosine": cosine.loss, "euclidean": euclidean.loss}
LAM = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def views(count: int, n: int = 5, d: int = 4, seed: int = 0) -> list[Tensor]:
    return [draw(n, d, seed=100 * seed + i) for i in range(count)]


def psd(d: int = 4, seed: int = 7) -> Tensor:
    root = draw(3 * d, d, seed=seed)
    return root.T @ root / len(root)


def gradients(function: Callable[..., Tensor], z: list[Tensor], *more: Any) -> list[Tensor]:
    z = [view.clone().requires_grad_() for view in z]
    return list(torch.autograd.grad(function(z, *more), z))


def weight(metric: str, count: int, n: int) -> float:
    """What one ordered pair of one image counts in the two objectives."""
    return 2 / n if metric == "cosine" else 1 / (n * count * (count - 1))


def columns(view: Tensor) -> np.ndarray:
    return view.detach().numpy().T


# values and gradients


def test_fixed_values_and_gradients() -> None:
    z1, z2 = (torch.tensor([values], dtype=torch.float64) for values in ((1.0, 2.0, -1.0), (1.5, 1.0, -0.5)))
    w = torch.diag(LAM)

    def of_view_1(objective: Callable[..., Tensor], factor: float) -> tuple[float, list[float]]:
        """Value of both orders, and gradient of the first view, which is in one of them."""
        z = z1.clone().requires_grad_()
        value = objective([z, z2], [z1, z2], w)
        (g,) = torch.autograd.grad(value, z)
        return value.item() / factor, (g[0] / factor).tolist()

    both, g = of_view_1(functools.partial(isoloss_cosine.loss, scale=1.0), 1.0)
    other = losses.iso_value("cosine", columns(z2), columns(z1), w.numpy())[0]
    assert both - other == pytest.approx(-0.4694715788, abs=1e-10)
    assert g == pytest.approx([-0.2368505263, -0.0169178947, -0.0761305263], abs=1e-10)
    for form in (isoloss_euclidean.loss, PRODUCT):
        assert of_view_1(form, 0.5)[1] == pytest.approx([-1.0, 1.0, -1.5], abs=1e-14)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", FORMS)
def test_value_is_the_paper_s_over_ordered_pairs(name: str, count: int) -> None:
    metric, objective = FORMS[name]
    z, t, w = views(count), views(count, seed=1), psd()
    total = 0.0
    for i, j in permutations(range(count), 2):
        one = (columns(z[i]), columns(t[j]), w.numpy())
        values = losses.iso_second_value(*one) if "product" in name else losses.iso_value(metric, *one)
        total += values.sum() * weight(metric, count, 5)
    assert objective(z, t, w).item() == pytest.approx(total, abs=1e-13)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", FORMS)
def test_gradient_against_finite_differences_with_all_stop_gradients_held(name: str, count: int) -> None:
    metric, objective = FORMS[name]
    z, t, w = views(count, n=2), views(count, n=2, seed=1), psd()
    found, small = gradients(objective, z, t, w), 1e-6

    def held(i: int, moved: Tensor) -> float:
        total = 0.0
        for j in range(count):
            if j != i:
                fixed = (columns(z[i]), columns(t[j]))
                if "product" in name:
                    values = losses.iso_second_value(columns(moved), columns(t[j]), w.numpy(), fixed)
                else:
                    values = losses.iso_value(metric, columns(moved), columns(t[j]), w.numpy(), fixed)
                total += values.sum() * weight(metric, count, 2)
        return total

    for i in range(count):
        for n in range(2):
            for m in range(4):
                step = torch.zeros_like(z[i])
                step[n, m] = small
                expected = (held(i, z[i] + step) - held(i, z[i] - step)) / (2 * small)
                assert found[i][n, m].item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_plain_gradient_is_the_predictor_times_that_of_isoloss(name: str, count: int, symmetric: bool) -> None:
    metric, objective = FORMS[name]
    z, t, w = views(count), views(count, seed=1), psd() if symmetric else draw(4, 4, seed=5)
    plain = gradients(lambda z: PLAIN[metric]([view @ w.T for view in z], t), z)
    for p, g in zip(plain, gradients(objective, z, t, w), strict=True):
        torch.testing.assert_close(p, g @ w, rtol=0, atol=1e-14)
        assert (p - g).abs().max() > 1e-3


@pytest.mark.parametrize("name", FORMS)
def test_with_the_identity_it_is_the_loss_without_a_predictor(name: str) -> None:
    metric, objective = FORMS[name]
    z, t, one = views(2), views(2, seed=1), torch.eye(4, dtype=torch.float64)
    expected = gradients(lambda z: PLAIN[metric](z, t), z)
    for e, g in zip(expected, gradients(objective, z, t, one), strict=True):
        torch.testing.assert_close(g, e, rtol=0, atol=1e-15)
    if metric == "euclidean":
        torch.testing.assert_close(gradients(objective, z, t, one)[0], (z[0] - t[1]) / 10, rtol=0, atol=1e-15)


@pytest.mark.parametrize("factor", [0.25, 8.0])
def test_scales(factor: float) -> None:
    z, t, w = views(2), views(2, seed=1), psd()
    plain = cosine.loss([view @ w.T for view in z], t)
    for scaled in (
        [[factor * view @ w.T for view in z], t],
        [[view @ w.T for view in z], [factor * view for view in t]],
    ):
        assert cosine.loss(*scaled).item() == pytest.approx(plain.item(), abs=1e-14)
    g = gradients(isoloss_cosine.loss, z, t, w)
    longer = [factor * view for view in z]
    for moved, power in (((z, t, factor * w), -1), ((longer, t, w), -1), ((z, [factor * view for view in t], w), 0)):
        for a, b in zip(gradients(isoloss_cosine.loss, *moved), g, strict=True):
            torch.testing.assert_close(a, b * factor**power, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", FORMS)
def test_no_gradient_reaches_the_predictor_and_the_targets(name: str) -> None:
    _, objective = FORMS[name]
    z = [view.requires_grad_() for view in views(3)]
    t, w = [view.requires_grad_() for view in views(3, seed=1)], psd().requires_grad_()
    objective(z, t, w).backward()
    assert all(view.grad is not None for view in z)
    assert w.grad is None and all(view.grad is None for view in t)
    # nor where targets are the embeddings themselves: all that moves a view is what it does as an embedding
    own = gradients(lambda z: objective(z, z, w), views(3))
    stopped = gradients(lambda z: objective(z, views(3), w), views(3))
    for a, b in zip(own, stopped, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


# the paper's dynamics, in the eigenbasis of the predictor


@pytest.fixture(scope="module")
def eigen() -> tuple[Tensor, np.ndarray, Tensor, np.ndarray, np.ndarray]:
    """Predictor, its eigenvalues and eigenvectors, and two views in the eigenbasis, shape (modes, batch)."""
    lam, u = torch.linalg.eigh(psd(5))
    zh = [draw(6, 5, seed=3), draw(6, 5, seed=4)]
    return (u * lam) @ u.T, lam.numpy()[:, None], u, columns(zh[0]), columns(zh[1])


def drift(objective: Callable[..., Tensor], metric: str, eigen: Any) -> np.ndarray:
    """Minus the gradient of one ordered pair with respect to the first view, in the eigenbasis, per image."""
    w, _, u, zh1, zh2 = eigen
    z1, z2 = (torch.from_numpy(zh.T) @ u.T for zh in (zh1, zh2))
    g = gradients(lambda z: objective([z[0], z2], [z1, z2], w), [z1])[0]
    return -columns(g @ u) / weight(metric, 2, zh1.shape[1])


def plain(metric: str) -> Callable[..., Tensor]:
    return lambda z, t, w: PLAIN[metric]([view @ w.T for view in z], t)


def test_equations_8_and_10_are_the_motions_of_the_plain_losses(eigen: Any) -> None:
    _, lam, _, zh1, zh2 = eigen
    np.testing.assert_allclose(drift(plain("euclidean"), "euclidean", eigen), lam * (zh2 - lam * zh1), atol=1e-13)
    found = drift(plain("cosine"), "cosine", eigen)
    n1, n2 = np.linalg.norm(lam * zh1, axis=0), np.linalg.norm(zh2, axis=0)
    for m in range(5):  # Eq. 10 as printed, mode by mode
        others = [k for k in range(5) if k != m]
        total = sum(lam[k] * (lam[k] * zh1[k] ** 2 * zh2[m] - lam[m] * zh1[m] * zh1[k] * zh2[k]) for k in others)
        np.testing.assert_allclose(found[m], lam[m] / (n1**3 * n2) * total, atol=1e-13)
    assert np.abs((zh1 * found).sum(0)).max() < 1e-13


def test_equations_of_c4_are_the_motions_of_isoloss(eigen: Any) -> None:
    _, lam, _, zh1, zh2 = eigen
    for form in (isoloss_euclidean.loss, PRODUCT):
        np.testing.assert_allclose(drift(form, "euclidean", eigen), zh2 - lam * zh1, atol=1e-13)
    found = drift(isoloss_cosine.loss, "cosine", eigen)
    n1, n2 = np.linalg.norm(lam * zh1, axis=0), np.linalg.norm(zh2, axis=0)
    expected = zh2 / (n1 * n2) - (lam * zh1 * zh2).sum(0) * lam * zh1 / (n1**3 * n2)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    assert np.abs((lam * zh1 * found).sum(0)).max() < 1e-13  # so that it conserves the sum of s^(1 + alpha)


def test_equation_9_is_the_mean_over_augmentations(eigen: Any) -> None:
    w, lam, u, zh, noise = eigen
    # every sign of the noise of either view once, so that its mean is zero
    first, second = (np.concatenate([zh + a * noise, zh + b * noise], 1) for a, b in ((0.3, -0.3), (-0.2, 0.2)))
    pooled = (w, lam, u, first, second)
    for objective, expected in (
        (plain("euclidean"), lam * (1 - lam) * zh),
        (isoloss_euclidean.loss, (1 - lam) * zh),
    ):
        found = drift(objective, "euclidean", pooled)
        np.testing.assert_allclose((found[:, :6] + found[:, 6:]) / 2, expected, atol=1e-13)


def test_equation_11_has_the_sign_of_the_mean_motion() -> None:
    lam = np.sort(np.random.default_rng(0).uniform(0.9, 1.1, 32))
    zh = np.sqrt(lam)[:, None] * np.random.default_rng(1).standard_normal((32, 20_000))
    eye = torch.eye(32, dtype=torch.float64)
    found = drift(plain("cosine"), "cosine", (torch.diag(torch.from_numpy(lam)), lam[:, None], eye, zh, zh))
    rate = (found * np.sign(zh)).mean(1)
    predicted = modes.near_uniform(lam, zh)
    assert np.corrcoef(rate, predicted)[0, 1] > 0.98
    assert rate[0] > 0 > rate[-1]  # modes below the average grow, those above it shrink


def test_without_stop_gradient_the_motions_are_those_of_appendix_c_corrected(eigen: Any) -> None:
    w, lam, u, zh1, zh2 = eigen
    z = [(torch.from_numpy(zh.T) @ u.T).requires_grad_() for zh in (zh1, zh2)]
    fixed = [view.detach() for view in z]

    def both(metric: str) -> np.ndarray:
        """Of the order in which view 1 is predicted: the gradients of both views, added."""
        p = [z[0] @ w.T, fixed[1] @ w.T]
        g = torch.autograd.grad(PLAIN[metric](p, [fixed[0], z[1]]), z)
        return -columns((g[0] + g[1]) @ u) / weight(metric, 2, 6)

    n1, n2 = np.linalg.norm(lam * zh1, axis=0), np.linalg.norm(zh2, axis=0)
    expected = np.zeros_like(zh1)
    for m in range(5):
        others = [k for k in range(5) if k != m]
        first = sum(lam[k] * (lam[k] * zh1[k] ** 2 * zh2[m] - lam[m] * zh1[m] * zh1[k] * zh2[k]) for k in others)
        second = sum(zh2[k] * (lam[m] * zh1[m] * zh2[k] - lam[k] * zh1[k] * zh2[m]) for k in others)
        expected[m] = lam[m] / (n1**3 * n2) * first + second / (n1 * n2**3)
    found = both("cosine")
    np.testing.assert_allclose(found, expected, atol=1e-13)
    printed = modes.cosine_nosg_printed(lam, zh1, zh2)
    assert np.abs(printed - found).max() > 0.1 * np.abs(found).max()  # as printed it is no gradient
    np.testing.assert_allclose(both("euclidean"), lam * (zh2 - lam * zh1) - (zh2 - lam * zh1), atol=1e-13)
    same = (w, lam, u, zh1, zh1)
    z[1] = z[0].detach().clone().requires_grad_()
    fixed[1] = fixed[0]
    np.testing.assert_allclose(both("euclidean"), -((1 - same[1]) ** 2) * zh1, atol=1e-13)  # C.1


# as part of a step


def network(w: Tensor, **rule: Any) -> Network:
    torch.manual_seed(0)
    predictor = directpred.build(len(w), **rule).double()
    return Network(LinearEncoder(w), NoProjector(len(w)), predictor, None, Same(True))


def make(objective: Callable[..., Tensor], made: Network, lr: float = 0.1) -> TrainingStep:
    return TrainingStep(made, objective, sgd.build(parameter_groups(made, {}), lr=lr, momentum=0.0, weight_decay=0.0))


@pytest.mark.parametrize("name", FORMS)
def test_in_a_step_directpred_and_isoloss_differ_by_the_predictor_alone(name: str) -> None:
    metric, objective = FORMS[name]
    found = []
    for loss in (PLAIN[metric], objective):
        made = network(0.5 * draw(4, 6, seed=9), alpha=0.5)
        x = [draw(30, 6, seed=1), draw(30, 6, seed=2)]
        embeddings, predictions, targets = upcast(*made(x))
        made.predictor.observe(embeddings, targets)
        made.predictor.after_step()
        embeddings, predictions, targets = upcast(*made(x))
        found.append(torch.autograd.grad(make(loss, made).loss(embeddings, predictions, targets), embeddings))
    w = made.predictor.weight
    for p, g in zip(*found, strict=True):
        torch.testing.assert_close(p, g @ w.T, rtol=0, atol=1e-14)


def white(n: int, d: int) -> Tensor:
    """Inputs of which the moment is the identity, to rounding."""
    return torch.linalg.qr(draw(n, d, seed=1))[0] * n**0.5


def spectra(objective: Callable[..., Tensor], start: Tensor, steps: int, lr: float) -> Iterator[Tensor]:
    """Eigenvalues of W W^T along the training of a linear network by DirectPred of power 1 or by IsoLoss."""
    u, v = torch.linalg.qr(draw(len(start), len(start), seed=2))[0], torch.linalg.qr(draw(8, 8, seed=3))[0]
    made = network((u * start.sqrt()) @ v[: len(start)], alpha=1.0, epsilon=0.0, epsilon_mode="literal", rho=0.0)
    step, x = make(objective, made, lr), white(64, 8)
    made.predictor.observe(made([x, x])[0], [])
    made.predictor.after_step()
    for number in range(1, steps + 1):
        yield torch.linalg.eigvalsh(made.encoder.weight.detach() @ made.encoder.weight.detach().T)
        step([x, x], made.predictor.due(number))


@pytest.mark.parametrize("name", ["euclidean", "euclidean, product"])
def test_modes_of_a_linear_network_are_learnt_at_the_rates_of_theorem_1(name: str) -> None:
    # euclidean DirectPred: dW = lr (p - p^2) W; IsoLoss: dW = lr (1 - p) W; with p of the step before
    start, lr = torch.tensor([0.02, 0.3, 1.6], dtype=torch.float64), 0.05
    plain_path = torch.stack(list(spectra(euclidean.loss, start, 200, lr)))
    iso_path = torch.stack(list(spectra(FORMS[name][1], start, 200, lr)))
    for path, rate in ((plain_path, lambda p: p * (1 - p)), (iso_path, lambda p: 1 - p)):
        s, before = start, start
        for found in path:
            torch.testing.assert_close(found, s.sort().values, rtol=1e-10, atol=0)
            s, before = s * (1 + lr * rate(before)) ** 2, s
    assert (iso_path[-1] - 1).abs().max() < 1e-3
    halfway = [int((path[:, 0] > 0.5).double().argmax()) or 200 for path in (iso_path, plain_path)]
    assert halfway[1] >= 3 * halfway[0]  # the smallest mode waits for the predictor without IsoLoss


def test_cosine_isoloss_conserves_the_sum_of_squares_and_the_plain_loss_the_sum() -> None:
    # up to the square of the step: the flow is followed the closer the smaller it is
    start = torch.tensor([0.1, 0.4, 0.9, 1.4], dtype=torch.float64)
    for objective, power in ((isoloss_cosine.loss, 2), (cosine.loss, 1)):
        off = []
        for lr, steps in ((0.04, 80), (0.02, 160)):
            *_, last = spectra(objective, start, steps, lr)
            off.append((last**power).sum() / (start**power).sum() - 1)
            assert last.min() / last.max() > 3 * start.min() / start.max()  # modes become alike
        assert 0 < off[1] < 0.05 and off[0] / off[1] == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize("name", FORMS)
def test_a_collapsed_embedding_has_a_finite_loss_and_gradient(name: str) -> None:
    _, objective = FORMS[name]
    z = [torch.zeros(3, 4), torch.zeros(3, 4)]
    for g in gradients(objective, z, [torch.ones(3, 4)] * 2, torch.zeros(4, 4)):
        assert g.isfinite().all()


@pytest.mark.parametrize("name", FORMS)
def test_half_precision_is_widened_and_one_view_is_refused(name: str) -> None:
    _, objective = FORMS[name]
    z, t, w = views(2), views(2, seed=1), psd().float()
    half = objective([view.bfloat16() for view in z], [view.bfloat16() for view in t], w)
    wide = [[view.bfloat16().float() for view in some] for some in (z, t)]
    assert half.dtype == torch.float32 and half.item() == objective(*wide, w).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert objective(*wide, w).item() == half.item()
    with pytest.raises(UserError, match=r"views\.count: .*at least 2, found 1"):
        objective(z[:1], t[:1], psd())
