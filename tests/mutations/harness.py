"""Breaking an equation, and reading off what becomes of an artifact's claims."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline import components
from pipeline.artifacts import claims
from pipeline.artifacts.rows import read
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.work import Work

SCALE = "paper"
"""Nothing is left out there: every claim is tested."""


@dataclass(frozen=True)
class Mutation:
    """One way of breaking the science.

    Attributes:
        breaks: What is wrong then, in words.
        apply: Breaks it while a patch lasts.
    """

    breaks: str
    apply: Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Table:
    """The claims of one artifact and what refutes each.

    Attributes:
        rows: Text of a claim -> name of the mutation that must change its verdict.
        small: Params of the simulation that differ from those declared, to save time. The verdicts without a mutation
            have to be those of the declared params.
    """

    rows: Mapping[str, str]
    small: Mapping[str, Any] = field(default_factory=dict)


def swap(patch: pytest.MonkeyPatch, original: Any, mutant: Any) -> None:
    """Put a mutant in the place of a function wherever the package has it, under whatever name it was imported."""
    places = [
        (module, name)
        for key, module in list(sys.modules.items())
        if key.startswith("pipeline.")
        for name, value in list(vars(module).items())
        if value is original
    ]
    assert places, f"{original!r} is nowhere in the package"
    for module, name in places:
        patch.setattr(module, name, mutant)


def changed(original: Callable[..., Any], change: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Have a function return ``change(result, *arguments, **keywords)`` instead of its result."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        @functools.wraps(original)
        def mutant(*arguments: Any, **keywords: Any) -> Any:
            return change(original(*arguments, **keywords), *arguments, **keywords)

        swap(patch, original, mutant)

    return apply


def given(original: Callable[..., Any], change: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Have a function work on what ``change(*arguments, **keywords)`` returns: other arguments, other keywords."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        @functools.wraps(original)
        def mutant(*arguments: Any, **keywords: Any) -> Any:
            arguments, keywords = change(*arguments, **keywords)
            return original(*arguments, **keywords)

        swap(patch, original, mutant)

    return apply


def replaced(original: Callable[..., Any], mutant: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Have another function in a function's place."""
    return lambda patch: swap(patch, original, mutant)


@functools.cache
def plan() -> Plan:
    """Everything that is declared."""
    known = Catalogue(Options(scale=SCALE))
    return Plan(known, known.built())


@functools.cache
def _artifacts() -> dict[tuple[str, str], Any]:
    return {(made.request.paper, made.request.artifact): made for made in plan().artifacts.values()}


def artifact(paper: str, name: str) -> Any:
    """The plan of an artifact."""
    return _artifacts()[paper, name]


def declared(paper: str) -> dict[str, list[str]]:
    """Artifact -> texts of its claims, of all artifacts that have claims."""
    found = {
        name: [claim["text"] for claim in made.params["claims"]]
        for (of, name), made in _artifacts().items()
        if of == paper
    }
    return {name: texts for name, texts in found.items() if texts}


def simulation(paper: str, name: str) -> tuple[ModuleType, dict[str, Any]]:
    """Module and params of an artifact's simulation."""
    (node,) = artifact(paper, name).nodes
    params = dict(plan().simulations[node.removeprefix("simulations/")].params)
    return components.load(components.find("simulation", params.pop("kind"))), params


def records(paper: str, name: str, small: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records of an artifact's simulation as it is now, broken or not."""
    module, params = simulation(paper, name)
    found = module.simulate(**params | small).records
    # what is not finite is undecided: too cheap a way to change a verdict, and a stage refuses it
    numbers = [x for record in found for x in np.atleast_1d(record["value"]) if x is not None]
    assert np.isfinite(np.array(numbers, dtype=float)).all(), "a number is not finite"
    return found


def verdicts(paper: str, name: str, found: list[dict[str, Any]]) -> dict[str, str]:
    """Text -> verdict of the claims of an artifact whose simulation has given these records."""
    made = artifact(paper, name)
    (node,) = made.nodes
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "records.json").write_text(json.dumps(found), encoding="utf-8")
        rows, _ = read(Work(name, made.params, Path(folder), {node: Path(folder)}))
    judged = claims.judge(made.params["claims"], rows, SCALE, name)
    return {claim["text"]: claim["verdict"] for claim in judged}


@functools.cache
def _sound(paper: str, name: str, small: str) -> dict[str, str]:
    return verdicts(paper, name, records(paper, name, json.loads(small)))


def sound(paper: str, name: str, table: Table) -> dict[str, str]:
    """Verdicts while nothing is broken."""
    return _sound(paper, name, json.dumps(dict(table.small), sort_keys=True))


def refuted(before: str, after: str) -> bool:
    """Whether a verdict tells a broken science from a sound one: what noise left undecided may be decided against."""
    return (before == claims.SHOWN) != (after == claims.SHOWN) or (before, after) == (
        claims.UNDECIDED,
        claims.NOT_SHOWN,
    )


def broken(paper: str, name: str, table: Table, mutation: Mutation) -> dict[str, str]:
    """Verdicts while the science is broken."""
    simulation(paper, name)  # it has to be there to be broken
    with pytest.MonkeyPatch.context() as patch:
        mutation.apply(patch)
        return verdicts(paper, name, records(paper, name, table.small))
