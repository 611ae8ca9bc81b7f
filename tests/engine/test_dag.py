"""What reruns, what is restored and what is left alone: real snakemake, stages counted in the journal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import DUEL, Project, add_mini, copy_project

NOTHING: Counter = Counter()


def payloads(project: Project) -> dict[str, bytes]:
    """All payload files."""
    found = {}
    for family in ("data", "checkpoints", "measurements"):
        for path in sorted((project.root / family).rglob("*")):
            if path.is_file() and not path.name.endswith(".dvc"):
                found[path.relative_to(project.root).as_posix()] = path.read_bytes()
    return found


def test_again_executes_nothing(built):
    assert built.build(DUEL) == NOTHING
    assert "Nothing to be done" in built.snakemake(DUEL).stderr


def test_comments_and_docstrings_execute_nothing(built):
    edited = 0
    for path in (built.root / "pipeline").rglob("*.py"):
        text = path.read_text()
        body = text.split('"""', 2)[2] if text.startswith('"""') else text
        path.write_text('"""Another docstring."""\n# A comment.\n' + body + "\n\n# The end.\n")
        edited += 1
    assert edited > 40
    assert built.build(DUEL) == NOTHING


def test_touching_every_file_executes_nothing(built):
    for path in built.root.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    assert built.build(DUEL) == NOTHING


def test_touching_in_reverse_order_without_metadata_executes_nothing(built):
    shutil.rmtree(built.root / ".snakemake")
    now = time.time()
    for age, path in enumerate(sorted(built.root.rglob("*.json"), reverse=True)):
        os.utime(path, (now - age, now - age))
    assert built.build(DUEL) == NOTHING
    assert "Nothing to be done" in built.snakemake(DUEL).stderr


def test_without_snakemakes_metadata_nothing_executes(built):
    shutil.rmtree(built.root / ".snakemake")
    assert built.build(DUEL) == NOTHING


def test_a_clone_that_shares_the_store_restores_everything(built, tmp_path):
    clone = add_mini(copy_project(tmp_path / "clone"))
    (clone.root / ".dvc/config.local").write_text(f"[cache]\n    dir = {built.root}/.dvc/cache\n")
    assert clone.build(DUEL) == NOTHING
    decisions = Counter(entry["decision"] for entry in clone.journal())
    assert decisions == {"restored": 10}
    assert payloads(clone) == payloads(built)
    assert (clone.root / DUEL).read_bytes() == (built.root / DUEL).read_bytes()


def test_a_clone_with_receipts_and_no_payload_schedules_nothing(built, tmp_path):
    clone = add_mini(copy_project(tmp_path / "clone"))
    for part in ("receipts", "results"):
        shutil.copytree(built.root / part, clone.root / part)
    done = clone.snakemake(DUEL)
    assert "Nothing to be done" in done.stderr
    assert not (clone.root / "checkpoints").exists()


def test_a_clone_without_payload_prepares_its_data_again_for_what_is_new(built, tmp_path):
    """Everything is trained anew, by two jobs that need the same data set at once."""
    clone = add_mini(copy_project(tmp_path / "clone"))
    for part in ("receipts", "results"):
        shutil.copytree(built.root / part, clone.root / part)
    clone.edit("params/scales/mini.yaml", "batch_size: 32", "batch_size: 24")
    before = {path: path.read_bytes() for path in (clone.root / "receipts/data").iterdir()}
    done = clone.snakemake(DUEL)
    assert done.stderr.count("its files are nowhere; it is prepared again, as its receipt says") == 1
    executed = Counter(entry["stage"] for entry in clone.journal() if entry["decision"] == "executed")
    assert executed == {"prepare": 1, "pretrain": 4, "linear_probe": 4, "table": 1}
    assert {path: path.read_bytes() for path in before if "execution" not in path.name} == {
        path: text for path, text in before.items() if "execution" not in path.name
    }


def test_what_cannot_be_restored_is_a_line_per_run(built, tmp_path):
    clone = add_mini(copy_project(tmp_path / "clone"))
    for part in ("receipts", "results"):
        shutil.copytree(built.root / part, clone.root / part)
    done = clone.pipeline("restore", DUEL, "--config", "scale=mini", check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and len(lines) == 7
    assert all(line.startswith("missing: ") for line in lines[:5])
    assert sum("and of 1 more of its nodes" in line for line in lines) == 4  # two runs, and what was measured of them
    assert "whoever has them types dvc push" in lines[5]
    assert lines[6] == f"0 nodes restored, 1 were in place; {_size(clone)} verified; 9 nodes are missing"


def _size(project: Project) -> str:
    """Bytes of the table's files, as a person reads them."""
    outputs = json.loads((project.root / DUEL).with_suffix(".receipt.json").read_text())["outputs"]
    return f"{sum(entry['size'] for entry in outputs.values()) / 1e6:.1f} MB"


