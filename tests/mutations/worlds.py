"""Claims on trained networks: scores that a world would give, as the paper prints them, and worlds in which it is wrong."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mutations.harness import SCALE, artifact
from pipeline.artifacts import claims
from pipeline.artifacts.rows import read, same
from pipeline.work import Work

Axes = Mapping[str, Any]
World = Callable[[Axes], Any]
"""From the axes of a cell to what is measured there."""

SPREAD = 0.0002
"""Standard deviation over the seeds of a cell, relative: far less than what is claimed."""


@dataclass(frozen=True)
class Measured:
    """The claims of one artifact of trained networks and what refutes each.

    Attributes:
        rows: Text of a claim -> name of the world in which it must not hold.
        world: In which the claims hold; None for the paper's printed means.
    """

    rows: Mapping[str, str]
    world: World | None = None


@dataclass(frozen=True)
class Other:
    """Another world.

    Attributes:
        breaks: What is so there, in words.
        turn: From the sound world to this one.
    """

    breaks: str
    turn: Callable[[World], World]


def exchanged(axis: str, first: Any, second: Any) -> Callable[[World], World]:
    """Two methods, or two values of another axis, stand for each other."""

    def turn(world: World) -> World:
        def other(axes: Axes) -> Any:
            value = axes.get(axis)
            if same(value, first) or same(value, second):
                axes = {**axes, axis: second if same(value, first) else first}
            return world(axes)

        return other

    return turn


def where(axis: str, value: Any, number: float) -> Callable[[World], World]:
    """One method, or one value of another axis, has a score of its own."""
    return lambda world: lambda axes: number if same(axes.get(axis), value) else world(axes)


def everywhere(value: float) -> Callable[[World], World]:
    """Whatever is trained, this comes out: a network that has collapsed."""
    return lambda world: lambda axes: value


def steady(factor: float) -> Callable[[World], World]:
    """All seeds agree, or disagree: the spread of the seeds times a factor."""
    return lambda world: lambda axes: (world(axes), factor)


def printed(paper: str, name: str) -> World:
    """The paper's means (with its standard deviation, where a claim is on that)."""
    entries = artifact(paper, name).params["published"]

    def world(axes: Axes) -> Any:
        aside = ("value", "std", "unit", "source", "note")
        for entry in entries:
            if all(k in axes and same(axes[k], v) for k, v in entry.items() if k not in aside and v not in ("", None)):
                std = float(entry["std"]) if entry.get("std") else 0.0
                return float(entry["value"]), std / (SPREAD * float(entry["value"])) if std > 10 else 1.0
        raise AssertionError(f"{paper}/{name}: nothing is printed for {dict(axes)}; give the table a world")

    return world


def _seeds(value: Any, count: int) -> list[Any]:
    number, factor = value if isinstance(value, tuple) else (value, 1.0)
    if not isinstance(number, int | float):
        return [number] * count
    places = np.arange(count) - (count - 1) / 2
    places /= places.std(ddof=1) if count > 1 else 1.0
    return [float(number * (1 + factor * SPREAD * place)) for place in places]


def _places(cell: Mapping[str, Any], name: str) -> Iterator[tuple[Axes, list[str], str]]:
    """Where a cell is measured, and which value is read there: itself, or all places that it follows from."""
    rule = cell.get("derive")
    if not rule:
        yield cell["axes"], cell["nodes"], name
        return
    axis = rule[rule["rule"]]
    if "threshold" in rule:
        yield {**cell["axes"], **rule["reaching"]}, rule["threshold"], name
    for part in rule["parts"]:
        axes = {**cell["axes"], axis: part.get("stands_for", part["at"])}
        yield axes, part["nodes"], name
        for other in (rule[key] for key in ("by", "times") if key in rule):
            yield {**axes, "measure": other}, part[other], rule[f"{other}.value"]


_ROOT = tempfile.TemporaryDirectory()


@functools.cache
def _folder(number: int) -> Path:
    """A folder that all worlds share, one after the other: to make and remove 40,000 takes longer than the claims."""
    folder = Path(_ROOT.name, str(number))
    folder.mkdir()
    return folder


def verdicts(paper: str, name: str, world: World) -> dict[str, str]:
    """Text -> verdict of an artifact's claims in a world."""
    params = artifact(paper, name).params
    scores: dict[str, dict[str, Any]] = {}
    for cell in params["cells"]:
        if cell["role"] == "cell":
            measure = params.get("measures", {}).get(str(cell["axes"].get("measure")), params["measure"])
            for axes, nodes, name_of_value in _places(cell, cell.get("value") or measure["value"]):
                for node, value in zip(nodes, _seeds(world(axes), len(nodes)), strict=True):
                    scores.setdefault(node, {})[name_of_value] = value
    # baselines are in no claim
    params = {**params, "cells": [cell for cell in params["cells"] if cell["role"] == "cell"]}
    inputs = {}
    for number, (node, values) in enumerate(scores.items()):
        inputs[node] = _folder(number)
        (inputs[node] / "scores.json").write_text(json.dumps(values), encoding="utf-8")
    rows, _ = read(Work(name, params, _folder(-1), inputs))
    return {claim["text"]: claim["verdict"] for claim in claims.judge(params["claims"], rows, SCALE, name)}


@functools.cache
def _sound(paper: str, name: str, world: World | None) -> dict[str, str]:
    return verdicts(paper, name, world or printed(paper, name))


def sound(paper: str, name: str, table: Measured) -> dict[str, str]:
    """Verdicts in the world of the paper."""
    return _sound(paper, name, table.world)


def broken(paper: str, name: str, table: Measured, other: Other) -> dict[str, str]:
    """Verdicts in another world."""
    return verdicts(paper, name, other.turn(table.world or printed(paper, name)))
