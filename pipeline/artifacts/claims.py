"""Verdicts on a paper's sentences, from the cells of an artifact.

A check compares a number with a margin, and the number has a standard error:

================  ==============================================  ===========================================
check             number                                          standard error, and its law without an effect
================  ==============================================  ===========================================
``greater``       mean of the first cell - mean of the second     of the differences of runs with one seed,
                                                                  where the cells share seeds: s / sqrt(n),
                                                                  Student; else Welch
``at_least``      the same, above minus ``within``                the same
``above``         mean of the cell                                s / sqrt(n), Student
``below``         mean of the cell                                s / sqrt(n), Student
``spread_above``  standard deviation s of the cell                chi-squared, as for normal errors
``rising``        Spearman's rank correlation with the axis,      1 / sqrt(n (k - 1)) for k places, normal
                  mean over n seeds
``together``      Spearman's rank correlation of two lines along  s / sqrt(n) over the seeds, s no less than
                  an axis of k places, mean over n seeds          1 / sqrt(k - 1), Student
``as_printed``    no number: a setting is what is printed or not  no error
================  ==============================================  ===========================================

All standard deviations have ddof = 1. It is ``shown`` if the number passes the margin by so much that chance does so in
2.5 % of cases, ``not shown`` if it misses it by as much, else undecided; so too where a cell has fewer than two seeds.
Numbers of a theory have no error: a difference is shown or not, a tie is not, and what is ``rising`` rises at every
step. A cell that lost a seed decides nothing: survivors are a choice. Each side of a check must pick exactly one cell
once the axes of ``for_each`` are set: nothing is pooled.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts import evidence, lost, settings
from pipeline.artifacts.evidence import LEVEL, NOT_SHOWN, SHOWN, UNDECIDED, Estimate
from pipeline.artifacts.rows import CELL, Row, axis_values, same
from pipeline.errors import UserError

LOST = {reason: f"undecided (seeds that {said})" for reason, said in lost.SAID.items()}
"""Verdicts on what has seeds without a number, by the reason."""
UNTESTED = "not tested at this scale"
VERDICTS = (SHOWN, UNDECIDED, *LOST.values(), NOT_SHOWN, UNTESTED)

__all__ = ["LEVEL", "LOST", "NOT_SHOWN", "SHOWN", "UNDECIDED", "UNTESTED", "VERDICTS", "judge", "overall"]

CHECKS = ("greater", "at_least", "above", "below", "spread_above", "rising", "together", "as_printed")
PAIRS = ("greater", "at_least")
"""Checks that compare two cells."""
SIDES = (*PAIRS, "together")
"""Checks that select twice."""
ALONG = ("rising", "together")
"""Checks of lines along an axis, whose number is a rank correlation."""


def overall(verdicts: Sequence[str]) -> str:
    """Verdict on a claim from those on its parts.

    One part that is not shown refutes it; it is shown only if every part is, so that what a scale leaves out
    is never taken for shown.
    """
    for verdict in (NOT_SHOWN, *LOST.values(), UNDECIDED, UNTESTED):
        if verdict in verdicts:
            return verdict
    return SHOWN if verdicts else UNTESTED


def judge(claims: Sequence[Mapping[str, Any]], rows: Sequence[Row], scale: str, where: str) -> list[dict[str, Any]]:
    """Verdicts on all claims of an artifact.

    Args:
        claims: As declared: ``text``, one of :data:`CHECKS`, ``by``, ``within``, ``where``, ``for_each``, ``scales``,
            ``ours``, ``because``.
        rows: The artifact's rows.
        scale: Name of the scale.
        where: The artifact, for messages.

    Returns:
        Per claim ``text``, ``ours`` (no paper states it), ``check``, ``margin``, ``verdict``, ``because`` (why it is
        not shown, if it is not and that is declared), ``parts`` and ``published`` (on how many parts it ``holds`` by
        the paper's own means, ``of`` those that are printed). A part
        has ``at`` (the axes of ``for_each``), ``cells``, ``verdict``, ``value``, ``standard_error``, ``n``, ``paired``
        (compared seed by seed), ``lost`` (why seeds have no number, and how many), ``collapsed`` (how many of its
        seeds have), and from the paper's means the same number, ``published``, with ``published_holds``.

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
    margins = {"greater": claim.get("by", 0.0), "at_least": -claim.get("within", 0.0), "as_printed": 0.0}
    margin = 0.0 if check in ALONG else margins.get(check, claim[check])
    sides = [_selection(side) for side in claim[check]] if check in SIDES else [{}]
    line = claim.get("along", claim.get("rising"))
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
        if check in ALONG:
            groups = [_along(cells, {**common, **side}, str(line), f"{where}: {check}") for side in sides]
        else:
            groups = [[_pick(cells, {**common, **side}, where)] for side in sides]
        _check_kind(check, groups[0][0], where)
        parts.append(_part(check, margin, groups, line, at, excluded))
    verdict = overall([part["verdict"] for part in parts])
    printed = [part["published_holds"] for part in parts if part["published_holds"] is not None]
    return {
        "text": claim["text"],
        "ours": bool(claim.get("ours")),
        "check": check,
        "margin": margin,
        "verdict": verdict,
        "because": claim.get("because") if verdict == NOT_SHOWN else None,
        "parts": parts,
        "published": {"holds": sum(printed), "of": len(printed)},
    }


def _check_kind(check: str, row: Row, where: str) -> None:
    """Numbers are compared with numbers, and settings with their print."""
    if row.missing:
        return
    if (check == "as_printed") != (row.setting is not None):
        raise UserError(
            f"{where}: {check} is for {'settings' if check == 'as_printed' else 'numbers'}, not for {_shown(row.axes)}"
        )
    if check == "as_printed" and row.standing is None:
        raise UserError(
            f"{where}: nothing is printed for {_shown(row.axes)}; add it to the published file, or use where"
        )


def _part(
    check: str, margin: float, groups: list[list[Row]], axis: str | None, at: dict[str, Any], excluded: bool
) -> dict[str, Any]:
    rows = [row for group in groups for row in group]
    if check == "as_printed":
        return _as_printed(rows[0], at, excluded)
    if check in PAIRS:
        found, printed = evidence.difference(*rows), _printed(rows, lambda a, b: a - b)
    elif check == "rising":
        assert axis is not None
        places = [float(row.axes[axis]) for row in rows]
        found, printed = evidence.trend(rows, axis), _printed(rows, lambda *means: evidence.correlation(places, means))
    elif check == "together":
        found, half = evidence.together(*groups), len(groups[0])
        printed = _printed(rows, lambda *means: evidence.correlation(means[:half], means[half:]))
    elif check == "spread_above":
        found, printed = evidence.spread(rows[0]), _printed_spread(rows[0])
    else:
        found, printed = evidence.level(rows[0]), _printed(rows, float)
    in_print = None if printed is None else Estimate(printed, 0.0, (), exact=True)
    gone = {reason: sum(row.lost.get(reason, 0) for row in rows) for reason in lost.SAID}
    gone = {reason: count for reason, count in gone.items() if count}
    verdict = UNTESTED if excluded or any(row.missing for row in rows) else _decide(check, found, margin)
    return {
        "at": at,
        "cells": [row.axes for row in rows],
        "verdict": verdict if verdict == UNTESTED or not gone else LOST[next(iter(gone))],
        "value": found.value,
        "standard_error": found.error,
        "n": list(found.n),
        "paired": found.paired,
        "lost": gone,
        "collapsed": sum(len(row.collapsed) for row in rows),
        "published": printed,
        "published_holds": None if in_print is None else _decide(check, in_print, margin) == SHOWN,
    }


_STANDINGS = {settings.AS_PRINTED: SHOWN, settings.BY_SCALE: UNTESTED, settings.DIFFERS: NOT_SHOWN}
"""What a setting beside its print says: what a scale has set in its place tests nothing."""


def _as_printed(row: Row, at: dict[str, Any], excluded: bool) -> dict[str, Any]:
    shown = row.setting
    told = None if shown is None else {"value": shown.value, "declared": shown.declared, "printed": shown.printed}
    return {
        "at": at,
        "cells": [row.axes],
        "verdict": UNTESTED if excluded or row.missing else _STANDINGS[str(row.standing)],
        "value": None,
        "standard_error": None,
        "n": [],
        "paired": False,
        "lost": {},
        "collapsed": 0,
        "published": None,
        "published_holds": None,
        "setting": told,
    }


def _decide(check: str, found: Estimate, margin: float) -> str:
    if check == "spread_above" and not found.exact:
        return evidence.decide_spread(found, margin)
    if check == "rising" and found.exact:
        margin = evidence.PERFECT  # what has no error rises at every step or does not rise
    return evidence.decide(found, margin, -1.0 if check == "below" else 1.0)


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
        raise UserError(f"{where}: {axis} has no numbers but: {', '.join(map(str, values))}") from None
    ordered = sorted(zip(places, values, strict=True))
    return [_pick(cells, {**selection, axis: value}, where) for _, value in ordered]


def _shown(selection: Mapping[str, Any]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in selection.items())
