"""Barlow Twins, InfoNCE and VICReg against plain loops, closed forms and finite differences, in float64."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from pipeline import components
from pipeline.errors import UserError
from pipeline.objectives import barlow, infonce, vicreg

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other

Loss = Callable[[list[Tensor], list[Tensor]], Tensor]
SIMON = functools.partial(barlow.loss, weight=1.0, standardize=False, symmetrize=True)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def views(count: int, n: int = 6, d: int = 4, seed: int = 0) -> list[Tensor]:
    return [draw(n, d, seed=100 * seed + i) for i in range(count)]


def rotation(d: int) -> Tensor:
    return torch.linalg.qr(draw(d, d, seed=77))[0]


# Plain loops over numbers, one ordered pair at a time.


def barlow_by_hand(
    p: list[np.ndarray], z: list[np.ndarray], i: int, j: int, weight: float, standardize: bool, symmetrize: bool
) -> float:
    a, b = p[i].copy(), z[j].copy()
    n, d = a.shape
    if standardize:
        for x in (a, b):
            for k in range(d):
                mean = sum(x[:, k]) / n
                variance = sum((v - mean) ** 2 for v in x[:, k]) / n
                x[:, k] = [(v - mean) / math.sqrt(variance + 1e-5) for v in x[:, k]]
    total = 0.0
    for k in range(d):
        for m in range(d):
            c = sum(a[s, k] * b[s, m] for s in range(n)) / n
            if symmetrize:
                c = (c + sum(b[s, k] * a[s, m] for s in range(n)) / n) / 2
            total += (c - 1) ** 2 if k == m else weight * c**2
    return total


def infonce_by_hand(p: list[np.ndarray], z: list[np.ndarray], i: int, j: int, temperature: float) -> float:
    def score(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)) / temperature

    n, total = len(p[i]), 0.0
    for a in range(n):
        keys = [(j, b) for b in range(n)] + [(i, b) for b in range(n) if b != a]
        assert len(keys) == 2 * n - 1  # the positive and 2N - 2 negatives
        total += math.log(sum(math.exp(score(p[i][a], z[v][b])) for v, b in keys)) - score(p[i][a], z[j][a])
    return total / n


def vicreg_by_hand(
    p: list[np.ndarray], z: list[np.ndarray], i: int, j: int, weights: tuple[float, float, float], epsilon: float
) -> float:
    n, d = p[i].shape
    invariance, variance, covariance = weights
    total = invariance * sum((p[i][s, k] - z[j][s, k]) ** 2 for s in range(n) for k in range(d)) / (n * d)
    for x in (p[i], z[j]):
        mean = [sum(x[:, k]) / n for k in range(d)]
        for k in range(d):
            for m in range(d):
                c = sum((x[s, k] - mean[k]) * (x[s, m] - mean[m]) for s in range(n)) / (n - 1)
                if k == m:
                    total += variance / 2 * max(0.0, 1 - math.sqrt(c + epsilon)) / d
                else:
                    total += covariance * c**2 / d
    return total


def over_pairs(one: Callable[..., float], p: list[Tensor], z: list[Tensor], *params: object) -> float:
    a, b = [x.numpy() for x in p], [x.numpy() for x in z]
    pairs = list(permutations(range(len(p)), 2))
    return sum(one(a, b, i, j, *params) for i, j in pairs) / len(pairs)


CASES: dict[str, tuple[Loss, Callable[[list[Tensor], list[Tensor]], float]]] = {
    "barlow": (barlow.loss, lambda p, z: over_pairs(barlow_by_hand, p, z, 0.0051, True, False)),
    "barlow, raw": (
        functools.partial(barlow.loss, weight=0.3, standardize=False),
        lambda p, z: over_pairs(barlow_by_hand, p, z, 0.3, False, False),
    ),
    "barlow, symmetric": (
        functools.partial(barlow.loss, weight=0.3, symmetrize=True),
        lambda p, z: over_pairs(barlow_by_hand, p, z, 0.3, True, True),
    ),
    "simon": (SIMON, lambda p, z: over_pairs(barlow_by_hand, p, z, 1.0, False, True)),
    "infonce": (infonce.loss, lambda p, z: over_pairs(infonce_by_hand, p, z, 0.2)),
    "infonce, warm": (
        functools.partial(infonce.loss, temperature=1.5),
        lambda p, z: over_pairs(infonce_by_hand, p, z, 1.5),
    ),
    "vicreg": (vicreg.loss, lambda p, z: over_pairs(vicreg_by_hand, p, z, (25.0, 25.0, 1.0), 1e-4)),
    "vicreg, other weights": (
        functools.partial(vicreg.loss, invariance=2.0, variance=3.0, covariance=5.0, epsilon=0.1),
        lambda p, z: over_pairs(vicreg_by_hand, p, z, (2.0, 3.0, 5.0), 0.1),
    ),
}
each = pytest.mark.parametrize("name", CASES)


@each
@pytest.mark.parametrize("count", [2, 3, 4])
def test_against_plain_loops(name: str, count: int) -> None:
    loss, by_hand = CASES[name]
    p, z = views(count, seed=1), views(count, seed=2)
    assert loss(p, z).item() == pytest.approx(by_hand(p, z), rel=1e-12)
    assert loss(p, p).item() == pytest.approx(by_hand(p, p), rel=1e-12)
    wide = [0.3 * view for view in views(count, n=3, d=7)]  # more features than images; the hinge is active
    assert loss(wide, wide).item() == pytest.approx(by_hand(wide, wide), rel=1e-12)


@each
def test_shared_views_give_what_copies_of_them_give(name: str) -> None:
    """Who computes a pair once where predictions are targets must find value and gradient of both orders."""
    loss, _ = CASES[name]
    shared = [view.requires_grad_() for view in views(3)]
    loss(shared, shared).backward()
    apart = [view.requires_grad_() for view in views(3)]
    value = loss(apart, [1.0 * view for view in apart])
    value.backward()
    assert value.item() == pytest.approx(loss(shared, shared).item(), rel=1e-13)
    for a, b in zip(shared, apart, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-13)


@each
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("targets", ["shared", "constant", "differentiable"])
def test_gradients_against_finite_differences(name: str, count: int, targets: str) -> None:
    loss, _ = CASES[name]
    p = [view.requires_grad_() for view in views(count, n=4, d=3)]
    z = [view.requires_grad_(targets == "differentiable") for view in views(count, n=4, d=3, seed=2)]

    def of_all(*tensors: Tensor) -> Tensor:
        first = list(tensors[:count])
        return loss(first, first if targets == "shared" else list(tensors[count:]))

    assert torch.autograd.gradcheck(of_all, tuple(p) if targets == "shared" else (*p, *z))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("infonce")])
def test_half_of_the_gradient_enters_by_the_predictions(name: str) -> None:
    """Where the loss of a pair is symmetric; infonce is not, it normalises over the keys of each anchor."""
    loss, _ = CASES[name]
    p = [view.requires_grad_() for view in views(2)]
    stopped = torch.autograd.grad(loss(p, [view.detach() for view in p]), p)
    for whole, half in zip(torch.autograd.grad(loss(p, p), p), stopped, strict=True):
        torch.testing.assert_close(whole, 2 * half, rtol=1e-11, atol=1e-12)


@each
def test_order_of_views_and_of_images_does_not_matter(name: str) -> None:
    loss, _ = CASES[name]
    p, z = views(3, seed=1), views(3, seed=2)
    value = loss(p, z).item()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    assert loss([x[order] for x in p], [x[order] for x in z]).item() == pytest.approx(value, rel=1e-12)
    assert loss([p[i] for i in (2, 0, 1)], [z[i] for i in (2, 0, 1)]).item() == pytest.approx(value, rel=1e-12)
    # which image belongs to which does matter
    assert abs(loss(p, [x[order] for x in z]).item() - value) > 1e-3 * abs(value)


@each
def test_order_of_features_does_not_matter(name: str) -> None:
    loss, _ = CASES[name]
    p, z = views(2, seed=1), views(2, seed=2)
    turned = [[x[:, [3, 1, 0, 2]] for x in side] for side in (p, z)]
    assert loss(*turned).item() == pytest.approx(loss(p, z).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "invariant"), [("simon", True), ("infonce", True), ("barlow", False), ("vicreg", False)]
)
def test_rotations_of_the_embedding(name: str, invariant: bool) -> None:
    """Simon 2023, App. F: f -> U f leaves its loss and SimCLR's alone; VICReg and a lambda other than 1 have axes."""
    loss, _ = CASES[name]
    x = [0.4 * view for view in views(2, n=20)]
    turned = [view @ rotation(4) for view in x]
    difference = abs(loss(turned, turned).item() / loss(x, x).item() - 1)
    assert difference < 1e-12 if invariant else difference > 1e-4


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_infonce_does_not_see_lengths(factor: float) -> None:
    p, z = views(2, seed=1), views(2, seed=2)
    lengths = factor * (1 + draw(6, 1).abs())
    assert infonce.loss([lengths * x for x in p], z).item() == pytest.approx(infonce.loss(p, z).item(), rel=1e-12)


