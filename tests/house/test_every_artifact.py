"""Every reader on every declared artifact, so that a new kind of artifact cannot break one unseen.

Real: the declarations of all papers at scale tiny, plan, key files, receipts, store, the executor, and the commands as they
are typed (in this process; Git is called). Synthetic (``synthetic.py``): what stages would compute. Nothing is trained,
measured, simulated or drawn; tables are made by their stage, from scores that are only numbers, and drawings by theirs. So a bundle's figures
cannot be verified here: that is left to the slow test, which builds everything for real.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import synthetic
import typeset
import yaml
from conftest import ROOT, copy_project, withdraw

from pipeline import __main__, components
from pipeline.commands import _targets
from pipeline.engine.executor import Executor
from pipeline.engine.grouping import jobs_of
from pipeline.engine.state import States
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.errors import UserError
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning import yaml_files
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

TINY = Catalogue(Options(scale="tiny"))
STEMS = [request.stem for request in TINY.built()]
CONFIG = ("--config", "scale=tiny")
ZIP = "some.zip"
MORE = {"bundle": ("-o", ZIP), "diff": ()}


@functools.cache
def _plan() -> Plan:
    return Plan(TINY, TINY.built())


@functools.cache
def _kinds() -> list[tuple[str, str]]:
    """An artifact for every combination of stages below it, with a node of each stage."""
    states = States(_plan(), Workspace(Path("/nonexistent")))
    found: dict[tuple, list[tuple[str, str]]] = {}
    for stem in sorted(STEMS, key=lambda stem: len(_plan().artifacts[stem].nodes)):  # small ones are as good
        nodes, waiting = {}, [stem]
        while waiting:
            state = states.by_name[waiting.pop()]
            nodes.setdefault(state.key_file.stage, state.node.name)
            waiting += [state.node.resolve_input(name).name for name in state.key_file.inputs.values()]
        found.setdefault(tuple(sorted(nodes)), [(stem, node) for node in nodes.values()])
    return [pair for pairs in found.values() for pair in pairs]


FEW = [
    f"results/tiny/{name}"
    for name in (
        "directpred/fig1", "isoloss/table3", "directpred/fig3", "directpred/table4", "embnorms/figS6",
        "stepwise/table1", "stepwise/table2", "directpred/sec3_simsiam_imagenet", "directpred/fig2",
        "isoloss/fig_ema", "multiview/figE1", "multiview/figE2", "multiview/tableE3",
        "stepwise/fig2cd",
    )
]  # fmt: skip
"""The smallest of every kind; listed, since to find them everything is planned."""
MUCH = [
    f"results/tiny/{name}"
    for name in (
        "stepwise/ntk_evolution", "directpred/fig6", "embnorms/tableS1", "embnorms/tableS2", "embnorms/fig4",
        "multiview/tableE1", "stepwise/learning_steps", "embnorms/fig3", "zoo/methods", "isoloss/fig3",
        "embnorms/fig5", "multiview/table2", "stepwise/learning_order",
    )
]  # fmt: skip
"""Those of the other kinds, which read more than 16 nodes each."""
MOST = [stem if stem in FEW else pytest.param(stem, marks=pytest.mark.slow) for stem in STEMS]
"""All artifacts; what lies beside the smallest of every kind, and what reads much, belongs to the slow tests."""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error."""
        assert self.code == 1 and not self.out, self
        assert self.err.startswith("error: ") and self.err.count("\n") == 1, self
        return self.err.removeprefix("error: ").rstrip("\n")


@dataclass
class Terminal:
    """Where commands are typed: they run in this process, and declarations are read once."""

    root: Path
    params: Path
    known: dict[tuple[str, ...], Catalogue] = field(default_factory=dict)

    def type(self, command: str, *arguments: str) -> Done:
        """Type one command at scale tiny. What is no error for the user is one for the test."""
        config = () if command in ("verify",) else CONFIG
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(self.root):
            patch.setattr(sys, "argv", ["pipeline", command, *arguments, *config])
            patch.setattr(_targets, "catalogue", self._catalogue)
            patch.setattr(Fingerprints, "code", _code)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = __main__.main()
        return Done(code, out.getvalue(), err.getvalue())

    def about(self, command: str, target: str) -> Done:
        """Type a command about an artifact, as each of them is told which."""
        before = ("HEAD",) if command == "diff" else ()
        return self.type(command, *before, target, *MORE.get(command, ()))

    def _catalogue(self, config: list[str]) -> Catalogue:
        place = tuple(config)
        if place not in self.known:
            given = dict(item.split("=", 1) for item in config)
            self.known[place] = Catalogue(Options.parse(given, {}), self.params)
        return self.known[place]