def test_data_that_are_prepared_otherwise_than_their_receipt_says_are_told(built, tmp_path):
    clone = add_mini(copy_project(tmp_path / "clone"))
    for part in ("receipts", "results"):
        shutil.copytree(built.root / part, clone.root / part)
    clone.edit("params/scales/mini.yaml", "batch_size: 32", "batch_size: 24")
    (path,) = (path for path in (clone.root / "receipts/data").iterdir() if "execution" not in path.name)
    found = json.loads(path.read_text())
    entry = found["outputs"]["arrays.safetensors"]
    entry["sha256"], entry["md5"] = "0" * 64, "0" * 32
    path.write_text(json.dumps(found))
    done = clone.snakemake(DUEL, check=False)
    assert done.returncode != 0
    assert "prepared again it is another one than its receipt said; git diff receipts/data/" in done.stderr
    assert clone.build(DUEL) == {"pretrain": 4, "linear_probe": 4, "table": 1}


def test_table_code_makes_tables_only(built):
    path = built.root / "pipeline/artifacts/table.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert built.build(DUEL) == {"table": 1}


def test_swapped_values_run_exactly_that_method_and_back_costs_nothing(built):
    old = "predictor: {kind: directpred, epsilon: 0.1, rho: 0.3}"
    new = "predictor: {kind: directpred, epsilon: 0.3, rho: 0.1}"
    built.edit("params/papers/mini.yaml", old, new)
    before = len(built.journal())
    assert built.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}
    assert all(
        "directpred" in e["node"] for e in built.journal()[before:] if e["stage"] in ("pretrain", "linear_probe")
    )
    built.edit("params/papers/mini.yaml", new, old)
    assert built.build(DUEL) == NOTHING
    assert built.build(DUEL) == NOTHING


@pytest.mark.slow
def test_a_swap_is_seen_without_metadata_too(built):
    shutil.rmtree(built.root / ".snakemake")
    built.edit("params/papers/mini.yaml", "epsilon: 0.1, rho: 0.3", "epsilon: 0.3, rho: 0.1")
    assert built.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}


@pytest.mark.slow
def test_the_same_bytes_upstream_execute_nothing_below(built):
    path = built.root / "pipeline/training/pretrain.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert built.build(DUEL) == {"pretrain": 4}
    assert built.build(DUEL) == NOTHING


def test_an_edited_component_concerns_the_runs_that_name_it(built):
    for name in ("objectives/euclidean.py", "nets/encoders/resnet18.py", "data/sources/digits.py"):
        path = built.root / "pipeline" / name
        path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert built.build(DUEL) == NOTHING
    path = built.root / "pipeline/nets/predictors/directpred.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    before = len(built.journal())
    assert built.build(DUEL) == {"pretrain": 2}
    executed = [entry["node"] for entry in built.journal()[before:] if entry["decision"] == "executed"]
    assert all("directpred" in node for node in executed)


def test_a_new_field_renames_no_run_and_a_changed_default_does(built):
    field = "    threads: Annotated[int, Interval(ge=1, le=1_024)] = _param(int, 1)\n"
    built.edit(
        "pipeline/planning/composition.py",
        field,
        field + "    momentum_warmup: int = _param(int, 0, default_before=0)\n",
    )
    assert built.build(DUEL) == NOTHING
    new = "    momentum_warmup: int = _param(int, 5, default_before=0)\n"
    built.edit("pipeline/planning/composition.py", "    momentum_warmup: int = _param(int, 0, default_before=0)\n", new)
    assert built.build(DUEL)["pretrain"] == 4


def test_a_table_edited_by_hand_is_named_and_restored(built):
    good = (built.root / DUEL).read_bytes()
    (built.root / DUEL).write_bytes(good.replace(b"plain", b"PLAIN"))
    why = built.pipeline("why", "mini/duel", "--config", "scale=mini").stdout
    assert f"{DUEL} is not what was written" in why
    done = built.snakemake(DUEL)
    assert f"{DUEL} is not what was written" in done.stderr
    assert (built.root / DUEL).read_bytes() == good
    assert Counter(entry["decision"] for entry in built.journal())["executed"] == 10


@pytest.mark.slow
def test_a_short_name_that_dangles_or_was_replaced_is_made_again(built):
    short = built.root / "results/duel.csv"
    assert built.build("results/duel.csv", "--config", "scale=mini") == NOTHING
    good = short.read_bytes()
    short.unlink()
    short.write_bytes(good.replace(b"plain", b"PLAIN"))  # as an editor does that saves by renaming
    done = built.snakemake("results/duel.csv", "--config", "scale=mini")
    assert "results/duel.csv is not the link that was written" in done.stderr
    assert short.is_symlink() and short.read_bytes() == good
    for path in (built.root / "results/mini/mini").glob("duel.*"):
        path.unlink()
    assert built.build("results/duel.csv", "--config", "scale=mini") == NOTHING
    assert short.read_bytes() == good


