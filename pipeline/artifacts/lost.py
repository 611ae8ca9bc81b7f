"""Why a seed has no number, and what pages say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DIVERGED = "diverged"
"""What a seed shows whose training, or whose probe, did not stay finite."""

NEVER = "not reached"
"""What a seed shows that does not reach a threshold at any place."""

UNDEFINED = "not defined"
"""What a seed shows for which its measure is not defined, as the order of fewer than three buckets."""

SAID = {DIVERGED: "diverged", NEVER: "did not come that far", UNDEFINED: "have no value"}
"""Each reason, as something that seeds did; the first of those that hold tells of a cell."""


def counts(seeds: Mapping[Any, Any]) -> dict[str, int]:
    """Count the seeds without a number.

    Args:
        seeds: Seed -> what it shows.

    Returns:
        Reason -> how many seeds, for the reasons that there are.
    """
    shown = [value for value in seeds.values() if isinstance(value, str)]
    return {reason: shown.count(reason) for reason in SAID if reason in shown}


def word(seeds: Mapping[Any, Any], otherwise: str) -> str:
    """What a cell without a number shows.

    Args:
        seeds: Its seeds and what they show.
        otherwise: What it shows if it has no seeds.
    """
    return next(iter(counts(seeds)), otherwise)


def words(lost: Mapping[str, int], of: int) -> str:
    """Say it of a cell, or of a part of a claim.

    Args:
        lost: As :func:`counts` returns it.
        of: How many seeds there are.
    """
    return ", ".join(f"{count} of {of} seeds {SAID[reason]}" for reason, count in lost.items())