def whitened(n: int, d: int) -> Tensor:
    """Features with zero mean and ``x^T x / n = I``."""
    x = draw(n, d)
    return torch.linalg.qr(x - x.mean(0))[0] * math.sqrt(n)


def test_barlow_vanishes_where_the_correlation_is_the_identity() -> None:
    x = whitened(12, 4)
    for params in ({"standardize": False}, {"standardize": False, "weight": 1.0, "symmetrize": True}):
        assert barlow.loss([x, x.clone()], [x, x.clone()], **params).item() == pytest.approx(0, abs=1e-25)
    # BatchNorm's 1e-5 leaves a correlation of 1 / (1 + 1e-5)
    assert barlow.loss([x, x], [x, x]).item() == pytest.approx(4 * (1e-5 / (1 + 1e-5)) ** 2, rel=1e-6)
    assert barlow.loss([x, -x], [x, -x], standardize=False).item() == pytest.approx(4 * (-1 - 1) ** 2)


def test_barlow_standardisation_removes_shift_and_scale_of_every_feature() -> None:
    x, z = [1e3 * view for view in views(2)], [1e3 * view for view in views(2, seed=2)]  # 1e-5 is nothing here
    scale, shift = torch.tensor([1.0, 10.0, 2.0, 0.5], dtype=torch.float64), draw(4)
    moved = [view * scale + 1e3 * shift for view in x]
    assert barlow.loss(moved, z).item() == pytest.approx(barlow.loss(x, z).item(), rel=1e-9)
    assert barlow.loss(moved, z, standardize=False).item() != pytest.approx(barlow.loss(x, z, standardize=False).item())


