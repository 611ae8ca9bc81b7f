r"""A mean with its standard deviation as siunitx reads it, to as many decimals as the deviation bears.

The deviation has one significant digit, two where the first is a 1, and the mean ends at the same decimal:
``51.2 \pm 0.4``, ``47 \pm 12``. A number without a deviation has one decimal in percent, else three digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from pipeline.artifacts import formats

_LARGEST_POWER, _SMALLEST_POWER = 5, -5
"""Powers of ten of a mean beyond which it is written with an exponent."""

_PARTS = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?: \\pm (\d+)(?:\.(\d+))?)?(?:e(-?\d+))?")


def quantity(mean: float, std: float | None, unit: str = "") -> str:
    r"""``51.2 \pm 0.4``, ``1.23 \pm 0.04e-6``.

    Args:
        mean: The mean.
        std: Standard deviation; None, or 0, where there is none to tell.
        unit: ``%`` or any other.
    """
    if not std or not math.isfinite(std):
        return formats.short(mean, unit).replace("e+", "e")
    size = max(abs(mean), std)
    power = math.floor(math.log10(size))
    power = power if not _SMALLEST_POWER < power < _LARGEST_POWER else 0
    scaled, error = Decimal(repr(mean)).scaleb(-power), Decimal(repr(std)).scaleb(-power)
    place = _last_place(error)
    value, spread = (number.quantize(Decimal(1).scaleb(place), ROUND_HALF_EVEN) for number in (scaled, error))
    text = rf"{value or abs(value):f} \pm {spread:f}"  # there is no -0.0
    return f"{text}e{power}" if power else text


def _last_place(error: Decimal) -> int:
    """Power of ten of the last digit of a deviation that tells something."""
    digits = 2 if error.as_tuple().digits[0] == 1 else 1
    return error.adjusted() + 1 - digits


def column(numbers: Iterable[str]) -> str | None:
    """The ``table-format`` of a column of such numbers; None where one of them is of another form."""
    found = [_PARTS.fullmatch(number) for number in numbers]
    parts = [match for match in found if match is not None]
    if not parts or len(parts) < len(found):
        return None
    sign = "-" if any(match[1] for match in parts) else ""
    whole = max(len(match[2]) for match in parts)
    decimals = max(len(match[3] or "") for match in parts)
    spreads = [(match[4] + (match[5] or "")).lstrip("0") for match in parts if match[4]]
    spread = f"({max(max(map(len, spreads)), 1)})" if spreads else ""
    powers = [match[6] for match in parts if match[6]]
    power = f"e{max(powers, key=len)}" if powers else ""
    return f"{sign}{whole}.{decimals}{spread}{power}"
