"""The whole story with real tools: build, push, clone, pull, change, go back, share; nothing runs twice."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
import remote
from conftest import Project, add_mini, copy_project

from pipeline.locks import Lock

DVC = str(Path(sys.executable).parent / "dvc")
DUEL = "results/mini/mini/duel.csv"
CONFIG = ("--config", "scale=mini")


def git(project: Project, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return project.call("git", *identity, *arguments).stdout


def payload(project: Project) -> dict[str, bytes]:
    found = {}
    for folder in ("data", "checkpoints", "measurements", "results"):
        for path in sorted((project.root / folder).rglob("*")):
            if path.is_file() and path.suffix in (".json", ".csv", ".safetensors", ".md"):
                found[path.relative_to(project.root).as_posix()] = path.read_bytes()
    return {name: content for name, content in found.items() if not name.endswith(".execution.json")}


def clone_of(project: Project, root: Path) -> Project:
    git(project, "clone", "-q", str(project.root), str(root))
    return Project(root, project.environ | {"PYTHONPATH": str(root)})


@pytest.fixture(scope="module")
def author_once(tmp_path_factory) -> Project:
    """A repository of a tracked scale: table built, everything committed, payload pushed to a folder."""
    folder = tmp_path_factory.mktemp("author")
    project = add_mini(copy_project(folder / "project")).alone()
    project.edit("params/scales/mini.yaml", "title: tests", "title: tests\ntracked: true")
    ignore = project.root / ".gitignore"
    ignore.write_text(ignore.read_text() + "!/results/mini/\n")
    git(project, "init", "-q", "-b", "main")
    project.call(DVC, "remote", "add", "-d", "store", str(folder / "remote"))
    assert project.build(DUEL) == {"prepare": 1, "pretrain": 4, "linear_probe": 4, "table": 1}
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "results")
    project.call(DVC, "push", "-q")
    return project


@pytest.fixture
def author(author_once: Project, tmp_path: Path) -> Project:
    project = author_once.copy(tmp_path / "author")
    shutil.copytree(author_once.root.parent / "remote", tmp_path / "remote")
    project.call(DVC, "remote", "modify", "store", "url", str(tmp_path / "remote"))
    git(project, "commit", "-q", "-am", "another place")
    return project


@pytest.mark.slow
def test_clone_pull_change_and_back(author, tmp_path):
    clone = clone_of(author, tmp_path / "clone")
    assert clone.build(DUEL) == Counter(), "committed receipts are enough"
    clone.call(DVC, "pull", "-q")
    said = clone.snakemake(DUEL).stderr
    assert "Nothing to be done" in said
    assert payload(clone) == payload(author)
    assert "everything holds" in clone.pipeline("audit", DUEL, *CONFIG).stdout

    clone.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.4")
    assert clone.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}, "the other method is left alone"
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "rho 0.4")
    for revision in ("HEAD~1", "main", "HEAD~1", "main"):
        git(clone, "checkout", "-q", revision)
        assert clone.build(DUEL) == Counter(), revision
        assert "everything holds" in clone.pipeline("audit", DUEL, *CONFIG).stdout


@pytest.mark.slow
def test_a_partial_pull_executes_only_what_is_missing(author, tmp_path):
    clone = clone_of(author, tmp_path / "clone")
    runs = sorted((clone.root / "checkpoints").glob("*/*.dvc"))
    assert len(runs) == 2
    clone.call(DVC, "pull", "-q", str(runs[0].relative_to(clone.root)), "-r", "store")
    assert clone.build(DUEL) == Counter()
    # receipts of the other run are lost, and it was never pushed: it runs again, the rest is had from the remote
    gone, kept = runs[1].parent.name, runs[0].parent.name
    for path in (clone.root / "receipts/checkpoints" / gone).rglob("epoch????.json"):
        for entry in json.loads(path.read_text())["outputs"].values():
            (tmp_path / "remote/files/md5" / entry["md5"][:2] / entry["md5"][2:]).unlink(missing_ok=True)
    shutil.rmtree(clone.root / "receipts/checkpoints" / gone)
    assert clone.build(DUEL) == {"pretrain": 2}, "the table was kept when the Snakefile was read"
    assert [path.name for path in (clone.root / "data").rglob("*") if path.is_file()].count("arrays.safetensors") == 1
    assert {entry["decision"] for entry in clone.journal() if entry["stage"] == "linear_probe"} == {"restored"}
    assert list((clone.root / "checkpoints" / kept).rglob("model.safetensors"))


@pytest.mark.slow
def test_a_stale_stage_fetches_what_it_reads_and_no_more(author, tmp_path):
    clone = clone_of(author, tmp_path / "clone")
    path = clone.root / "pipeline/evaluation/softmax.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert clone.build(DUEL) == {"linear_probe": 4, "table": 1}
    found = {path.name for folder in ("data", "checkpoints") for path in (clone.root / folder).rglob("*.*")}
    assert {"arrays.safetensors", "meta.json", "model.safetensors", "summary.json"} <= found
    assert not found & {"state.safetensors", "history.csv"}


def test_restore_pulls_and_verifies_a_closure_in_one_process(author, tmp_path):
    clone = clone_of(author, tmp_path / "clone")
    done = clone.pipeline("restore", DUEL, *CONFIG)
    assert "10 nodes restored" in done.stdout or "9 nodes restored, 1 were in place" in done.stdout
    assert "objects from the remote" in done.stdout
    assert payload(clone) == payload(author)
    assert clone.build(DUEL) == Counter()
    again = clone.pipeline("restore", DUEL, *CONFIG)
    assert "0 nodes restored, 10 were in place" in again.stdout and "remote" not in again.stdout


def test_an_archive_without_git_is_restored(author, tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    author.call("bash", "-c", f"git archive HEAD | tar -x -C {folder}")
    archive = Project(folder, author.environ | {"PYTHONPATH": str(folder)})
    assert "objects from the remote" in archive.pipeline("restore", DUEL, *CONFIG).stdout
    assert payload(archive) == payload(author)
    assert archive.build(DUEL) == Counter()
    assert "everything holds" in archive.pipeline("audit", DUEL, *CONFIG).stdout


@pytest.mark.slow
def test_what_dvc_get_has_fetched_finds_its_receipt(author, tmp_path):
    clone = clone_of(author, tmp_path / "clone")
    for name in ("model.safetensors", "scores.json", "arrays.safetensors"):
        path = next(author.root.glob(f"*/*/**/{name}")).relative_to(author.root)
        copy = tmp_path / "got" / name
        copy.parent.mkdir(exist_ok=True)
        clone.call(DVC, "get", "-q", str(author.root), str(path), "-o", str(copy))
        digest = json.loads((author.root / f"receipts/{path.parent}.json").read_text())["key"][:16]
        for project in (author, clone):  # which has not what it comes from
            told = project.pipeline("audit", str(copy), *CONFIG, check=False).stdout
            assert f"key {digest}" in told and f"changed: {copy}" not in told
            assert ("everything holds" in told) is (project is author)
        copy.write_bytes(copy.read_bytes() + b" ")
        told = clone.pipeline("audit", str(copy), *CONFIG, check=False)
        assert told.returncode == 1 and told.stderr.startswith(f"error: foreign: {copy}: ")


@pytest.mark.slow
def test_http_remote(author, tmp_path):
    with remote.serve(tmp_path / "http") as url:
        author.call(DVC, "remote", "add", "web", url)
        author.call(DVC, "remote", "modify", "web", "method", "PUT")
        author.call(DVC, "push", "-q", "-r", "web")
        git(author, "commit", "-q", "-am", "a web remote")
        clone = clone_of(author, tmp_path / "clone")
        clone.call(DVC, "pull", "-q", "-r", "web")
        assert payload(clone) == payload(author)
        assert clone.build(DUEL) == Counter()
        other = clone_of(author, tmp_path / "other")
        assert other.pipeline("restore", DUEL, "--remote", "web", *CONFIG).returncode == 0
        assert payload(other) == payload(author)


@pytest.mark.skipif(remote.SSHD is None or os.geteuid() != 0, reason="needs sshd, and root to run it")
def test_ssh_remote(author, tmp_path):
    with remote.ssh(tmp_path / "sshd") as server:
        author.call(DVC, "remote", "add", "far", f"ssh://{server['host']}{tmp_path}/far")
        for name in ("port", "user", "keyfile"):
            author.call(DVC, "remote", "modify", "far", name, server[name])
        (tmp_path / "far").mkdir()
        author.call(DVC, "push", "-q", "-r", "far")
        git(author, "commit", "-q", "-am", "a far remote")
        clone = clone_of(author, tmp_path / "clone")
        assert clone.pipeline("restore", DUEL, "--remote", "far", *CONFIG).returncode == 0
        assert payload(clone) == payload(author)
        assert clone.build(DUEL) == Counter()


def test_what_is_nowhere_is_named(author, tmp_path):
    clone = clone_of(author, tmp_path / "clone")
    shutil.rmtree(tmp_path / "remote")
    done = clone.pipeline("restore", DUEL, *CONFIG, check=False)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr.splitlines()[-1], "it may well be there"
    unknown = clone.pipeline("restore", DUEL, "--remote", "nowhere", *CONFIG, check=False)
    assert unknown.returncode == 1 and unknown.stderr.count("\n") == 1 and "dvc remote list" in unknown.stderr


def test_tampered_and_older_files_are_named_and_restored(author):
    before = payload(author)
    model = next((author.root / "checkpoints").rglob("model.safetensors"))
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    table = author.root / DUEL
    table.write_text(table.read_text().replace("direct", "direkt"))
    shown = str(model.relative_to(author.root))
    told = author.pipeline("audit", DUEL, *CONFIG, check=False)
    assert told.returncode == 1
    assert f"changed: {shown}:" in told.stdout and f"changed: {DUEL}:" in told.stdout
    done = author.pipeline("restore", DUEL, *CONFIG)
    assert f"{shown}: not what its receipt says; restored" in done.stdout
    assert f"{DUEL}: not what its receipt says; restored" in done.stdout
    assert payload(author) == before
    assert "everything holds" in author.pipeline("audit", DUEL, *CONFIG).stdout


@pytest.mark.slow
def test_results_of_an_older_revision_are_found(author):
    old = git(author, "rev-parse", "HEAD").strip()
    author.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.4")
    author.build(DUEL)
    git(author, "add", "-A")
    git(author, "commit", "-q", "-m", "rho 0.4")
    git(author, "checkout", "-q", old, "--", DUEL)
    told = author.pipeline("audit", DUEL, *CONFIG, check=False)
    assert told.returncode == 1 and f"changed: {DUEL}:" in told.stdout
    git(author, "checkout", "-q", old, "--", "results/mini/mini", "receipts")
    told = author.pipeline("audit", DUEL, *CONFIG, check=False)
    assert told.returncode == 1 and "stale:" in told.stdout and "rho" in told.stdout, told.stdout[-1500:]
    git(author, "checkout", "-q", old, "--", "params")
    assert "everything holds" in author.pipeline("audit", DUEL, *CONFIG).stdout, "an older revision as a whole holds"
    told = author.pipeline("audit", DUEL, "--revision", "main", *CONFIG, check=False)
    assert told.returncode == 1 and f"forged: {DUEL.removesuffix('.csv')}.receipt.json" in told.stdout
    git(author, "checkout", "-q", "main", "--", "params", "results", "receipts")
    assert author.build(DUEL) == Counter()
    assert "everything holds" in author.pipeline("audit", DUEL, "--revision", "main", *CONFIG).stdout


@pytest.mark.slow
def test_gc_keeps_what_is_declared_or_committed(author):
    before = payload(author.alone())
    author.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.4")
    author.build(DUEL)
    author.edit("params/papers/mini.yaml", "rho: 0.4", "rho: 0.5")
    author.build(DUEL)
    said = author.pipeline("gc", *CONFIG).stdout
    assert "python -m pipeline gc --delete" in said
    kept = payload(author)
    assert len(kept) > len(before)
    author.pipeline("gc", "--delete", *CONFIG)
    left = payload(author)
    assert set(before) <= set(left), "committed receipts name them"
    gone = set(kept) - set(left)
    assert {name.split("/")[0] for name in gone} == {"checkpoints", "measurements"}
    assert author.build(DUEL) == Counter()
    assert "nothing to delete" in author.pipeline("gc", *CONFIG).stdout
    git(author, "checkout", "-q", "--", "params", "results")
    assert author.build(DUEL) == Counter(), "what is committed can still be restored"
    assert "everything holds" in author.pipeline("audit", DUEL, *CONFIG).stdout


@pytest.mark.slow
def test_gc_with_nothing_committed_keeps_what_is_declared(built):
    shutil.rmtree(built.root / ".git", ignore_errors=True)
    before = payload(built.alone())
    built.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.4")
    built.build(DUEL)
    built.pipeline("gc", "--delete")
    left = payload(built)
    lost = {name.split("/")[0] for name in set(before) - set(left)}
    assert lost == {"checkpoints", "measurements"}
    assert built.build(DUEL) == Counter()
    assert "everything holds" in built.pipeline("audit", DUEL, *CONFIG).stdout


def test_gc_waits_for_snakemake(built):
    with Lock(built.root / ".scratch/locks/snakemake").held():
        done = built.pipeline("gc", "--delete", check=False)
    assert done.returncode == 1 and "a snakemake is running here" in done.stderr


def test_gc_asks_for_the_folder_that_was_used(built, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    built.alone().snakemake(DUEL, "--config", f"extend={theirs}")
    key = next((built.root / "keys").rglob("duel.json"))
    assert str(theirs) in key.read_text()
    done = built.pipeline("gc", check=False)
    assert done.returncode == 1 and f"type: python -m pipeline gc --config extend={theirs}" in done.stderr
    assert built.pipeline("gc", "--config", f"extend={theirs}").returncode == 0


# -- accept


@pytest.mark.slow
def test_an_accepted_refactoring_runs_nothing_and_is_undone_by_revoke(built):
    path = built.root / "pipeline/training/collapse_metrics.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    done = built.pipeline("accept", "pretrain", "--reason", "An unused constant.", *CONFIG)
    assert "accepted for 4 pretrain stages: pipeline/training/collapse_metrics.py" in done.stdout
    assert built.build(DUEL) == Counter()
    shutil.rmtree(built.root / ".snakemake")
    assert built.build(DUEL) == Counter()
    # a second change on top of the accepted one: the first declaration still serves, the second is asked for
    path.write_text(path.read_text() + "\n\nANOTHER = 1\n")
    assert "pipeline/training/collapse_metrics.py" in built.pipeline("why", DUEL, *CONFIG).stdout
    built.pipeline("accept", "pretrain", "--reason", "Another one.", *CONFIG)
    assert built.build(DUEL) == Counter()
    # what is new runs with the new code, and is recorded with it
    built.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.4")
    assert built.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}
    built.edit("params/papers/mini.yaml", "rho: 0.4", "rho: 0.3")
    assert built.build(DUEL) == Counter()
    said = built.pipeline("accept", "pretrain", "--revoke").stdout
    assert said.count("revoked: pretrain:") == 2
    assert not (built.root / "params/accepted.yaml").exists()
    assert built.build(DUEL)["pretrain"] == 4


@pytest.mark.slow
def test_payload_that_is_gone_is_restored_under_an_accepted_receipt(built):
    path = built.root / "pipeline/evaluation/softmax.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    built.pipeline("accept", "linear_probe", "--reason", "An unused constant.", *CONFIG)
    for folder in (built.root / "measurements", built.root / "receipts/measurements"):
        shutil.rmtree(folder)
    assert built.build(DUEL) == Counter()
    assert "everything holds" in built.pipeline("audit", DUEL, *CONFIG).stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nearest", "--reason", "x"), "error: accept nearest: no such stage here; there are: "),
        (("pretrain", "--reason", "x"), "error: accept pretrain: no stage is stale by its code alone; type: "),
        (("pretrain", "--reason", "  "), "error: --reason: expected a sentence"),
        (("pretrain", "--revoke"), "error: params/accepted.yaml: nothing about pretrain; there is: none"),
    ],
)
def test_accept_refuses_in_one_line(built_once, arguments, line):
    done = built_once.pipeline("accept", *arguments, *CONFIG, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1


def test_a_broken_file_of_acceptances_is_one_line(project):
    add_mini(project)
    for text in ("- {stage: pretrain}\n", "a: [", "- 3\n", "- {stage: pretrain, reason: '', was: {}, now: {a: b}}\n"):
        (project.root / "params/accepted.yaml").write_text(text)
        done = project.pipeline("plan", DUEL, *CONFIG, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("error: params/accepted.yaml:") and done.stderr.count("\n") == 1
