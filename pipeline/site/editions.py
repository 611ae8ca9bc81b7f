"""In which order editions are shown, and which are folded: what a reader comes for stands first."""

from __future__ import annotations

from pipeline.site.project import natural

_FIRST, _LAST = ("paper", "gpu", "laptop"), ("quick", "tiny")
"""Scales by what their results are worth; those of the user's own stand between the two."""


def order(edition: str) -> tuple[int, list]:
    """Sort key: runs as long as the paper's before short ones, real data before stand-in data, tests last."""
    scale = edition.partition("-")[0]
    if scale in _FIRST:
        return _FIRST.index(scale) - len(_FIRST), natural(edition)
    return _LAST.index(scale) + 1 if scale in _LAST else 0, natural(edition)


def folded(edition: str) -> bool:
    """Say whether its cards are folded away: those of ``tiny`` show that the code works, and nothing else."""
    return edition.partition("-")[0] == _LAST[-1]
