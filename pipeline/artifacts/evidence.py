"""How far numbers with errors decide a question: estimates from cells, and one-sided tests at one level.

All tests have the level :data:`LEVEL` whatever the number of runs is, so that runs without any difference come out as
``shown`` that often and no oftener. This module runs where a bundle is verified: with the standard library alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.artifacts.rows import Row

SHOWN = "shown"
UNDECIDED = "undecided (seed noise)"
NOT_SHOWN = "not shown"

LEVEL = 0.025
"""How often chance alone may pass for a difference, in one direction."""

ROUNDING = 1e-12
"""What differs by less than this share of its size is a tie: two ways of rounding the same number."""

PERFECT = 1 - 1e-9
"""Rank correlation above which an order has no exception."""


@dataclass(frozen=True)
class Estimate:
    """A number and what is known of its error.

    Attributes:
        value: The number; None where a cell has none.
        error: Its standard error; None for want of seeds, 0 where it has no error but rounding.
        n: How many runs are behind each side.
        freedom: Degrees of freedom of the error; None for a number whose error is known.
        size: Of the numbers that it was made from, against which rounding is measured.
        exact: Whether it comes from a theory alone: no run is random.
        paired: Whether it is a mean of differences between runs of the same seed.
    """

    value: float | None
    error: float | None
    n: tuple[int, ...]
    freedom: int | None = None
    size: float = 0.0
    exact: bool = False
    paired: bool = False


def decide(found: Estimate, margin: float, sign: float = 1.0) -> str:
    """Verdict on ``value > margin``, or on ``value < margin`` for sign -1.

    A tie is not shown. Runs that all give the same number have no spread to judge by: the sign test decides, which
    needs six of them.
    """
    if found.value is None or found.error is None:
        return UNDECIDED
    excess, rounding = sign * (found.value - margin), ROUNDING * max(abs(found.value), abs(margin), found.size)
    if found.error <= rounding:
        if excess <= rounding and (found.exact or excess >= -rounding):
            return NOT_SHOWN
        if not found.exact and 0.5 ** min(found.n) > LEVEL:
            return UNDECIDED
        return SHOWN if excess > 0 else NOT_SHOWN
    if tail(excess / found.error, found.freedom) < LEVEL:
        return SHOWN
    return NOT_SHOWN if tail(-excess / found.error, found.freedom) < LEVEL else UNDECIDED


def decide_spread(found: Estimate, margin: float) -> str:
    """Verdict on a standard deviation of normal draws being above a margin, by the chi-squared distribution."""
    if found.value is None or found.freedom is None:
        return UNDECIDED
    chance = chi_squared_tail(found.freedom * (found.value / margin) ** 2, found.freedom) if margin > 0 else 0.0
    if chance < LEVEL:
        return SHOWN
    return NOT_SHOWN if 1 - chance < LEVEL else UNDECIDED


def difference(first: Row, second: Row) -> Estimate:
    """Mean of ``first`` minus mean of ``second``: in pairs where both have runs of the same seeds, else by Welch."""
    if first.exact or second.exact or set(first.numbers) != set(second.numbers) or first.n < 2:
        return welch(first, second)
    pairs = [value - second.numbers[seed] for seed, value in first.numbers.items()]
    mean, n = math.fsum(pairs) / len(pairs), len(pairs)
    error = math.sqrt(math.fsum((pair - mean) ** 2 for pair in pairs) / (n - 1) / n)
    return Estimate(mean, error, (n, n), n - 1, _size(first, second), paired=True)


def welch(first: Row, second: Row) -> Estimate:
    """The same for independent runs; degrees of freedom by Welch and Satterthwaite, rounded down."""
    n = (first.n, second.n)
    if first.mean is None or second.mean is None:
        return Estimate(None, None, n)
    value, size = first.mean - second.mean, _size(first, second)
    if first.exact and second.exact:
        return Estimate(value, 0.0, n, None, size, exact=True)
    errors = [_error(row) for row in (first, second) if not row.exact]
    if None in errors:
        return Estimate(value, None, n)
    squares = [error * error for error in errors if error is not None]
    counts = [row.n for row in (first, second) if not row.exact]
    total, parts = sum(squares), sum(s * s / (count - 1) for s, count in zip(squares, counts, strict=True))
    freedom = math.floor(total * total / parts * (1 + ROUNDING)) if parts else min(counts) - 1
    return Estimate(value, math.sqrt(total), tuple(counts), freedom, size)


def level(row: Row) -> Estimate:
    """Mean of a cell."""
    if row.exact:
        return Estimate(row.mean, 0.0, (row.n,), exact=True)
    return Estimate(row.mean, _error(row), (row.n,), max(row.n - 1, 0), _size(row))


def spread(row: Row) -> Estimate:
    """Standard deviation of a cell, with the standard error that it has for normal draws."""
    if row.std is None:
        return Estimate(None, None, (row.n,))
    return Estimate(row.std, row.std / math.sqrt(2 * (row.n - 1)), (row.n,), row.n - 1)


def trend(rows: Sequence[Row], axis: str) -> Estimate:
    """Rank correlation of numbers with their place on an axis; None where a cell has no number.

    Where all cells have runs of the same seeds it is the mean of each seed's own correlation, whose error without a
    trend is 1 / sqrt(n (k - 1)) for k places and n seeds (Page's test), else that of all N runs, 1 / sqrt(N - 1).
    """
    places = [float(row.axes[axis]) for row in rows]
    numbers = [row.numbers for row in rows]
    if not all(numbers):
        return Estimate(None, None, (sum(map(len, numbers)),))
    if all(row.exact for row in rows):
        values = [float(f"{row.values[0]:.11e}") for row in rows]  # what differs by rounding is a tie
        return Estimate(correlation(places, values), 0.0, (len(values),), exact=True)
    seeds = set(next(row.numbers for row in rows if not row.exact))
    if all(row.exact or set(row.numbers) == seeds for row in rows):
        lines = [[row.values[0] if row.exact else row.numbers[seed] for row in rows] for seed in sorted(seeds)]
        value = math.fsum(correlation(places, line) for line in lines) / len(lines)
        runs, freedom = len(lines) * len(places), len(lines) * (len(places) - 1)
        return Estimate(value, _inverse_root(freedom) if len(lines) > 1 else None, (runs,))
    points = [(place, value) for place, row in zip(places, rows, strict=True) for value in row.values]
    value = correlation([x for x, _ in points], [y for _, y in points])
    return Estimate(value, _inverse_root(len(points) - 1), (len(points),))


def together(first: Sequence[Row], second: Sequence[Row]) -> Estimate:
    """Rank correlation of two lines with the same places: mean of each seed's own, with the error that seeds show.

    Points along one training are not independent, so that their number says little of the error: it comes from how
    seeds differ, at the least as unrelated lines of k independent points would, by 1 / sqrt(k - 1). None where a cell
    has no number, or no seed has all.
    """
    rows = [*first, *second]
    if all(row.exact for row in rows):
        lines = [[float(f"{row.values[0]:.11e}") for row in side] for side in (first, second)]
        return Estimate(correlation(*lines), 0.0, (len(first),), exact=True)
    seeds = set.intersection(*(set(row.numbers) for row in rows if not row.exact))
    if not seeds or not all(row.n for row in rows):
        return Estimate(None, None, (sum(row.n for row in rows),))
    found = [
        correlation(*([row.values[0] if row.exact else row.numbers[seed] for row in side] for side in (first, second)))
        for seed in sorted(seeds)
    ]
    mean, n, least = math.fsum(found) / len(found), len(found), _inverse_root(len(first) - 1)
    if n < 2 or least is None:
        return Estimate(mean, None, (n,))
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in found) / (n - 1))
    return Estimate(mean, max(spread, least) / math.sqrt(n), (n,), n - 1)


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    a, b = _ranks(first), _ranks(second)
    middle = (len(a) + 1) / 2
    products = math.fsum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    scale = math.sqrt(math.fsum((x - middle) ** 2 for x in a) * math.fsum((y - middle) ** 2 for y in b))
    return products / scale if scale else 0.0


def tail(t: float, freedom: int | None) -> float:
    """P(T > t) for Student's t, by the finite sums of Abramowitz and Stegun, 26.7.3-4; normal for freedom None."""
    if freedom is None:
        return math.erfc(t / math.sqrt(2)) / 2
    angle = math.atan(t / math.sqrt(freedom))
    cosine, total, term = math.cos(angle), 0.0, 0.0
    for power in range(freedom % 2, freedom - 1, 2):
        term = term * cosine**2 * (power - 1) / power if term else cosine ** (power % 2)
        total += term
    inside = math.sin(angle) * total
    if freedom % 2:
        inside = 2 / math.pi * (angle + inside)
    return (1 - inside) / 2


def chi_squared_tail(x: float, freedom: int) -> float:
    """P(X > x) for the chi-squared distribution, by the finite sums of Abramowitz and Stegun, 26.4.4-5."""
    half, odd = x / 2, freedom % 2
    powers = (odd / 2 + k for k in range(freedom // 2))
    terms = (math.exp(p * math.log(half) - half - math.lgamma(p + 1)) if half else float(p == 0) for p in powers)
    return (math.erfc(math.sqrt(half)) if odd else 0.0) + math.fsum(terms)


def _error(row: Row) -> float | None:
    return None if row.std is None else row.std / math.sqrt(row.n)


def _size(*rows: Row) -> float:
    return max((abs(value) for row in rows for value in row.values), default=0.0)


def _inverse_root(number: int) -> float | None:
    return 1 / math.sqrt(number) if number > 0 else None


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(values)
    first = {value: order.index(value) for value in set(values)}
    return [first[value] + (order.count(value) + 1) / 2 for value in values]
