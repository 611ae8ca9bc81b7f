"""Values that follow from others: the best place on an axis, where a threshold is first reached, a difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts.lost import DIVERGED, NEVER, word
from pipeline.errors import UserError

Read = Callable[[Sequence[str], str], dict[int, tuple[Any, str]]]
"""Nodes and the name of a value -> seed -> value and node."""


@dataclass(frozen=True)
class Derived:
    """What a cell shows that follows from others.

    Attributes:
        seeds: Seed -> value, and the measurement that it is read from.
        words: How it follows, for the reader of a table.
        unit: Unit of the values, where it is not that of the measure: a place on an axis has none.
    """

    seeds: dict[int, tuple[Any, str]]
    words: str
    unit: str | None = None


def values(rule: Mapping[str, Any], name: str, better: str, read: Read, where: str) -> Derived:
    """Derive the values of one cell.

    Args:
        rule: The rule with its ``parts``, as :class:`pipeline.planning.spec.Derive` and the plan write it.
        name: Name of the measure's value.
        better: ``higher`` or ``lower``: which values of the measure are better.
        read: Reads a value of measurements.
        where: The artifact and cell, for messages.

    Raises:
        UserError: A value is no number.
    """
    parts = [(part, read(part["nodes"], name)) for part in rule["parts"]]
    for _, found in parts:
        for value, node in found.values():
            if isinstance(value, list | dict):
                raise UserError(f"{where}: derive: expected numbers, found {type(value).__name__} in {node}")
    if rule["rule"] == "minus":
        return _difference(parts[0][1], parts[1][1], rule["minus"])
    if rule["rule"] == "first":
        return _first(rule, parts, name, better, read)
    return _best(rule, parts, read)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _why(*values: Any) -> str:
    """Why there is no number that follows from some, one of which is none."""
    return word(dict(enumerate(values)), DIVERGED)


def _difference(
    these: Mapping[int, tuple[Any, str]], those: Mapping[int, tuple[Any, str]], minus: Mapping[str, Any]
) -> Derived:
    """Seed by seed; a seed that only one of the two has is lost."""
    found: dict[int, tuple[Any, str]] = {}
    for seed in these.keys() & those.keys():
        (this, node), (that, _) = these[seed], those[seed]
        first, second = _number(this), _number(that)
        found[seed] = (_why(this, that) if first is None or second is None else first - second, node)
    return Derived(dict(sorted(found.items())), f"less that of {', '.join(map(str, minus.values()))}")


def _first(
    rule: Mapping[str, Any],
    parts: Sequence[tuple[Mapping[str, Any], dict[int, tuple[Any, str]]]],
    name: str,
    better: str,
    read: Read,
) -> Derived:
    """Every seed by itself: the first place at which it is at the threshold or past it."""
    of_seed: dict[int, Any] = {}
    if "threshold" in rule:  # another cell, seed by seed
        of_seed = {seed: value for seed, (value, _) in read(rule["threshold"], name).items()}
        words = f"what {', '.join(map(str, rule['reaching'].values()))} has, seed by seed"
    else:
        words = f"{rule['reaching']:g}"
    found: dict[int, tuple[Any, str]] = {}
    for part, seeds in parts:
        for seed, (value, node) in seeds.items():
            if isinstance(found.get(seed, (NEVER, ""))[0], int | float):
                continue
            wanted = of_seed.get(seed) if "threshold" in rule else rule["reaching"]
            number, threshold = _number(value), _number(wanted)
            if threshold is None:
                found[seed] = (_why(wanted), node)
                continue
            reached = number is not None and (number <= threshold if better == "lower" else number >= threshold)
            found[seed] = (_place(rule, part, seed, read) if reached else NEVER, node)
    return Derived(found, f"first {rule['first']} at {words}", _unit(rule))


def _best(
    rule: Mapping[str, Any], parts: Sequence[tuple[Mapping[str, Any], dict[int, tuple[Any, str]]]], read: Read
) -> Derived:
    """One place for all seeds, where the mean of ``by`` is best; the first of equals. A lost seed rules a place out."""
    by = rule["by"]
    lower = rule[f"{by}.better"] == "lower"
    means: list[tuple[float, int]] = []
    for number, (part, _) in enumerate(parts):
        judged = [_number(value) for value, _ in read(part[by], rule[f"{by}.value"]).values()]
        whole = [value for value in judged if value is not None]
        if len(whole) == len(judged) and whole:
            mean = math.fsum(whole) / len(whole)
            means.append((-mean if lower else mean, -number))
    axis = rule["best"] if rule["rule"] == "best" else rule["place"]
    if not means:
        lost = {seed: (_why(*(seeds[seed][0] for _, seeds in parts)), node) for seed, (_, node) in parts[0][1].items()}
        return Derived(lost, f"no {axis} has all seeds")
    part, seeds = parts[-max(means)[1]]
    words = f"{axis} {part['at']} of {len(parts)}, chosen by {by}"
    if rule["rule"] == "best":
        return Derived(seeds, words)
    return Derived(
        {seed: (_place(rule, part, seed, read), node) for seed, (_, node) in seeds.items()}, words, _unit(rule)
    )


def _place(rule: Mapping[str, Any], part: Mapping[str, Any], seed: int, read: Read) -> Any:
    """A place on the axis, times another number of the same seed where the rule says so."""
    times = rule.get("times")
    if times is None:
        return part["at"]
    value, _ = read(part[times], rule[f"{times}.value"])[seed]
    factor = _number(value)
    return _why(value) if factor is None or not isinstance(part["at"], int | float) else part["at"] * factor


def _unit(rule: Mapping[str, Any]) -> str:
    """Unit of a place: none, or that of what it is multiplied by."""
    times = rule.get("times")
    return str(rule[f"{times}.unit"]) if times is not None else ""
