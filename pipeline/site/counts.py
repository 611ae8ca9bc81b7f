"""What results are counted by, alike on cards, on a paper's page, on the first page and in the scorecard.

Sentences of the paper are not added to those of ours, nor are numbers that were measured to settings, which are read
off what is declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.artifacts import scorecard, settings
from pipeline.artifacts.rows import CELL
from pipeline.site import verdicts
from pipeline.site.project import ResultPage

_COMPARED = (scorecard.WITHIN, scorecard.OUTSIDE)


@dataclass
class Counts:
    """Counts over one result or several.

    Attributes:
        claims: Verdict (of :data:`pipeline.site.verdicts.WORDS`) -> sentences of the paper that have it.
        ours: The same of sentences that no paper states.
        numbers: Standing -> numbers that have it beside a published one.
        settings: The same of settings, by :data:`pipeline.artifacts.settings.STANDINGS`.
    """

    claims: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    settings: Counter[str] = field(default_factory=Counter)

    @classmethod
    def over(cls, results: Iterable[ResultPage]) -> Counts:
        """Count what is in the reports of results."""
        found = cls()
        for result in results:
            if result.report is not None:
                found._add(result.report)
        return found

    def _add(self, report: Mapping[str, Any]) -> None:
        for claim in report["claims"]:
            (self.ours if claim["ours"] else self.claims)[verdicts.of(claim)] += 1
        for cell in report["cells"]:
            standing = scorecard.stand(cell)
            if standing is None:
                continue
            if cell.get("setting") and cell["role"] == CELL:
                self.settings[cell["setting"]["standing"]] += 1
            else:
                self.numbers[standing.word] += 1

    @property
    def within(self) -> str:
        """``3 of 18 (12 not comparable)``: numbers within the published band; empty where none is printed."""
        left = [f"{self.numbers[word]} {word}" for word in scorecard.STANDINGS if word not in _COMPARED]
        return _share(self.numbers, scorecard.WITHIN, [one for one in left if not one.startswith("0 ")])

    @property
    def as_printed(self) -> str:
        """``20 of 30 (10 set by the scale)``: settings as printed; empty where none is printed."""
        number = self.settings[settings.BY_SCALE]
        return _share(self.settings, settings.AS_PRINTED, [f"{number} {settings.BY_SCALE}"] if number else [])


def _share(counts: Counter[str], good: str, left: list[str]) -> str:
    if not counts.total():
        return ""
    return f"{counts[good]} of {counts.total()}" + (f" ({', '.join(left)})" if left else "")
