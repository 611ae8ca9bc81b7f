"""LeJEPA: views agree, and embeddings are standard Gaussian in every direction; no predictor, no target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from pipeline.objectives._directions import unit_directions
from pipeline.objectives._pairs import full_precision
from pipeline.ranges import Count, Fraction, Interval, Positive

if TYPE_CHECKING:
    from jaxtyping import Float, Int64


def loss(
    embeddings: list[Float[Tensor, "batch dim"]],
    step: Int64[Tensor, ""],
    *,
    weight: Fraction = 0.05,
    directions: Count = 256,
    knots: Annotated[int, Interval(ge=2, le=1_000)] = 17,
    reach: Positive = 5.0,
) -> Float[Tensor, ""]:
    """``weight`` times the mean of SIGReg over views, and the rest times the views' variance about their mean.

    Balestriero and LeCun 2025, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics",
    where the views of an image are all global::

        weight mean_v SIGReg(z_v) + (1 - weight) mean_{v, n} |z_vn - mean_v z_vn|^2

    SIGReg is the mean over directions ``a`` on the unit sphere of Epps and Pulley's statistic of the ``N`` numbers
    ``a . z_n``, with ``phi`` their empirical characteristic function::

        T = N  integral |phi(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt

    taken by the trapezoidal rule from ``-reach`` to ``reach`` (the integrand is even: half of it is computed). Every
    step has directions of its own, which are a function of its number alone.

    Args:
        embeddings: One tensor of shape (batch, dim) per view, with gradient.
        step: Number of steps done, int64 scalar.
        weight: Share of SIGReg.
        directions: How many.
        knots: Points of the rule from 0 to ``reach``.
        reach: Up to which frequency characteristic functions are compared.

    Returns:
        Scalar.
    """
    with torch.autocast(embeddings[0].device.type, enabled=False):
        views, _ = full_precision(embeddings, embeddings)
        z = torch.stack(views)
        along = unit_directions(step, z.shape[2], directions).to(z.dtype)
        t = torch.linspace(0.0, reach, knots, dtype=z.dtype, device=z.device)
        gaussian = torch.exp(-(t**2) / 2)
        rule = torch.full_like(t, 2 * reach / (knots - 1))  # both halves
        rule[0], rule[-1] = rule[0] / 2, rule[-1] / 2
        angles = (z @ along).unsqueeze(-1) * t  # (views, batch, directions, knots)
        apart = (angles.cos().mean(1) - gaussian).square() + angles.sin().mean(1).square()
        sigreg = z.shape[1] * (apart @ (rule * gaussian)).mean()
        spread = (z - z.mean(0)).square().sum(-1).mean()
        return weight * sigreg + (1 - weight) * spread


def epps_pulley(numbers: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Compute the statistic in closed form, with the integral over all frequencies; quadratic in the numbers.

    ``N sqrt(2 pi) (mean_jk exp(-(x_j - x_k)^2 / 2) - sqrt(2) mean_j exp(-x_j^2 / 4) + 1 / sqrt(3))``, from
    ``integral cos(t a) exp(-t^2 s / 2) dt = sqrt(2 pi / s) exp(-a^2 / 2 s)``. What :func:`loss` approaches.
    """
    pairs = torch.exp(-((numbers[:, None] - numbers[None, :]) ** 2) / 2).mean()
    singles = torch.exp(-(numbers**2) / 4).mean()
    return len(numbers) * math.sqrt(2 * math.pi) * (pairs - math.sqrt(2) * singles + 1 / math.sqrt(3))