_FINGERPRINTS: dict[tuple[Path, ...], dict[str, str]] = {}
_CODE = Fingerprints.code


def _code(self: Fingerprints, roots: Iterable[Path]) -> dict[str, str]:
    """Fingerprint of modules, computed once: no test here edits code, and hundreds of commands ask."""
    place = tuple(roots)
    if place not in _FINGERPRINTS:
        _FINGERPRINTS[place] = _CODE(self, place)
    return dict(_FINGERPRINTS[place])


def _commit(root: Path, *paths: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "-f", *paths), ("commit", "-q", "-m", "x")):
        subprocess.run(["git", *identity, *command], cwd=root, check=True)


def _checkout(folder: Path) -> Terminal:
    """A checkout with one commit."""
    copy_project(folder)
    _commit(folder, "params")
    return Terminal(folder, folder / "params")


def _params(item: pytest.Item) -> dict:
    return item.callspec.params if hasattr(item, "callspec") else {}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Terminal:
    """A checkout in which nothing is built."""
    return _checkout(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="module")
def house(tmp_path_factory, request) -> Terminal:
    """A checkout in which everything that is asked about is in place, and committed; for slow tests, everything."""
    terminal = _checkout(tmp_path_factory.mktemp("house") / "project")
    readers = [item for item in request.session.items if "house" in getattr(item, "fixturenames", ())]
    asked = {_params(item)["stem"] for item in readers if "stem" in _params(item)}
    everything = any(item.get_closest_marker("slow") for item in readers)
    with contextlib.chdir(terminal.root):
        synthetic.build(terminal.root, Catalogue(Options(scale="tiny"), terminal.params), None if everything else asked)
    _commit(terminal.root, "results", "receipts")
    return terminal


# -- in place


def test_few_are_the_smallest_of_every_kind():
    smallest = {stem: len(_plan().artifacts[stem].nodes) for stem, _ in _kinds()}
    assert {stem for stem, reads in smallest.items() if reads <= 16} == set(FEW)
    assert smallest.keys() - set(FEW) == set(MUCH)


@pytest.mark.parametrize("stem", MOST)
def test_what_is_in_place(house, stem):
    assert house.about("why", f"{stem}.csv") == Done(0, "up to date: no stage would execute\n", "")
    told = house.about("plan", f"{stem}.csv")
    assert told.code == 0 and "\nnothing to compute\n" in told.out
    told = house.about("audit", f"{stem}.csv")
    real = _plan().artifacts[stem].declaration.kind == "table" or not _plan().artifacts[stem].nodes
    if real:
        assert told.code == 0 and "everything holds: " in told.out, told.out
    else:  # the numbers are invented, and the picture is a line of text: of each file one line says so, and no other
        told = [line for line in told.out.splitlines() if line.startswith(("forged: ", "changed: ", "missing: "))]
        named = [line.removeprefix("forged: ").partition(": ")[0] for line in told]
        assert len(set(named)) == len(told) and all(name.startswith(f"{stem}.") for name in named), told
    told = house.about("runs", f"{stem}.csv")
    trained = any(node.startswith("measurements/") for node in _plan().artifacts[stem].nodes)
    assert told.code == 0 and told.out.startswith("state  config" if trained else "no runs: ")
    told = house.about("diff", f"{stem}.csv")
    assert told.code == 0 and not told.err, told
    told = house.about("restore", f"{stem}.csv")
    assert told.code == 0 and told.out.startswith("0 nodes restored, "), told
    _typeset(house, stem)
    told = house.about("bundle", f"{stem}.csv")
    assert told.code == 0 and "root hash " in told.out, told
    if real:
        told = house.type("verify", ZIP)
        assert told.code == 3 and "\nUNANCHORED: " in told.out and "computed again from " in told.out, told
        assert "down to \n" not in told.out and "simulations/" not in told.out


