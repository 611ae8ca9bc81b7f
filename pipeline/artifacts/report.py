"""The JSON file of an artifact: its rows with all digits and every seed, its claims with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts import page
from pipeline.artifacts.rows import CELL, Row
from pipeline.work import Work


def report(
    params: Mapping[str, Any],
    rows: Sequence[Row],
    verdicts: Sequence[Mapping[str, Any]],
    unmatched: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Content of the file.

    Args:
        params: The artifact's params.
        rows: Its rows.
        verdicts: What :func:`pipeline.artifacts.claims.judge` says.
        unmatched: Published rows that belong to no cell.
    """
    kept = (
        "paper",
        "artifact",
        "title",
        "kind",
        "rows",
        "columns",
        "fixed",
        "measure",
        "notes",
        "scale",
        "flavour",
    )
    return {
        **{name: params[name] for name in kept},
        "cells": [_entry(row) for row in rows],
        "claims": list(verdicts),
        "counts": {
            "cells": sum(row.role == CELL for row in rows),
            "measured": sum(row.role == CELL and (row.n > 0 or row.setting is not None) for row in rows),
            "published": sum(row.published is not None or row.standing is not None for row in rows),
        },
        "published_unmatched": list(unmatched),
        "stand_ins": page.stand_ins(rows),
    }


def identity(work: Work) -> dict[str, str]:
    """What a result carries inside, so that a copy that was mailed around finds its receipt: its node and key."""
    return {"pipeline:artifact": work.name, "pipeline:key": work.key}


def _entry(row: Row) -> dict[str, Any]:
    """A row for the JSON file. Values that are not numbers (spectra) are left to the figure's CSV."""
    untimed = row.setting is not None and "epochs" not in row.axes
    plain = {str(seed): value for seed, value in row.seeds.items() if isinstance(value, int | float | str)}
    return {
        "axes": row.axes,
        "role": row.role,
        "dataset": row.dataset,
        "paper_dataset": row.paper_dataset,
        "trained_epochs": None if row.missing or untimed else row.trained_epochs,
        "trained_steps": row.trained_steps or None,
        "unit": row.unit,
        "mean": row.mean,
        "std": row.std,
        "n": row.n,
        "seeds": plain,
        "collapsed": row.collapsed,
        "calibrated": row.calibrated,
        "best": row.best,
        "nodes": {str(seed): node for seed, node in row.nodes.items()},
        "published_mean": float(row.published.mean) if row.published else None,
        "published_std": float(row.published.std) if row.published and row.published.std else None,
        "missing": row.missing,
        "note": row.note,
        **({"setting": {**vars(row.setting), "standing": row.standing}} if row.setting else {}),
    }
