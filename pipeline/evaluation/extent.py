"""How far features spread: a standardised probe divides by their spread, however small, and does not tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.evaluation.softmax import moments
from pipeline.evaluation.spectra import effective_rank

SPREAD = 1e-2
"""Share of their size below which the spread of features is taken as nothing."""

SMALLEST = 1e-3
"""Standard deviation below which it is, whatever their size."""

RANK = 1.5
"""Effective rank below which features lie along one line."""

_ROWS = 1000
"""Images whose covariance is looked at."""


@dataclass(frozen=True)
class Extent:
    """How far features spread.

    Attributes:
        std: Root mean square of their standard deviations.
        share: That over the root mean square of the features themselves: 0 for one point, 1 for centred ones.
        rank: Effective rank of their covariance (Roy and Vetterli 2007), from 1 for a line; 0 for one point.
        directions: The largest rank that they could have.
    """

    std: float
    share: float
    rank: float
    directions: int

    @property
    def collapsed(self) -> bool:
        """Whether they are next to one point, or on one line although they could be on more."""
        return self.std < SMALLEST or self.share < SPREAD or (self.rank < RANK and self.directions > 1)


def extent(features: Tensor) -> Extent:
    """How far features spread about their mean.

    The covariance is that of up to 1000 of them, evenly spread over the rows.

    Args:
        features: (N, d), finite.
    """
    largest = float(features.abs().amax()) or 1.0
    mean, std = (moment / largest for moment in moments(features))
    spread, centre = _rms(std), _rms(mean)
    chosen = torch.linspace(0, len(features) - 1, min(len(features), _ROWS), device=features.device).long()
    directions = min(len(chosen) - 1, features.shape[1])
    if not spread:
        return Extent(0.0, 0.0, 0.0, directions)
    rows = features[chosen].double() / largest
    rows = (rows - rows.mean(0)) / spread  # before it is squared: a tiny spread would vanish
    gram = rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows
    rank = effective_rank(torch.linalg.eigvalsh(gram))
    return Extent(spread * largest, spread / math.hypot(spread, centre), rank, directions)


def _rms(values: Tensor) -> float:
    return math.sqrt(values.square().mean().item())
