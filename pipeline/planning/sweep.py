"""A sweep in one line: what was typed, as the declaration of a paper that is like another one."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import components, files
from pipeline.errors import UserError, brief, nearest
from pipeline.planning import yaml_files
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.cells import method_layer
from pipeline.planning.composition import RunSpec
from pipeline.planning.params import PARTS, overlay
from pipeline.planning.spec import Paper

MARK = "# Written by: python -m pipeline sweep "
"""First words of every file that is written here."""

SEEDS = 3
"""Seeds of a sweep that names none: with one, a difference could not be told from noise."""

_GRID = re.compile(r"(log|lin):(.+?)\.\.(.+?):(\d+)")
_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})")
_DIGITS = 3
"""Significant digits of the values of a grid: they become names in tables."""
_MOST = 10_000
"""Values that an axis can have."""


@dataclass
class Sweep:
    """What was typed.

    Attributes:
        start: ``PAPER/METHOD``.
        over: ``NAME=VALUES``, in the order of the table's axes.
        on: Data sets.
        measures: Names under ``measures`` of the paper; none for its first in percent.
        epochs: Of the training; None for those of the paper's tables.
        name: Of the sweep; empty for one made of what it sweeps.
    """

    start: str
    over: list[str]
    on: list[str]
    measures: list[str] = field(default_factory=list)
    epochs: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Placed:
    """A sweep and its file.

    Attributes:
        path: Of the file.
        content: The declaration, with the name of its file.
        text: Of the file.
        kept: Files of other sweeps that would have the same name.
    """

    path: Path
    content: dict[str, Any]
    text: str
    kept: list[Path]


def values(text: str, where: str) -> list[Any]:
    """Values of an axis, as they were typed.

    Args:
        text: ``0.01,0.03``, ``0..4``, ``log:0.001..0.1:5``, ``lin:0..1:5`` or several of them; or ``[a, "b, c"]``.
        where: For messages.

    Raises:
        UserError: It is none of these, or a value stands twice.
    """
    if text.startswith("["):
        found = yaml_files.parse(text, where)
        if not isinstance(found, list):
            raise UserError(f"{where}: expected a list, found {brief(text)}")
    else:
        found = [value for item in text.split(",") for value in _item(item.strip(), where)]
    for value in found:
        if not isinstance(value, str | int | float):
            raise UserError(f"{where}: expected words and numbers, found {brief(value)}")
    twice = [value for k, value in enumerate(found) if value in found[:k]]
    if twice:
        raise UserError(f"{where}: {brief(twice[0])} stands twice")
    if not found:
        raise UserError(f"{where}: expected values, found none")
    return found


def _item(text: str, where: str) -> list[Any]:
    if match := _GRID.fullmatch(text):
        kind, count = match[1], int(match[4])
        ends = [_number(end, where) for end in (match[2], match[3])]
        if not 2 <= count <= _MOST:
            raise UserError(f"{where}: {text}: expected 2 to {_MOST:,} values, found {count}")
        if kind == "log" and min(ends) <= 0:
            linear = f"lin:{match[2]}..{match[3]}:{count}"
            raise UserError(f"{where}: {text}: the ends of a logarithmic grid are positive; type {linear}")
        low, high = (math.log(end) for end in ends) if kind == "log" else ends
        points = [low + (high - low) * k / (count - 1) for k in range(count)]
        grid = [math.exp(point) if kind == "log" else point for point in points]
        rounded = [float(f"{value:.{_DIGITS}g}") for value in grid]
        return list(map(int, rounded)) if all(value.is_integer() for value in rounded) else rounded
    if match := _RANGE.fullmatch(text):
        low, high = int(match[1]), int(match[2])
        if not 0 <= high - low < _MOST:
            raise UserError(f"{where}: {text}: expected LOW..HIGH with at most {_MOST:,} whole numbers")
        return list(range(low, high + 1))
    if not text or ".." in text:
        raise UserError(f"{where}: {brief(text)}: expected values such as 0.01,0.03,0.1 or 0..4 or log:0.001..0.1:5")
    return [yaml_files.parse(text, where)]


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: expected a number, found {brief(text)}")
    return value


def declared(typed: Sweep, known: Catalogue) -> dict[str, Any]:
    """The declaration of a paper with one table and one figure.

    Raises:
        UserError: There is no such paper, method, parameter, axis, data set or measure; the message names the nearest.
    """
    key, _, method = typed.start.partition("/")
    if key not in known.papers:
        raise UserError(f"sweep {typed.start}: there is no paper {key!r}; {nearest(key, known.papers)}")
    paper = known.papers[key]
    if method not in paper.methods:
        raise UserError(
            f"sweep {typed.start}: expected {key}/METHOD; {nearest(method, paper.methods, f'the methods of {key} are')}"
        )
    axes: dict[str, list[Any]] = {}
    paths: dict[str, str] = {}
    seeds = SEEDS
    for item in typed.over:
        name, equals, text = item.partition("=")
        where = f"--over {name}"
        if not equals:
            raise UserError(f"--over {item}: expected NAME=VALUES, such as optimizer.lr=0.01,0.03")
        found = values(text, where)
        if name in axes:
            raise UserError(f"{where}: stands twice; write its values in one list")
        if name in ("seed", "seeds"):
            if found != list(range(len(found))):
                raise UserError(f"{where}: expected seeds from 0 on, found {brief(text, str)}; type seed=0..4 for five")
            seeds = len(found)
            continue
        axes[name] = found
        if name not in ("method", "dataset", "epochs", *paper.axes):
            paths[name] = _path(name, known, where, list(paper.axes))
    if not axes:
        raise UserError("sweep: expected something to sweep over; type --over optimizer.lr=0.01,0.03,0.1")
    for name in axes.get("method", []):
        if name not in paper.methods:
            raise UserError(f"--over method: {key} has no method {name!r}; {nearest(str(name), paper.methods)}")
    for name in typed.on:
        known.dataset(name, "--on")
    if "dataset" in axes and typed.on:
        raise UserError("--on: the data sets stand under --over dataset already; leave one of them out")
    if "epochs" in axes and typed.epochs is not None:
        raise UserError("--epochs: they stand under --over epochs already; leave one of them out")
    measures = _measures(typed.measures, paper)
    single: dict[str, list[Any]] = {"method": [method], "dataset": typed.on, "epochs": [typed.epochs]}
    if "epochs" not in axes:
        single["epochs"] = [typed.epochs or _epochs(paper, str(axes.get("method", [method])[0]), typed.on)]
    if "dataset" not in axes and not typed.on:
        raise UserError("sweep: expected a data set; type --on shapes")
    axes |= {name: given for name, given in single.items() if name not in axes and len(given) > 1}
    several = {name: given for name, given in axes.items() if len(given) > 1} or axes
    columns = dict([list(several.items())[-1]]) if len(several) > 1 else {}
    if len(measures) > 1:
        columns["measure"] = measures
    rows = {name: given for name, given in several.items() if name not in columns}
    fixed = {name: given[0] for name, given in (single | axes).items() if name not in {**rows, **columns}}
    name = typed.name or _name(key, method, axes)
    title = f"{typed.start} over {', '.join(several)}"
    shown: dict[str, Any] = {"rows": rows, "columns": columns, "fixed": fixed, "seeds": seeds, "ours": True}
    shown |= {"measure": measures[0]} if len(measures) == 1 else {}
    shown = {what: given for what, given in shown.items() if given != {}}
    return {
        "paper": name,
        "like": key,
        "title": title,
        "authors": f"A sweep of a method of {paper.authors}",
        "year": paper.year,
        **({"axes": paths} if paths else {}),
        "artifacts": {
            "table": {"title": title, **shown},
            "curve": {"title": title, "kind": "figure", "draw": "sweep", **shown},
        },
    }


def _path(name: str, known: Catalogue, where: str, axes: Sequence[str]) -> str:
    """A path of a param that some kind of component has, or of the run itself."""
    part, _, param = name.partition(".")
    plain = [field for field in RunSpec.model_fields if field not in PARTS]
    if part in plain and not param:
        return name
    if part not in PARTS:
        paths = [f"{one}.{own}" for one in PARTS for own in _params(one, known)]
        raise UserError(f"{where}: no parameter and no axis; {nearest(name, [*axes, *plain, *paths])}")
    there = ["kind", *_params(part, known)]
    if param not in there:
        raise UserError(f"{where}: no {part} has a parameter {param!r}; {nearest(param, there)}")
    return name


def _params(part: str, known: Catalogue) -> list[str]:
    every = (components.params(part, kind, known.extend) for kind in components.kinds(part, known.extend))
    return list(dict.fromkeys(param for one in every for param in one))


def _measures(given: Sequence[str], paper: Paper) -> list[str]:
    for name in given:
        if name not in paper.measures:
            raise UserError(f"--measure {name}: {paper.paper} has none of this name; {nearest(name, paper.measures)}")
    first = next((name for name, measure in paper.measures.items() if measure.unit == "%"), None)
    if not given and first is None:
        raise UserError(f"sweep: expected a measure; type --measure NAME, one of: {', '.join(paper.measures)}")
    return list(dict.fromkeys(given)) or [str(first)]


def _epochs(paper: Paper, method: str, on: Sequence[str]) -> int:
    """Epochs of a training where nothing is said: up to the end of its schedule, else the fewest of its first table."""
    params = paper.defaults
    for layer in (paper.datasets.get(on[0], {}) if on else {}, method_layer(paper, method, f"sweep {paper.paper}")):
        params = overlay(params, layer)
    schedule = params.get("schedule")
    end = schedule.get("epochs") if isinstance(schedule, Mapping) else None
    if isinstance(end, int):
        return end
    tables = [one for one in paper.artifacts.values() if one.source == "measure" and one.kind == "table"]
    named = [one for one in tables if method in one.axes().get("method", [])]
    timed = [times for one in [*named, *tables] if (times := [n for n in one.axes().get("epochs", []) if n > 0])]
    found = timed[0] if timed else []
    if not found:
        raise UserError(f"sweep: {paper.paper} has no table that says how long to train; type --epochs 100")
    return min(found)


def _name(key: str, method: str, axes: Mapping[str, Sequence[Any]]) -> str:
    """A name of what is swept; it becomes those of files."""
    words = [key, *([] if method == key else [method]), *(name.rpartition(".")[2] for name in axes)]
    return re.sub(r"[^A-Za-z0-9]+", "-", " ".join(words)).strip("-")[:80]


def text(content: Mapping[str, Any], typed: Sequence[str]) -> str:
    """The file: what was typed, a mark by which an edit is told, the declaration."""
    body = yaml_files.written(content)
    said = shlex.join(typed).replace("\n", " ")
    return f"{MARK}{said}\n# Yours to edit and keep: what was edited is not written over. ({_seal(body)})\n{body}"


def placed(content: dict[str, Any], typed: Sequence[str], folder: Path, known: Catalogue, named: bool) -> Placed:
    """Find the file for a sweep: that of the same sweep, also of one with fewer values; else a name that is free.

    Args:
        content: The declaration.
        typed: The command, behind its name.
        folder: Where papers are declared.
        known: Before it.
        named: Whether its name was typed; else a number is put behind it where another sweep has it.

    Raises:
        UserError: A file or a paper of that name is there.
    """
    kept: list[Path] = []
    for number in itertools.count(1):
        name = content["paper"] if number == 1 else f"{content['paper']}-{number}"
        path = folder / f"{name}.yaml"
        own = {**content, "paper": name}
        found = _written(path, known)
        if found is None or _grown(found, own):
            same = found == own
            return Placed(path, own, path.read_text(encoding="utf-8") if same else text(own, typed), kept)
        if named:
            raise UserError(
                f"--name {name}: {path} declares another sweep, {found['title']}; "
                "type another name, or remove that file"
            )
        kept.append(path)
    raise AssertionError


def _written(path: Path, known: Catalogue) -> dict[str, Any] | None:
    """What a file declares as it was written here; None where there is none.

    Raises:
        UserError: It is edited, or no sweep, or a paper of its name is elsewhere.
    """
    name = path.stem
    if not path.exists():
        if name in known.papers:
            raise UserError(f"--name {name}: there is a paper of this name; type --name with another one")
        return None
    try:
        found = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        found = ""
    first, _, rest = found.partition("\n")
    second, _, body = rest.partition("\n")
    if not (first.startswith(MARK) and second.endswith(f"({_seal(body)})")):
        raise UserError(
            f"{path}: it is edited, or no sweep, and is not written over; name another with --name, or build this "
            f"one: snakemake results/{known.options.edition()}/{name}/table.csv --config extend={path.parent.parent}"
        )
    content: dict[str, Any] = yaml_files.parse(body, str(path))
    return content


def _grown(before: Any, now: Any, inside: str = "") -> bool:
    """Whether a declaration says all that another one says: of rows, columns and seeds it may say more."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return before.keys() == now.keys() and all(_grown(before[name], now[name], name) for name in before)
    if isinstance(before, list) and isinstance(now, list):
        return all(value in now for value in before)
    return bool(before <= now if inside == "seeds" else before == now)


def _seal(body: str) -> str:
    return f"as written: {files.sha256_of(body.encode())[:12]}"