def _typeset(house: Terminal, stem: str) -> None:
    """A table, and every number, is LaTeX that holds together; a figure that has no numbers of its own says so."""
    told = house.about("tex", f"{stem}.csv")
    if told.code:
        assert _plan().artifacts[stem].declaration.kind == "figure" and "include " in told.line, told
        return
    name = stem.rpartition("/")[2]
    made = [house.root / f"tex/{name}.tex", *(house.root / f"tex/{name}").glob("*.tex")]
    if _plan().artifacts[stem].declaration.kind == "figure":
        del made[0]
    typeset.check(*(path.read_text() for path in made))
    shutil.rmtree(house.root / "tex")


# -- nothing built


@pytest.mark.parametrize("stem", MOST)
def test_what_is_not_built(fresh, stem):
    told = fresh.about("why", f"{stem}.csv")
    assert told.code == 0 and told.out.startswith("because: never built at this scale: no receipt yet of "), told
    why = "input: " if _plan().artifacts[stem].nodes else "receipt: there is none yet\n"
    assert f": {stem}: to execute\n    {why}" in told.out
    assert "1 of 1" not in told.out
    told = fresh.about("plan", f"{stem}.csv")
    assert told.code == 0 and "nothing to compute" not in told.out
    assert fresh.about("runs", f"{stem}.csv").code == 0
    told = fresh.about("audit", f"{stem}.csv")
    assert told.code == 1 and not told.out and told.err == f"error: {stem}: not built; type: snakemake {stem}.csv\n"
    missing = f"missing: {stem}.receipt.json: there is no such receipt; type: snakemake {stem}.csv"
    assert fresh.about("bundle", f"{stem}.csv").line == missing
    told = fresh.about("restore", f"{stem}.csv")
    assert told.code == 1 and not told.err and "to be computed, there is nothing to restore: " in told.out
    assert f"{stem}: not built at revision HEAD" in fresh.about("diff", f"{stem}.csv").line


# -- a change


@pytest.fixture(scope="module")
def changed(house, tmp_path_factory) -> Terminal:
    """The same results, and papers in which one param of every simulation and of every run is another."""
    params = tmp_path_factory.mktemp("changed") / "params"
    shutil.copytree(house.params, params)
    for path in (params / "papers").glob("*.yaml"):
        paper = json.loads(json.dumps(yaml_files.load(path)))
        if "defaults" in paper:
            paper["defaults"]["precision"] = "bf16"  # a param of every run, and none that the scale says
        for artifact in paper["artifacts"].values():
            if "simulation" in artifact:
                given = artifact["simulation"]
                given = {"kind": given} if isinstance(given, str) else given
                artifact["simulation"] = given | _other(given)
        path.write_text(yaml.safe_dump(paper, sort_keys=False))
    return Terminal(house.root, params)


def _other(given: dict) -> dict:
    """Another value for the first number of a simulation."""
    found = components.resolve("simulation", dict(given), "test")
    for name in (n for n, v in found.items() if type(v) in (int, float) and n != "replications"):
        for value in (type(found[name])(found[name] * 2 + 1), type(found[name])(found[name] / 2)):
            with contextlib.suppress(UserError):  # what a range or another param forbids
                components.resolve("simulation", {**given, name: value}, "test")
                return {name: value}
    raise AssertionError(given)


@pytest.mark.parametrize("stem", MOST)
def test_a_changed_param(changed, stem):
    if not _plan().artifacts[stem].nodes:  # neither is shown in a table of settings, or in a drawing
        assert changed.about("why", f"{stem}.csv").out.endswith("up to date: no stage would execute\n")
        return
    trained = any(node.startswith("measurements/") for node in _plan().artifacts[stem].nodes)
    param = 'param precision "fp32" -> "bf16" in ' if trained else "param simulation."
    told = changed.about("why", f"{stem}.csv")
    because = [line for line in told.out.splitlines() if line.startswith("because: ")]
    assert told.code == 0 and because[0].startswith(f"because: {param}"), told
    assert all(line.startswith("because: param ") for line in because), told
    assert "receipt: there is none yet" not in told.out, told
    told = changed.about("audit", f"{stem}.csv")
    stale = [line for line in told.out.splitlines() if line.startswith("stale: ")]
    assert told.code == 1 and stale and "param" in " ".join(stale), told
    assert changed.about("bundle", f"{stem}.csv").line.startswith("stale: ")


# -- receipts that are not there, or are no receipts

