"""Invariance of many views to their centroid instead of to each other (Ghosh 2024, Eq. 10).

Sum over pairs and sum of distances to the centroid are the same number up to a factor that depends on the number of
views m, so the O(m) loss is no approximation of the O(m^2) loss; but its scale changes with m unless it is corrected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.multiview.graph import Array

if TYPE_CHECKING:
    from jaxtyping import Float64

FORMS = ("centroid", "unbiased", "leave-one-out")


def invariance(views: Float64[Array, "views images d"], form: str = "centroid") -> float:
    """Mean over images and views of the squared distance to what stands for T_M f.

    Args:
        views: Embeddings, shape (views, images, d).
        form: ``centroid``: mean of all views, low by (m-1)/m in expectation, as printed; ``unbiased``: that times
            m/(m-1), half the mean squared distance of a pair; ``leave-one-out``: mean of the other views, high by
            m/(m-1).

    Raises:
        UserError: An unknown form, or fewer than two views.
    """
    m = len(views)
    if form not in FORMS or m < 2:
        raise UserError(f"form, views: expected one of {', '.join(FORMS)} and two or more views, found {form}, {m}")
    away = views - views.mean(0)
    spread = float(np.mean(np.sum(away**2, axis=-1)))
    return spread * {"centroid": 1.0, "unbiased": m / (m - 1), "leave-one-out": (m / (m - 1)) ** 2}[form]


def pairs(views: Float64[Array, "views images d"]) -> float:
    """Mean over images and pairs of different views of the squared distance of the pair."""
    m = len(views)
    if m < 2:
        raise UserError(f"views: expected two or more, found {m}")
    away = views[:, None] - views[None]
    return float(np.sum(away**2) / (m * (m - 1) * views.shape[1]))
