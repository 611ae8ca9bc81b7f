"""Two revisions of the results, in real Git repositories, with real builds between them."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import DUEL, Project, add_mini, copy_project

from pipeline.comparing import cells, series
from pipeline.provenance import differences
from pipeline.provenance.causes import BuildRecord, NodeDiff

CONFIG = ("--config", "scale=mini")
EARLY, CURVE = "results/mini/mini/early.csv", "results/mini/mini/curve.csv"

FIGURE = """  curve:
    title: Learning rates
    kind: figure
    draw: {kind: directpred/fig6, along: lr, label: learning rate}
    rows: {dataset: [cifar10]}
    columns: {lr: [0.1]}
    fixed: {method: plain, epochs: 100}
    measure: probe
    seeds: 3
    baselines: false
"""


def git(project: Project, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return project.call("git", *identity, *arguments).stdout


def commit(project: Project, text: str) -> str:
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", text)
    return git(project, "rev-parse", "HEAD").strip()


def diff(project: Project, *arguments: str) -> dict:
    return json.loads(project.pipeline("diff", *arguments, "--json", *CONFIG).stdout)


@pytest.fixture(scope="module")
def revisions(tmp_path_factory) -> tuple[Project, dict[str, str]]:
    """A tracked scale: built and committed, built with another param and committed, built with other code and not."""
    project = add_mini(copy_project(tmp_path_factory.mktemp("diff") / "project"))
    project.edit("params/scales/mini.yaml", "title: tests", "title: tests\ntracked: true")
    ignore = project.root / ".gitignore"
    ignore.write_text(ignore.read_text() + "!/results/mini/\n")
    paper = project.root / "params/papers/mini.yaml"
    before, after = paper.read_text().split("  early:")
    paper.write_text(before + "  early:" + after.replace("seeds: 1", "seeds: 3") + FIGURE)
    git(project, "init", "-q", "-b", "main")
    found = {"declared": commit(project, "declared")}
    project.build(EARLY, CURVE)
    found["built"] = commit(project, "built")
    project.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.9")
    assert project.build(EARLY, CURVE) == {"pretrain": 3, "linear_probe": 3, "table": 1}
    found["rho"] = commit(project, "rho")
    project.edit("pipeline/training/step.py", "loss = self", "loss = 40 * self")
    project.build(EARLY, CURVE)
    return project, found


@pytest.mark.slow
def test_a_changed_param_is_named_with_the_cells_that_it_changed(revisions):
    project, at = revisions
    found = diff(project, at["built"], at["rho"], "mini/early")["artifacts"][0]
    assert found["a"] == f"revision {at['built']} ({at['built'][:10]})"
    verdicts = {cell["axes"]["method"]: cell["verdict"] for cell in found["cells"]}
    assert verdicts["plain"] == "identical"
    assert verdicts["direct"] in ("within seed noise", "beyond seed noise")
    assert [(c["type"], c["name"], c["old"], c["new"], c["cells"]) for c in found["causes"]] == [
        ("param", "predictor.rho", 0.3, 0.9, ["method direct"])
    ]
    text = project.pipeline("diff", at["built"], at["rho"], "mini/early", *CONFIG).stdout
    assert "param predictor.rho 0.3 -> 0.9: 1 cell\n" in text
    assert "| method direct |" in text and "| method plain |" not in text
    assert "1 identical" in text


@pytest.mark.slow
def test_changed_code_is_named_by_function_and_an_uncommitted_side_is_the_working_tree(revisions):
    project, at = revisions
    found = {one["artifact"]: one for one in diff(project, at["rho"])["artifacts"]}
    assert set(found) == {"results/mini/mini/early", "results/mini/mini/curve"}
    early = found["results/mini/mini/early"]
    assert early["b"] == "working tree"
    assert [c["text"] for c in early["causes"]] == [
        "module: pipeline/training/step.py: function TrainingStep._descend_part changed"
    ]
    assert len(early["causes"][0]["cells"]) + early["causes"][0]["identical_cells"] == 2
    curve = found["results/mini/mini/curve"]
    assert {q["name"]: q["values"] for q in curve["quantities"]} == {"mean": 1, "std": 1, "seed": 3}
    assert sum(q["changed"] for q in curve["quantities"]) > 0


@pytest.mark.slow
def test_both_at_once_and_the_standard_error_is_welchs(revisions):
    project, at = revisions
    found = diff(project, at["built"], "mini/early")["artifacts"][0]
    assert {c["type"] for c in found["causes"]} == {"param", "module"}
    for cell in found["cells"]:
        a, b = cell["a"], cell["b"]
        if cell["verdict"] == "identical":
            continue
        error = (a["std"] ** 2 / 3 + b["std"] ** 2 / 3) ** 0.5
        assert cell["standard_error"] == pytest.approx(error)
        assert cell["difference"] == pytest.approx(b["mean"] - a["mean"])
        assert (cell["verdict"] == "beyond seed noise") == (abs(cell["difference"]) > 2 * error)


@pytest.mark.slow
def test_the_page_shows_both_figures_and_needs_nothing_else(revisions, tmp_path):
    project, at = revisions
    path = tmp_path / "page.html"
    project.pipeline("diff", at["built"], "--html", str(path), *CONFIG)
    page = path.read_text()
    pictures = [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', page)]
    committed = subprocess.run(
        ["git", "show", f"{at['built']}:results/mini/mini/curve.png"], cwd=project.root, capture_output=True, check=True
    )
    assert pictures == [committed.stdout, (project.root / "results/mini/mini/curve.png").read_bytes()]
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<tr class=") == page.count("</tr>") - page.count("<thead>")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium to open the page in")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
         "--window-size=400,800", "--virtual-time-budget=2000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "What differs in what they were made from" in done.stdout


@pytest.mark.slow
def test_a_stale_working_tree_says_so(revisions, tmp_path):
    project, at = revisions
    copy = project.copy(tmp_path / "project")
    copy.edit("params/papers/mini.yaml", "rho: 0.9", "rho: 0.5")
    told = diff(copy, at["rho"], "mini/early")["missing"]
    early = "results/mini/mini/early"
    assert told == [f"{early}: older than what is declared in the working tree; type: snakemake {early}.csv"]


@pytest.mark.slow
def test_what_is_not_in_git_is_found_in_the_store_by_its_commit(built):
    git(built, "init", "-q", "-b", "main")
    at = [commit(built, "start")]
    for old, new in (("0.3", "0.9"), ("0.9", "0.6")):
        built.edit("params/papers/mini.yaml", f"rho: {old}", f"rho: {new}")
        at.append(commit(built, new))
        assert built.build(DUEL)["pretrain"] == 2
        assert git(built, "status", "--porcelain") == ""
    done = built.pipeline("diff", at[0], *CONFIG, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {DUEL[:-4]}: not built at revision {at[0]}")
    assert "git worktree add" in done.stderr and done.stderr.count("\n") == 1
    found = diff(built, at[1], at[2])["artifacts"][0]
    assert [(c["name"], c["old"], c["new"], len(c["cells"]) + c["identical_cells"]) for c in found["causes"]] == [
        ("predictor.rho", 0.9, 0.6, 2)
    ]
    assert {cell["verdict"] for cell in found["cells"]} <= {"identical", "no error known"}
    assert diff(built, at[2])["artifacts"][0]["identical"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: Git knows no such revision here"),
        (["HEAD", "tabel8"], "no paper has an artifact called 'tabel8'; did you mean table8?"),
    ],
)
def test_a_wrong_name_is_one_line(revisions, arguments, words):
    project, _ = revisions
    done = project.pipeline("diff", *arguments, *CONFIG, check=False)
    assert done.returncode == 1
    assert words in done.stderr and done.stderr.count("\n") == 1


# -- parts


def report(*seeds: dict[str, float], **more) -> dict:
    made = []
    for number, values in enumerate(seeds):
        cell = {"axes": {"method": "abc"[number], "epochs": 100}, "role": "cell", "dataset": "d", "paper_dataset": "d"}
        cell |= {"trained_epochs": 1, "seeds": values, "nodes": dict.fromkeys(values, "n"), "missing": None, **more}
        made.append(cell)
    return {"cells": made}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ({"0": 1.0, "1": 2.0}, {"0": 1.0, "1": 2.0}, "identical"),
        ({"0": 1.0, "1": 2.0}, {"0": 1.5, "1": 2.5}, "within seed noise"),
        ({"0": 1.0, "1": 2.0}, {"0": 9.0, "1": 9.5}, "beyond seed noise"),
        ({"0": 1.0, "1": 1.0}, {"0": 1.1, "1": 1.1}, "beyond seed noise"),
        ({"0": 1.0}, {"0": 2.0}, "no error known"),
        ({"0": 1.0, "1": 2.0}, {"0": 5.0}, "no error known"),
        ({"0": 1.0, "1": 2.0}, {"0": "diverged", "1": "diverged"}, "no number"),
    ],
)
def test_verdicts(old, new, verdict):
    assert [cell.verdict for cell in cells.compare(report(old), report(new))] == [verdict]


def test_cells_of_one_side_alone():
    found = cells.compare(report({"0": 1.0}, {"0": 2.0}), report({"0": 1.0}, {"0": 2.0}, {"0": 3.0}))
    assert [(cell.title, cell.verdict) for cell in found] == [
        ("method a", "identical"),
        ("method b", "identical"),
        ("method c", "only in B"),
    ]
    found = cells.compare(report({"0": 1.0}, {"0": 2.0}), report({"0": 1.0}))
    assert [cell.verdict for cell in found] == ["identical", "only in A"]


def test_series_are_compared_value_by_value():
    head = "paper,artifact,x,quantity,value\n"
    old = head + "p,a,1,mean,10\np,a,2,mean,20\np,a,3,std,1\n"
    new = head + "p,a,1,mean,10\np,a,2,mean,25\np,a,4,std,1\n"
    mean, std = series.compare(old.encode(), new.encode())
    assert (mean.values, mean.changed, mean.largest, mean.at) == (2, 1, 0.2, "x 2: 20 -> 25")
    assert (std.values, std.only) == (0, [1, 1])


def test_an_input_with_the_same_content_is_no_cause():
    def side(digest: str, content: str):
        made = {
            "m": BuildRecord({"params": {"k": 1}, "code": {"a.py": digest}}, {"data": ("d", content)}),
            "d": BuildRecord({"params": {"size": digest}, "code": {}}, {}),
        }
        return made.get

    assert list(NodeDiff(side("1", "x"), side("2", "x"), None).between("m", "m")) == [
        differences.Reason("module", "a.py", '"1"', '"2"', change="changed")
    ]
    found = NodeDiff(side("1", "x"), side("2", "y"), None).between("m", "m")
    assert {reason.line(): nodes for reason, nodes in found.items()} == {
        "module: a.py changed": {"m"},
        'param: size: "1" -> "2"': {"d"},
    }


def test_versions_and_machines_are_named():
    old = BuildRecord({"params": {}, "code": {}}, {}, {"versions": {"torch": "2.1"}, "gpu": None, "processor": "x"})
    new = BuildRecord({"params": {}, "code": {}}, {}, {"versions": {"torch": "2.2"}, "gpu": "H100", "processor": "x"})
    found = NodeDiff({"m": old}.get, {"m": new}.get, None).between("m", "m")
    assert [reason.phrase() for reason in found] == ['version torch "2.1" -> "2.2"', 'machine gpu null -> "H100"']


def test_what_a_cause_is_called(tmp_path: Path):
    long = ["a" * 80 + x for x in "bc"]
    (reason,) = differences.params({"claims": [{"text": long[0]}]}, {"claims": ({"text": long[1]},)})
    assert reason.name == "claims[0].text"
    old, new = reason.text().removeprefix("claims[0].text: ").split(" -> ")
    assert old.startswith("...") and old.endswith('b"') and new.endswith('c"') and len(old) < 70
