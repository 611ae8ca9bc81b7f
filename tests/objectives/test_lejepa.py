"""LeJEPA against closed forms and plain loops, and its directions against SplitMix64 and the sphere, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from pipeline.objectives import lejepa
from pipeline.objectives._directions import unit_directions

torch.set_num_threads(1)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def at(step: int) -> Tensor:
    return torch.tensor(step)


def test_sigreg_is_epps_and_pulleys_statistic_of_projections() -> None:
    z = draw(40, 6) * 1.3 + 0.4
    along = unit_directions(at(5), 6, 32)
    expected = torch.stack([lejepa.epps_pulley(z @ one) for one in along.T]).mean()
    found = lejepa.loss([z, z], at(5), weight=1.0, directions=32, knots=400, reach=8.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    coarse = lejepa.loss([z, z], at(5), weight=1.0, directions=32)
    assert coarse.item() == pytest.approx(expected.item(), rel=2e-3), "17 knots up to 5"


def test_the_closed_form_is_the_integral() -> None:
    x = draw(9, seed=3)
    t = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    phi = torch.exp(1j * t[:, None] * x[None, :]).mean(1)
    apart = (phi - torch.exp(-(t**2) / 2)).abs().square()
    assert lejepa.epps_pulley(x).item() == pytest.approx(
        (9 * torch.trapezoid(apart * torch.exp(-(t**2) / 2), t)).item()
    )


def test_gaussian_numbers_have_the_mean_of_the_null() -> None:
    # with N numbers that are normal, E T = integral (1 - exp(-t^2)) exp(-t^2 / 2) dt, whatever N
    expected = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
    drawn = torch.stack([lejepa.epps_pulley(draw(50, seed=seed)) for seed in range(400)])
    assert abs(drawn.mean().item() - expected) < 4 * drawn.std().item() / 20
    collapsed = lejepa.epps_pulley(torch.zeros(50, dtype=torch.float64))
    assert collapsed.item() == pytest.approx(50 * math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + 1 / math.sqrt(3)))


def test_the_rest_is_the_variance_of_views_about_their_mean() -> None:
    z = [draw(5, 3, seed=seed) for seed in range(3)]
    total = 0.0
    for n in range(5):
        mean = [sum(view[n, k].item() for view in z) / 3 for k in range(3)]
        total += sum((view[n, k].item() - mean[k]) ** 2 for view in z for k in range(3))
    assert lejepa.loss(z, at(0), weight=0.0).item() == pytest.approx(total / 15, rel=1e-12)
    both = [lejepa.loss(z, at(0), weight=weight).item() for weight in (0.0, 1.0, 0.3)]
    assert both[2] == pytest.approx(0.7 * both[0] + 0.3 * both[1], rel=1e-12)


def test_the_gradient_against_finite_differences() -> None:
    z = [draw(4, 3, seed=seed).requires_grad_() for seed in range(2)]
    assert torch.autograd.gradcheck(lambda *views: lejepa.loss([*views], at(2), directions=8), tuple(z))


def test_descent_makes_a_collapsed_cloud_gaussian() -> None:
    z = (1e-3 * draw(256, 4)).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    for step in range(300):
        optimizer.zero_grad()
        lejepa.loss([z, z], at(step), weight=1.0, directions=16).backward()
        optimizer.step()
    values = torch.linalg.eigvalsh(torch.cov(z.detach().T))
    assert values.min() > 0.8 and values.max() < 1.2


def test_bits_are_splitmix64s() -> None:
    def reference(place: int) -> int:
        mask = 2**64 - 1
        bits = place * 0x9E3779B97F4A7C15 & mask
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & mask
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & mask
        return bits ^ bits >> 31

    for step in (0, 1, 12345):
        normal = []
        for place in range(step * 6 + 1, step * 6 + 7):
            bits = reference(place)
            radius, angle = bits >> 40 & 0xFFFFFF, bits >> 16 & 0xFFFFFF
            normal.append(math.sqrt(-2 * math.log((radius + 0.5) / 2**24)) * math.cos(2 * math.pi * angle / 2**24))
        expected = torch.tensor(normal, dtype=torch.float64).reshape(2, 3)
        found = unit_directions(at(step), 2, 3)
        torch.testing.assert_close(found, expected / expected.norm(dim=0), rtol=1e-13, atol=0)


def test_directions_are_even_on_the_sphere_and_new_in_every_step() -> None:
    dim = 5
    found = torch.cat([unit_directions(at(step), dim, 400) for step in range(5)], dim=1)
    assert torch.allclose(found.norm(dim=0), torch.ones(2000, dtype=torch.float64))
    # one coordinate of a point on the sphere: (x + 1) / 2 has a Beta((dim - 1) / 2, (dim - 1) / 2) distribution
    for row in found:
        assert stats.kstest(((row + 1) / 2).numpy(), stats.beta((dim - 1) / 2, (dim - 1) / 2).cdf).pvalue > 1e-4
    assert len({tuple(column.tolist()) for column in found.T}) == 2000
    assert (found @ found.T / 2000 - torch.eye(dim, dtype=torch.float64) / dim).abs().max() < 0.03
