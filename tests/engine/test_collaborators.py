"""Two people, one project: Git and DVC as collaborators use them, as data: who does what, and what must hold after it.

Ann holds everything; Bob has a clone in which only what he asked for is. A remote is a folder, Git's is a bare
repository. After every step: no stage executes that need not, every ``.dvc`` file lists what the receipts say, and
nothing that was ever computed is lost to either.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ROOT, Project, add_mini, copy_project
from remote import serve

from pipeline.provenance.findings import CHANGED, FOREIGN, FORGED, STALE

sys.path.insert(0, str(ROOT / "docs"))
from generator import dvc as pipeline_of_dvc

DVC = str(Path(sys.executable).parent / "dvc")
EARLY, DUEL, LATE, LATER, LATEST, NEAR_LATE, NEAR_LATER = (
    f"results/mini/mini/{name}.csv" for name in ("early", "duel", "late", "later", "latest", "near_late", "near_later")
)
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
        web: Address at which the remote can be read.
    """

    ann: Project
    bob: Project
    folder: Path
    web: str


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
    project.edit("params/scales/mini.yaml", "{100: 1, 300: 2}", "{100: 1, 300: 2, 500: 3, 700: 4, 900: 5}")


def table(name: str, epochs: int, measure: str = "probe", first: bool = False) -> Callable[[Project, Team], None]:
    """Another table of the same runs, declared before or behind all others: so that Git can merge two of them."""

    def does(project: Project, team: Team) -> None:
        text = (
            f"  {name}:\n    title: {name}\n    rows: {{method: [plain, direct]}}\n"
            f"    fixed: {{dataset: cifar10, epochs: {epochs}}}\n    measure: {measure}\n    seeds: 1\n"
            "    baselines: false\n"
        )
        path = project.root / "params/papers/mini.yaml"
        declared = path.read_text()
        head, mark, rest = declared.partition("artifacts:\n")
        path.write_text(head + mark + text + rest if first else declared + text)

    return does


def both(*deeds: Callable[[Project, Team], None]) -> Callable[[Project, Team], None]:
    """One thing after the other, as one step."""

    def does(project: Project, team: Team) -> None:
        for deed in deeds:
            deed(project, team)

    return does


def typed(*commands: str) -> Callable[[Project, Team], None]:
    """What is typed to Git or DVC."""

    def does(project: Project, team: Team) -> None:
        for command in commands:
            first, *rest = command.replace("WEB", team.web).split()
            git(project, *rest) if first == "git" else project.call(DVC, *rest)

    return does


def conflict(how: str, side: str, then: Callable[[Project, Team], None]) -> Callable[[Project, Team], None]:
    """A merge or rebase that conflicts in ``.dvc`` files: one side is taken for all of them, and the Snakefile read."""

    def does(project: Project, team: Team) -> None:
        git(project, "fetch", "-q", "origin")
        assert git(project, *how.split(), check=False) is not None
        names = git(project, "diff", "--name-only", "--diff-filter=U").split()
        assert names and all(name.endswith(".dvc") for name in names), names
        git(project, "checkout", side, "--", *names)
        git(project, "add", "--", *names)
        go_on = ("rebase", "--continue") if how.startswith("rebase") else ("commit", "-q", "--no-edit")
        git(project, "-c", "core.editor=true", *go_on)
        then(project, team)

    return does


def whole(*targets: str) -> Callable[[Project, Team], None]:
    """Read the Snakefile, and commit what it has repaired."""
    return both(build(*targets), lambda project, team: git(project, "commit", "-q", "-a", "-m", "repaired") and None)


def emptied(project: Project, team: Team) -> None:
    """What is left of a clone whose owner needed room: what Git has."""
    for name in ("checkpoints", "measurements", "data", ".dvc/cache", "jobs", "keys", ".snakemake"):
        shutil.rmtree(project.root / name, ignore_errors=True)
    git(project, "checkout", "-q", "--", "checkpoints", "measurements", "data")


