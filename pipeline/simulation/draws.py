"""Whether a simulation draws: random generators that were asked for are counted, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_SOURCES = ("default_rng", "PCG64")
"""What all code of the package gets its random numbers from; a test holds that there is nothing else."""

_counts: list[int] = []


@contextmanager
def watched() -> Iterator[None]:
    """Count generators until the end of the block."""
    made = {name: getattr(np.random, name) for name in _SOURCES}
    _counts.append(0)
    for name, make in made.items():
        setattr(np.random, name, _counting(make))
    try:
        yield
    finally:
        for name, make in made.items():
            setattr(np.random, name, make)
        _counts.pop()


def asked() -> int:
    """How many generators were asked for since the watch began; 0 outside of one."""
    return _counts[-1] if _counts else 0


def _counting(make: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        _counts[-1] += 1
        return make(*args, **kwargs)

    return counted
