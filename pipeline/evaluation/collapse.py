"""Whether a training collapsed, by the last row of its record; knows no torch, since lists of runs ask it."""

from __future__ import annotations

from pipeline.training.history import History

EMBEDDING_STD = 0.05
"""Spread of the l2-normalised embeddings below which they are taken as one point (0.05: their mean cosine is 0.9975).

It is near 1 where they fill the sphere (Chen and He 2021, Sec. 4.1; :mod:`pipeline.training.collapse_metrics`)."""


def embeddings_collapsed(history: str) -> bool:
    """Whether the embeddings of the last epoch in a ``history.csv`` are next to one point.

    Args:
        history: Its text; one without an epoch tells nothing.
    """
    rows = History(history).rows
    return bool(rows) and rows[-1][2] < EMBEDDING_STD
