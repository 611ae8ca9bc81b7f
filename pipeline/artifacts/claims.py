"""Verdicts on a paper's sentences, from the cells of an artifact.

A check compares a number with a margin, and the number has a standard error:

================  ==============================================  ===========================================
check             number                                          standard error
================  ==============================================  ===========================================
``greater``       mean of the first cell - mean of the second     Welch: sqrt(s1^2 / n1 + s2^2 / n2)
``above``         mean of the cell                                s / sqrt(n)
``below``         mean of the cell                                s / sqrt(n)
``spread_above``  standard deviation s of the cell                s / sqrt(2 (n - 1)), as for normal errors
``rising``        Spearman's rank correlation of the N runs       1 / sqrt(N - 1), exact without correlation
                  along the axis
================  ==============================================  ===========================================

All standard deviations have ddof = 1. It is ``shown`` if the number passes the margin by more than two
standard errors, ``not shown`` if it misses it by more than two, else undecided; so too where a cell has fewer
than two seeds. Each side of a check must pick exactly one cell once the axes of ``for_each`` are set: nothing
is pooled.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.errors import UserError

SHOWN = "shown"
UNDECIDED = "undecided (seed noise)"
NOT_SHOWN = "not shown"
UNTESTED = "not tested at this scale"
VERDICTS = (SHOWN, UNDECIDED, NOT_SHOWN, UNTESTED)

CHECKS = ("greater", "above", "below", "spread_above", "rising")

ERRORS = 2.0
"""How many standard errors a difference must have."""


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error (None for want of seeds), and how many seeds are behind each side."""

    value: float | None
    error: float | None
    n: tuple[int, ...]


def decide(value: float | None, margin: float, error: float | None) -> str:
    """Verdict on ``value > margin``."""
    if value is None or error is None:
        return UNDECIDED
    excess = value - margin
    if excess > ERRORS * error:
        return SHOWN
    return NOT_SHOWN if excess < -ERRORS * error else UNDECIDED


def overall(verdicts: Sequence[str]) -> str:
    """Verdict on a claim from those on its parts.

    One part that is not shown refutes it; it is shown only if every part is, so that what a scale leaves out
    is never taken for shown.
    """
    for verdict in (NOT_SHOWN, UNDECIDED, UNTESTED):
        if verdict in verdicts:
            return verdict
    return SHOWN if verdicts else UNTESTED


def chance(first: int, second: int) -> float | None:
    """How often two cells of equal mean and spread come out as ``shown``.

    It is P(t > 2) for Student's t with first + second - 2 degrees of freedom (exact for as many seeds on
    either side, where Welch's statistic is Student's), by the finite sums of Abramowitz and Stegun, 26.7.3-4.
    """
    if first < 2 or second < 2:
        return None
    freedom = first + second - 2
    angle = math.atan(ERRORS / math.sqrt(freedom))
    cosine, total, term = math.cos(angle), 0.0, 0.0
    for power in range(freedom % 2, freedom - 1, 2):
        term = term * cosine**2 * (power - 1) / power if term else cosine ** (power % 2)
        total += term
    inside = math.sin(angle) * total
    if freedom % 2:
        inside = 2 / math.pi * (angle + inside)
    return (1 - inside) / 2


def difference(first: Row, second: Row) -> Estimate:
    """Mean of ``first`` minus mean of ``second``."""
    n = (first.n, second.n)
    if first.mean is None or second.mean is None:
        return Estimate(None, None, n)
    value = first.mean - second.mean
    errors = _error(first), _error(second)
    if errors[0] is None or errors[1] is None:
        return Estimate(value, None, n)
    return Estimate(value, math.hypot(errors[0], errors[1]), n)


def level(row: Row) -> Estimate:
    """Mean of a cell."""
    return Estimate(row.mean, _error(row), (row.n,))