def damage(how: Callable[[str], str | None]) -> Callable[[Project, Team], None]:
    """Damage every ``.dvc`` file of a run, and have the Snakefile read."""

    def does(project: Project, team: Team) -> None:
        for path in dvc_files(project):
            text = how(path.read_text())
            path.unlink() if text is None else path.write_text(text)
        project.snakemake(DUEL)

    return does


def driver(project: Project, team: Team) -> None:
    """What ``dvc install`` writes into Git's configuration, without its hooks."""
    command = f"{DVC} git-hook merge-driver --ancestor %O --our %A --their %B"
    git(project, "config", "merge.dvc.driver", command)


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
    Step("ann extends the runs", "ann", both(table("later", 700), build(LATER)), {"pretrain": 2, "linear_probe": 2, "table": 1}),
    Step("and commits", "ann", commit),
    Step("bob extends the same runs", "bob", both(table("latest", 900, first=True), build(LATEST)), {"pretrain": 2, "linear_probe": 2, "table": 1}),
    Step("and commits as well", "bob", commit),
    Step("bob is the first to push", "bob", push),
    Step("ann merges without DVC's driver, and takes hers", "ann", conflict("merge -q --no-edit origin/main", "--ours", whole(LATER, LATEST))),
    Step("ann pushes both", "ann", push),
    Step("bob pulls both", "bob", pull),
    Step("bob builds both from receipts", "bob", build(LATER, LATEST)),
    Step("bob collects garbage, of the remote as well", "bob", collect),
    Step("ann measures more", "ann", both(table("near_later", 700, "near"), build("results/mini/mini/near_later.csv")), {"knn": 2, "table": 1}),
    Step("ann commits the measure", "ann", commit),
    Step("ann pushes the measure", "ann", push),
    Step("bob measures something else", "bob", both(table("near_late", 500, "near", first=True), build("results/mini/mini/near_late.csv")), {"knn": 2, "table": 1}),
    Step("bob commits it", "bob", commit),
    Step("bob rebases without DVC's driver, and takes theirs", "bob", conflict("rebase -q origin/main", "--theirs", whole(DUEL))),
    Step("bob builds after the rebase", "bob", build(NEAR_LATE, NEAR_LATER)),
    Step("bob pushes what was rebased", "bob", push),
    Step("ann sets up DVC's merge driver", "ann", driver),
    Step("ann measures once more", "ann", both(table("near_duel", 300, "near"), build("results/mini/mini/near_duel.csv")), {"knn": 2, "table": 1}),
    Step("ann commits once more", "ann", commit),
    Step("ann merges with DVC's driver", "ann", both(typed("git fetch -q origin", "git branch -q -f theirs origin/main", "dvc fetch -q -a"), pull)),
    Step("ann builds what was merged", "ann", build(NEAR_LATE, NEAR_LATER)),
    Step("ann pushes what was merged", "ann", push),
    Step("bob makes room", "bob", emptied),
    Step("bob knows the remote by its address on the web", "bob", typed("dvc remote add --local web WEB", "dvc config --local core.remote web")),
    Step("bob pulls from Git", "bob", pull),
    Step("bob measures what he fetches over http", "bob", both(table("near_latest", 900, "near", first=True), build("results/mini/mini/near_latest.csv")), {"knn": 2, "table": 1}),
    Step("bob commits what he measured", "bob", commit),
    Step("bob pushes into the folder", "bob", both(typed("dvc push -q -r store"), typed("git push -q origin HEAD:main"))),
    Step("bob pulls the rest over http", "bob", typed("dvc pull -q")),
    Step("bob builds all", "bob", build(DUEL, EARLY, LATE, LATER, LATEST)),
    Step("ann pulls before an experiment", "ann", pull),
    Step("ann reproduces what is there", "ann", typed("dvc repro -q"), {"figure": 1}),
    Step("and again", "ann", typed("dvc repro -q")),
    Step("ann commits the lock", "ann", commit),
    Step("ann runs an experiment", "ann", typed("dvc exp run -q -n longer -S params/scales/mini.yaml:measures.linear_probe.epochs=3"), {"linear_probe": 10, "table": 5, "figure": 1}),
    Step("ann goes back", "ann", both(typed("git reset -q --hard", "git clean -q -f -d receipts checkpoints measurements"), build(DUEL))),
    Step("ann collects garbage, but not of experiments", "ann", typed("dvc gc -q -w --all-experiments -f")),
    Step("ann applies the experiment", "ann", both(typed("dvc exp apply longer -q"), build(DUEL, LATEST))),
    Step("ann goes back again", "ann", both(typed("git reset -q --hard", "git clean -q -f -d receipts checkpoints measurements"), build(DUEL))),
    Step("ann makes a branch of it", "ann", typed("dvc exp branch longer longer -q", "git checkout -q longer")),
    Step("ann builds on the branch", "ann", build(DUEL, LATEST)),
    Step("ann pushes the branch", "ann", typed("dvc push -q", "git push -q origin longer")),
    Step("bob checks the branch out", "bob", typed("git fetch -q origin", "git checkout -q longer")),
    Step("bob builds on the branch", "bob", build(DUEL, LATEST)),
    Step("bob pulls the branch's payload over http", "bob", typed("dvc pull -q")),
    Step("bob goes back to main", "bob", both(typed("git checkout -q main", "dvc checkout -q"), build(DUEL, LATEST))),
]  # fmt: skip


