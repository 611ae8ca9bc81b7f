"""Whether a training collapsed, by the last row of its record; knows no torch, since lists of runs ask it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

EMBEDDING_STD = 0.05
"""Spread of the l2-normalised embeddings below which they are taken as one point (0.05: their mean cosine is 0.9975).

It is near 1 where they fill the sphere (Chen and He 2021, Sec. 4.1; :mod:`pipeline.training.collapse_metrics`)."""


def embeddings_collapsed(summary: Mapping[str, Any]) -> bool:
    """Tell whether the embeddings at the end of a training are next to one point.

    Args:
        summary: Of a checkpoint; one without ``embedding_std``, as of a network that was not trained, tells nothing.
    """
    spread = summary.get("embedding_std")
    return isinstance(spread, int | float) and math.isfinite(spread) and spread < EMBEDDING_STD
