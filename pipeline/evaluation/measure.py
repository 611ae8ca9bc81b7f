"""The stages that measure: a checkpoint and a protocol to numbers."""

from __future__ import annotations

import collections
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import components
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.nets.checkpoint import read_summary
from pipeline.numerics.device import prepare_device
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


def _subject(
    work: Work, role: str, known: Mapping[Path, dict[str, Any]], reference: EvaluationContext | None = None
) -> EvaluationContext:
    """The checkpoint of a role; the reference has params and components of its own."""
    compared = role == "reference"
    params = work.spec["reference"] if compared else work.spec
    prefix = "reference." if compared else ""
    return EvaluationContext(
        spec={name: value for name, value in params.items() if name not in ("measure", "reference")},
        seed=work.seed,
        device=prepare_device(work.spec, work.context),
        checkpoint=work.inputs[role],
        data=work.inputs["data"],
        roles={role: work.inputs[role] for role in ("fit", "evaluate") if role in work.inputs},
        components={
            name.removeprefix(prefix): path
            for name, path in work.components.items()
            if name.startswith("reference.") == compared
        },
        progress=work.monitor.measurement(work.name),
        known=known[work.inputs[role]],
        reference=reference,
        memory=work.context.get("memory"),
        scratch=work.scratch,
    )


def _scores(work: Work, known: Mapping[Path, dict[str, Any]]) -> Mapping[str, Any]:
    roles = [role for role in ("checkpoint", "reference") if role in work.inputs]
    if any(read_summary(work.inputs[role])["outcome"] == "diverged" for role in roles):
        return DIVERGED
    reference = _subject(work, "reference", known) if "reference" in roles else None
    subject = _subject(work, "checkpoint", known, reference)
    # which checkpoint the reference is, is in the node's key; the measure gets it as a subject
    protocol = {name: value for name, value in work.spec["measure"].items() if name not in ("kind", "data")}
    try:
        module = components.load(work.components["measure"])
        scores = module.measure(subject, **protocol)
    except NotFinite:
        return DIVERGED
    if not _finite(scores):
        return DIVERGED
    # of a measure that looks at no weights there is nothing to remark on them
    return scores if getattr(module, "UNTRAINED", False) else {**scores, **subject.remarks()}


def _finite(value: Any) -> bool:
    """Whether all numbers in plain data are finite."""
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def execute(works: list[Work]) -> Iterator[Work]:
    """Measure checkpoints; works of the same checkpoint share its features, all that compare with it its kernel.

    Each payload is one ``scores.json``: what the measure returned and the :meth:`remarks
    <pipeline.evaluation.context.EvaluationContext.remarks>` on its checkpoint, or ``{"outcome": "diverged"}`` for a
    checkpoint whose training diverged, and for a measure that did, or that found a number which is not finite.

    Args:
        works: Their spec has ``measure`` and the params in its ``READS``, their inputs are ``checkpoint``, ``data``,
            ``fit`` and ``evaluate`` where these are other data sets than the run's, and that of a measure that compares
            ``reference``, whose params are below ``reference``.

    Yields:
        Each work, once its payload is complete; those of one checkpoint after each other.

    Raises:
        UserError: A param, the data or the checkpoint is bad.
    """
    groups: dict[Path, list[Work]] = {}
    for work in works:
        groups.setdefault(work.inputs["checkpoint"], []).append(work)
    known: dict[Path, dict[str, Any]] = collections.defaultdict(dict)
    compared = {work.inputs["reference"] for work in works if "reference" in work.inputs}
    for checkpoint, group in groups.items():
        for work in group:
            write_scores(work.out, _scores(work, known))
            yield work
        if checkpoint not in compared:
            known.pop(checkpoint, None)