def dvc_files(project: Project) -> list[Path]:
    return sorted(path for path in project.root.rglob("*.dvc") if path.is_file())


def start(folder: Path, web: str) -> Team:
    """Ann has built a table and pushed it; Bob has cloned the repository, and no payload."""
    ann = add_mini(copy_project(folder / "ann"))
    for path in (ann.root / "params/papers").glob("*.yaml"):
        if path.stem != "mini":
            path.unlink()
    (ann.root / "params.yaml").write_text("scale: mini\ndatasets: all\nartifacts: all\n")
    (ann.root / "dvc.yaml").write_text(pipeline_of_dvc.text(ann.root / "params"))
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
    return Team(ann, bob, folder, web)


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


NEARER = {5: 2}
"""Milestone -> epochs that it takes from the nearest that was there: Bob has it of that which Ann had not pushed yet."""

FINDING = re.compile(f"({CHANGED}|{FOREIGN}|{FORGED}|{STALE}): ")
"""What ``audit`` prints of what does not hold, other than that a clone has not all the payload."""

SHORT = STEPS[:3] + [step for step in STEPS if step.name == "a merge params conflict markers"]
"""What ``make test`` has time for."""


@pytest.mark.parametrize(
    "steps", [SHORT, pytest.param(STEPS, marks=[pytest.mark.slow, pytest.mark.timeout(5400)])], ids=["short", "all"]
)
def test_two_people_and_one_project(tmp_path: Path, steps: list[Step]) -> None:
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(serve(tmp_path / "remote", writable=False))
        played(start(tmp_path, web), steps)


def played(team: Team, steps: list[Step]) -> None:
    """Play the steps, and look at both checkouts and at the remote after each."""
    pushed: set[str] = set()
    for step in steps:
        print(f"{step.who}: {step.name}", flush=True)  # what pytest shows of a step that failed
        project = getattr(team, step.who)
        before = len(project.journal())
        step.does(project, team)
        executed = Counter(e["stage"] for e in project.journal()[before:] if e["decision"] == "executed")
        assert executed == step.executes, step.name
        for each in (team.ann, team.bob):
            assert listed(each) == vouched(each), step.name
        if steps is STEPS or step is steps[-1]:
            told = project.pipeline("audit", DUEL, check=False).stdout.splitlines()
            assert not [line for line in told if FINDING.match(line)], step.name
        if "push" in step.name:
            pushed |= set().union(*vouched(project).values())
        remote = {path.parent.name + path.name for path in (team.folder / "remote").rglob("*") if path.is_file()}
        assert pushed <= remote, step.name
    for path in (team.bob.root / "receipts/checkpoints").rglob("epoch*.execution.json"):
        milestone = int(path.name.removeprefix("epoch").partition(".")[0])
        trained = json.loads(path.read_text())["epochs"]
        assert trained == NEARER.get(milestone, 1), f"{path}: went on from the nearest milestone that was to be had"
