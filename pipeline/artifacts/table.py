"""Stage ``table``: the cells of a table from its measurements, as CSV, JSON and a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.artifacts import claims, formats, page, settings
from pipeline.artifacts.report import identity, report
from pipeline.artifacts.rows import Row, axis_names, read
from pipeline.work import Work


def execute(works: list[Work]) -> Iterator[Work]:
    """Write ``ARTIFACT.csv``, ``.json`` and ``.md`` of each work.

    Raises:
        UserError: A claim's selection, a measure's value or a published row fits no cell, or too many.
    """
    for work in works:
        params = work.spec
        rows, unmatched = read(work)
        verdicts = claims.judge(params["claims"], rows, params["scale"]["key"], work.name)
        stem = work.out / params["artifact"]
        formats.write_csv(stem.with_suffix(".csv"), columns(params), [line(params, row) for row in rows])
        content = {**report(params, rows, verdicts, unmatched), **identity(work)}
        formats.write_json(stem.with_suffix(".json"), content)
        formats.write_text(stem.with_suffix(".md"), page.render(params, rows, verdicts))
        yield work


_NUMBERS = ("mean", "std", "n", "unit", "published_mean", "published_std")
_SETTING = ("of", "value", "declared", "published", "standing")


def _settings(params: Mapping[str, Any]) -> bool:
    return params["measure"]["value"] == settings.VALUE


def _numbers(row: Row) -> dict[str, Any]:
    return {
        "mean": formats.number(row.mean, row.unit),
        "std": formats.number(row.std, row.unit),
        "n": row.n,
        "unit": row.unit,
        "published_mean": row.published.mean if row.published else "",
        "published_std": row.published.std if row.published else "",
    }


def _setting(row: Row) -> dict[str, Any]:
    found = row.setting
    if found is None:
        return dict.fromkeys(_SETTING, "")
    shown = (found.of, found.value or "", found.declared or "", found.printed or "", row.standing or "")
    return dict(zip(_SETTING, shown, strict=True))


def columns(params: Mapping[str, Any]) -> list[str]:
    """Columns of the CSV: identity, axes, what was trained, numbers, provenance."""
    return [
        "paper", "artifact", "role", *axis_names(params), "paper_dataset", "trained_epochs",
        *(["trained_steps"] if "steps" in axis_names(params) else []),
        *(_SETTING if _settings(params) else _NUMBERS), "scale", "flavour", "note",
    ]  # fmt: skip


def line(params: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """One row of the CSV. Column ``dataset`` is what was used, ``paper_dataset`` the paper's data set."""
    untimed = row.missing or "dataset" not in row.axes or (row.setting and "epochs" not in row.axes)
    return {
        "paper": params["paper"]["key"],
        "artifact": params["artifact"],
        "role": row.role,
        **row.axes,
        **({"dataset": row.dataset} if "dataset" in row.axes else {}),
        "paper_dataset": row.paper_dataset,
        "trained_epochs": "" if untimed or row.trained_steps else row.trained_epochs,
        **({"trained_steps": row.trained_steps or ""} if "steps" in row.axes else {}),
        **(_setting(row) if _settings(params) else _numbers(row)),
        "scale": params["scale"]["key"],
        "flavour": params["flavour"],
        "note": row.note,
    }
