"""Losses on the mean of many views, against plain loops, the losses on all pairs, and finite differences, in float64."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.objectives import barlow, multiview_barlow, multiview_vicreg, vicreg

torch.set_num_threads(1)

FORMS = ("unbiased", "centroid", "leave_one_out")


def views(count: int, n: int = 7, d: int = 4, seed: int = 0) -> list[Tensor]:
    """Views that have something in common."""
    source = torch.Generator().manual_seed(seed)
    same = torch.randn(n, d, dtype=torch.float64, generator=source)
    return [same + 0.7 * torch.randn(n, d, dtype=torch.float64, generator=source) for _ in range(count)]


def barlow_by_hand(z: list[np.ndarray], weight: float) -> float:
    """Eq. 26 with the centroid of Eq. 10, number by number."""
    n, d = z[0].shape
    standard = [(x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) for x in z]
    mean = sum(standard) / len(standard)
    total = 0.0
    for a in standard:
        for k in range(d):
            total += (sum(a[s, k] * mean[s, k] for s in range(n)) / n - 1) ** 2 / len(standard)
    for k, m in permutations(range(d), 2):
        c = sum(sum(a[s, k] * mean[s, m] for s in range(n)) / n for a in standard) / len(standard)
        total += weight * c**2
    return total


@pytest.mark.parametrize("count", [3, 4, 8])
def test_barlow_against_a_plain_loop(count: int) -> None:
    z = views(count)
    found = multiview_barlow.loss(z, z, weight=0.3)
    assert found.item() == pytest.approx(barlow_by_hand([view.numpy() for view in z], 0.3), rel=1e-12)


def test_barlow_of_two_views_is_the_loss_of_pairs() -> None:
    z = views(2)
    assert multiview_barlow.loss(z, z, weight=0.3) == barlow.loss(z, z, weight=0.3)


def test_barlow_of_equal_views_is_that_of_two_equal_views() -> None:
    """And with the correlation of white features it vanishes, up to what is added to the variance."""
    z = views(1)[0]
    many, two = ([z] * count for count in (5, 2))
    assert multiview_barlow.loss(many, many).item() == pytest.approx(
        barlow.loss(two, two, weight=0.02).item(), rel=1e-12
    )
    white = torch.linalg.qr(torch.randn(40, 4, dtype=torch.float64))[0]
    white = 1e3 * torch.linalg.qr(white - white.mean(0))[0]
    assert multiview_barlow.loss([white] * 4, [white] * 4).item() < 1e-9


def test_barlow_with_rows_of_length_one() -> None:
    z = views(3)
    unit = [view / view.norm(dim=1, keepdim=True) for view in z]
    assert torch.equal(multiview_barlow.loss(z, z, normalize=True), multiview_barlow.loss(unit, unit))


@pytest.mark.parametrize("count", [2, 3, 4, 16])
def test_vicreg_on_the_mean_is_vicreg_on_all_pairs(count: int) -> None:
    z = views(count)
    params = {"invariance": 3.0, "variance": 5.0, "covariance": 0.7}
    assert multiview_vicreg.loss(z, z, **params).item() == pytest.approx(vicreg.loss(z, z, **params).item(), rel=1e-12)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_forms_of_the_invariance(count: int) -> None:
    """Distances to the mean, to the mean of the others and between all pairs, each by hand."""
    z = views(count)
    n, d = z[0].shape
    mean = sum(z) / count

    def squared(first: Tensor, second: Tensor) -> float:
        return (first - second).square().sum().item() / (n * d)

    by_hand = {
        "centroid": sum(squared(a, mean) for a in z) / count,
        "leave_one_out": sum(squared(a, (count * mean - a) / (count - 1)) for a in z) / count,
        "unbiased": sum(squared(a, b) for a, b in combinations(z, 2)) / (count * (count - 1) / 2),
    }
    for form in FORMS:
        found = multiview_vicreg.loss(z, z, invariance=1.0, variance=0.0, covariance=0.0, form=form)
        assert found.item() == pytest.approx(by_hand[form], rel=1e-12), form


@pytest.mark.parametrize("loss", [multiview_barlow.loss, multiview_vicreg.loss])
def test_the_order_of_views_and_of_images_does_not_matter(loss) -> None:
    z = views(4)
    found = loss(z, z)
    assert loss(z[::-1], z[::-1]).item() == pytest.approx(found.item(), rel=1e-12)
    shuffled = [view[[3, 1, 0, 2, 6, 5, 4]] for view in z]
    assert loss(shuffled, shuffled).item() == pytest.approx(found.item(), rel=1e-12)


@pytest.mark.parametrize("loss", [multiview_barlow.loss, multiview_vicreg.loss])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_gradients_are_those_of_finite_differences(loss, count: int) -> None:
    assert torch.autograd.gradcheck(lambda *z: loss(list(z), list(z)), [v.requires_grad_() for v in views(count, 5, 3)])


def test_the_loss_costs_the_same_per_view() -> None:
    """Operations are counted: those of 16 views are no more than eight times those of two, where pairs are 120."""
    counts = {}
    for count in (4, 16):
        z = views(count)
        with torch.profiler.profile(with_flops=False) as profile:
            multiview_vicreg.loss(z, z)
        counts[count] = sum(event.count for event in profile.key_averages())
    assert counts[16] <= 1.6 * counts[4]