def test_simons_loss_is_a_frobenius_norm_and_its_gradient_that_of_the_linear_model() -> None:
    """Simon 2023, Eqs. 1 to 6: dL/dW = 4 (W Gamma W^T - I) W Gamma."""
    x, w = views(2, n=9, d=5), (0.3 * draw(3, 5, seed=9)).requires_grad_()
    gamma = (x[0].T @ x[1] + x[1].T @ x[0]) / 18
    f = [view @ w.T for view in x]
    value = SIMON(f, f)
    value.backward()
    with torch.no_grad():
        error = w @ gamma @ w.T - torch.eye(3, dtype=torch.float64)
        assert value.item() == pytest.approx(torch.linalg.matrix_norm(error).item() ** 2, rel=1e-13)
        torch.testing.assert_close(w.grad, 4 * error @ w @ gamma, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
@pytest.mark.parametrize("n", [2, 5])
def test_infonce_of_orthogonal_images(n: int, temperature: float) -> None:
    x = torch.eye(8, dtype=torch.float64)[:n]
    expected = math.log1p((2 * n - 2) * math.exp(-1 / temperature))  # positive at 1, all negatives at 0
    assert infonce.loss([x, 3 * x], [x, 3 * x], temperature=temperature).item() == pytest.approx(expected, rel=1e-12)
    both = [x, x.clone()]
    assert infonce.loss(both, both, temperature=temperature).item() == pytest.approx(expected, rel=1e-12)


def test_infonce_is_nt_xent() -> None:
    """Of all 2N embeddings in one list, as the text of SimCLR has it."""
    x = views(2, n=5)
    unit = torch.nn.functional.normalize(torch.cat(x))
    logits = (unit @ unit.T / 0.2).fill_diagonal_(-math.inf)
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(10).roll(5))
    assert infonce.loss(x, x).item() == pytest.approx(expected.item(), rel=1e-13)


