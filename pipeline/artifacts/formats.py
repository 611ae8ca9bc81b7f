"""How numbers and tables become bytes: the same bytes for the same numbers, on every machine."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number for a file: ``digits`` decimals for percents, else six significant digits; empty for None."""
    if value is None:
        return ""
    text = f"{value:.{digits}f}" if unit == "%" else f"{value:.6g}"
    return text.lstrip("-") if not float(text) else text  # there is no -0.00


def short(value: float | None, unit: str = "") -> str:
    """A number for people: one decimal for percents, three significant digits for the rest."""
    if value is None:
        return ""
    return number(value, unit, 1) if unit == "%" else f"{value:.3g}"


def spread(mean: float, std: float | None, unit: str = "") -> str:
    """``mean ± std`` for people.

    Percents as in :func:`short`; others with two digits of the deviation, and the mean to the same decimal.
    """
    if std is None:
        return short(mean, unit)
    if unit == "%" or not 1e-6 < std < 1e3:
        return f"{short(mean, unit)} ± {short(std, unit)}"
    decimals = max(0, 1 - math.floor(math.log10(std)))
    return f"{mean:.{decimals}f} ± {std:.{decimals}f}"


def cell(value: Any) -> Any:
    """A value for a CSV file: text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file with a header, lines that end in a newline, and quotes only where they are needed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)


def write_json(path: Path, value: Any) -> None:
    """Write JSON; keys keep their order and floats all their digits."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write a page in Markdown that ends in one newline; what looks like HTML in it is text."""
    shown = re.sub(r"(?<!\\)<(?=[A-Za-z/!?])", r"\\<", text.rstrip("\n"))
    path.write_text(shown + "\n", encoding="utf-8")


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)