@pytest.mark.slow
def test_two_tables_that_share_runs_leave_each_other_alone(built):
    early = "results/mini/mini/early.csv"
    assert built.build(early) == {"table": 1}
    for target in (DUEL, early, DUEL):
        assert "Nothing to be done" in built.snakemake(target).stderr


@pytest.mark.slow
def test_an_older_table_that_is_checked_out_is_restored(built):
    older = built.root / "older"
    shutil.copytree(built.root / "results/mini/mini", older)
    built.edit("params/papers/mini.yaml", "title: One against the other", "title: A duel")
    assert built.build(DUEL) == {"table": 1}
    good = {path.name: path.read_bytes() for path in (built.root / "results/mini/mini").iterdir()}
    for _ in range(2):  # the second time Snakemake remembers having seen it
        for path in older.iterdir():
            shutil.copy(path, built.root / "results/mini/mini" / path.name)
        assert built.build(DUEL) == NOTHING
        now = {path.name: path.read_bytes() for path in (built.root / "results/mini/mini").iterdir()}
        assert now == good


@pytest.mark.slow
def test_an_older_receipt_that_is_checked_out_is_replaced(built):
    folder = built.root / "receipts/measurements"
    path = next(folder.rglob("epoch0001/linear_probe-*[0-9a-f].json"))
    good = path.read_text()
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 2, lr: 0.01}}")
    built.build(DUEL)
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2, lr: 0.01}}", "{linear_probe: {epochs: 2}}")
    path.write_text(good.replace('"stage": "linear_probe"', '"stage": "knn"'))
    assert built.build(DUEL) == NOTHING
    assert path.read_text() == good


def test_lost_payload_comes_back_when_it_is_read(built):
    shutil.rmtree(built.root / "checkpoints")
    shutil.rmtree(built.root / "measurements")
    assert built.build(DUEL) == NOTHING
    path = built.root / "pipeline/artifacts/table.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 2\n")
    assert built.build(DUEL) == {"table": 1}
    assert not (built.root / "checkpoints").exists(), "a table fetches measurements and no weights"


@pytest.mark.slow
def test_payload_that_is_nowhere_is_an_error_with_the_fix(built):
    shutil.rmtree(built.root / "checkpoints")
    shutil.rmtree(built.root / ".dvc/cache/files")
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")
    done = built.snakemake(DUEL, check=False)
    assert done.returncode != 0
    assert (
        "neither in place as its receipt says nor in the store or its remote; to make it again: rm receipts/"
        in done.stderr
    )


def test_tampered_payload_is_not_read(built):
    path = next((built.root / "checkpoints").rglob("epoch0002/model.safetensors"))
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")
    assert built.build(DUEL) == {"linear_probe": 4, "table": 1}
    assert path.read_bytes() == good


@pytest.mark.slow
def test_any_set_of_milestones_gives_the_same_bytes(built, tmp_path):
    other = add_mini(copy_project(tmp_path / "other"))
    assert other.build("results/mini/mini/early.csv") == {
        "prepare": 1,
        "pretrain": 2,
        "linear_probe": 2,
        "table": 1,
    }
    assert other.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}
    assert payloads(other) == payloads(built)
    direct = add_mini(copy_project(tmp_path / "direct"))
    direct.edit("params/papers/mini.yaml", "columns: {epochs: [100, 300]}", "columns: {epochs: [300]}")
    direct.build(DUEL)
    for name, content in payloads(direct).items():
        assert payloads(built)[name] == content, name


@pytest.mark.slow
def test_a_change_during_a_build_is_seen_afterwards(project):
    add_mini(project)
    command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "1"]
    with subprocess.Popen(command, cwd=project.root, env=project.environ, stderr=subprocess.PIPE, text=True) as running:
        locks = project.root / ".snakemake/locks"
        while not (locks.is_dir() and any(locks.iterdir()) and list(project.root.glob(".scratch/*/seed0"))):
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.05)
        project.edit("params/papers/mini.yaml", "epsilon: 0.1, rho: 0.3", "epsilon: 0.3, rho: 0.1")
        project.snakemake(DUEL, "-n", check=False)
        running.stderr.read()
    assert running.returncode == 0
    assert project.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}


def test_code_edited_between_reading_and_running_is_refused(built):
    built.edit("params/papers/mini.yaml", "epsilon: 0.1", "epsilon: 0.2")
    built.snakemake(DUEL, "-n")
    path = built.root / "pipeline/training/step.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 3\n")
    key = next(p for p in sorted((built.root / "keys/pretrain").glob("*.json"), key=os.path.getmtime, reverse=True))
    done = built.pipeline("pretrain", f"receipts/checkpoints/{key.stem}/seed0/epoch0001.json", check=False)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "error: pipeline/training/step.py: edited since the Snakefile was read; type: snakemake again"
    )


