"""What a person calls a run: paper and method, data set, and the params in which it differs from the method.

Names of folders hold hashes, because they have to be unique; these are for lines and pages that people read. Two runs
that differ in nothing that a method says have one name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.planning.params import PARTS, Params, values

_MOST = 3
"""Params that tell runs apart which would have one name; what they leave alike a hash tells."""


def differences(run: Params, method: Params) -> list[str]:
    """Params in which a run differs from its method with nothing swept: ``lr 0.1``, ``target same``.

    A component of another kind is told by its kind alone. A param is told by its last name where one component alone
    has it in this list.

    Args:
        run: Complete.
        method: The same of the method.
    """
    own, other = values(run), values(method)
    replaced = {part for part in PARTS if own.get(f"{part}.kind") != other.get(f"{part}.kind")}
    found: dict[str, Any] = {f"{part}.kind": own[f"{part}.kind"] for part in PARTS if part in replaced}
    for path, value in own.items():
        part = path.partition(".")[0]
        if part not in replaced and path in other and other[path] != value:
            found[path] = value
    last = [path.rpartition(".")[2] for path in found]
    return [_param(path, value, last) for path, value in found.items()]


def apart(called: Mapping[str, str], runs: Mapping[str, Params]) -> dict[str, str]:
    """Names with what tells runs apart that would have the same: the params in which they differ, else their hashes.

    Args:
        called: Run -> its name.
        runs: Run -> its params.
    """
    groups: dict[str, list[str]] = {}
    for identity, name in called.items():
        groups.setdefault(name, []).append(identity)
    found = dict(called)
    for name, group in groups.items():
        if len(group) == 1:
            continue
        params = {identity: values(runs[identity]) for identity in group}
        paths = _telling(list(params.values()))
        last = [path.rpartition(".")[2] for path in paths]
        told = {
            identity: ", ".join([name, *(_param(path, own[path], last) for path in paths if path in own)])
            for identity, own in params.items()
        }
        alike = Counter(told.values())
        for identity, text in told.items():
            found[identity] = text if alike[text] == 1 else f"{text}, {identity.rpartition('-')[2][:6]}"
    return found


def _telling(params: Sequence[Params]) -> list[str]:
    """The fewest params that tell most of some runs apart, the most telling first; kinds before what they have."""
    paths = sorted(dict.fromkeys(path for own in params for path in own), key=lambda path: not path.endswith(".kind"))
    chosen: list[str] = []
    before = 1
    for path, groups in most_telling({path: [json.dumps(own.get(path)) for own in params] for path in paths}):
        if groups == before:
            break
        chosen.append(path)
        before = groups
        if len(chosen) == _MOST or groups == len(params):
            break
    return chosen


def most_telling(columns: Mapping[str, Sequence[Hashable]]) -> Iterator[tuple[str, int]]:
    """Columns of a table, the one first that splits most of what those before it leave alike.

    Args:
        columns: Name -> a value per row, in the order in which they are preferred where they split as much.

    Yields:
        The name, and how many kinds of rows it and those before it tell apart.
    """
    left = {name: _numbered(column) for name, column in columns.items()}
    told = [0] * len(next(iter(left.values()), ()))  # number of the group that a row is in so far
    while left:
        groups = {name: len(set(zip(told, column, strict=True))) for name, column in left.items()}
        best = max(groups, key=groups.__getitem__)
        told = _numbered(zip(told, left.pop(best), strict=True))
        yield best, groups[best]


def _numbered(values: Iterable[Hashable]) -> list[int]:
    """Numbers that are equal where the values are."""
    known: dict[Hashable, int] = {}
    return [known.setdefault(value, len(known)) for value in values]


def _param(path: str, value: Any, last: Sequence[str]) -> str:
    """A param by its last name, where one component alone has it among those that are told."""
    part, _, name = path.rpartition(".")
    short = part if name == "kind" else name if last.count(name) == 1 else path
    return f"{short} {_word(value)}"


def called(paper: str, method: str | None, dataset: str, differs: list[str]) -> str:
    """``directpred/sgd, shapes, target same``; a paper, or a method, of the same name is told once.

    Args:
        paper: Its key.
        method: Its name; None where an artifact names none.
        dataset: What it is trained on.
        differs: See :func:`differences`.
    """
    if "encoder pixels" in differs:
        return f"raw pixels, {dataset}"
    start = paper if method in (None, paper) else f"{paper}/{method}"
    return ", ".join([start, dataset, *differs])


def of_seed(name: str, seed: int | None) -> str:
    """The same of one seed."""
    return name if seed is None else f"{name}, seed {seed}"


def plainly(params: Mapping[str, Any], trained: bool = True) -> str:
    """What a run is called where no declaration names it: what it is made of.

    Args:
        params: Of its receipt.
        trained: Whether a milestone of it is trained.
    """
    encoder = params["encoder"]["kind"]
    if encoder == "pixels":
        return "raw pixels"
    if not trained:
        return f"{encoder}, {'given weights' if 'weights' in params['encoder'] else 'untrained'}"
    predictor, target = params["predictor"]["kind"], params["target"]["kind"]
    parts = [params["objective"]["kind"].replace("_", " ")]
    parts += [] if predictor == "none" else [f"{predictor} predictor"]
    parts += [] if target == "same" else [f"{target.upper() if target == 'ema' else target} target"]
    return ", ".join(parts)


def _word(value: Any) -> str:
    if isinstance(value, Mapping) and "content" in value:  # a file of the user's: its name, or what it holds
        return Path(value["path"]).name if "path" in value else str(value["content"])[:8]
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "unset"}[value]
    if isinstance(value, Mapping) and "path" in value:  # a file of the user's
        return Path(value["path"]).name
    return value if isinstance(value, str) else json.dumps(value)
