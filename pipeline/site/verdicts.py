"""What the site calls a verdict: the words of :mod:`pipeline.artifacts.claims`, and the reason of what is not shown."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pipeline.artifacts import claims

REASONS = {
    "error in print": f"{claims.NOT_SHOWN}: error in print",
    "limit of our setting": f"{claims.NOT_SHOWN}: limit of our setting",
}
"""Declared reason -> verdict on what is not shown because of it: a finding, and no failure to show."""

_EXPLAINED = {
    "error in print": "Error in print: the sentence is not shown because the paper has it wrong.",
    "limit of our setting": "Limit of our setting: it is not shown because of what ours leaves out.",
}

WORDS = (
    claims.SHOWN,
    claims.UNDECIDED,
    *claims.LOST.values(),
    claims.NOT_SHOWN,
    *REASONS.values(),
    claims.UNTESTED,
)
"""All verdicts, in the order in which they are told."""

_RARE = (*claims.LOST.values(), *REASONS.values())

MARKS = {
    claims.SHOWN: "shown",
    claims.UNDECIDED: "undecided",
    **dict.fromkeys(claims.LOST.values(), "undecided"),
    claims.NOT_SHOWN: "refuted",
    REASONS["error in print"]: "misprint",
    REASONS["limit of our setting"]: "limit",
    claims.UNTESTED: "untested",
}
"""Verdict -> class of its mark."""

_SHORT = {
    claims.UNDECIDED: "undecided",
    **{verdict: f"seeds {reason}" for reason, verdict in claims.LOST.items()},
    **{verdict: reason for reason, verdict in REASONS.items()},
    claims.UNTESTED: "not tested",
}


def of(claim: Mapping[str, Any]) -> str:
    """Verdict on a claim of a report or a row of a scorecard, with the reason that is declared for it."""
    return REASONS.get(claim["because"] or "", claim["verdict"])


def brief(verdict: str) -> str:
    """A verdict for cards and heads of columns."""
    return _SHORT.get(verdict, verdict)


def counted(found: Container[str]) -> list[str]:
    """Verdicts that a table has a column for: all, but for the rare ones that nothing in ``found`` has."""
    return [verdict for verdict in WORDS if verdict in found or verdict not in _RARE]


def explained(found: Container[str]) -> list[str]:
    """Say what the reasons mean that something in ``found`` has."""
    return [text for reason, text in _EXPLAINED.items() if REASONS[reason] in found]


def told(verdicts_of: Mapping[str, int]) -> list[tuple[str, int]]:
    """Verdicts with their numbers, in their order, without those that nothing has."""
    return [(word, verdicts_of[word]) for word in WORDS if verdicts_of.get(word)]
