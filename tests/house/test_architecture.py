"""The house: who may import whom, read from the source of all modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import components
from pipeline.components import PACKAGE
from pipeline.ledger import accepted, fingerprint
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.key_files import key_files
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

SHARED = (
    *("errors", "files", "user_files", "locks", "work", "annotations", "bytecode", "components"),
    *("durations", "hardware", "ranges", "sizes", "monitor", "entry", "install"),
)
LIBRARY = (
    *(
        "numerics",
        "data",
        "views",
        "nets",
        "objectives",
        "training",
        "evaluation",
        "kernels",
        "simulation",
        "artifacts",
    ),
)
READERS = ("provenance", "comparing", "sharing", "latex", "site", "kit", "export")
MAY: dict[str, tuple[str, ...]] = {
    "shared": ("shared",),
    "library": ("shared", "library"),
    "papers": ("shared", "library", "papers"),
    "ledger": ("shared", "ledger"),
    "planning": ("shared", "ledger", "planning"),
    "engine": ("shared", "ledger", "planning", "engine"),
    "reader": ("shared", "ledger", "planning", "engine", "library", "papers", "reader"),
    "commands": ("shared", "ledger", "planning", "engine", "library", "papers", "reader", "commands"),
    "__main__": ("shared", "commands"),
}
"""Storey -> the storeys that it may import: arrows go down only."""


def storey(module: str) -> str:
    """Of a module of the package, by the first part of its name."""
    first = module.split(".")[1] if "." in module else "shared"
    if first in LIBRARY:
        return "library"
    if first in READERS:
        return "reader"
    return "shared" if first in SHARED else first


def modules() -> dict[str, ast.Module]:
    """All modules of the package by dotted name, packages under their own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.AST, known: dict[str, ast.Module]) -> Iterator[str]:
    """Modules of the package that a module imports, anywhere in it; those for types alone are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a name comes from"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            yield from imports(node, known)
            continue
        for name in names:
            while name and name not in known:
                name = name.rpartition(".")[0]
            if name:
                yield name


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imports(tree, known)) - {name} for name, tree in known.items()}


def climbing(arrows: dict[str, set[str]]) -> list[str]:
    """Imports that go up."""
    return [
        f"{name} -> {other}"
        for name, others in arrows.items()
        for other in sorted(others)
        if other != "pipeline" and name != "pipeline" and storey(other) not in MAY[storey(name)]
    ]


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a circle; none where there is no circle."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(arrows.get(name, ())):
            if found := visit(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := visit(name, []))), [])


def test_arrows_go_down_only(arrows: dict[str, set[str]]) -> None:
    assert climbing(arrows) == []


def strangers(arrows: dict[str, set[str]]) -> list[str]:
    """Imports of one paper from another."""
    owner = re.compile(r"pipeline\.papers\.(\w+)")
    pairs = [(name, other) for name, others in arrows.items() for other in sorted(others)]
    found = [(name, other, owner.match(name), owner.match(other)) for name, other in pairs]
    return [f"{name} -> {other}" for name, other, a, b in found if a and b and a[1] != b[1]]


def test_papers_do_not_know_each_other(arrows: dict[str, set[str]]) -> None:
    assert strangers(arrows) == []
    assert strangers({"pipeline.papers.a.x": {"pipeline.papers.a.y", "pipeline.papers.b"}}) == [
        "pipeline.papers.a.x -> pipeline.papers.b"
    ]


@pytest.fixture(scope="module")
def plan() -> Plan:
    known = Catalogue(Options(scale="quick"))
    return Plan(known, known.built())


@pytest.fixture(scope="module")
def keys(plan: Plan) -> dict[str, KeyFile]:
    return key_files(plan, Fingerprints())


@pytest.mark.parametrize("paper", components.papers())
def test_an_edit_in_a_papers_folder_touches_that_papers_artifacts_only(
    paper: str, plan: Plan, keys: dict[str, KeyFile]
) -> None:
    touched = {name for name, key in keys.items() if any(f"papers/{paper}/" in module for module in key.code)}
    owners = {
        artifact.request.paper
        for stem, artifact in plan.artifacts.items()
        if {Node(name).key for name in (stem, *artifact.nodes)} & touched
    }
    assert touched and owners == {paper}


def test_no_modules_import_each_other_in_a_circle(arrows: dict[str, set[str]]) -> None:
    assert circle(arrows) == []


def test_every_folder_stands_in_a_storey(arrows: dict[str, set[str]]) -> None:
    assert {storey(name) for name in arrows} == MAY.keys()


def test_a_climb_and_a_circle_would_be_found() -> None:
    up = {"pipeline.nets.x": {"pipeline.planning.plan"}, "pipeline.ledger.keys": {"pipeline.engine.state"}}
    assert climbing(up) == [
        "pipeline.nets.x -> pipeline.planning.plan",
        "pipeline.ledger.keys -> pipeline.engine.state",
    ]
    round_and_round = {"a": {"b"}, "b": {"c"}, "c": {"b"}}
    assert circle(round_and_round) == ["b", "c", "b"]
    known = {name: ast.parse("") for name in ("pipeline", "pipeline.nets", "pipeline.nets.x")}
    source = "def f():\n    from pipeline.nets import x\nif TYPE_CHECKING:\n    import pipeline.hidden"
    assert list(imports(ast.parse(source), known)) == ["pipeline.nets.x"]


def test_what_decides_is_told_by_folder_and_imports_none_of_what_computes(arrows: dict[str, set[str]]) -> None:
    for name in arrows:
        label = name.replace(".", "/") + ".py"
        assert fingerprint.decides(label) is (storey(name) not in ("library", "papers")) or (
            PACKAGE.parent.joinpath(*name.split("."), "__init__.py").is_file()
        ), name


def test_a_stage_runs_nothing_that_decides(arrows: dict[str, set[str]]) -> None:
    stages = ["pipeline.data.prepare", "pipeline.training.pretrain", "pipeline.evaluation.measure"]
    stages += ["pipeline.simulation.stage", "pipeline.artifacts.table", "pipeline.artifacts.figure"]
    for stage in stages:
        reached, waiting = set(), [stage]
        while waiting:
            if (name := waiting.pop()) not in reached:
                reached.add(name)
                waiting += arrows[name]
        assert {storey(name) for name in reached} <= {"shared", "library"}, stage


def test_the_package_is_where_it_is_looked_for() -> None:
    assert fingerprint.PACKAGE == PACKAGE and Path(fingerprint.__file__).parent.parent == PACKAGE


def test_what_people_see_is_in_no_key(arrows: dict[str, set[str]], keys: dict[str, KeyFile]) -> None:
    """An edit of a progress line, an estimate or of when progress is saved makes nothing stale."""
    codes = [key.code for key in keys.values()]
    assert codes and not [name for code in codes for name in code if "monitor" in name or "durations" in name]
    library = {name: others for name, others in arrows.items() if storey(name) in ("library", "papers")}
    assert not [name for name, others in library.items() if any(one.startswith("pipeline.monitor") for one in others)]


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PACKAGE.parent.glob("params/**/*.yaml") if path != PACKAGE.parent / accepted.FILE),
    ids=lambda path: path.name,
)
def test_declarations_are_read_without_scrolling(path):
    """But for what `accept` writes, a line for each entry, so that a merge keeps those of both sides."""
    long = [number for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > 140]
    assert not long, f"{path}: lines {long}: break them after a comma"
