"""Jobs: one rule per stage, one index per job, and a job that runs elsewhere does what was submitted."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import DUEL, Project, add_mini

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("prepare", "pretrain", "probe", "spectrum", "ntk", "timing", "measure", "simulate", "table", "figure")


def rulegraph(project: Project, target: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Names of the boxes, and arrows between them."""
    text = project.snakemake(target, "--rulegraph").stdout
    names = dict(re.findall(r"(\d+)\[label = \"(\w+)\"", text))
    return set(names.values()), {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", text)}


def receipts(project: Project) -> dict[str, str]:
    """Receipts of all nodes but artifacts."""
    found = sorted((project.root / "receipts").rglob("*.json"))
    return {path.relative_to(project.root).as_posix(): path.read_text() for path in found}


@pytest.mark.slow
def test_the_graph_of_rules_reads_like_the_mission(project: Project) -> None:
    boxes, arrows = rulegraph(project, "results/table8.csv")
    assert boxes == {"prepare", "pretrain", "probe", "table", "short_name"}
    assert arrows >= {("prepare", "pretrain"), ("pretrain", "probe"), ("probe", "table")}
    boxes, _ = rulegraph(project, "all")
    assert boxes == {*STAGES, "scorecard", "all"}


def test_rules_are_written_out() -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    assert not re.findall(r"^\s*(?:for|while|if)\b.*:$", text.partition("wildcard_constraints")[2], re.MULTILINE)
    assert "lambda" not in text
    for stage in STAGES:
        file = {"table": "tables", "figure": "figures"}.get(stage, stage)
        assert f"\nrule {stage}:" in "\n" + (ROOT / f"rules/{file}.smk").read_text()


def test_the_index_of_a_job_names_its_receipts(built: Project) -> None:
    found = {path.parent.name: path for path in (built.root / "jobs").rglob("*.done")}
    assert found.keys() == {"prepare", "pretrain", "probe"}
    for path in (built.root / "jobs").rglob("*.done"):
        job = json.loads(path.with_suffix(".json").read_text())
        index = json.loads(path.read_text())
        assert list(index) == sorted(job["nodes"])
        for node, key in index.items():
            assert json.loads((built.root / f"receipts/{node}.json").read_text())["key"] == key


@pytest.mark.parametrize("loss", ["one", "all"])
def test_an_index_that_is_lost_is_written_again_and_nothing_runs(built: Project, loss: str) -> None:
    index = next((built.root / "jobs/pretrain").glob("*directpred*.done"))
    shutil.rmtree(built.root / "jobs") if loss == "all" else index.unlink()
    lines = len(built.journal())
    assert "Nothing to be done" in built.snakemake(DUEL).stderr
    assert len(built.journal()) == lines and index.is_file()


@pytest.mark.slow
def test_a_receipt_that_is_lost_comes_back_where_it_is_asked_for(built: Project) -> None:
    receipt = next((built.root / "receipts/checkpoints").glob("*directpred*/seed0/epoch0002.json"))
    good = receipt.read_text()
    receipt.unlink()
    assert "Nothing to be done" in built.snakemake(DUEL).stderr  # the table is what it was
    lines = len(built.journal())
    job = next((built.root / "jobs/pretrain").glob("*directpred*.json")).stem
    built.snakemake(f"jobs/pretrain/{job}.done", "--config", "scale=mini")
    decided = {entry["node"]: entry["decision"] for entry in built.journal()[lines:]}
    assert set(decided.values()) == {"unchanged"} and len(decided) == 2
    assert receipt.read_text() == good


def submitted(project: Project, rule: str, name: str) -> None:
    """Run one job as an executor of a cluster does: another Snakemake, which is told the job and no target."""
    wildcard = {"prepare": "dataset", "table": "artifact"}.get(rule, "config")
    project.call(
        "snakemake", "--target-jobs", f"{rule}:{wildcard}={name}", "--allowed-rules", rule, "--cores", "1", "--force",
        "--nolock", "--ignore-incomplete", "--no-hooks", "--mode", "remote", "--config", "scale=mini",
    )  # fmt: skip


@pytest.mark.slow
def test_a_job_on_another_machine_does_what_was_submitted(project: Project) -> None:
    add_mini(project)
    early = "results/mini/mini/early.csv"
    project.snakemake(early, "-n", "--config", "scale=mini")  # the paper also wants epoch 2; this table does not
    jobs = {path.parent.name: [] for path in sorted((project.root / "jobs").glob("*/*.json"))}
    for path in sorted((project.root / "jobs").glob("*/*.json")):
        jobs[path.parent.name].append(path.stem)
    assert {rule: len(names) for rule, names in jobs.items()} == {"prepare": 1, "pretrain": 2, "probe": 2}
    written = {path: path.read_text() for path in (project.root / "jobs").rglob("*.json")}
    for rule in ("prepare", "pretrain", "probe"):
        submitted(project, rule, jobs[rule][0])
    assert {path: path.read_text() for path in (project.root / "jobs").rglob("*.json")} == written
    executed = [entry["node"] for entry in project.journal() if entry["decision"] == "executed"]
    assert [name.split("/")[0] for name in executed] == ["data", "checkpoints", "measurements"]
    assert not [name for name in executed if "epoch0002" in name]
    assert project.build(early, "--config", "scale=mini") == {"pretrain": 1, "linear_probe": 1, "table": 1}
    submitted(project, "table", "mini/mini/early")  # Snakemake takes the files of a table away before its job
    assert project.journal()[-1]["decision"] == "restored"


def test_a_job_that_nobody_wrote_down_is_one_line(project: Project) -> None:
    add_mini(project)
    done = project.pipeline("pretrain", "jobs/pretrain/nowhere.done", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: jobs/pretrain/nowhere.json: no readable job; type: snakemake, which writes it\n"


def test_a_job_that_fails_takes_no_receipt_away(built: Project) -> None:
    shutil.rmtree(built.root / "checkpoints")
    shutil.rmtree(built.root / ".dvc/cache/files")
    before = receipts(built)
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")
    done = built.snakemake(DUEL, check=False)
    assert done.returncode != 0 and "neither in place" in done.stderr
    assert receipts(built) == before


def test_a_dry_run_says_what_each_job_will_do(built: Project) -> None:
    built.edit("params/papers/mini.yaml", "columns: {epochs: [100, 300]}", "columns: {epochs: [100, 300, 500]}")
    built.edit("params/scales/mini.yaml", "epochs: {100: 1, 300: 2}", "epochs: {100: 1, 300: 2, 500: 3}")
    done = built.snakemake(DUEL, "-n")
    said = re.findall(r"pretrain mini/direct, shapes for cifar10: (.*)", done.stdout + done.stderr)
    assert said == ["1 to execute, 2 in place; seed 0; epochs 1, 2, 3"]
    assert built.build(DUEL) == {"pretrain": 2, "linear_probe": 2, "table": 1}


MEETING = '''
"""Waits for another process that measures."""

import os
import time
from pathlib import Path

READS = ()
VALUES = ("met",)


def measure(subject, *, number: int = 2):
    """Count the processes that are here at a time."""
    here = Path("logs/meeting")
    here.mkdir(exist_ok=True)
    (here / str(os.getpid())).touch()
    for _ in range(1000):
        if len(list(here.iterdir())) == number:
            return {"met": number}
        time.sleep(0.02)
    return {"met": 0}
'''

MET = """
  meeting:
    title: Two rates, before training
    rows: {lr: [0.1, 0.2]}
    fixed: {method: plain, dataset: cifar10, epochs: 0}
    measure: met
    seeds: 1
    baselines: false
"""


def test_two_jobs_measure_the_same_thing_at_the_same_time(project: Project) -> None:
    """Networks that will be trained with different rates are the same at the start, and so is the measurement's key."""
    add_mini(project).alone()
    (project.root / "pipeline/evaluation/measures/meeting.py").write_text(MEETING)
    paper = project.root / "params/papers/mini.yaml"
    text = paper.read_text().replace(
        "measures:\n", 'measures:\n  met: {measure: {kind: meeting}, value: met, unit: ""}\n'
    )
    paper.write_text(text + MET)
    counts = project.build("results/mini/mini/meeting.csv", "--config", "scale=mini")
    assert counts == {"prepare": 1, "pretrain": 2, "meeting": 2, "table": 1}
    found = [
        json.loads(path.read_text()) for path in (project.root / "receipts/measurements").rglob("meeting*[0-9a-f].json")
    ]
    assert len(found) == 2 and len({receipt["key"] for receipt in found}) == 1
    scores = [json.loads(path.read_text()) for path in (project.root / "measurements").rglob("meeting*/scores.json")]
    assert [score["met"] for score in scores] == [2, 2]
    assert not list((project.root / ".scratch").glob("*.restore"))
