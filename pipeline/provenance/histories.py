"""Histories of trainings as tables for other programs: one row per run, seed, epoch and quantity."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.artifacts import formats
from pipeline.errors import UserError
from pipeline.provenance.curves import Curves
from pipeline.provenance.listing import Listing
from pipeline.provenance.runs import KnownRun

COLUMNS = ("name", "config", "seed", "state", "epoch", "quantity", "value")
"""Of a long table: what a run is called, its folder, and a number at an epoch; lists of eigenvalues have a row each,
``MEASURE.NAME[RANK]`` from rank 1."""
LONG, RUNS, EACH = "history.csv", "runs.csv", "runs"
"""Files of a folder: the long table, params and last scores of every run, and a wide table of each run and seed."""

Run = tuple[KnownRun, Curves]
Row = tuple[str, str, int, str, float, str, float]


def write(target: Path, runs: Sequence[Run], listing: Listing) -> list[Path]:
    """Write histories in the form that the name of ``target`` says; returns the files.

    Args:
        target: ``FILE.csv``, ``FILE.jsonl``, or a folder, which must be empty or not be there.
        runs: Runs with their curves.
        listing: The same runs, for their params.

    Raises:
        UserError: The name says no form, or something is there that is not written over.
    """
    if target.suffix == ".csv":
        return [_put(target, _csv(COLUMNS, rows(runs)), ",".join(COLUMNS).encode())]
    if target.suffix == ".jsonl":
        lines = (json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) for row in _plain(rows(runs)))
        return [_put(target, "".join(f"{line}\n" for line in lines), b'{"name": ')]
    if target.suffix:
        raise UserError(f"--export {target}: expected FILE.csv, FILE.jsonl or a folder, found {target.suffix}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"--export {target}: something is there; name a folder that is new or empty")
    files.write(target / LONG, _csv(COLUMNS, rows(runs)))
    files.write(target / RUNS, listing.csv())
    written = [target / LONG, target / RUNS]
    for run, curves in runs:
        path = target / EACH / f"{run.config}-seed{run.seed}.csv"
        table = list(_wide(curves))
        if len(table) > 1:
            files.write(path, _csv(table[0], table[1:]))
            written.append(path)
    return written


def rows(runs: Iterable[Run]) -> Iterator[Row]:
    """Rows of the long table, run by run."""
    for run, curves in runs:
        for quantity, points in _series(curves):
            for epoch, value in points:
                yield run.name, run.config, run.seed, run.state, epoch, quantity, value


def _series(curves: Curves) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    yield from curves.numbers.items()
    for name, found in curves.lists.items():
        for rank in range(max((len(values) for _, values in found), default=0)):
            yield f"{name}[{rank + 1}]", [(epoch, values[rank]) for epoch, values in found if len(values) > rank]


def _wide(curves: Curves) -> Iterator[Sequence[Any]]:
    """A row per whole epoch, called ``step`` as programs that read it call it, and a column per quantity."""
    series = dict(_series(curves))
    table: dict[int, dict[str, float]] = {}
    for name, points in series.items():
        for epoch, value in points:
            if float(epoch).is_integer() and math.isfinite(value):
                table.setdefault(int(epoch), {})[name] = value
    yield ["step", *series]
    for step in sorted(table):
        yield [step, *(table[step].get(name, "") for name in series)]


def _plain(found: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    """Rows without numbers that JSON lacks."""
    for row in found:
        yield *row[:-1], row[-1] if math.isfinite(row[-1]) else None


def _csv(columns: Iterable[str], found: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([formats.cell(value) if isinstance(value, str) else value for value in row] for row in found)
    return out.getvalue()


def _put(path: Path, text: str, starts: bytes) -> Path:
    if path.exists() and path.is_file() and path.stat().st_size:
        files.ours(path, starts, starts, "table of runs --export")
    elif path.exists() and not path.is_file():
        raise UserError(f"--export {path}: a folder; name another file")
    files.write(path, text)
    return path