@pytest.mark.parametrize("count", [2, 3])
def test_collapse(count: int) -> None:
    """All images at one point: what each objective says of it."""
    x = [draw(1, 4).expand(6, 4).clone().requires_grad_() for _ in range(count)]
    assert infonce.loss(x, x).item() == pytest.approx(math.log(2 * 6 - 1), rel=1e-12)
    assert barlow.loss(x, x).item() == pytest.approx(4, abs=1e-12)  # C = 0: d
    deviation = math.sqrt(1e-4)
    assert vicreg.loss(x, x).item() == pytest.approx(25 * (1 - deviation), rel=1e-9)
    origin = [torch.zeros(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(count)]
    assert SIMON(origin, origin).item() == 4
    for loss in (barlow.loss, infonce.loss, vicreg.loss, SIMON):
        for at in (x, origin):
            gradients = torch.autograd.grad(loss(at, at), at)
            assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert all((gradient == 0).all() for gradient in torch.autograd.grad(SIMON(origin, origin), origin))


def test_vicreg_vanishes_on_white_features_that_agree() -> None:
    x = whitened(12, 4) * math.sqrt(11 / 12)  # unit unbiased variance
    assert vicreg.loss([x, x], [x, x]).item() == pytest.approx(0, abs=1e-25)
    shifted = [x, x + 0.5]
    assert vicreg.loss(shifted, shifted).item() == pytest.approx(25 * 0.25, rel=1e-12)  # a shift is no variance
    halved = [0.5 * x, 0.5 * x]
    expected = 25 * (1 - math.sqrt(0.25 + 1e-4))
    assert vicreg.loss(halved, halved).item() == pytest.approx(expected, rel=1e-12)
    doubled = torch.cat([x, x], dim=1)  # each feature has one twin
    assert vicreg.loss([doubled] * 2, [doubled] * 2).item() == pytest.approx(2 * 8 / 8, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each
def test_half_precision_is_computed_in_single(name: str, dtype: torch.dtype) -> None:
    """Sums over 500 products of 20 x 20 are above 65504, the end of float16."""
    loss, _ = CASES[name]
    x = [(20 * view).to(dtype).requires_grad_() for view in views(2, n=500, d=3)]
    value = loss(x, x)
    value.backward()
    exact = [view.detach().double() for view in x]
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(exact, exact).item(), rel=1e-4)
    assert all(view.grad.dtype == dtype and torch.isfinite(view.grad).all() for view in x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(x, x).item() == value.item()


@each
def test_nothing_waits_for_the_device(name: str) -> None:
    """A fake tensor has no values, so whoever asks for one is refused."""
    loss, _ = CASES[name]
    with FakeTensorMode():
        x = [torch.empty(6, 4, requires_grad=True) for _ in range(3)]
        for z in (x, [torch.empty(6, 4) for _ in range(3)]):
            loss(x, z).backward()
        assert all(view.grad is not None for view in x)


@pytest.mark.parametrize("loss", [barlow.loss, infonce.loss, vicreg.loss])
def test_one_view_is_refused(loss: Loss) -> None:
    with pytest.raises(UserError, match=r"views\.count.*at least 2, found 1"):
        loss(views(1), views(1))


def test_the_plan_finds_params_and_no_helper() -> None:
    assert {"barlow", "infonce", "vicreg"} <= set(components.kinds("objective"))
    assert not any(kind.startswith("_") for kind in components.kinds("objective"))
    resolved = components.resolve("objective", {"kind": "barlow", "weight": 1}, "test")
    assert resolved == {"kind": "barlow", "weight": 1.0, "standardize": True, "symmetrize": False}
    nt_xent = {"orders": "both", "negatives": "both", "positive": "in", "gradscale": 0.0}
    resolved = components.resolve("objective", {"kind": "infonce"}, "test")
    assert resolved == {"kind": "infonce", "temperature": 0.2, **nt_xent}
    assert components.default_before("objective", "infonce") == nt_xent, "runs keep their names"
    assert components.resolve("objective", {"kind": "vicreg"}, "test")["invariance"] == 25.0
