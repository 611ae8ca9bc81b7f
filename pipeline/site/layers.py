"""A layered layout: boxes in columns from left to right, few crossings, short edges. Knows nothing but sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

GAP = 14.0
"""Between two boxes of a column."""

_SWEEPS = 8


def ordered(below: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Sort names after all that they read, with fewer edges.

    Without those that a longer path implies, or that close a cycle (only a forged chain has one).

    Args:
        below: What each name reads; every name a key.
    """
    under: dict[str, set[str]] = {}
    kept: dict[str, list[str]] = {}
    for top in below:
        path, waiting = set(), [top]
        while waiting:
            name = waiting[-1]
            if name in kept:
                path.discard(waiting.pop())
                continue
            missing = [other for other in below[name] if other not in kept and other not in path and other != name]
            path.add(name)
            if missing:
                waiting.append(missing[0])
                continue
            others = [other for other in dict.fromkeys(below[name]) if other in kept]
            under[name] = set(others).union(*(under[other] for other in others))
            kept[name] = [other for other in others if not any(other in under[third] for third in others)]
    return kept


def columns(below: Mapping[str, Sequence[str]], least: Mapping[str, int] | None = None) -> list[list[str]]:
    """Names in columns: each right of all that it reads, in an order with few crossings.

    Args:
        below: What each name reads, as :func:`ordered` gives it.
        least: The first column in which a name may stand.
    """
    depth: dict[str, int] = {}
    for name, others in below.items():
        depth[name] = max(1 + max((depth[other] for other in others), default=-1), (least or {}).get(name, 0))
    found: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name, place in depth.items():
        found[place].append(name)
    found = [column for column in found if column]
    around = neighbours(below)
    for sweep in range(_SWEEPS):
        at = {name: k / max(len(column) - 1, 1) for column in found for k, name in enumerate(column)}
        for column in found if sweep % 2 else found[::-1]:
            wanted = {name: _mean([at[other] for other in around[name]], at[name]) for name in column}
            column.sort(key=wanted.__getitem__)
            at |= {name: k / max(len(column) - 1, 1) for k, name in enumerate(column)}
    return found


def heights(found: Sequence[Sequence[str]], below: Mapping[str, Sequence[str]], high: Mapping[str, float]) -> dict:
    """Top of every box: the fullest column is stacked, the others lie as near to their neighbours as they can.

    Args:
        found: Names in columns, as :func:`columns` gives them.
        below: What each name reads.
        high: Height of every box.
    """
    if not found:
        return {}
    totals = [sum(high[name] + GAP for name in column) for column in found]
    first = totals.index(max(totals))
    middle = _stack(found[first], high, 0.0)
    around = neighbours(below)
    for k in [*range(first - 1, -1, -1), *range(first + 1, len(found))]:  # outwards, each by what is placed already
        centre = sum(middle.values()) / len(middle)
        wanted = [_mean([middle[other] for other in around[name] if other in middle], centre) for name in found[k]]
        middle |= _nearest(found[k], wanted, high)
    top = min(middle[name] - high[name] / 2 for name in middle)
    return {name: middle[name] - high[name] / 2 - top for name in middle}


def neighbours(below: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """List for each name what it reads, and what reads it."""
    found: dict[str, list[str]] = {name: list(others) for name, others in below.items()}
    for name, others in below.items():
        for other in others:
            found[other].append(name)
    return found


def _stack(column: Sequence[str], high: Mapping[str, float], top: float) -> dict[str, float]:
    ends = accumulate((high[name] + GAP for name in column), initial=top)
    return {name: end + high[name] / 2 for name, end in zip(column, ends, strict=False)}


def _nearest(column: Sequence[str], wanted: Sequence[float], high: Mapping[str, float]) -> dict[str, float]:
    """Middles nearest to ``wanted`` (least squares) that keep the order and the gaps: isotonic regression."""
    steps = [(high[a] + high[b]) / 2 + GAP for a, b in pairwise(column)]
    offsets = list(accumulate(steps, initial=0.0))
    pools: list[list[float]] = []  # mean, count
    for want, offset in zip(wanted, offsets, strict=True):
        pools.append([want - offset, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, count = pools.pop()
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * count) / (pools[-1][1] + count), pools[-1][1] + count]
    flat = [mean for mean, count in pools for _ in range(int(count))]
    return {name: at + offset for name, at, offset in zip(column, flat, offsets, strict=True)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
