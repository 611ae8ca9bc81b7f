"""The stages that measure: a checkpoint and a protocol to numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline import components
from pipeline.evaluation.progress import Progress
from pipeline.evaluation.subject import NotFinite, Subject
from pipeline.training.checkpoint import read_summary
from pipeline.training.device import prepare_device
from pipeline.work import Work

SCORES = "scores.json"
DIVERGED = {"outcome": "diverged"}


def write_scores(folder: Path, scores: Mapping[str, Any]) -> None:
    """Write ``scores.json``: keys sorted, floats in their shortest exact form.

    Raises:
        ValueError: A number is infinite or NaN, for which JSON has no word.
    """
    text = json.dumps(scores, sort_keys=True, indent=1, allow_nan=False)
    (folder / SCORES).write_text(text + "\n", encoding="utf-8", newline="\n")


def _scores(work: Work, known: dict[str, Tensor]) -> Mapping[str, Any]:
    if read_summary(work.inputs["checkpoint"])["outcome"] == "diverged":
        return DIVERGED
    subject = Subject(
        spec={name: leaves for name, leaves in work.spec.items() if name != "measure"},
        seed=work.seed,
        device=prepare_device(work.spec, work.context),
        checkpoint=work.inputs["checkpoint"],
        data=work.inputs["data"],
        components=work.components,
        progress=Progress(work.name),
        known=known,
    )
    protocol = {name: value for name, value in work.spec["measure"].items() if name != "kind"}
    try:
        return components.load(work.components["measure"]).measure(subject, **protocol)
    except NotFinite:
        return DIVERGED


def execute(works: list[Work]) -> Iterator[Work]:
    """Measure checkpoints; works of the same checkpoint share its features.

    Each payload is one ``scores.json``: what the measure returned, or ``{"outcome": "diverged"}`` for a
    checkpoint whose training diverged.

    Args:
        works: Their spec has ``measure`` and the leaves in its ``READS``, their inputs are ``checkpoint`` and
            ``data``.

    Yields:
        Each work, once its payload is complete; those of one checkpoint after each other.

    Raises:
        UserError: A leaf, the data or the checkpoint is bad.
    """
    groups: dict[Path, list[Work]] = {}
    for work in works:
        groups.setdefault(work.inputs["checkpoint"], []).append(work)
    for group in groups.values():
        known: dict[str, Tensor] = {}
        for work in group:
            write_scores(work.out, _scores(work, known))
            yield work
