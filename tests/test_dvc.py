"""DVC on a tracked scale: what a DVC user expects, also after plain snakemake calls."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import DUEL, Project, add_mini, copy_project

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


def test_quick_leaves_git_clean(project):
    add_mini(project)
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    project.build(EARLY)
    assert git(project, "status", "--porcelain") == ""


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


@pytest.mark.slow
def test_repro_metrics_and_plots(project):
    """dvc.yaml as it stands, at scale tiny: every family is a stage that hands over to snakemake."""
    project.edit("dvc.yaml", "scale: quick", "scale: tiny")
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
    assert "alpha_p" in (page / "index.html").read_text()