def _error(row: Row) -> float | None:
    """Standard error of a cell's mean; what a theory says has none, and one seed does not tell."""
    if row.exact:
        return 0.0
    return None if row.std is None else row.std / math.sqrt(row.n)


def spread(row: Row) -> Estimate:
    """Standard deviation of a cell."""
    return Estimate(row.std, None if row.std is None else row.std / math.sqrt(2 * (row.n - 1)), (row.n,))


def trend(rows: Sequence[Row], axis: str) -> Estimate:
    """Rank correlation of all runs with their place on the axis; none where a cell has no number."""
    points = [(float(row.axes[axis]), value) for row in rows for value in row.values]
    n = (len(points),)
    if any(not row.n for row in rows) or len(points) < 3:
        return Estimate(None, None, n)
    value = correlation([x for x, _ in points], [y for _, y in points])
    error = 0.0 if all(row.exact for row in rows) else 1 / math.sqrt(len(points) - 1)
    return Estimate(value, None if value is None else error, n)


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where one side is constant."""
    a, b = _ranks(first), _ranks(second)
    middle = (len(a) + 1) / 2
    products = math.fsum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    scale = math.sqrt(math.fsum((x - middle) ** 2 for x in a) * math.fsum((y - middle) ** 2 for y in b))
    return products / scale if scale else None


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(values)
    first = {value: order.index(value) for value in set(values)}
    return [first[value] + (order.count(value) + 1) / 2 for value in values]


def judge(claims: Sequence[Mapping[str, Any]], rows: Sequence[Row], scale: str, where: str) -> list[dict[str, Any]]:
    """Verdicts on all claims of an artifact.

    Args:
        claims: As declared: ``text``, one of :data:`CHECKS`, ``by``, ``where``, ``for_each``, ``scales``.
        rows: The artifact's rows.
        scale: Name of the scale.
        where: The artifact, for messages.

    Returns:
        Per claim ``text``, ``check``, ``margin``, ``verdict``, ``parts`` and ``published`` (on how many
        parts it ``holds`` by the paper's own means, ``of`` those that are printed). A part has ``at`` (the
        axes of ``for_each``), ``cells``, ``verdict``, ``value``, ``standard_error``, ``n``, ``collapsed`` (how many of
        these seeds have), and from the paper's means the same number, ``published``, with ``published_holds``.

    Raises:
        UserError: A claim has no check or several, or one of its selections does not pick one cell.
    """
    cells = [row for row in rows if row.role == CELL]
    return [_judge(claim, cells, scale, f"{where}: claim {claim['text']!r}") for claim in claims]


def _judge(claim: Mapping[str, Any], cells: list[Row], scale: str, where: str) -> dict[str, Any]:
    checks = [name for name in CHECKS if claim.get(name) is not None]
    if len(checks) != 1:
        raise UserError(f"{where}: {len(checks)} checks; give it one of: {', '.join(CHECKS)}")
    check = checks[0]
    margin = {"greater": claim.get("by", 0.0), "rising": 0.0}.get(check, claim[check])
    sides = [_selection(side) for side in claim["greater"]] if check == "greater" else [{}]
    axes = claim.get("for_each", [])
    for axis in axes:
        _values(cells, axis, f"{where}: for_each")
        if axis in claim.get("where", {}) or any(axis in side for side in sides):
            raise UserError(f"{where}: for_each: {axis} is set to one value as well; remove it from one of the two")
    excluded = claim.get("scales") is not None and scale not in claim["scales"]
    parts = []
    for values in itertools.product(*(axis_values(cells, axis) for axis in axes)):
        at = dict(zip(axes, values, strict=True))
        common = {**claim.get("where", {}), **at}
        if check == "rising":
            groups = [_along(cells, common, claim["rising"], where)]
        else:
            groups = [[_pick(cells, {**common, **side}, where)] for side in sides]
        parts.append(_part(check, margin, groups, claim.get("rising"), at, excluded))
    printed = [part["published_holds"] for part in parts if part["published_holds"] is not None]
    return {
        "text": claim["text"],
        "check": check,
        "margin": margin,
        "verdict": overall([part["verdict"] for part in parts]),
        "parts": parts,
        "published": {"holds": sum(printed), "of": len(printed)},
    }


def _part(
    check: str, margin: float, groups: list[list[Row]], axis: str | None, at: dict[str, Any], excluded: bool
) -> dict[str, Any]:
    rows = [row for group in groups for row in group]
    if check == "greater":
        found, printed = difference(*rows), _printed(rows, lambda a, b: a - b)
    elif check == "rising":
        assert axis is not None
        places = [float(row.axes[axis]) for row in rows]
        found, printed = trend(rows, axis), _printed(rows, lambda *means: correlation(places, means))
    elif check == "spread_above":
        found, printed = spread(rows[0]), _printed_spread(rows[0])
    else:
        found, printed = level(rows[0]), _printed(rows, float)
    sign = -1.0 if check == "below" else 1.0

    def verdict(value: float | None, error: float | None) -> str:
        return decide(None if value is None else sign * value, sign * margin, error)

    untested = excluded or any(row.missing for row in rows)
    return {
        "at": at,
        "cells": [row.axes for row in rows],
        "verdict": UNTESTED if untested else verdict(found.value, found.error),
        "value": found.value,
        "standard_error": found.error,
        "n": list(found.n),
        "collapsed": sum(len(row.collapsed) for row in rows),
        "published": printed,
        "published_holds": None if printed is None else verdict(printed, 0.0) == SHOWN,
    }


def _printed(rows: Sequence[Row], compare: Any) -> float | None:
    """The same number from the paper's means, if it prints them all."""
    means = [row.published.mean for row in rows if row.published]
    return compare(*map(float, means)) if len(means) == len(rows) else None


