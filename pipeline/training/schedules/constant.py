"""The learning rate stays what it is."""

from __future__ import annotations

from collections.abc import Callable


def _one(epochs_done: float) -> float:
    return 1.0


def build() -> Callable[[float], float]:
    """No warm-up, no decay (DirectPred's released code), so every epoch of one run is a milestone of it."""
    return _one
