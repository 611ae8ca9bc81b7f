"""A kit: packed here, executed where neither snakemake nor dvc can be imported, entered here again."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import DUEL, Project, add_mini, copy_project
from safetensors.numpy import save_file

from pipeline import files
from pipeline.errors import UserError
from pipeline.kit import harvest, node, parts, pieces, returned, sizes, wheels
from pipeline.kit.carried import Carried
from pipeline.ledger import receipt
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Workspace
from pipeline.sharing.archive import Refused

SCALE = ("--config", "scale=mini")
ABSENT = ("snakemake", "dvc", "pydantic", "yaml", "pandas", "matplotlib")
"""What a machine with torch need not have."""


def git(project: Project, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return project.call("git", *identity, *arguments).stdout


def declared(root: Path) -> Project:
    """A project whose results are tracked."""
    project = add_mini(copy_project(root))
    project.edit("params/scales/mini.yaml", "title: tests", "title: tests\ntracked: true")
    ignore = project.root / ".gitignore"
    ignore.write_text(ignore.read_text() + "!/results/mini/\n")
    return project


def prepare(project: Project) -> subprocess.CompletedProcess:
    """Prepare the data that a kit lacks, as it says, and return what it said."""
    told = project.pipeline("kit", "pack", DUEL, "--to", "kit", check=False)
    typed = re.search(r"type: snakemake (.*)$", told.stderr.strip())
    project.snakemake(*typed[1].split())
    return told


def elsewhere(root: Path) -> Project:
    """A checkout on a machine that has torch and little else."""
    project = declared(root / "checkout")
    (root / "absent").mkdir()
    for name in ABSENT:
        (root / "absent" / f"{name}.py").write_text(f"raise ImportError('there is no {name}', name='{name}')\n")
    project.environ["PYTHONPATH"] += f":{root / 'absent'}"
    return project


@pytest.fixture(scope="session")
def prepared_once(tmp_path_factory) -> Project:
    """A repository with its data set prepared, and a kit of several parts."""
    project = declared(tmp_path_factory.mktemp("kit") / "project")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "start")
    told = prepare(project)
    assert told.returncode == 1 and told.stderr.count("\n") == 1 and "not prepared here" in told.stderr
    done = project.pipeline("kit", "pack", DUEL, "--to", str(project.root.parent / "kit"), "--part", "38kB")
    assert "4 milestones and 4 measurements in 4 jobs" in done.stdout
    return project


@pytest.fixture(scope="session")
def kit(prepared_once: Project) -> Path:
    return prepared_once.root.parent / "kit"


@pytest.fixture(scope="session")
def executed_once(kit: Path, tmp_path_factory) -> Project:
    """The other machine, on which the kit was executed; files above 2 kB stay there."""
    project = elsewhere(tmp_path_factory.mktemp("elsewhere"))
    command = ("kit", "run", str(kit), "--minutes", "5", "--out", "back/back.tar", "--largest", "2kB")
    done = project.pipeline(*command)
    assert done.stdout.splitlines()[-1] == "back/back.tar: 8 executed, 0 were there, 0 failed, 0 left"
    return project


@pytest.fixture(scope="session")
def back(executed_once: Project) -> Path:
    return executed_once.root / "back/back.tar"


@pytest.fixture
def here(prepared_once: Project, tmp_path: Path) -> Project:
    return prepared_once.copy(tmp_path / "here")


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def seen(project: Project) -> dict[str, str]:
    """Hashes of all that an entering may touch."""
    found = {}
    for folder in ("receipts", "checkpoints", "measurements", ".dvc/cache/files", ".dvc/cache/receipts"):
        for path in sorted((project.root / folder).rglob("*")):
            if path.is_file():
                found[path.relative_to(project.root).as_posix()] = files.sha256(path)
    return found


def test_what_was_executed_elsewhere_makes_the_table_here(here, back, built_once, tmp_path):
    members = contents(back)
    for name in [name for name in members if name.endswith(".execution.json")]:
        record = json.loads(members[name]) | {"gpu": "Abacus 3000", "commit": "f" * 40 + "-dirty"}
        members[name] = files.dumps(record).encode()
    back = tarred(tmp_path / "abacus.tar", members)
    done = here.pipeline("kit", "enter", str(back))
    assert done.stdout == "8 nodes entered, 0 were here, 0 refused, 0 missing; 8 files stayed where they were made\n"
    assert [entry["decision"] for entry in here.journal()][-8:] == ["entered"] * 8
    once = seen(here)
    done = here.pipeline("kit", "enter", str(back))
    assert done.stdout.startswith("0 nodes entered, 8 were here, 0 refused")
    assert seen(here) == once
    assert here.build(DUEL) == {"table": 1}
    assert (here.root / DUEL).read_bytes() == (built_once.root / DUEL).read_bytes()
    listed = git(here, "status", "--porcelain", "--untracked-files=all")
    assert listed.count("receipts/checkpoints/") == 8 and listed.count("receipts/measurements/") == 8
    assert "safetensors" not in listed and "scores.json" not in listed
    done = here.pipeline("kit", "pack", DUEL, "--to", "again")
    assert "nothing is to be executed elsewhere" in done.stdout
    done = here.pipeline("audit", DUEL, *SCALE)
    assert "Abacus 3000" in done.stdout and "everything holds: 10 receipts, 21 files" in done.stdout
    assert "remark: 8 files stayed where they were made" in done.stdout
    # DVC finds all that the .dvc files list
    dvc = sorted(path.relative_to(here.root).as_posix() for path in here.root.glob("*/*.dvc") if path.is_file())
    dvc += sorted(path.relative_to(here.root).as_posix() for path in here.root.glob("*/*/*.dvc") if path.is_file())
    assert [path.split("/")[0] for path in dvc] == [
        "data",
        "checkpoints",
        "checkpoints",
        "measurements",
        "measurements",
    ]
    config = here.root / ".dvc/config"
    config.write_text(f"{config.read_text()}\n['remote \"store\"']\n    url = {tmp_path / 'remote'}\n")
    here.call("dvc", "push", "-r", "store", *dvc)
    assert json.loads(here.call("dvc", "status", "--json", *dvc).stdout or "{}") == {}
    # what is not said to have stayed elsewhere is missed
    path = next((here.root / "measurements").rglob("scores.json"))
    path.unlink()
    shutil.rmtree(here.root / ".dvc/cache/files")
    done = here.pipeline("audit", DUEL, *SCALE, check=False)
    assert done.returncode == 1 and f"missing: {path.relative_to(here.root)}" in done.stdout


def test_weights_that_stayed_elsewhere_are_missed_when_they_are_read(here, back):
    here.pipeline("kit", "enter", str(back))
    path = here.root / "pipeline/evaluation/measures/linear_probe.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    done = here.pipeline("kit", "pack", DUEL, "--to", "again", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "model.safetensors" in done.stderr and "rm receipts/checkpoints/" in done.stderr


# -- parts


def test_parts_come_in_any_order_and_one_by_one(kit, prepared_once, tmp_path):
    folders = sorted(kit.iterdir())
    assert len(folders) >= 3 and {path.name for path in folders} >= {"part1", "part2", "part3"}
    assert all(sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) <= 38_000 for path in folders)
    data = {p.name: p.read_bytes() for p in prepared_once.root.glob("data/shapes-*/*")}
    dice = random.Random(3)
    for attempt in range(4):
        workspace, left = Workspace(tmp_path / str(attempt)), list(folders)
        dice.shuffle(left)
        while left:
            now = [left.pop() for _ in range(dice.randint(1, len(left)))]
            moved = tmp_path / f"{attempt}-{len(left)}"
            for number, part in enumerate(now):
                shutil.copytree(part, moved / f"renamed{number}")
            missing = Carried(workspace, [moved]).unpack()
            assert missing == sorted(int(path.name.removeprefix("part")) for path in left)
            assert Carried(workspace, [moved]).unpack() == missing
        assert {p.name: p.read_bytes() for p in workspace.root.glob("data/shapes-*/*")} == data
        assert len(list(workspace.root.glob("receipts/data/*.json"))) == 1


def test_a_damaged_part_and_a_part_of_another_kit_are_named(kit, tmp_path):
    shutil.copytree(kit, tmp_path / "kit")
    path = tmp_path / "kit/part1/pieces-1.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match=r"pieces-1.bin: damaged at byte .*; carry that part again"):
        Carried(Workspace(tmp_path / "w"), [tmp_path / "kit"]).unpack()
    about = tmp_path / "kit/part2/kit.json"
    about.write_text(about.read_text().replace('"targets"', '"targets" '))
    found = json.loads(about.read_text()) | {"commit": "another"}
    about.write_text(json.dumps(found))
    with pytest.raises(UserError, match="of another kit"):
        Carried(Workspace(tmp_path / "w"), [tmp_path / "kit"])
    with pytest.raises(UserError, match="no part of a kit is there"):
        Carried(Workspace(tmp_path / "w"), [tmp_path])


def test_other_code_is_told_once(kit, tmp_path):
    project = elsewhere(tmp_path)
    path = project.root / "pipeline/training/step.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    done = project.pipeline("kit", "run", str(kit), "--minutes", "1", "--out", "back.tar", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: pipeline/training/step.py: not the code that keys/pretrain/")
    assert not (project.root / "back.tar").exists()


def test_a_part_that_is_too_small_says_how_large_it_has_to_be(here):
    done = here.pipeline("kit", "pack", DUEL, "--to", "small", "--part", "4kB", check=False)
    assert done.returncode == 1 and re.fullmatch(r"error: --part: expected [\d,]+ bytes or more, .*\n", done.stderr)
    done = here.pipeline("kit", "pack", DUEL, "--to", "params", check=False)
    assert done.returncode == 1 and "not a part of a kit" in done.stderr
    assert (here.root / "params/datasets.yaml").is_file()


def test_sizes_are_read_as_people_type_them():
    assert [sizes.size("--part", text) for text in ("64MB", "1MiB", "500 kb", "7")] == [64_000_000, 1 << 20, 500_000, 7]
    with pytest.raises(UserError, match="--part: expected a size such as 64MB or 500KiB, found '64 apples'"):
        sizes.size("--part", "64 apples")


def round_trip(path: Path, largest: int = pieces.LARGEST) -> dict[str, int]:
    """Pack and unpack a file; bytes by the way in which they were packed."""
    content, at, found = path.read_bytes(), 0, {}
    for about, packed in pieces.pack(path, largest):
        assert about["at"] == at and 0 < about["size"] <= largest
        assert pieces.unpack(json.loads(json.dumps(about)), packed) == content[at : at + about["size"]]
        at += about["size"]
        found[about["how"]] = found.get(about["how"], 0) + len(packed)
    assert at == len(content)
    return found


@pytest.mark.parametrize("shape", [(70, 3, 8, 8), (1, 3, 1, 1), (5, 3, 33, 17), (70, 3, 400, 7)])
def test_images_are_packed_exactly(tmp_path, shape):
    dice = np.random.default_rng(1)
    rows = np.linspace(0, 3, shape[2])[:, None] + np.linspace(0, 2, shape[3])[None]
    smooth = (127 + 90 * np.sin(rows + dice.normal(size=(*shape[:2], 1, 1)))).astype(np.uint8)
    noise = dice.integers(0, 256, shape, dtype=np.uint8)
    labels = dice.integers(0, 10, shape[0])
    save_file({"a_images": smooth, "a_labels": labels, "b_images": noise}, tmp_path / "both.safetensors")
    round_trip(tmp_path / "both.safetensors")
    round_trip(tmp_path / "both.safetensors", 20_000)
    save_file({"images": smooth}, tmp_path / "smooth.safetensors")
    found = round_trip(tmp_path / "smooth.safetensors")
    if smooth.size > 1000:
        assert found["webp"] < 0.6 * smooth.size


def test_what_is_no_rgb_image_is_packed_otherwise(tmp_path):
    dice = np.random.default_rng(1)
    gray = dice.integers(0, 4, (50, 1, 28, 28), dtype=np.uint8)
    arrays = {"gray": gray, "wide": np.zeros((1, 3, 2, 17_000), np.uint8), "weights": dice.normal(size=(30, 30))}
    save_file(arrays | {"none": np.zeros((0, 3, 8, 8), np.uint8)}, tmp_path / "mixed.safetensors")
    assert "webp" not in round_trip(tmp_path / "mixed.safetensors")
    for name, content in {"text.json": b"{}\n" * 1000, "noise.bin": dice.bytes(5000), "odd.safetensors": b"7"}.items():
        (tmp_path / name).write_bytes(content)
        assert set(round_trip(tmp_path / name, 1500)) <= {"zlib", "raw"}


def test_wheels_are_those_that_are_imported(kit):
    about = parts.load(kit / "part1/kit.json")
    keys = [KeyFile(**{"params": {}, "code": {}, **found}) for found in about.keys.values()]
    found = wheels.needed(keys)
    assert "safetensors" in found and re.fullmatch(r"\d+\.\d+\.\d+", found["safetensors"])
    assert not found.keys() & {*wheels.PRESENT, "snakemake", "dvc", "pandas", "matplotlib", "sympy"}
    assert "async-timeout" not in wheels._closure(["aiohttp"]), "required by older versions of Python alone"
    with pytest.raises(UserError, match="expected a version of Python such as"):
        wheels.download(found, "--index-url", kit)


# -- on the other machine


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_what_fails_stops_no_other(kit, executed_once, tmp_path):
    project = executed_once.copy(tmp_path / "node")
    project.environ["PYTHONPATH"] += ":" + executed_once.environ["PYTHONPATH"].split(":")[1]
    command = ("kit", "run", str(kit), "--minutes", "5", "--out", "back.tar")
    for folder in ("checkpoints", "measurements", "receipts/measurements", ".dvc/cache"):
        shutil.rmtree(project.root / folder)  # without DVC no remote can be asked for what receipts name
    shutil.rmtree(next(project.root.glob(".scratch/kit-*")))
    name = next(path.name for path in (project.root / "keys/pretrain").iterdir() if "linear" in path.name)
    shutil.rmtree(project.root / "receipts/checkpoints" / name.removesuffix(".json"))
    lock = project.root / f".scratch/locks/pretrain-{name.removesuffix('.json')}"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = project.pipeline(*command, check=False)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith("back.tar: 4 executed, 0 were there, 2 failed (checkpoints/") and "2 left" in last
    assert len(returned.read([project.root / "back.tar"]).entries) == 4
    done = project.pipeline(*command)
    assert done.stdout.splitlines()[-1] == "back.tar: 4 executed, 4 were there, 0 failed, 0 left"
    found = contents(project.root / "back.tar")
    lines = found["kit.log"].decode().splitlines()
    assert sum(line.startswith("failed") for line in lines) == 2 and sum("unchanged" in line for line in lines) == 4
    back = contents(executed_once.root / "back/back.tar")
    assert all(found[name] == back[name] for name in back if name.endswith("scores.json"))


@pytest.mark.slow
def test_weights_that_are_here_travel_and_a_training_goes_on_from_its_last_milestone(built, tmp_path):
    def edited(project: Project) -> Project:
        project.edit("params/scales/mini.yaml", "{100: 1, 300: 2}", "{100: 1, 300: 3}")
        path = project.root / "pipeline/evaluation/measures/linear_probe.py"
        path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
        return project

    done = edited(built).pipeline("kit", "pack", DUEL, "--to", "kit")
    assert "2 milestones and 4 measurements in 4 jobs" in done.stdout
    about = parts.load(built.root / "kit/part1/kit.json")
    carried = [
        f"{file['node'].rpartition('/')[2]}/{file['name']}" for file in about.files if "checkpoints" in file["node"]
    ]
    whole = ["history.csv", "losses.safetensors", "model.safetensors", "state.safetensors", "summary.json"]
    assert sorted(carried) == sorted(2 * [f"epoch0001/{name}" for name in whole])
    there = elsewhere(tmp_path / "there")
    there.edit("params/scales/mini.yaml", "tracked: true", "tracked: false")
    edited(there)
    there.pipeline("kit", "run", str(built.root / "kit"), "--minutes", "5", "--out", "back.tar")
    records = [json.loads(path.read_text()) for path in there.root.glob("receipts/checkpoints/*/*/*.execution.json")]
    assert [record["epochs"] for record in records] == [2, 2]
    assert built.pipeline("kit", "enter", str(there.root / "back.tar")).stdout.startswith("6 nodes entered")
    assert built.build(DUEL) == {"table": 1}
    alone = edited(add_mini(copy_project(tmp_path / "alone")))
    alone.build(DUEL)
    assert (built.root / DUEL).read_bytes() == (alone.root / DUEL).read_bytes()


@pytest.mark.slow
def test_a_run_whose_minutes_are_over_goes_on_and_gives_the_same_bytes(tmp_path):
    def longer(project: Project) -> Project:
        project.edit("params/scales/mini.yaml", "train: 96", "train: 4000")
        project.edit("params/scales/mini.yaml", "{100: 1, 300: 2}", "{100: 3, 300: 9}")
        old = "rows: {method: [plain, direct]}\n    columns"
        project.edit("params/papers/mini.yaml", old, "rows: {method: [direct]}\n    columns")
        project.environ["SSL_PROGRESS_SECONDS"] = "0.2"
        return project

    here = longer(declared(tmp_path / "here"))
    prepare(here)
    here.pipeline("kit", "pack", DUEL, "--to", "kit")
    kit = str(here.root / "kit")
    calm = longer(elsewhere(tmp_path / "calm"))
    calm.pipeline("kit", "run", kit, "--minutes", "5", "--out", "back.tar")
    again = longer(elsewhere(tmp_path / "stopped"))
    stops = 0
    for _ in range(20):
        command = ("kit", "run", kit, "--minutes", "0.09", "--out", "back.tar")
        told = again.pipeline(*command).stdout.splitlines()[-1]
        if " 0 left" in told:
            break
        assert "the time was over; type the same command again" in told
        stops += bool(list(again.root.glob(".scratch/*/run/progress.bin")))
    assert stops >= 1, "the training was over too soon for this test to mean anything"
    weights = {path.relative_to(calm.root): files.sha256(path) for path in calm.root.glob("checkpoints/**/*.*")}
    assert weights == {
        path.relative_to(again.root): files.sha256(path) for path in again.root.glob("checkpoints/**/*.*")
    }
    first, second = contents(calm.root / "back.tar"), contents(again.root / "back.tar")
    assert first.keys() == second.keys()
    assert all(first[name] == second[name] for name in first if "execution" not in name and name != "kit.log")
    assert here.pipeline("kit", "enter", str(again.root / "back.tar")).returncode == 0
    assert here.build(DUEL) == {"table": 1}


def test_what_goes_back_is_split(executed_once, tmp_path, kit):
    about = parts.load(kit / "part1/kit.json")
    workspace = Workspace(executed_once.root)
    out = tmp_path / "back.tar"
    written = harvest.write(workspace, about, about.nodes, "a log\n", out, 1 << 20, limit=60_000)
    assert len(written) >= 3 and written[1].name == "back-2.tar"
    assert all(path.stat().st_size < 60_000 for path in written)
    found = returned.read(written)
    assert len(found.entries) == 8 and all(
        "model.safetensors" in e.files for n, e in found.entries.items() if "check" in n
    )
    assert harvest.write(workspace, about, about.nodes[:1], "", out, 0) == [out]
    assert [path.name for path in tmp_path.iterdir()] == ["back.tar"]
    with pytest.raises(UserError, match="--largest: expected at most 15MB"):
        harvest.check(out, 16 << 20)


def test_a_job_that_dies_is_a_failed_one(tmp_path, monkeypatch):
    made = []

    class Dies:
        def __init__(self, workspace):
            pass

        def run(self, nodes):
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(node, "Executor", Dies)
    monkeypatch.setattr(node.Runner, "_readable", lambda self, node: True)
    outcome = node.Outcome()
    runner = node.Runner(Workspace(tmp_path), time.monotonic() + 60, outcome, lambda: made.append(1))
    names = ["checkpoints/a/seed0/epoch0001", "checkpoints/b/seed0/epoch0001"]
    runner.run([[node.Node(name)] for name in names])
    assert outcome.named("failed") == names and len(made) == 2
    assert all("the process was killed (SIGKILL)" in line for line in outcome.log)


# -- what came back


def tarred(path: Path, members: dict[str, bytes], *more: tarfile.TarInfo, twice: str = "") -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in [*members.items(), *([(twice, members[twice])] if twice else [])]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return path


def link(kind: bytes, name: str = "measurements/a/seed0/epoch0001/b/scores.json") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def forged(change: Callable[[dict], None], below: str = "receipts/measurements/") -> Callable[[dict[str, bytes]], None]:
    """Change a receipt; its key is computed again where the change does not touch it."""

    def apply(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.startswith(below) and ".execution" not in name)
        found = json.loads(members[name])
        key = found["key"]
        change(found)
        if found["key"] == key:
            inputs = {role: entry["content"] for role, entry in found["inputs"].items()}
            made = (found["stage"], found["code"], found["params"], inputs, found["seed"], found["epoch"])
            found["key"] = receipt.key_of(*made)
        members[name] = files.dumps(found).encode()

    return apply


def replaced(end: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    def apply(members: dict[str, bytes]) -> None:
        members[next(name for name in members if name.endswith(end))] = content

    return apply


def named(name: str, content: bytes = b"{}\n") -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({name: content})


HARM = {
    "a way out": named("../escape.json"),
    "a way out below": named("measurements/../../escape.json"),
    "an absolute name": named("/tmp/escape.json"),
    "code": named("pipeline/engine/executor.py", b"x = 1\n"),
    "a result": named("results/mini/mini/duel.csv", b"1\n"),
    "a pickle": named("checkpoints/a/seed0/epoch0001/model.pt"),
    "a stray file": named("measurements/a/seed0/epoch0001/b/scores.json"),
    "a data set": named("receipts/data/shapes-1.json"),
    "tampered": replaced("/scores.json", b'{"top1": 99.9}\n'),
    "not JSON": replaced("/scores.json", b"{"),
    "an edited receipt": forged(lambda found: found.update(key="0" * 64)),
    "a moved receipt": forged(lambda found: found.update(node=found["node"].replace("epoch0001", "epoch0002"))),
    "another epoch": forged(lambda found: found.update(epoch=7)),
    "a file elsewhere": forged(lambda found: found["outputs"].update({"../x": {"md5": "0" * 32, "sha256": "0" * 64, "size": 1}})),
    "another md5": forged(lambda found: found["outputs"]["scores.json"].update(md5="0" * 32)),
    "a strange record": replaced(".execution.json", b'{"finished": "now", "seconds": 1, "x": []}\n'),
    "a strange list": replaced("kit.json", b'{"version": 1}\n'),
    "a strange target": replaced("kit.json", files.dumps({"version": 1, "kit": "", "targets": ["-x y"], "config": {}, "nodes": []}).encode()),
    "a folder of theirs": replaced("kit.json", files.dumps({"version": 1, "kit": "", "targets": ["duel"], "config": {"extend": "/x"}, "nodes": []}).encode()),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_what_could_do_harm_is_refused_whole(back, tmp_path, harm):
    members = contents(back)
    HARM[harm](members)
    refused(tarred(tmp_path / "bad.tar", members))


def refused(*paths: Path) -> str:
    with pytest.raises(Refused) as found:
        returned.read(paths)
    line = str(found.value)
    assert "\n" not in line and "refused: " in line and "nothing was entered" in line and len(line) < 500
    return line


def test_links_doubles_and_what_is_too_large_are_refused(back, tmp_path, monkeypatch):
    members = contents(back)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        assert "a link, a folder or a device" in refused(tarred(tmp_path / "bad.tar", members, link(kind)))
    assert "it is there twice" in refused(tarred(tmp_path / "bad.tar", members, twice=sorted(members)[-1]))
    upper = {name.replace("receipts/m", "receipts/M", 1): content for name, content in members.items()}
    assert refused(tarred(tmp_path / "bad.tar", members | upper))
    (tmp_path / "cut.tar").write_bytes(back.read_bytes()[:9000])
    assert refused(tmp_path / "cut.tar")
    (tmp_path / "cut.tar").write_bytes(b"PK\3\4" + bytes(2000))
    assert "not a whole tar file" in refused(tmp_path / "cut.tar")
    other = dict(members)
    replaced("kit.json", members["kit.json"].replace(b'"mini"', b'"tiny"', 1))(other)
    with pytest.raises(UserError):
        returned.read([tmp_path / "absent.tar"])
    monkeypatch.setattr(returned, "LARGEST", 10_000)
    assert "more than any that kit run writes" in refused(back)
    monkeypatch.setattr(returned, "LARGEST", 64 << 20)
    monkeypatch.setattr(returned, "TOTAL", 10_000)
    assert "GiB in all" in refused(back)


def test_nothing_is_entered_of_what_is_refused(here, back, tmp_path):
    members = contents(back)
    HARM["tampered"](members)
    before = seen(here)
    done = here.pipeline("kit", "enter", str(tarred(tmp_path / "bad.tar", members)), check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "scores.json: it is not what" in done.stderr
    assert seen(here) == before


def test_what_was_made_with_other_code_or_params_is_refused_by_name(here, back, tmp_path):
    before = seen(here)
    here.edit(
        "pipeline/evaluation/softmax.py",
        "from __future__ import annotations",
        "from __future__ import annotations\n\nUNUSED = 1",
    )
    done = here.pipeline("kit", "enter", str(back), check=False)
    assert done.returncode == 1
    first, *_, last = done.stdout.splitlines()
    assert (
        first.startswith("refused: measurements/")
        and "(and 3 more): made with another pipeline/evaluation/softmax.py" in first
    )
    assert "python -m pipeline kit pack" in first and last.startswith(
        "4 nodes entered, 0 were here, 4 refused, 0 missing"
    )
    assert not any("measurements/" in path for path in seen(here).keys() - before.keys())
    here.edit("params/scales/mini.yaml", "batch_size: 32", "batch_size: 16")
    done = here.pipeline("kit", "enter", str(back), check=False)
    assert done.returncode == 1 and "(and 7 more): not declared any more" in done.stdout


def test_a_receipt_that_was_made_up_is_not_taken(here, back, tmp_path):
    members = contents(back)
    name = next(name for name in members if name.endswith("/scores.json"))
    content = members[name].replace(b'"outcome"', b'"outcome" ')
    entry = {
        "md5": hashlib.md5(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    place = f"receipts/{Path(name).parent}.json"
    found = json.loads(members[place])
    found["inputs"]["checkpoint"]["content"] = "0" * 64
    found["outputs"]["scores.json"] = entry
    inputs = {role: each["content"] for role, each in found["inputs"].items()}
    found["key"] = receipt.key_of(found["stage"], found["code"], found["params"], inputs, found["seed"], found["epoch"])
    members |= {name: content, place: files.dumps(found).encode()}
    done = here.pipeline("kit", "enter", str(tarred(tmp_path / "made_up.tar", members)), check=False)
    assert done.returncode == 1 and "made with another checkpoint than the one that is here" in done.stdout
    assert not (here.root / place).exists() and "7 nodes entered, 0 were here, 1 refused" in done.stdout
