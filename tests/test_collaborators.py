"""Two people, one project: Git and DVC as collaborators use them, as data: who does what, and what must hold after it.

Ann holds everything; Bob has a clone in which only what he asked for is. A remote is a folder, Git's is a bare
repository. After every step: no stage executes that need not, every ``.dvc`` file lists what the receipts say, and
nothing that was ever computed is lost to either.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import Project, add_mini, copy_project

DVC = str(Path(sys.executable).parent / "dvc")
EARLY, DUEL, LATE = (f"results/mini/mini/{name}.csv" for name in ("early", "duel", "late"))
MORE = """
  late:
    title: A longer training
    rows: {method: [plain, direct]}
    fixed: {dataset: cifar10, epochs: 500}
    measure: probe
    seeds: 1
    baselines: false
"""
NOTHING: dict[str, int] = {}


@dataclass
class Team:
    """Two checkouts.

    Attributes:
        ann: Who has everything.
        bob: Whose clone holds a part.
        folder: Where both are, and the remotes.
    """

    ann: Project
    bob: Project
    folder: Path


@dataclass(frozen=True)
class Step:
    """One thing that somebody does.

    Attributes:
        name: What it is.
        who: ``ann`` or ``bob``.
        does: The deed.
        executes: Stages that it executes.
    """

    name: str
    who: str
    does: Callable[[Project, Team], None]
    executes: dict[str, int] = field(default_factory=dict)


def git(project: Project, *arguments: str, check: bool = True) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return project.call("git", *identity, *arguments, check=check).stdout


def build(*targets: str) -> Callable[[Project, Team], None]:
    return lambda project, team: project.snakemake(*targets) and None


def commit(project: Project, team: Team) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "work")


def push(project: Project, team: Team) -> None:
    project.call(DVC, "push", "-q")
    git(project, "push", "-q", "origin", "HEAD:main")


def pull(project: Project, team: Team) -> None:
    """Git alone: the payload stays where it is."""
    git(project, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")


def collect(project: Project, team: Team) -> None:
    """``dvc gc`` as an owner does it, of the remote as well."""
    project.call(DVC, "gc", "-q", "-w", "-c", "-f")


def more_probe(project: Project, team: Team) -> None:
    """Another measure of the same runs, in a table of its own."""
    project.edit(
        "params/papers/mini.yaml",
        "measures:\n",
        'measures:\n  near: {measure: {kind: knn}, value: top1, unit: "%"}\n',
    )
    project.edit(
        "params/papers/mini.yaml",
        "artifacts:\n",
        "artifacts:\n  neighbours:\n    title: Neighbours\n    rows: {method: [plain, direct]}\n"
        "    fixed: {dataset: cifar10, epochs: 100}\n    measure: near\n    seeds: 1\n    baselines: false\n",
    )


def longer(project: Project, team: Team) -> None:
    """A new milestone."""
    path = project.root / "params/papers/mini.yaml"
    path.write_text(path.read_text() + MORE)
    project.edit("params/scales/mini.yaml", "{100: 1, 300: 2}", "{100: 1, 300: 2, 500: 3}")


def damage(how: Callable[[str], str | None]) -> Callable[[Project, Team], None]:
    """Damage every ``.dvc`` file of a run, and have the Snakefile read."""

    def does(project: Project, team: Team) -> None:
        for path in dvc_files(project):
            text = how(path.read_text())
            path.unlink() if text is None else path.write_text(text)
        project.snakemake(DUEL)

    return does


CONFLICT = "<<<<<<< HEAD\n{0}=======\n{0}>>>>>>> theirs\n"
STEPS = [
    Step("bob builds what is committed", "bob", build(EARLY)),
    Step("bob asks for a new measure", "bob", more_probe),
    Step("and takes it, without ever having trained", "bob", build("results/mini/mini/neighbours.csv"), {"knn": 2, "table": 1}),
    Step("bob commits", "bob", commit),
    Step("bob pushes", "bob", push),
    Step("ann pulls", "ann", pull),
    Step("ann builds it from receipts", "ann", build("results/mini/mini/neighbours.csv")),
    Step("ann collects garbage, of the remote as well", "ann", collect),
    Step("ann still has everything", "ann", build(DUEL)),
    Step("bob asks for a longer training", "bob", longer),
    Step("which goes on from the nearer milestone", "bob", build(LATE), {"pretrain": 2, "linear_probe": 2, "table": 1}),
    Step("bob commits that", "bob", commit),
    Step("bob pushes that", "bob", push),
    Step("ann pulls that", "ann", pull),
    Step("ann builds that from receipts", "ann", build(LATE, DUEL)),
    Step("ann collects garbage again", "ann", collect),
    Step("bob's checkout is emptied", "bob", lambda p, t: [shutil.rmtree(p.root / n) for n in ("checkpoints", ".dvc/cache", "jobs", "keys", ".snakemake")] and git(p, "checkout", "-q", "--", "checkpoints") and None),
    Step("bob builds everything from receipts", "bob", build(LATE, DUEL, EARLY)),
    Step("somebody shortens .dvc files", "bob", damage(lambda text: text.replace("nfiles: ", "nfiles: 1").replace("md5: ", "md5: 0", 1)[:400])),
    Step("somebody deletes .dvc files", "bob", damage(lambda text: None)),
    Step("a merge params conflict markers", "bob", damage(CONFLICT.format)),
    Step("somebody empties .dvc files", "ann", damage(lambda text: "")),
    Step("bob pulls payload", "bob", lambda p, t: p.call(DVC, "pull", "-q") and None),
    Step("bob builds with payload", "bob", build(LATE, DUEL, EARLY)),
]  # fmt: skip


def dvc_files(project: Project) -> list[Path]:
    return sorted(path for path in project.root.rglob("*.dvc") if path.is_file())


def start(folder: Path) -> Team:
    """Ann has built a table and pushed it; Bob has cloned the repository, and no payload."""
    ann = add_mini(copy_project(folder / "ann"))
    ann.edit("params/scales/mini.yaml", "title: tests", "title: tests\ntracked: true")
    ignore = ann.root / ".gitignore"
    ignore.write_text(ignore.read_text() + "!/results/mini/\n")
    ann.call("git", "init", "-q", "--bare", "-b", "main", str(folder / "origin.git"))
    git(ann, "init", "-q", "-b", "main")
    git(ann, "remote", "add", "origin", str(folder / "origin.git"))
    ann.call(DVC, "remote", "add", "-d", "store", str(folder / "remote"))
    ann.snakemake(DUEL, EARLY)
    commit(ann, None)
    ann.call(DVC, "push", "-q")
    git(ann, "push", "-q", "origin", "main")
    git(ann, "clone", "-q", str(folder / "origin.git"), str(folder / "bob"))
    bob = Project(folder / "bob", ann.environ | {"PYTHONPATH": str(folder / "bob")})
    return Team(ann, bob, folder)


def listed(project: Project) -> dict[str, set[str]]:
    """md5 of what every ``.dvc`` file lists, by its folder."""
    found = {}
    for path in dvc_files(project):
        name = path.read_text().split("md5: ", 1)[1].split("\n", 1)[0]
        place = project.root / f".dvc/cache/files/md5/{name[:2]}/{name[2:]}"
        if not place.is_file():
            place = project.root.parent / f"remote/files/md5/{name[:2]}/{name[2:]}"
        found[path.relative_to(project.root).with_suffix("").as_posix()] = {
            entry["md5"] for entry in json.loads(place.read_text())
        }
    return found


def vouched(project: Project) -> dict[str, set[str]]:
    """md5 of what the receipts of every such folder name."""
    found: dict[str, set[str]] = {}
    for path in (project.root / "receipts").rglob("*.json"):
        if path.name.endswith(".execution.json"):
            continue
        name = path.relative_to(project.root / "receipts").with_suffix("").as_posix()
        folder = name if name.startswith("data/") else "/".join(name.split("/")[:3])
        entries = json.loads(path.read_text())["outputs"].values()
        found.setdefault(folder, set()).update(entry["md5"] for entry in entries)
    return found


SHORT = STEPS[:3] + [step for step in STEPS if step.name == "a merge params conflict markers"]
"""What ``make test`` has time for."""


@pytest.mark.parametrize("steps", [SHORT, pytest.param(STEPS, marks=pytest.mark.slow)], ids=["short", "all"])
def test_two_people_and_one_project(tmp_path: Path, steps: list[Step]) -> None:
    team = start(tmp_path)
    pushed: set[str] = set()
    for step in steps:
        project = getattr(team, step.who)
        before = len(project.journal())
        step.does(project, team)
        executed = Counter(e["stage"] for e in project.journal()[before:] if e["decision"] == "executed")
        assert executed == step.executes, step.name
        for each in (team.ann, team.bob):
            assert listed(each) == vouched(each), step.name
        if step.does is push:
            pushed |= set().union(*vouched(project).values())
        remote = {path.parent.name + path.name for path in (tmp_path / "remote").rglob("*") if path.is_file()}
        assert pushed <= remote, step.name
    if steps is SHORT:
        return
    went_on = [e["epochs"] for e in records(team.bob) if e.get("epochs")]
    assert max(went_on) == 1, "no training began at epoch 0 that had a nearer milestone"


def records(project: Project) -> list[dict]:
    return [json.loads(path.read_text()) for path in (project.root / "receipts").rglob("epoch*.execution.json")]