DAMAGE = {
    "gone": lambda content: None,
    "half": lambda content: content[: len(content) // 2],
    "a list": lambda content: b"[1, 2]",
    "edited": lambda content: content.replace(b'"params": {', b'"params": {"more": 1,', 1),
    "nested": lambda content: b"[" * 100_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("stem", [*FEW, *MUCH])
def test_a_receipt_that_is_none(house, stem):
    numbers = [(number, node) for number, (owner, node) in enumerate(_kinds()) if owner == stem]
    assert numbers
    for number, node in numbers:
        _damaged(house, number, stem, node)


def _damaged(house: Terminal, number: int, stem: str, node: str) -> None:
    path = house.root / Node(node).receipt
    good = path.read_bytes()
    for kind in ("gone", list(DAMAGE)[1 + number % 4]):  # every damage to many nodes, and not every one to every node
        content = DAMAGE[kind](good)
        path.unlink() if content is None else path.write_bytes(content)
        try:
            told = house.about("why", f"{stem}.csv")
            assert told.code == 0 and f": {node}: restorable\n    " in told.out, (kind, told)
            assert house.about("plan", f"{stem}.csv").code == 0
            assert house.about("runs", f"{stem}.csv").code == 0
            told = house.about("audit", f"{stem}.csv")
            word = "missing" if content is None else "forged"
            assert told.code == 1 and not told.err and f"\n{word}: {Node(node).receipt}: " in told.out, (kind, told)
            assert house.about("bundle", f"{stem}.csv").line.startswith(f"{word}: {Node(node).receipt}: ")
            told = house.about("restore", f"{stem}.csv")
            assert told.code == 0 and told.out.splitlines()[-1].startswith("1 nodes restored"), (kind, told)
            assert path.read_bytes() == good, kind
        finally:
            path.write_bytes(good)


@pytest.mark.parametrize("stem", [f"results/tiny/{name}" for name in ("stepwise/table2", "isoloss/thm1")])
def test_records_that_are_none(changed, stem):
    """Records of time and place are in no hash: what is wrong with them is no error, also where they help to guess."""
    paths = list(changed.root.glob("receipts/**/*.execution.json"))
    good = {path: path.read_bytes() for path in paths}
    try:
        for path in paths:
            path.write_text("[1, 2]")
        for command in ("why", "plan", "runs"):
            assert changed.about(command, f"{stem}.csv").code == 0
    finally:
        for path, content in good.items():
            path.write_bytes(content)


@pytest.mark.slow
def test_commands_about_everything_bear_damaged_receipts(house):
    nodes = {Node(node).family: Node(node) for _, node in _kinds()}
    good = {house.root / node.receipt: (house.root / node.receipt).read_bytes() for node in nodes.values()}
    try:
        for path, content in good.items():
            path.write_bytes(content[:99])
        told = house.type("gc")
        assert told.code == 0 and not told.err, told
        assert house.type("accept", "table", "--reason", "same").line.startswith("accept table: no stage is stale")
        assert house.type("plan").code == 0
    finally:
        for path, content in good.items():
            path.write_bytes(content)


# -- names

NAMES = {
    "nosuch": "no paper has an artifact called 'nosuch'",
    "directpred/nosuch": "directpred has no artifact called 'nosuch'",
    "nopaper/table1": "there is no paper called 'nopaper'",
    "results/nosuch.csv": "no paper has an artifact called 'nosuch'",
    "results/tiny/directpred/nosuch.csv": "directpred has no artifact called 'nosuch'",
    "results/huge/directpred/table1.csv": "there is no scale called 'huge'",
    "results/tiny-released/multiview/fig7.csv": "multiview has no flavour 'released'",
    "results/tiny/scorecard.csv": "not an artifact",
}
TARGETED = ("why", "plan", "runs", "audit", "restore", "bundle", "diff")


@pytest.mark.parametrize("command", TARGETED)
@pytest.mark.parametrize(("target", "text"), NAMES.items())
def test_names_of_nothing(fresh, command, target, text):
    assert text in fresh.about(command, target).line


def test_all_that_is_registered_is_declared():
    with (ROOT / "params/artifacts.csv").open(newline="") as file:
        named = {(row["paper"], row["artifact"]) for row in csv.DictReader(file)}
    ready = {(request.paper, request.artifact) for request in TINY.built()}
    assert len(named) >= 92 and named <= ready


@pytest.fixture(scope="module")
def lacking(fresh, tmp_path_factory) -> Terminal:
    """Declarations in which one artifact that is registered does not stand yet."""
    params = tmp_path_factory.mktemp("lacking") / "params"
    shutil.copytree(fresh.params, params)
    return Terminal(fresh.root, withdraw(params, "embnorms", "figS6"))


@pytest.mark.parametrize("command", TARGETED)
def test_names_of_what_cannot_be_built_yet(lacking, command):
    for target in ("embnorms/figS6", "results/tiny/embnorms/figS6.csv"):
        assert "embnorms/figS6 (" in (line := lacking.about(command, target).line) and "not declared yet" in line


def test_commands_without_artifacts(fresh, tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    for name, text in {
        "nosuch.zip": "No such file",
        str(tmp_path): "no file of a bundle is called so",
        str(tmp_path / "text.zip"): "",
    }.items():
        assert text in fresh.type("verify", name).line
    assert fresh.type("accept", "nosuch", "--reason", "same").line.startswith("accept nosuch: no such stage here")
    assert fresh.type("accept", "table", "--revoke").line.startswith("params/accepted.yaml: nothing about table")
    assert fresh.type("accept", "table", "--reason", "same").line.startswith("accept table: no stage is stale")
    assert "Git knows no such revision" in fresh.type("diff", "nosuch").line
    assert "no result of tiny at either" in fresh.type("diff", "HEAD").line
    told = fresh.type("restore", "data/nosuch-12345678")
    assert told.line.startswith("missing: receipts/data/nosuch-12345678.json: ")
    told = fresh.type("audit", "data/nosuch-12345678")
    assert told.code == 1 and "missing: receipts/data/nosuch-12345678.json: " in told.out


# -- for real


@pytest.mark.slow
def test_everything_as_it_is_built(tmp_path):
    """Real throughout: every stage executes at scale tiny, through the executor, without snakemake."""
    terminal = _checkout(tmp_path / "project")
    with contextlib.chdir(terminal.root):
        plan = Plan(Catalogue(Options(scale="tiny"), terminal.params), TINY.built())
        states = States(plan, Workspace(terminal.root))
        sync_key_files(states, jobs_of(states).values())
        jobs: dict[str, list[Node]] = {}
        for node in plan.nodes():
            jobs.setdefault(node.key, []).append(node)
        for nodes in jobs.values():
            Executor(Workspace(terminal.root)).run(nodes)
    for stem in STEMS:
        assert terminal.about("why", f"{stem}.csv").out == "up to date: no stage would execute\n"
        assert "(nothing to execute)" in terminal.about("plan", f"{stem}.csv").out
        assert "everything holds: " in terminal.about("audit", f"{stem}.csv").out
        assert "root hash " in terminal.about("bundle", f"{stem}.csv").out
        told = terminal.type("verify", ZIP)
        assert told.code == 3 and "\nUNANCHORED: " in told.out, (stem, told)


@pytest.mark.parametrize("stem", ["results/tiny/stepwise/table1"])
def test_the_page_of_claims(house, stem):
    told = house.type("claims")
    assert told.code == 0 and told.out.startswith("results/tiny/artifact-evaluation.md: "), told
    text = (house.root / "results/tiny/artifact-evaluation.md").read_text()
    papers = house._catalogue(["scale=tiny"]).papers
    sections = {}
    for paper in papers:
        own = f"\n{text}".partition(f"\n## {paper}\n")[2].partition("\n## ")[0]
        sections |= {(paper, part.partition("\n")[0]): part for part in own.split("\n### ")[1:]}
    with_claims = {(paper, name) for paper, one in papers.items() for name, a in one.artifacts.items() if a.claims}
    assert sections.keys() == with_claims
    assert all("\n    snakemake results/" in part and "Expected time: " in part for part in sections.values())
    built = [
        stem for stem in STEMS if (house.root / f"{stem}.json").exists() and _plan().artifacts[stem].declaration.claims
    ]
    assert stem in built
    for stem in built:
        section = sections[tuple(stem.split("/")[2:])]
        assert "as recorded" in section and "not built here" not in section, stem
    assert house.type("claims").code == 0
    (house.root / "results/tiny/artifact-evaluation.md").write_text("mine")
    assert "no earlier page of claims" in house.type("claims").line
    (house.root / "results/tiny/artifact-evaluation.md").unlink()
