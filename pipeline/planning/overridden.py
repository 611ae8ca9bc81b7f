"""Which of a paper's parameters a scale sets in their place: who edits one should hear that nothing changes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError, brief
from pipeline.ledger.sources import blobs
from pipeline.planning import params, spec, yaml_files
from pipeline.planning.catalogue import shown

if TYPE_CHECKING:
    from pipeline.planning.plan import Plan

SHOWN = 40
"""Sentences that a command prints."""


@dataclass(frozen=True, order=True)
class Override:
    """One parameter as a paper declares it, and what a scale sets in its place.

    Attributes:
        paper: Key of the paper.
        scale: Name of the scale.
        path: The parameter, such as ``optimizer.lr``.
        declared: Its value in the paper, as JSON.
        by: What the scale sets: the same parameter, or the kind of its component.
        value: To what, as JSON.
    """

    paper: str
    scale: str
    path: str
    declared: str
    by: str
    value: str

    def sentence(self, file: str) -> str:
        """Say it in words."""
        sets = self.value if self.by == self.path else f"{self.by}: {self.value}"
        return f"{self.path}: {self.declared} in {file} has no effect at {self.scale}, which sets {sets}"


def compared(paper: str, scale: str, declared: Mapping[str, Any], layer: Mapping[str, Any]) -> Iterator[Override]:
    """What a scale's layer overrides of the params below it.

    Args:
        paper: Key of the paper.
        scale: Name of the scale.
        declared: Params of a run as the paper's layers set them.
        layer: What the scale lays over them.
    """
    above, below = params.values(layer), params.values(declared)
    for path, value in below.items():
        kind = f"{path.partition('.')[0]}.kind"
        if path in above:
            by = path
        elif "." in path and kind in above and above[kind] != below.get(kind):
            by = kind
        else:
            continue
        if above[by] != value:
            yield Override(paper, scale, path, _json(value), by, _json(above[by]))


def single(paper: str, scale: str, path: str, declared: Any, value: Any) -> Override:
    """A parameter that is no param of a run: of a measure, of a simulation, the number of seeds."""
    return Override(paper, scale, path, _json(declared), path, _json(value))


def _json(value: Any) -> str:
    return brief(value, lambda found: json.dumps(found, ensure_ascii=False))


def edited(plan: Plan) -> list[Override]:
    """The overrides of a plan that are news: what has been edited since the paper's file was committed.

    Of a file that Git does not hold all overrides are.
    """
    found: list[Override] = []
    for key in sorted({override.paper for override in plan.overridden}):
        ours = {override for override in plan.overridden if override.paper == key}
        path = plan.catalogue.paths[key]
        ours -= _inherited(plan, key, ours)
        committed = _committed(path)
        if committed is None:
            found += ours
        elif committed != path.read_bytes():
            found += ours - _before(plan, key, committed)
    return sorted(found)


def _inherited(plan: Plan, key: str, overrides: set[Override]) -> set[Override]:
    """Overrides of what a paper's file does not say: the paper that it is ``like`` does."""
    paper = plan.catalogue.papers[key]
    if paper.like is None:
        return set()
    path = plan.catalogue.paths[key]
    own = _said(spec.parse(spec.Paper, yaml_files.load(path), shown(path)))
    theirs = _said(plan.catalogue.papers[paper.like])
    return {override for override in overrides if override.path in theirs - own}


def _said(paper: spec.Paper) -> set[str]:
    """Parameters that a paper sets for its runs and measures, as overrides name them."""
    chosen = [layer for axis in paper.axes.values() if not isinstance(axis, str) for layer in axis.values()]
    layers = [paper.defaults, *paper.datasets.values(), *paper.methods.values(), *chosen]
    layers += [more for layer in chosen for more in layer.get("datasets", {}).values()]
    measures = [measure.measure for measure in paper.measures.values()]
    return set().union(
        *map(params.paths, layers),
        *({f"{measure.get('kind')}.{param}" for param in measure} for measure in measures),
    )


def _committed(path: Path) -> bytes | None:
    """A file as the last commit has it."""
    try:
        return next(blobs(path.parent, [f"HEAD:./{path.name}"]), None)
    except (OSError, subprocess.CalledProcessError):
        return None


def _before(plan: Plan, key: str, committed: bytes) -> set[Override]:
    """What the same plan overrode of the committed file."""
    try:
        paper = spec.parse(spec.Paper, yaml_files.parse(committed.decode("utf-8"), key), key)
        catalogue = plan.catalogue.with_paper(paper)
        requests = [a.request for a in plan.artifacts.values() if a.request.paper == key]
        return type(plan)(catalogue, [one for one in requests if one.artifact in paper.artifacts]).overridden
    except (UserError, UnicodeDecodeError):
        return set()


def lines(plan: Plan) -> list[str]:
    """What a user should hear: a sentence for every edit that has no effect."""
    news = edited(plan)
    files = {key: shown(path) for key, path in plan.catalogue.paths.items()}
    found = [override.sentence(files[override.paper]) for override in news]
    if len(found) > SHOWN:
        found = [*found[:SHOWN], f"and {len(found) - SHOWN} more parameters have none"]
    return found


def summaries(plan: Plan) -> list[str]:
    """Per paper and scale the parameters that the scale sets, in a line."""
    groups: dict[tuple[str, str], set[str]] = {}
    for override in plan.overridden:
        groups.setdefault((override.scale, override.paper), set()).add(override.by)
    return [
        f"{scale} sets in place of {_files(plan, paper)}: {', '.join(sorted(paths))}"
        for (scale, paper), paths in sorted(groups.items())
    ]


def _files(plan: Plan, key: str) -> str:
    """The file of a paper, and of those that it is ``like``, which say what it does not."""
    found = [shown(plan.catalogue.paths[key])]
    while (like := plan.catalogue.papers[key].like) is not None:
        key = like
        found.append(shown(plan.catalogue.paths[key]))
    return ", like ".join(found)
