"""Axes of charts: where a number stands, and which round numbers have a tick."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """From one number to another, both of which may have a tick."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @classmethod
    def over(cls, ends: Iterable[tuple[float, float]], log: bool = False, whole: bool = False) -> Axis:
        """An axis on which all of ``ends`` have a place; from 0 to 1 where there is none.

        Args:
            ends: Lower and upper ends of what is drawn; what is not finite is passed over.
            log: Whether it is logarithmic: all numbers above 0.
            whole: Whether ticks are whole numbers, as of epochs.
        """
        found = [end for pair in ends for end in pair if math.isfinite(end)]
        if not found:
            return cls(0.1 if log else 0.0, 1.0, log, whole)
        low, high = min(found), max(found)
        if log:
            low, high = (low, high) if high > 1.2 * low else (low / 1.5, high * 1.5)
        elif high - low <= 1e-9 * max(abs(high), abs(low)):
            room = abs(high) * 0.1 or 1.0
            low, high = (low - room, high + room) if not whole else (max(low - 1, 0.0), high + 1)
        elif not whole:
            low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
        return cls(low, high, log, whole)

    def share(self, value: float) -> float:
        """How far along it is, from 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers with their texts, two to seven."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [(factor, factor * 10.0**power) for power in powers for factor in (1, 2, 5)]
            found = [(factor, value) for factor, value in found if self.low <= value <= self.high]
            tens = [value for factor, value in found if factor == 1]
            chosen = tens if len(tens) > 2 else [value for _, value in found]
            if len(chosen) > 1:
                return [(value, _text(value, 0)) for value in chosen[:: max(1, -(-len(chosen) // 6))]]
            # between two neighbours of 1, 2, 5, 10: no more than one has a place, so ticks are even steps
        step = _round((self.high - self.low) / 6)
        step = max(1.0, float(math.ceil(step))) if self.whole else step
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [(k * step, _text(k * step, digits)) for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _round(step: float) -> float:
    """The next of 1, 2, 5, 10, ... that is no smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= step * (1 - 1e-9)), 10 * power)


def _text(value: float, digits: int) -> str:
    plain = f"{value:.{digits}f}" if 0 < digits < 5 else f"{value:.6g}"
    return plain.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
