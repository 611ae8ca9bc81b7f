"""What goes wrong ends in one clear line, and leaves no file that a later build takes for a result."""

from __future__ import annotations

import functools
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import DUEL, Project, add_mini, copy_project, withdraw


def errors(done: subprocess.CompletedProcess) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_a_wrong_declaration_is_one_line_of_snakemake_too(project):
    project.edit("params/scales/tiny.yaml", "batch_size: 64", "batch_sise: 64")
    done = project.snakemake("results/table8.csv", check=False)
    assert done.returncode == 1
    lines = [
        line
        for line in done.stderr.splitlines()
        if line.strip() and not line.startswith("Using workflow specific profile")
    ]
    assert lines == ["error: params/scales/tiny.yaml: every_run.batch_sise: unknown key; did you mean batch_size?"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["results/table99.csv"], "no paper has an artifact called 'table99'"),
        (["results/table1.csv"], "5 papers have an artifact of this name; type results/tiny/directpred/table1.csv or"),
        (["results/figS6.csv"], "embnorms/figS6 ("),
        (
            ["table8"],
            "table8: no rule has this name; a table or figure is asked for by its file, type results/table8.csv",
        ),
        (["tabel8.csv"], "did you mean table8?"),
        (["mini/table8"], "no paper called 'mini'"),
        (["pretrian"], "pretrian: no rule has this name; did you mean pretrain?"),
        (["results/table8.csv", "--config", "scael=tiny"], "--config scael: unknown key; did you mean scale?"),
        (["results/table8.csv", "--config", "scale=huge"], "--config scale=huge: there is no such scale"),
    ],
)
def test_a_wrong_target_is_one_line(project, arguments, words):
    withdraw(project.root / "params", "embnorms", "figS6")
    done = project.snakemake(*arguments, check=False)
    assert done.returncode == 1
    assert len(errors(done)) == 1
    assert words in errors(done)[0]
    assert "Traceback" not in done.stderr
    assert not (project.root / "keys").exists()


def test_a_folder_is_left_to_snakemake(project):
    done = project.snakemake("-n", ".", check=False)
    assert (
        done.returncode == 1 and "MissingRuleException" in done.stdout + done.stderr and "Traceback" not in done.stderr
    )


def test_a_library_that_is_missing_is_told_before_anything_runs(project):
    add_mini(project)
    path = project.root / "pipeline/nets/encoders/timm.py"
    path.write_text(path.read_text().replace('{"timm": "timm"}', '{"a_library": "timm"}'))
    project.edit(
        "params/scales/mini.yaml",
        "encoder: {kind: tiny_conv, channels: [4, 8], strides: [1, 2]}",
        "encoder: {kind: timm, name: resnet10t}",
    )
    done = project.snakemake(DUEL, check=False)
    assert errors(done) == ["error: encoder.kind: a_library is not installed here; type: make setup EXTRAS=timm"]
    assert not list(project.root.glob("receipts/data/*"))


@pytest.mark.slow
def test_a_data_set_that_is_nowhere_says_what_belongs_where(project):
    add_mini(project)
    project.edit("params/scales/mini.yaml", "{cifar10: {name: shapes, train: 96, test: 64, size: 8}}", "{}")
    empty = project.root / "raw"
    empty.mkdir()
    project.edit("params/scales/mini.yaml", "title: tests", "title: tests of real data")
    project.environ |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = project.snakemake(DUEL, "--config", f"raw_dir={empty}", check=False)
    assert done.returncode != 0
    assert len(errors(done)) == 1, done.stderr
    assert "cifar-10-python.tar.gz" in errors(done)[0]
    assert "raw_dir" in errors(done)[0]
    assert not list((project.root / "data").glob("*cifar10*"))
    assert not list(project.root.glob("receipts/data/*"))


@pytest.mark.slow
def test_a_second_snakemake_is_refused_and_harms_nothing(project):
    add_mini(project)
    command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "2"]
    with subprocess.Popen(command, cwd=project.root, env=project.environ, stderr=subprocess.PIPE, text=True) as first:
        locks = project.root / ".snakemake/locks"
        while not (locks.is_dir() and any(locks.iterdir())):
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.02)
        second = project.snakemake(DUEL, check=False)
        looked = project.snakemake(DUEL, "-n", check=False)
        first.stderr.read()
    assert first.returncode == 0
    assert second.returncode != 0
    assert errors(second) == [
        f"error: a snakemake builds here already (process {first.pid}); wait for it to end, or type: kill {first.pid}"
    ]
    assert f"a snakemake builds here now (process {first.pid})" in looked.stderr
    assert project.build(DUEL) == Counter()


