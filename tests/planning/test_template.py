"""``new``: what it writes works as it is, and writes over nothing."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline import components
from pipeline.__main__ import _parser
from pipeline.commands import _targets, new
from pipeline.engine.executor import Executor
from pipeline.engine.grouping import jobs_of
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.errors import UserError
from pipeline.ledger.workspace import Workspace
from pipeline.planning import template

SMALL = "title: small\ndatasets: {shapes: {name: shapes, train: 64, test: 32, size: 8}}\nmeasures: {linear_probe: {epochs: 2}}\nseeds: 1\n"
CONFIG = ["extend=mine", "scale=small"]


def typed(*words: str) -> None:
    """As a shell would have it."""
    arguments = _parser().parse_args(["new", *words])
    arguments.run(arguments)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which one of each kind was started, with a scale of its own and a data set that was there."""
    root = tmp_path_factory.mktemp("mine")
    (root / "mine/scales").mkdir(parents=True)
    (root / "mine/scales/small.yaml").write_text(SMALL)
    (root / "mine/datasets.yaml").write_text("# mine\nmarks: {title: Marks, source: {kind: shapes}}")
    with contextlib.chdir(root):
        for what in template.CATEGORIES:
            typed(what, f"my_{what}", "--config", "extend=mine")
        yield root


def test_what_can_be_started_is_what_there_are_templates_of() -> None:
    assert tuple(template.CATEGORIES) == new.WHAT


def test_all_of_it_is_planned(mine: Path) -> None:
    with contextlib.chdir(mine):
        planned = _targets.planned([f"my_{what}" for what in template.CATEGORIES], _targets.catalogue(CONFIG))
    assert len(planned.plan.artifacts) == len(template.CATEGORIES)


SLOW = ("paper", "encoder", "figure")


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[pytest.mark.slow] * (what in SLOW)) for what in template.CATEGORIES]
)
def test_what_is_written_works(mine: Path, what: str) -> None:
    with contextlib.chdir(mine):
        (mine / ".dvc").mkdir(exist_ok=True)
        planned = _targets.planned([f"my_{what}"], _targets.catalogue(CONFIG))
        sync_key_files(planned.states, jobs_of(planned.states).values())
        for node in planned.plan.nodes():
            Executor(Workspace(mine)).run([node])
    stem = mine / f"results/small/my_{what}/my_{what}"
    found = json.loads(stem.with_suffix(".json").read_text())
    if what == "figure":
        assert stem.with_suffix(".png").stat().st_size and len(stem.with_suffix(".csv").read_text().splitlines()) == 7
        return
    assert found["cells"] and all(isinstance(cell["mean"], float) for cell in found["cells"])
    kinds = {what, "my_dataset"} if what == "dataset" else {what}
    used = {kind for kind in kinds for state in planned.states if f"my_{kind}" in json.dumps(state.key_file.code)}
    assert what == "paper" or used, "the component is the one that was written"


def test_nothing_is_written_over_and_what_was_there_stays(mine: Path) -> None:
    text = (mine / "mine/datasets.yaml").read_text()
    assert text.startswith("# mine\nmarks: {title: Marks, source: {kind: shapes}}\nmy_dataset: {title: ")
    before = {path: path.read_bytes() for path in mine.rglob("mine/**/*") if path.is_file()}
    with contextlib.chdir(mine):
        for what in template.CATEGORIES:
            with pytest.raises(UserError, match="of this name; type another one"):
                typed(what, f"my_{what}", "--config", "extend=mine")
        (mine / "mine/objectives/other.py").write_text("# not finished")
        with pytest.raises(UserError, match="there is an objective of this name"):
            typed("objective", "other", "--config", "extend=mine")
        (mine / "mine/objectives/other.py").unlink()
        (mine / "mine/papers/.keep.yaml").write_text("")
        (mine / "mine/datasets.yaml").write_text("{marks: {title: Marks, source: {kind: shapes}}}\n")
        with pytest.raises(UserError, match="an entry can't be added at its end; add it yourself: stripes: "):
            typed("dataset", "stripes", "--config", "extend=mine")
        (mine / "mine/datasets.yaml").write_text(text)
    assert {path: path.read_bytes() for path in before} == before and not (mine / "mine/sources/stripes.py").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("objective", "mine"), "type: --config extend=FOLDER"),
        (("objective", "2fast", "--config", "extend=mine"), "expected a name that would begin with a letter"),
        (("objective", "../x", "--config", "extend=mine"), "expected a name that would begin with a letter"),
        (("paper", "a b", "--config", "extend=mine"), "expected a name that would have letters, digits, - and _"),
        (("objective", "infonce", "--config", "extend=mine"), "there is an objective of this name"),
        (("encoder", "table8", "--config", "extend=mine"), "there is a table or figure of this name"),
        (("measure", "directpred", "--config", "extend=mine"), "there is a paper of this name"),
        (("dataset", "cifar10", "--config", "extend=mine"), "there is a (data set|dataset) of this name"),
        (("paper", "x", "--config", "extend=file"), "a file, where a folder is expected"),
    ],
)
def test_a_name_that_will_not_do_is_one_line(tmp_path: Path, words, message) -> None:
    (tmp_path / "file").write_text("")
    with contextlib.chdir(tmp_path), pytest.raises(UserError, match=message):
        typed(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_first_writes_a_scale_of_one_line(tmp_path: Path, capsys) -> None:
    with contextlib.chdir(tmp_path):
        typed("figure", "lines", "--config", "extend=mine")
        printed = capsys.readouterr().out.splitlines()
        assert printed[-1] == (
            "to build it, type: snakemake results/lines.png --cores all --config extend=mine scale=own"
        )
        assert all(Path(line).is_file() for line in printed[:-1])
        assert len(Path("mine/scales/own.yaml").read_text().splitlines()) == 1
        planned = _targets.planned(["lines"], _targets.catalogue(["extend=mine", "scale=own"]))
        assert len(planned.plan.runs) == 2


def test_the_contracts_are_those_of_the_components_that_are_there() -> None:
    """Each category has a row with its folder, its entry function and what that is given, as the shipped ones have it."""
    page = (ROOT / "docs/how-to/contracts.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) \| `(\w+/NAME\.py` \| `[^`]+)` \|", page, re.MULTILINE))
    assert rows.keys() == components.CATEGORIES.keys()
    constants = set(re.findall(r"^\| `([A-Z_]+)`(?:, `([A-Z_]+)`)? \|", page, re.MULTILINE))
    told = {name for pair in constants for name in pair if name}
    known = (ROOT / "pipeline/components.py").read_text()
    assert told == set(re.findall(r'_constant\([^"]+"([A-Z_]+)"', known)) | {"HAS"} and '"HAS"' in known
    for category, row in rows.items():
        found = components.CATEGORIES[category]
        folder, entry, arguments = re.fullmatch(r"(\w+)/NAME\.py` \| `(\w+)\((.*)\*\)", row).groups()
        assert (folder, entry) == (found.folder.rpartition("/")[2], found.entry)
        given = {
            tuple(argument.arg for argument in node.args.args)
            for kind in components.kinds(category)
            for node in ast.parse(components.find(category, kind).read_text()).body
            if isinstance(node, ast.FunctionDef) and node.name == found.entry
        }
        assert tuple(filter(None, arguments.split(", "))) in given, category
