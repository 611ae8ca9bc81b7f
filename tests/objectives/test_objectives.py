"""Objectives against closed forms and finite differences, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.objectives import cosine, euclidean

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine_by_hand(predictions: list[Tensor], targets: list[Tensor], scale: float) -> float:
    total = 0.0
    for i, p in enumerate(predictions):
        for j, z in enumerate(targets):
            if i != j:
                rows = [
                    float(np.dot(a, b) / math.sqrt(np.dot(a, a) * np.dot(b, b)))
                    for a, b in zip(p.numpy(), z.numpy(), strict=True)
                ]
                total -= scale * sum(rows) / len(rows)
    return total


@pytest.mark.parametrize(("views", "scale"), [(2, 2.0), (2, 0.5), (3, 1.0), (4, 2.0)])
def test_cosine_is_the_sum_over_ordered_pairs(views: int, scale: float) -> None:
    predictions = [draw(5, 7, seed=i) for i in range(views)]
    targets = [draw(5, 7, seed=10 + i) for i in range(views)]
    found = cosine.loss(predictions, targets, scale=scale).item()
    assert found == pytest.approx(cosine_by_hand(predictions, targets, scale), abs=1e-13)


def test_cosine_range_is_that_of_the_released_code() -> None:
    x = draw(6, 4)
    assert cosine.loss([x, x], [x, x]).item() == pytest.approx(-4.0)
    assert cosine.loss([x, x], [-x, -x]).item() == pytest.approx(4.0)


def test_cosine_is_the_squared_distance_of_unit_vectors() -> None:
    p, z = [draw(6, 4, seed=1), draw(6, 4, seed=2)], [draw(6, 4, seed=3), draw(6, 4, seed=4)]
    unit = torch.nn.functional.normalize
    distance = (unit(p[0]) - unit(z[1])).square().sum(1).mean() + (unit(p[1]) - unit(z[0])).square().sum(1).mean()
    assert cosine.loss(p, z).item() == pytest.approx(distance.item() - 4.0, abs=1e-13)


def test_cosine_gradient_in_closed_form() -> None:
    p = [draw(5, 7, seed=i).requires_grad_() for i in range(2)]
    z = [draw(5, 7, seed=10 + i) for i in range(2)]
    cosine.loss(p, z, scale=2.0).backward()
    for i, j in ((0, 1), (1, 0)):
        norm = p[i].detach().norm(dim=1, keepdim=True)
        a, b = p[i].detach() / norm, torch.nn.functional.normalize(z[j])
        expected = -2.0 / 5 * (b - (a * b).sum(1, keepdim=True) * a) / norm
        torch.testing.assert_close(p[i].grad, expected, rtol=0, atol=1e-14)
        assert (p[i].grad * p[i].detach()).sum(1).abs().max() < 1e-14  # it only turns the prediction


@pytest.mark.parametrize("objective", [cosine.loss, euclidean.loss])
@pytest.mark.parametrize("through_targets", [False, True])
def test_gradients_against_finite_differences(objective, through_targets: bool) -> None:
    p = [draw(3, 4, seed=i).requires_grad_() for i in range(3)]
    z = [draw(3, 4, seed=10 + i).requires_grad_(through_targets) for i in range(3)]

    def of_all(*tensors: Tensor) -> Tensor:
        return objective(list(tensors[:3]), list(tensors[3:]))

    assert torch.autograd.gradcheck(of_all, (*p, *z))


def test_euclidean_is_equation_39() -> None:
    p, z = [draw(6, 4, seed=1), draw(6, 4, seed=2)], [draw(6, 4, seed=3), draw(6, 4, seed=4)]
    expected = 0.25 * ((p[0] - z[1]).square().sum(1).mean() + (p[1] - z[0]).square().sum(1).mean())
    assert euclidean.loss(p, z).item() == pytest.approx(expected.item(), abs=1e-13)
    three = [draw(6, 4, seed=i) for i in range(3)]
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    mean = sum((three[i] - three[j]).square().sum(1).mean() / 2 for i, j in pairs) / len(pairs)
    assert euclidean.loss(three, three).item() == pytest.approx(float(mean), abs=1e-13)


def linear_model() -> tuple[list[Tensor], Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Two views, W, Wp, Wa, and the moments X + X' and X of the sample, symmetrised as Eq. 39 does."""
    x = [draw(50, 6, seed=1) + 0.5 * draw(50, 6, seed=i) for i in (2, 3)]
    same = sum(view.T @ view for view in x) / 100
    cross = (x[0].T @ x[1] + x[1].T @ x[0]) / 100
    return x, draw(4, 6, seed=4), draw(4, 4, seed=5), draw(4, 6, seed=6), same, cross


def test_euclidean_gradient_is_lemma_1() -> None:
    x, w, wp, wa, same, cross = linear_model()
    w.requires_grad_()
    wp.requires_grad_()
    euclidean.loss([view @ w.T @ wp.T for view in x], [view @ wa.T for view in x]).backward()
    with torch.no_grad():
        g = -wp @ w @ same + wa @ cross
        torch.testing.assert_close(-wp.grad, g @ w.T, rtol=0, atol=1e-12)
        torch.testing.assert_close(-w.grad, wp.T @ g, rtol=0, atol=1e-12)


def test_euclidean_gradient_without_stop_gradient_is_theorem_2() -> None:
    x, w, wp, _, same, cross = linear_model()
    w.requires_grad_()
    euclidean.loss([view @ w.T @ wp.T for view in x], [view @ w.T for view in x]).backward()
    eye, noise = torch.eye(4, dtype=torch.float64), same - cross
    with torch.no_grad():
        h = torch.kron(noise, wp.T @ wp + eye) + torch.kron(cross, (wp - eye).T @ (wp - eye))
        stacked = w.T.reshape(-1)  # columns of W on top of each other
        torch.testing.assert_close(w.grad.T.reshape(-1), h @ stacked, rtol=0, atol=1e-12)