def test_why_names_the_param_the_module_and_the_input(built):
    config = ("--config", "scale=mini")

    def why(*more: str) -> str:
        return built.pipeline("why", "mini/duel", *more, *config).stdout

    assert why() == "up to date: no stage would execute\n"
    built.edit("params/papers/mini.yaml", "epsilon: 0.1", "epsilon: 0.25")
    text = why()
    assert "param: predictor.epsilon: 0.1 -> 0.25  (against mini/direct, shapes for cifar10 as it was)" in text
    assert "input: 2 of 4 measurements are to be executed" in text
    assert "pretrain: mini/direct, shapes for cifar10, seed 0, epoch 1 and 1 more: to execute" in text
    assert "-linear-ema-" not in text and "mini/plain" not in text
    found = json.loads(why("--json"))
    assert Counter(entry["stage"] for entry in found) == {"pretrain": 2, "linear_probe": 2, "table": 1}
    built.edit("params/papers/mini.yaml", "epsilon: 0.25", "epsilon: 0.1")
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")
    assert "param: measure.epochs: 2 -> 3" in why()
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 3}}", "{linear_probe: {epochs: 2}}")
    built.edit("params/scales/mini.yaml", "train: 96", "train: 128")
    text = why()
    assert "param: source.train: 96 -> 128" in text
    assert "pretrain: mini/plain, shapes for cifar10, seed 0, epoch 1 and 3 more: to execute" in text
    built.edit("params/scales/mini.yaml", "train: 128", "train: 96")
    path = built.root / "pipeline/data/prepare.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    text = why()
    assert "module: pipeline/data/prepare.py: module level changed" in text
    assert "input: its data is to be executed" in text


def test_plan_says_what_snakemake_then_does(built):
    built.edit("params/papers/mini.yaml", "epsilon: 0.1", "epsilon: 0.25")
    found = json.loads(built.pipeline("plan", "mini/duel", "--json", "--config", "scale=mini").stdout)
    expected = {stage: count["to execute"] for stage, count in found["stages"].items() if count.get("to execute")}
    assert found["runs"] == 2
    assert found["seconds"] > 0
    assert "from receipts of like runs" in found["basis"]
    assert built.build(DUEL) == expected == {"pretrain": 2, "linear_probe": 2, "table": 1}


def _pythons() -> list[str]:
    found = []
    for version in ("3.12", "3.13"):
        for folder in sorted(Path.home().glob(f".pyenv/versions/{version}*")):
            found.append(str(folder / "bin/python"))
        if (path := shutil.which(f"python{version}")) and "shims" not in path:
            found.append(path)
    return found


@pytest.mark.slow
def test_other_pythons_give_the_same_keys(built, tmp_path):
    """Only what the plan imports is installed there: pydantic and PyYAML."""
    pythons = _pythons()
    if not pythons:
        pytest.skip("no Python 3.12 or 3.13 on this machine")
    here = {p.relative_to(built.root): p.read_text() for p in (built.root / "keys").rglob("*.json")}
    program = (
        "from pipeline.planning.catalogue import Catalogue\nfrom pipeline.planning.key_files import key_files\n"
        "from pipeline.planning.options import Options\nfrom pipeline.planning.plan import Plan\n"
        "from pipeline.ledger.fingerprint import Fingerprints\n"
        "c = Catalogue(Options()); plan = Plan(c, [c.request('results/mini/mini/duel.csv')])\n"
        "import json, pathlib\n"
        "for path, key in key_files(plan, Fingerprints()).items():\n"
        "    there = json.loads(pathlib.Path(path).read_text()); there.pop('invalidated_at', None)\n"
        "    assert there == json.loads(key.text()), (path, there, key.text())\n"
        "print(len(plan.runs))"
    )
    assert here
    ran = 0
    for python in pythons:
        venv = tmp_path / Path(python).parent.parent.name
        uv = Path(sys.executable).parent / "uv"
        made = subprocess.run([uv, "venv", "-q", "--python", python, venv], capture_output=True, text=True, check=False)
        packages = ["pydantic", "pyyaml"]
        command = [uv, "pip", "install", "-q", "--python", venv / "bin/python", *packages]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode or installed.returncode:
            continue
        environ = {**built.environ, "PYTHONPATH": str(built.root)}
        done = subprocess.run(
            [venv / "bin/python", "-c", program],
            cwd=built.root,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "2"
        ran += 1
    if not ran:
        pytest.skip("pydantic and PyYAML could not be installed for another Python")
