"""What differs between a result as it lies there and as it follows from the measurements: cell by cell, in words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.artifacts import formats, words

MOST = 5
"""Differences that are told of one file; more say no more."""

_NUMBERS = ("mean", "value", "std", "n", "published_mean", "published_std")
"""Columns that hold what is shown; the first two are the number itself."""

_ABOUT = {
    "paper", "artifact", "paper_dataset", "trained_epochs", "unit", "scale", "flavour", "note", "nodes", *_NUMBERS,
}  # fmt: skip
"""Columns that do not say which cell a row is."""


def differences(name: str, kept: bytes, made: bytes) -> list[str]:
    """Differences between two versions of a file of a table or figure; empty where they cannot be told.

    Args:
        name: The file's name, for its kind.
        kept: What lies there.
        made: What follows from the measurements.
    """
    told = {"csv": _rows, "json": _report, "md": _lines}.get(name.rpartition(".")[2])
    try:
        found = [] if told is None else list(told(kept.decode("utf-8"), made.decode("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError):
        return []  # what lies there is no such file
    more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
    return [*found[:MOST], *more]


def _rows(kept: str, made: str) -> Iterator[str]:
    (head, *ours), (known, *theirs) = (list(csv.reader(io.StringIO(text))) for text in (made, kept))
    if head != known:
        yield f"its columns are {', '.join(known)}; expected {', '.join(head)}"
        return
    if len(ours) != len(theirs):
        yield f"it has {len(theirs)} rows; the measurements give {len(ours)}"
    for right, there in zip(ours, theirs, strict=False):
        row = dict(zip(head, right, strict=False))
        for column, value, found in zip(head, right, there, strict=False):
            if value != found:
                yield _differs(row, column, found, value)


def _report(kept: str, made: str) -> Iterator[str]:
    theirs, ours = json.loads(kept), json.loads(made)
    if len(ours["cells"]) != len(theirs["cells"]):
        yield f"it has {len(theirs['cells'])} cells; the measurements give {len(ours['cells'])}"
    for right, there in zip(ours["cells"], theirs["cells"], strict=False):
        row = {**right["axes"], "role": right["role"]}
        if "dataset" in row:
            row["dataset"] = right["dataset"]
        for field in sorted(right.keys() | there.keys(), key=lambda name: (name not in _NUMBERS, name)):
            if right.get(field) == there.get(field):
                continue
            first, second = _shown(there.get(field), right["unit"]), _shown(right.get(field), right["unit"])
            if first == second:  # beyond the digits that people see
                first, second = repr(there.get(field)), repr(right.get(field))
            yield _differs(row, field, first, second)
    for name in sorted(ours.keys() | theirs.keys()):
        if name != "cells" and ours.get(name) != theirs.get(name):
            yield f"its {name.replace('_', ' ')}: not what follows from the measurements"


def _lines(kept: str, made: str) -> Iterator[str]:
    theirs, ours = kept.splitlines(), made.splitlines()
    for number, (there, right) in enumerate(zip(theirs, ours, strict=False), 1):
        if there != right:
            yield f"line {number}: the file says {there[:80]!r}, the measurements give {right[:80]!r}"
    if len(theirs) != len(ours):
        yield f"it has {len(theirs)} lines; the measurements give {len(ours)}"


def _differs(row: Mapping[str, Any], column: str, found: str, value: str) -> str:
    place = [
        words.one_epoch(f"{text} epochs") if name == "epochs" else str(text)
        for name, text in row.items()
        if name not in _ABOUT and text not in ("", None) and (name, text) != ("role", "cell")
    ]
    what = "" if column in _NUMBERS[:2] else f"{column}: "
    return f"{', '.join(place)}: {what}the file says {found or 'nothing'}, the measurements give {value or 'nothing'}"


def _shown(value: Any, unit: str) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return formats.number(value, unit) if number else "" if value is None else json.dumps(value, ensure_ascii=False)
