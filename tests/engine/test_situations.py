"""What a checkout goes through between two builds, as data: what is done, and what a build then executes.

Whatever it is, an edit is seen, what is valid is not made again, no time that Snakemake compares lies in the future or
at 0, nobody has to type ``--unlock``, and nothing that was there is gone. A few run in ``make test``, all of them in
``make test-all``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import py_compile
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import DUEL, ROOT, Project

from pipeline import files
from pipeline.latex import beside
from pipeline.ledger.fingerprint import VERSION
from pipeline.locks import started

Step = Callable[[Project], None]
YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class Situation:
    """One thing that happens.

    Attributes:
        name: What it is called.
        done: What is done, in this order.
        executes: Stages that the next build executes.
        says: Words that it says.
        short: Whether ``make test`` has time for it.
        check: What must hold besides.
    """

    name: str
    done: tuple[Step, ...]
    executes: dict[str, int] = field(default_factory=dict)
    says: str = ""
    short: bool = False
    check: Callable[[Project], None] = lambda project: None


# -- steps


def table_edit(project: Project) -> None:
    """An edit that concerns the table alone."""
    project.edit("params/papers/mini.yaml", "title: One against the other", "title: A duel")


def training_edit(project: Project) -> None:
    """An edit that concerns one of two trainings."""
    project.edit("params/papers/mini.yaml", "epsilon: 0.1", "epsilon: 0.2")


def measure_edit(project: Project) -> None:
    """An edit that concerns all measurements."""
    project.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")


def at(when: Callable[[], float], *patterns: str) -> Step:
    """Give files another time."""

    def step(project: Project) -> None:
        for pattern in patterns:
            found = [p for p in project.root.glob(pattern) if p.is_file() and ".snakemake" not in p.parts]
            assert found, pattern
            for path in found:
                os.utime(path, (when(), when()), follow_symlinks=False)

    return step


def without(*names: str) -> Step:
    """Remove folders or files."""

    def step(project: Project) -> None:
        for name in names:
            for path in list(project.root.glob(name)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return step


def dead_lock(*outputs: str) -> Step:
    """Locks as a snakemake leaves them that was killed."""

    def step(project: Project) -> None:
        folder = project.root / ".snakemake/locks"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "0.output.lock").write_text("".join(f"{name}\n" for name in outputs))
        (folder / "0.input.lock").write_text("".join(f"{name}\n" for name in outputs))

    return step


def dry_run(project: Project) -> None:
    project.snakemake(DUEL, "-n")


# -- situations

WHENS: dict[str, Callable[[], float]] = {
    "in a minute": lambda: time.time() + 60,
    "tomorrow": lambda: time.time() + 86400,
    "in ten years": lambda: time.time() + 10 * YEAR,
    "in 2106": lambda: 2.0**32,
    "at 0": lambda: 0.0,
    "at 1": lambda: 1.0,
    "in 1938": lambda: -1e9,
    "in 1980": lambda: 315532800.0,
    "now": time.time,
}
PLACES = {
    "its results": (f"{Path(DUEL).with_suffix('')}.*",),
    "its csv": (DUEL,),
    "its receipt": (f"{Path(DUEL).with_suffix('')}.receipt.json",),
    "all keys": ("keys/**/*.json",),
    "all jobs": ("jobs/**/*",),
    "all receipts": ("receipts/**/*.json",),
    "everything": ("**/*",),
}
EDITS: dict[str, tuple[Step, dict[str, int]]] = {
    "nothing": (lambda project: None, {}),
    "the table": (table_edit, {"table": 1}),
    "a training": (training_edit, {"pretrain": 2, "linear_probe": 2, "table": 1}),
}
SHORT = {
    ("the table", "its results", "in a minute"),
    ("the table", "everything", "in ten years"),
    ("a training", "everything", "at 0"),
    ("nothing", "all keys", "in a minute"),
}
TIMES = [
    Situation(
        f"{place} {when}, then {edit} is edited" if first else f"{edit} is edited, then {place} {when}",
        (at(WHENS[when], *PLACES[place]), change) if first else (change, at(WHENS[when], *PLACES[place])),
        executes,
        short=first and (edit, place, when) in SHORT,
    )
    for edit, (change, executes) in EDITS.items()
    for place in PLACES
    for when in WHENS
    for first in ((True, False) if place == "everything" and edit != "nothing" else (True,))
    # a training is only edited where its own files have other times
    if edit != "a training" or place in ("all keys", "all jobs", "everything")
]


def no_locks(project: Project) -> None:
    assert not list((project.root / ".snakemake").glob("locks/*"))


LOCKS = [
    Situation(
        f"a dead lock on {what}, {edit} edited{', without the folder of locks' * bare}",
        (dead_lock(*outputs), *((without(".scratch"),) if bare else ()), change),
        executes,
        "an earlier snakemake was killed here",
        short=(what, edit, bare) == ("the table", "the table", False),
        check=no_locks,
    )
    for what, outputs in {"the table": (DUEL,), "nothing": (), "other files": ("results/other.csv",)}.items()
    for edit, (change, executes) in EDITS.items()
    for bare in (False, True)
]


BYTES = "pipeline/nets/predictors/directpred.py"
"""A module whose change concerns two of four trainings."""


def false_memory(whole: bool) -> Step:
    """Have the memory of fingerprints say that an edited module is what it was."""

    def step(project: Project) -> None:
        path = project.root / "keys/.fingerprints.json"
        known = json.loads(path.read_text())
        module = project.root / BYTES

        def content() -> str:
            return hashlib.sha256(f"{VERSION} {BYTES}\n".encode() + module.read_bytes()).hexdigest()

        before = known[content()]
        module.write_text(module.read_text() + "\n\nUNUSED = 1\n")
        known[content()] = before if whole else before[:2]
        path.write_text(json.dumps(known))

    return step


def crlf(*patterns: str) -> Step:
    """What Git makes of text files where core.autocrlf is set."""

    def step(project: Project) -> None:
        for pattern in patterns:
            for path in project.root.glob(pattern):
                if path.suffix in (".csv", ".json", ".md"):
                    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    return step


def forged(*, files_too: bool) -> Step:
    """A table edited together with its own receipt: they agree with each other, and nobody else reads either."""

    def step(project: Project) -> None:
        place = (project.root / DUEL).with_suffix(".receipt.json")
        found = json.loads(place.read_text())
        csv = (project.root / DUEL).read_bytes() + b"mine,1,99.9\n"
        found["outputs"][Path(DUEL).name] = {
            "md5": hashlib.md5(csv, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(csv).hexdigest(),
            "size": len(csv),
        }
        place.write_text(files.dumps(found))
        if files_too:
            (project.root / DUEL).write_bytes(csv)

    return step


def genuine(project: Project) -> None:
    """No file of the table says what a forger wrote."""
    place = (project.root / DUEL).with_suffix(".receipt.json")
    entry = json.loads(place.read_text())["outputs"][Path(DUEL).name]
    assert "99.9" not in (project.root / DUEL).read_text()
    assert files.hashes(project.root / DUEL) == entry


def broken_memory(text: str) -> Step:
    return lambda project: (project.root / "keys/.fingerprints.json").write_text(text) and None


RESULTS = f"{Path(DUEL).with_suffix('')}.*"
NO_STORE = without(".dvc/cache")
OTHERS = [
    Situation(
        "a table edited together with its receipt",
        (forged(files_too=True),),
        says="duel.receipt.json is not what was written: restoring it",
        short=True,
        check=genuine,
    ),
    Situation(
        "a receipt of a table edited alone",
        (forged(files_too=False),),
        says="duel.receipt.json is not what was written: restoring it",
        check=genuine,
    ),
    Situation(
        "a table edited together with its receipt, all of which look old",
        (forged(files_too=True), at(lambda: 1.0, RESULTS)),
        says="duel.receipt.json is not what was written: restoring it",
        check=genuine,
    ),
    Situation(
        "a table edited together with its receipt, and objects that the store has lost",
        (forged(files_too=True), without(".dvc/cache/files")),
        {"table": 1},
        check=genuine,
    ),
    Situation("a false memory of fingerprints", (false_memory(whole=False),), {"pretrain": 2}),
    Situation("a false memory of fingerprints, sealed for another", (false_memory(whole=True),), {"pretrain": 2}),
    *(
        Situation(f"a memory of fingerprints that is {text!r}", (broken_memory(text),))
        for text in ("", "[]", "{", "null", '{"a": 3}', "\\x00")
    ),
    Situation("no memory of fingerprints", (without("keys/.fingerprints.json"),)),
    Situation("results with other line ends", (crlf(RESULTS),), says="Git has changed its line ends", short=True),
    Situation("results with other line ends, and no store", (crlf(RESULTS), NO_STORE), says="Git has changed its line"),
    Situation("all receipts with other line ends", (crlf("receipts/**/*"),)),
    Situation("all keys with other line ends", (crlf("keys/**/*"),)),
    Situation("all jobs with other line ends", (crlf("jobs/**/*"),)),
    Situation("no keys", (without("keys"),)),
    Situation("no jobs", (without("jobs"),)),
    Situation("no scratch", (without(".scratch"),)),
    Situation("nothing of Snakemake's", (without(".snakemake"),)),
    Situation("nothing that is not in Git", (without("keys", "jobs", ".scratch", ".snakemake", "logs"),)),
    Situation("no store", (NO_STORE,)),
    Situation("no store, then a dry run, then an edit of the table", (NO_STORE, dry_run, table_edit), {"table": 1}),
    Situation("a dry run of an edit", (table_edit, dry_run), {"table": 1}),
    Situation("two dry runs of an edit", (training_edit, dry_run, dry_run), {"pretrain": 2, "linear_probe": 2, "table": 1}),
    Situation("a measure is edited", (measure_edit,), {"linear_probe": 4, "table": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    "situation",
    [pytest.param(one, id=one.name, marks=() if one.short else pytest.mark.slow) for one in (*TIMES, *LOCKS, *OTHERS)],
)
def test_situation(built: Project, situation: Situation) -> None:
    had = set(results(built))
    for step in situation.done:
        step(built)
    before = len(built.journal())
    done = built.snakemake(DUEL)
    decided = built.journal()[before:]
    executed = Counter(entry["stage"] for entry in decided if entry["decision"] == "executed")
    assert executed == situation.executes, done.stderr
    assert situation.says in done.stderr
    assert "--unlock" not in done.stderr
    assert had <= set(results(built))
    situation.check(built)
    assert "Nothing to be done" in built.snakemake(DUEL).stderr
    in_order(built)


def results(project: Project) -> list[str]:
    return [path.name for path in (project.root / DUEL).parent.iterdir()]


def in_order(project: Project) -> None:
    """All times that Snakemake compares lie between the first second and now, and say that everything is valid."""
    now = time.time()
    waiting = [f"jobs/table/{Path(DUEL).relative_to('results').with_suffix('.done')}"]
    while waiting:
        path = (project.root / waiting.pop()).with_suffix(".json")
        job = json.loads(path.read_text())
        drawn = job["rule"] in ("table", "figure")
        outputs = list(project.root.glob(f"{job['nodes'][0]}.*")) if drawn else [path.with_suffix(".done")]
        outputs = [file for file in outputs if file.suffix != beside.SUFFIX]  # a view, of which Snakemake knows nothing
        read = [project.root / name for name in job["inputs"]]
        waiting += [name for name in job["inputs"] if name.startswith("jobs/")]
        compared = {file: file.stat().st_mtime for file in (*read, *outputs)}
        assert {file for file, found in compared.items() if not 1 <= found <= now} == set()
        assert max(compared[file] for file in read) <= min(compared[file] for file in outputs), path


# -- bytecode


def stale_bytecode(path: Path, new: str, old: str) -> None:
    """Give a module new source, and bytecode of the old that Python takes for that of the new: same size, same time."""
    assert len(new) == len(old)
    path.write_text(old)
    py_compile.compile(str(path), doraise=True)
    about = path.stat()
    path.write_text(new)
    os.utime(path, ns=(about.st_mtime_ns, about.st_mtime_ns))


@pytest.mark.parametrize("where", ["package", "executing", "theirs"])
def test_bytecode_of_another_source_never_runs(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "pipeline"
    folder.mkdir()
    for name in ("__init__", "bytecode"):
        shutil.copy(ROOT / f"pipeline/{name}.py", folder)
    module = tmp_path / "theirs.py" if where == "theirs" else folder / "stage.py"
    stale_bytecode(module, "WHAT = 'new'\n", "WHAT = 'old'\n")
    name = "theirs" if where == "theirs" else "pipeline.stage"
    plain = subprocess.run([sys.executable, "-c", f"import {module.stem}; print({module.stem}.WHAT)"], cwd=module.parent, text=True, capture_output=True, check=True)  # fmt: skip
    assert plain.stdout == "old\n", "Python itself is deceived"
    anew = "" if where == "package" else "from pipeline.bytecode import Finder; Finder.anew = True; "
    program = f"import pipeline; {anew}import {name} as found; print(found.WHAT)"
    for _ in range(2):  # the second time there is bytecode of ours
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, text=True, capture_output=True, check=True)
        assert done.stdout == "new\n"


def test_an_executing_stage_is_compiled_from_its_source(built: Project) -> None:
    path = built.root / "pipeline/artifacts/table.py"
    source = path.read_text()
    stale_bytecode(path, source + "\n\nUNUSED = 1234\n", source + "\n\nraise OSError\n")
    assert built.build(DUEL) == {"table": 1}


# -- what was there


def test_what_a_failing_job_took_away_comes_back(built: Project) -> None:
    folder = (built.root / DUEL).parent
    table_edit(built)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("measurements", ".dvc/cache/files"):
        shutil.rmtree(built.root / name)
    done = built.snakemake(DUEL, check=False)
    assert done.returncode != 0 and "neither in place" in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "as it was before" in done.stderr


def test_what_a_killed_build_took_away_comes_back(built: Project) -> None:
    folder = (built.root / DUEL).parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    table_edit(built)
    path = built.root / "pipeline/artifacts/table.py"
    path.write_text(path.read_text() + "\n\nimport time\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "snakemake", DUEL, "--cores", "1", "--config", "scale=tiny"]
    with subprocess.Popen(command, cwd=built.root, env=built.environ, stderr=subprocess.DEVNULL, start_new_session=True) as running:  # fmt: skip
        while (built.root / DUEL).exists():
            assert running.poll() is None
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
    built.edit("pipeline/artifacts/table.py", "time.sleep(60)", "time.sleep(0)")
    built.edit("params/papers/mini.yaml", "title: A duel", "title: One against the other")
    for name in ("measurements", ".dvc/cache/files"):
        shutil.rmtree(built.root / name)
    done = built.snakemake(DUEL, check=False)
    assert "an earlier snakemake was killed here" in done.stderr and "--unlock" not in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_forced_build_in_a_clone_without_store_loses_nothing(built: Project) -> None:
    folder = (built.root / DUEL).parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("measurements", "checkpoints", ".dvc/cache"):
        shutil.rmtree(built.root / name)
    assert built.build(DUEL, "--force") == Counter()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# -- file systems that lack something

LACKING = {
    "flock": "import fcntl\ndef flock(*_): raise OSError(37, 'No locks available')\nfcntl.flock = flock\n",
    "permissions": "import os\ndef no(*_, **__): raise PermissionError(1, 'Operation not permitted')\nos.chmod = no\n",
}


@pytest.mark.parametrize("lacks", LACKING)
def test_a_file_system_that_lacks_something_will_do(built: Project, tmp_path: Path, lacks: str) -> None:
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking/sitecustomize.py").write_text(LACKING[lacks])
    command = ("pipeline", "table", f"{Path(DUEL).with_suffix('')}.receipt.json")
    built.environ["PYTHONPATH"] = f"{tmp_path / 'lacking'}:{built.root}"
    shutil.rmtree(built.root / ".dvc/cache")
    (built.root / command[2]).unlink()
    built.call(sys.executable, "-m", *command)
    assert built.journal()[-1]["decision"] == "executed"
    if lacks == "flock":
        table_edit(built)
        assert built.build(DUEL) == {"table": 1}
        lock = built.root / ".scratch/locks/artifact-mini-mini-duel.held"
        assert not lock.exists()
        lock.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "started": started(os.getpid())}))
        done = built.call(sys.executable, "-m", *command, check=False)
        assert f"process {os.getpid()} is working on it" in done.stderr
        lock.write_text(
            json.dumps({"pid": os.getpid(), "host": platform.node(), "started": "1"})
        )  # a number used again
        built.call(sys.executable, "-m", *command)


@pytest.mark.slow
def test_a_short_name_is_a_copy_where_there_are_no_links(built: Project, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ln").write_text("#!/bin/sh\nexit 1\n")
    (tools / "ln").chmod(0o755)
    # snakemake puts the folder of its Python before all others
    (built.root / "rules/common.smk").open("a").write(f'\nos.environ["PATH"] = "{tools}:" + os.environ["PATH"]\n')
    short = ("results/duel.csv", "--config", "scale=mini")
    built.snakemake(*short)
    link = built.root / "results/duel.csv"
    assert not link.is_symlink() and link.read_bytes() == (built.root / DUEL).read_bytes()
    assert "Nothing to be done" in built.snakemake(*short).stderr
    measure_edit(built)
    built.snakemake(*short)
    assert link.read_bytes() == (built.root / DUEL).read_bytes()