@pytest.mark.slow
def test_the_same_command_goes_on_after_an_interrupt(project):
    add_mini(project)
    command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "1"]
    # a test run in the background ignores SIGINT, and its children would inherit that
    hearing = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environ,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=hearing,
    ) as running:
        while not list(project.root.glob("receipts/checkpoints/*/seed0/*.json")):
            assert running.poll() is None
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)
    assert running.returncode != 0
    assert project.build(DUEL)["table"] == 1


def test_two_doors_on_one_run_do_not_both_work(built):
    receipt = next((built.root / "receipts/checkpoints").rglob("epoch0001.json")).relative_to(built.root)
    name = f"pretrain-{receipt.parts[2]}"
    import fcntl

    path = built.root / ".scratch/locks" / name
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("4711")
        file.flush()
        done = built.pipeline("pretrain", str(receipt), check=False)
    assert done.returncode == 1
    assert errors(done) == [f"error: {name}: process 4711 is working on it; wait for it to end, or type: kill 4711"]
    assert built.pipeline("pretrain", str(receipt)).returncode == 0


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_that_looks_finished(tmp_path, built_once):
    if os.geteuid() != 0:
        pytest.skip("a small tmpfs needs root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", small], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        project = add_mini(copy_project(small / "project"))
        project.edit("params/scales/mini.yaml", "train: 96, test: 64, size: 8", "train: 8000, test: 64, size: 32")
        done = project.snakemake(DUEL, check=False)
        assert done.returncode != 0
        assert any("the disk is full" in line and "nothing was half-written" in line for line in errors(done)), (
            done.stderr
        )
        assert not list(project.root.glob("receipts/data/*")) and not list(project.root.glob("data/local-*"))
        project.edit("params/scales/mini.yaml", "train: 8000, test: 64, size: 32", "train: 96, test: 64, size: 8")
        project.build(DUEL)
        assert (project.root / DUEL).read_bytes() == (built_once.root / DUEL).read_bytes()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_read_only_folder_is_one_line(built):
    """As an unprivileged user: root may write anywhere."""
    receipt = next((built.root / "receipts/checkpoints").rglob("epoch0001.json"))
    node = receipt.relative_to(built.root)
    receipt.unlink()
    folder = built.root / "receipts/checkpoints" / node.parts[2] / "seed0"
    for path in (built.root, *built.root.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    for parent in built.root.parents:
        if parent.owner() == "root" and len(parent.parts) > 2:
            parent.chmod(0o755)
    folder.chmod(0o555)
    command = [sys.executable, "-m", "pipeline", "pretrain", str(node)]
    built.environ["HOME"] = str(built.root)  # DVC reads its settings there
    if os.geteuid() == 0:
        probe = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        works = (
            shutil.which("setpriv") and not subprocess.run([*probe, sys.executable, "-c", ""], check=False).returncode
        )
        if not works:
            pytest.skip("an unprivileged user cannot run this Python here")
        command = probe + command
    done = built.call(*command, check=False)
    folder.chmod(0o755)
    assert done.returncode == 1
    assert len(errors(done)) == 1, done.stderr
    assert "no permission to write there" in errors(done)[0]
    assert str(folder.relative_to(built.root)) in errors(done)[0]
    assert built.build(DUEL) == Counter()


def checksums(project: Project) -> dict[str, str]:
    found = sorted((project.root / "checkpoints").rglob("*.safetensors"))
    return {p.relative_to(project.root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


@pytest.mark.slow
def test_a_build_that_is_killed_five_times_ends_in_the_same_bytes(tmp_path):
    """SIGKILL of the training process and of snakemake, at random moments."""

    def longer(root: Path) -> Project:
        project = add_mini(copy_project(root))
        project.edit("params/scales/mini.yaml", "train: 96", "train: 4000")
        project.edit("params/scales/mini.yaml", "{100: 1, 300: 2}", "{100: 4, 300: 8}")
        project.edit(
            "params/papers/mini.yaml",
            "rows: {method: [plain, direct]}\n    columns",
            "rows: {method: [direct]}\n    columns",
        )
        project.environ["SSL_PROGRESS_SECONDS"] = "0.2"
        return project

    calm = longer(tmp_path / "calm")
    calm.build(DUEL)
    project = longer(tmp_path / "killed")
    dice = random.Random(5)
    kills = 0
    while kills < 5:
        command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "1"]
        with subprocess.Popen(
            command, cwd=project.root, env=project.environ, stderr=subprocess.DEVNULL, start_new_session=True
        ) as running:
            while running.poll() is None and not list(project.root.glob(".scratch/*/run/*")):
                time.sleep(0.05)
            time.sleep(dice.uniform(0.0, 1.5))
            if running.poll() is not None:
                break
            os.killpg(running.pid, signal.SIGKILL)
            kills += 1
        project.snakemake("--unlock")
    assert kills >= 3, "the training was over too soon for this test to mean anything"
    project.build(DUEL)
    assert checksums(project) == checksums(calm)
    assert (project.root / DUEL).read_bytes() == (calm.root / DUEL).read_bytes()
