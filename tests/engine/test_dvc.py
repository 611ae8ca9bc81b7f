"""DVC on a tracked scale: what a DVC user expects, also after plain snakemake calls."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from conftest import DUEL, ROOT, Project, add_mini, copy_project

from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options

sys.path.insert(0, str(ROOT / "docs"))
from generator import dvc as pipeline_of_dvc

DVC = str(Path(sys.executable).parent / "dvc")
EARLY = "results/mini/mini/early.csv"


@pytest.fixture(scope="module")
def tracked_once(tmp_path_factory) -> Project:
    """A Git repository with one run of a tracked scale, built by plain snakemake, and a folder as its remote."""
    folder = tmp_path_factory.mktemp("dvc")
    project = add_mini(copy_project(folder / "project"))
    project.edit("params/scales/mini.yaml", "title: tests", "title: tests\ntracked: true")
    ignore = project.root / ".gitignore"
    ignore.write_text(ignore.read_text() + "!/results/mini/\n")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    project.call(DVC, "remote", "add", "-d", "store", str(folder / "remote"))
    project.build(EARLY)
    return project


@pytest.fixture
def tracked(tracked_once: Project, tmp_path: Path) -> Project:
    project = tracked_once.copy(tmp_path / "project")
    project.call(DVC, "remote", "modify", "store", "url", str(tmp_path / "remote"))
    return project


def git(project: Project, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return project.call("git", *identity, *arguments).stdout


def files(project: Project, folder: str) -> dict[str, bytes]:
    root = project.root / folder
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_every_run_and_data_set_has_its_dvc_file_and_git_sees_no_payload(tracked):
    found = sorted(p.relative_to(tracked.root).as_posix() for p in tracked.root.rglob("*.dvc") if p.is_file())
    kinds = Counter(name.split("/")[0] for name in found)
    assert kinds == {"data": 1, "checkpoints": 2, "measurements": 2}
    untracked = git(tracked, "status", "--porcelain", "--untracked-files=all")
    assert "safetensors" not in untracked
    assert "scores.json" not in untracked
    for name in found:
        assert name in untracked
    assert "results/mini/mini/early.csv" in untracked


def test_status_is_clean_after_plain_snakemake(tracked):
    status = json.loads(tracked.call(DVC, "status", "--json", *dvc_files(tracked)).stdout or "{}")
    assert status == {}


def dvc_files(project: Project) -> list[str]:
    return sorted(p.relative_to(project.root).as_posix() for p in project.root.rglob("*.dvc") if p.is_file())


@pytest.mark.slow
def test_quick_leaves_git_clean(project):
    add_mini(project)
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    project.build(EARLY)
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.slow  # two people do so, too, in test_collaborators
def test_push_clone_pull_and_nothing_is_executed(tracked, tmp_path):
    git(tracked, "add", "-A")
    git(tracked, "commit", "-q", "-m", "results")
    tracked.call(DVC, "push", "-q")
    git(tracked, "clone", "-q", str(tracked.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", tracked.environ | {"PYTHONPATH": str(tmp_path / "clone")})
    assert clone.build(EARLY) == Counter(), "committed receipts are enough"
    assert not list(clone.root.glob("checkpoints/*/seed0"))
    clone.call(DVC, "pull", "-q")
    for folder in ("data", "checkpoints", "measurements"):
        assert files(clone, folder) == files(tracked, folder)
    assert clone.build(EARLY) == Counter()
    path = clone.root / "pipeline/evaluation/measures/linear_probe.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert clone.build(EARLY) == {"linear_probe": 2}
    assert clone.journal()[-1]["decision"] == "restored", "the store has had the table since the Snakefile was read"


@pytest.mark.slow
def test_a_longer_training_extends_its_dvc_file(tracked):
    before = {name: (tracked.root / name).read_text() for name in dvc_files(tracked)}
    assert tracked.build(DUEL)["pretrain"] == 2
    changed = [name for name in before if (tracked.root / name).read_text() != before[name]]
    assert {name.split("/")[0] for name in changed} == {"checkpoints", "measurements"}
    assert json.loads(tracked.call(DVC, "status", "--json", *dvc_files(tracked)).stdout or "{}") == {}


def test_gc_never_removes_a_run_that_is_not_pushed(tracked):
    before = {folder: files(tracked, folder) for folder in ("data", "checkpoints", "measurements")}
    tracked.call(DVC, "gc", "-w", "-f", "-q")
    assert {folder: files(tracked, folder) for folder in before} == before
    tracked.call(DVC, "push", "-q")
    for folder in before:
        for path in (tracked.root / folder).glob("*/seed0"):
            shutil.rmtree(path)
    tracked.call(DVC, "checkout", "-q", *[name for name in dvc_files(tracked) if "seed0" in name])
    assert {folder: files(tracked, folder) for folder in before} == before
    assert tracked.build(EARLY) == Counter()


@pytest.mark.slow
def test_an_older_revision_checked_out_by_dvc_is_not_taken_for_the_new_one(tracked):
    git(tracked, "add", "-A")
    git(tracked, "commit", "-q", "-m", "short")
    short = files(tracked, "measurements")
    tracked.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")
    tracked.build(EARLY)
    git(tracked, "add", "-A")
    git(tracked, "commit", "-q", "-m", "long")
    long = files(tracked, "measurements")
    git(tracked, "checkout", "-q", "HEAD~1")
    tracked.call(DVC, "checkout", "-q")
    assert files(tracked, "measurements") == short
    assert tracked.build(EARLY) == Counter()
    git(tracked, "checkout", "-q", "main")
    assert tracked.build(EARLY) == Counter()
    tracked.call(DVC, "checkout", "-q")
    assert files(tracked, "measurements") == long


# -- the pipeline as DVC sees it


def declared(root: Path = ROOT) -> dict:
    return yaml.safe_load((root / "dvc.yaml").read_text())


def test_stages_of_dvc_have_the_edges_of_the_plan():
    """As README draws the way of the data; that the file is what the plan gives, a test of generated files says."""
    stages = declared()["stages"]
    makes = {path: name for name, stage in stages.items() for out in stage["outs"] for path in out}
    edges = {(makes[path], name) for name, stage in stages.items() for path in stage["deps"] if path in makes}
    assert edges == {
        ("datasets", "checkpoints"),
        ("datasets", "measurements"),
        ("checkpoints", "measurements"),
        ("measurements", "results"),
        ("simulations", "results"),
        ("datasets", "results"),  # figures of images
    }
    for stage in stages.values():
        assert all(path in makes or (ROOT / path).exists() for path in stage["deps"])
        assert all(about == {"cache": False, "persist": True} for out in stage["outs"] for about in out.values())


def test_what_dvc_builds_is_one_parameter_and_tracked():
    default = yaml.safe_load((ROOT / "params.yaml").read_text())
    catalogue = Catalogue(Options(scale=default["scale"]))
    assert catalogue.scale(catalogue.options.scale).tracked, "results that Git ignores can be compared with nothing"
    named = Catalogue(Options.parse(default, {})).wanted()
    assert 0 < len(named) < len(catalogue.built())
    for request in named:
        assert (ROOT / f"{request.stem}.csv").is_file(), "what dvc compares is committed"
    text = (ROOT / "dvc.yaml").read_text()
    assert f"results/{default['scale']}" not in text and "results/${scale}" in text
    compared = set(declared()["params"])
    assert compared >= {f"params/scales/{name}.yaml" for name in catalogue.scales}
    assert compared >= {f"params/papers/{name}.yaml" for name in catalogue.papers}
    figures = sum(a.kind == "figure" for paper in catalogue.papers.values() for a in paper.artifacts.values())
    assert len(declared()["plots"]) == figures > 20


def test_a_clone_without_results_is_read_by_dvc(project):
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    drawn = project.call(DVC, "dag", "--dot").stdout
    assert '"checkpoints" -> "measurements"' in drawn and '"simulations" -> "results"' in drawn
    project.edit("params/papers/directpred.yaml", "title: Understanding", "title: Misunderstanding")
    assert "Misunderstanding" in project.call(DVC, "params", "diff").stdout
    assert git(project, "check-ignore", "dvc_plots/index.html") and not (project.root / ".gitignore").is_symlink()


@pytest.fixture(scope="module")
def reproduced_once(tmp_path_factory) -> Project:
    """A Git repository of one paper at a tracked scale, built by ``dvc repro``, committed and pushed to a folder."""
    folder = tmp_path_factory.mktemp("repro")
    project = add_mini(copy_project(folder / "project"))
    project.edit("params/scales/mini.yaml", "title: tests", "title: tests\ntracked: true")
    for path in (project.root / "params/papers").glob("*.yaml"):
        if path.stem != "mini":
            path.unlink()
    (project.root / "params.yaml").write_text("scale: mini\ndatasets: all\nartifacts: all\n")
    (project.root / "dvc.yaml").write_text(pipeline_of_dvc.text(project.root / "params"))
    ignore = project.root / ".gitignore"
    ignore.write_text(ignore.read_text() + "!/results/mini/\n")
    git(project, "init", "-q", "-b", "main")
    project.call(DVC, "remote", "add", "-d", "store", str(folder / "remote"))
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    assert executed(project, "repro", "-q") == {"prepare": 1, "pretrain": 4, "linear_probe": 4, "table": 2, "figure": 1}
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "results")
    project.call(DVC, "push", "-q")
    return project


@pytest.fixture
def reproduced(reproduced_once: Project, tmp_path: Path) -> Project:
    project = reproduced_once.copy(tmp_path / "project")
    shutil.copytree(reproduced_once.root.parent / "remote", tmp_path / "remote")
    project.call(DVC, "remote", "modify", "store", "url", str(tmp_path / "remote"))
    git(project, "commit", "-q", "-am", "another place")
    return project


def executed(project: Project, *command: str) -> Counter:
    """What a command of DVC executes."""
    before = len(project.journal())
    project.call(DVC, *command, timeout=1200)
    return Counter(entry["stage"] for entry in project.journal()[before:] if entry["decision"] == "executed")


@pytest.mark.slow
def test_repro_builds_what_is_missing_and_nothing_else(reproduced, tmp_path):
    assert "dvc.lock" in git(reproduced, "ls-files"), "Git is told to keep it"
    before = len(reproduced.journal())
    assert executed(reproduced, "repro", "-q") == {} and len(reproduced.journal()) == before, "snakemake is not called"
    table = reproduced.root / "results/mini/mini/duel.csv"
    content = table.read_bytes()
    table.unlink()
    assert executed(reproduced, "repro", "-q") == {}
    assert table.read_bytes() == content
    git(reproduced, "clone", "-q", str(reproduced.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", reproduced.environ | {"PYTHONPATH": str(tmp_path / "clone")})
    assert executed(clone, "repro", "-q") == {} and clone.journal() == [], "committed receipts and dvc.lock are enough"
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_an_experiment_holds_all_that_it_made(reproduced, tmp_path):
    lighter = "params/scales/mini.yaml:measures.linear_probe.epochs=3"
    wider = "params/scales/mini.yaml:every_run.batch_size=48"
    made = executed(reproduced, "exp", "run", "-q", "-n", "other", "-S", lighter, "-S", wider)
    assert made == {"pretrain": 4, "linear_probe": 4, "table": 2, "figure": 1}
    diff = json.loads(reproduced.call(DVC, "metrics", "diff", "--json").stdout)
    assert "results/mini/metrics.json" in diff
    diff = json.loads(reproduced.call(DVC, "params", "diff", "--json").stdout)
    assert diff["params/scales/mini.yaml"]["every_run.batch_size"] == {"old": 32, "new": 48, "diff": 16}
    reproduced.call(DVC, "plots", "diff", "-q", "-o", "plots")
    page = (reproduced.root / "plots/index.html").read_text()
    for side in ("HEAD", "workspace"):
        assert f"{side}_results_mini_mini_bars.png" in page
    header, *rows = csv.reader(reproduced.call(DVC, "exp", "show", "--csv").stdout.splitlines())
    for wanted in ("every_run.batch_size", "mini.duel.plain, 100, cifar10"):  # named by its file where two have it
        assert any(name == wanted or name.endswith(f":{wanted}") for name in header)
    assert any("other" in row for row in rows)
    refs = git(reproduced, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (experiment,) = [name for name in refs if name.endswith("/other")]
    held = git(reproduced, "ls-tree", "-r", "--name-only", experiment).splitlines()
    receipts = [p.relative_to(reproduced.root).as_posix() for p in (reproduced.root / "receipts").rglob("*.json")]
    assert set(receipts) <= set(held) and set(dvc_files(reproduced)) <= set(held)
    git(reproduced, "reset", "-q", "--hard")
    git(reproduced, "clean", "-q", "-f", "-d", "receipts", "checkpoints", "measurements")
    shutil.rmtree(reproduced.root / "measurements")
    git(reproduced, "checkout", "-q", "--", "measurements")
    assert executed(reproduced, "repro", "-q") == {}, "back at what was committed"
    reproduced.call(DVC, "gc", "-q", "-w", "--all-experiments", "-f")
    reproduced.call(DVC, "exp", "apply", "-q", "other")
    assert executed(reproduced, "repro", "-q") == {}
    reproduced.call(DVC, "checkout", "-q", *dvc_files(reproduced))
    assert json.loads(reproduced.call(DVC, "status", "--json", *dvc_files(reproduced)).stdout or "{}") == {}


@pytest.mark.slow
def test_a_training_curve_is_a_plot(reproduced):
    history = next(reproduced.root.glob("checkpoints/*/seed0/epoch0002/history.csv")).relative_to(reproduced.root)
    reproduced.call(DVC, "plots", "show", str(history), "-x", "epoch", "-y", "loss", "-o", "plots")
    page = (reproduced.root / "plots/index.html").read_text()
    first, second = csv.DictReader((reproduced.root / history).read_text().splitlines())
    assert first["loss"][:8] in page and second["loss"][:8] in page


@pytest.mark.slow
def test_repro_metrics_and_plots_of_all_papers(project):
    """dvc.yaml as it stands, at scale tiny: every family is a stage that hands over to snakemake."""
    (project.root / "params.yaml").write_text("scale: tiny\ndatasets: all\nartifacts: all\n")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    project.call(DVC, "repro", "-q", timeout=1200)
    executed = Counter(e["stage"] for e in project.journal() if e["decision"] == "executed")
    assert executed["pretrain"] > 100
    assert executed["table"] >= 8
    before = len(project.journal())
    project.call(DVC, "repro", "-q")
    assert len(project.journal()) == before
    metrics = json.loads(project.call(DVC, "metrics", "show", "--json").stdout)
    assert "results/tiny/metrics.json" in json.dumps(metrics)
    page = project.root / "plots"
    project.call(DVC, "plots", "show", "-o", str(page))
    assert (page / "index.html").is_file()
    assert "results_tiny_directpred_fig6.png" in (page / "index.html").read_text()