def _printed_spread(row: Row) -> float | None:
    return float(row.published.std) if row.published and row.published.std else None


def _selection(side: Any) -> dict[str, Any]:
    return dict(side) if isinstance(side, Mapping) else {"method": side}


def _values(cells: list[Row], axis: str, where: str) -> list[Any]:
    values = axis_values(cells, axis)
    if not values:
        axes = dict.fromkeys(name for row in cells for name in row.axes)
        raise UserError(f"{where}: there is no axis {axis!r}; the axes are: {', '.join(axes)}")
    return values


def _fitting(cells: list[Row], selection: Mapping[str, Any], where: str) -> list[Row]:
    for axis, value in selection.items():
        values = _values(cells, axis, where)
        if not any(same(value, other) for other in values):
            raise UserError(f"{where}: {axis} {value} picks no cell; {axis} has: {', '.join(map(str, values))}")
    found = [row for row in cells if all(same(row.axes[axis], value) for axis, value in selection.items())]
    if not found:
        raise UserError(f"{where}: {_shown(selection)} picks no cell")
    return found


def _pick(cells: list[Row], selection: Mapping[str, Any], where: str) -> Row:
    found = _fitting(cells, selection, where)
    if len(found) > 1:
        free = [axis for axis in found[0].axes if len(axis_values(found, axis)) > 1]
        chosen = _shown(selection) or "the claim"
        raise UserError(
            f"{where}: {chosen} picks {len(found)} cells; give it one value of {' and '.join(free)}, "
            f"or for_each: [{', '.join(free)}]"
        )
    return found[0]


def _along(cells: list[Row], selection: Mapping[str, Any], axis: str, where: str) -> list[Row]:
    """The cells of one line along an axis of numbers."""
    values = _values(cells, axis, where)
    try:
        places = [float(value) for value in values]
    except ValueError:
        raise UserError(f"{where}: rising: {axis} has no numbers but: {', '.join(map(str, values))}") from None
    ordered = sorted(zip(places, values, strict=True))
    return [_pick(cells, {**selection, axis: value}, where) for _, value in ordered]


def _shown(selection: Mapping[str, Any]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in selection.items())
