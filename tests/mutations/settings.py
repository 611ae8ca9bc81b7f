"""Claims on settings: declarations as they are, and with one parameter changed."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutations.harness import SCALE, plan
from pipeline.artifacts import claims
from pipeline.artifacts.rows import read
from pipeline.ledger.keys import merged
from pipeline.planning import spec, yaml_files
from pipeline.planning.plan import Plan
from pipeline.work import Work


@dataclass(frozen=True)
class Edit:
    """Another declaration.

    Attributes:
        breaks: What is so then, in words.
        layer: What is laid over the paper's file.
    """

    breaks: str
    layer: Mapping[str, Any]


def verdicts(paper: str, name: str, layer: Mapping[str, Any]) -> dict[str, str]:
    """Text -> verdict of an artifact's claims, of the paper as it is declared with a layer over it."""
    return _verdicts(paper, name, json.dumps(layer))


@functools.cache
def _verdicts(paper: str, name: str, layer: str) -> dict[str, str]:
    known = plan().catalogue
    declared = merged(yaml_files.load(known.paths[paper]), json.loads(layer))
    other = known.with_paper(spec.parse(spec.Paper, declared, paper))
    (request,) = [one for one in other.built(SCALE) if (one.paper, one.artifact) == (paper, name)]
    params = Plan(other, [request]).artifacts[request.stem].params
    rows, _ = read(Work(name, params, Path("nowhere")))
    return {claim["text"]: claim["verdict"] for claim in claims.judge(params["claims"], rows, SCALE, name)}
