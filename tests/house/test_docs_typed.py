"""What the documentation tells people to type is typed here, block by block, in a copy of the project.

Scale quick has the settings of scale tiny (the one substitution, which the tutorial names); all else stands as printed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import MINI, MINI_SCALE, ROOT, Project, add_mini, copy_project

sys.path.insert(0, str(ROOT / "docs"))
from generator import dvc as pipeline_of_dvc

DOCS = ROOT / "docs"
_BLOCK = re.compile(r"(<!-- not typed: .*? -->\s+)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (add to )?(theirs/\S+)")
HOW_TO = (
    *("objective", "encoder", "dataset", "measure", "figure", "cells", "sweep", "latex", "setup", "runs"),
    *("weights", "out", "own", "watch", "site"),
)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Language and text of a page's blocks, in order; those that say that they are not typed are left out."""
    for unsaid, language, text in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        if not unsaid:
            yield language, text


def merged(below: dict, above: dict) -> dict:
    """A declaration with another laid into it."""
    result = dict(below)
    for key, value in above.items():
        inner = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if inner else value
    return result


def write(root: Path, text: str) -> bool:
    """Write the file that a block is, or add to it; whether the block is one."""
    first, _, rest = text.partition("\n")
    match = _FILE.fullmatch(first)
    if match is None:
        return False
    path = root / match[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    if match[1]:
        rest = yaml.safe_dump(merged(yaml.safe_load(path.read_text()), yaml.safe_load(rest)), sort_keys=False)
    path.write_text(rest)
    return True


def shape(line: str) -> str:
    """A line whose numbers with their units, hashes and spaces may be others, and data are what stands in for others."""
    line = re.sub(r" for (stl|cifar)\d+\b", "", line)
    line = re.sub(r"\blocal-[a-z_]+-[0-9a-f]{8}\b", "DATA", line)
    line = re.sub(r"\b[0-9a-f]{8,}\b", "#", line.strip())
    line = re.sub(r"\s+", " ", re.sub(r"[\d.,]*\d", "#", line))
    return re.sub(r"# (ms|s|min|h)\b", "# s", re.sub(r"# [kMG]?B\b", "# B", line))


def type_page(project: Project, page: str) -> None:
    """Write its files, type its commands in one shell, and compare what it says that they print."""
    said = ""
    for language, text in blocks(page):
        if write(project.root, text):
            continue
        if language == "bash":
            said = project.call("bash", "-euo", "pipefail", "-c", f"source .typed\n{text}\ndeclare -px > .typed").stdout
        elif language == "text":
            printed = {shape(line) for line in said.splitlines()}
            for line in filter(None, map(str.strip, text.splitlines())):
                assert line == "..." or shape(line) in printed, (
                    f"{page} shows {line!r}, but what was printed is\n{said}"
                )
        else:
            assert language not in ("python", "yaml"), f"{page}: of which file is this? {text[:60]}"


@pytest.fixture
def typed(tmp_path: Path) -> Project:
    """A clone as a newcomer has it after set-up, with small settings at scale quick."""
    if not (Path(sys.prefix) / "pyvenv.cfg").is_file():
        pytest.skip("needs to run in a virtual environment, as make sets it up")
    project = copy_project(tmp_path / "project")
    for name in ("Makefile", "requirements.txt", "pyproject.toml", "LICENSE", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, project.root / name)
    scales = project.root / "params/scales"
    shutil.copy(scales / "tiny.yaml", scales / "quick.yaml")
    environment = project.root / ".venv"
    environment.mkdir()
    for path in Path(sys.prefix).iterdir():
        if not path.name.startswith("."):
            (environment / path.name).symlink_to(path)
    (environment / ".ready").touch()  # so that make installs nothing
    os.utime(project.root / "requirements.txt", (0, 0))
    (project.root / ".typed").touch()
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b.c commit -qm clone"):
        subprocess.run(["git", *command.split()], cwd=project.root, check=True, capture_output=True)
    return project


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial(typed: Project) -> None:
    type_page(typed, "tutorial.md")


@pytest.mark.parametrize("page", HOW_TO)
def test_how_to(typed: Project, page: str) -> None:
    for _, text in blocks("how-to/paper.md"):
        write(typed.root, text)
    type_page(typed, f"how-to/{page}.md")


@pytest.mark.slow
def test_how_to_make_a_paper(typed: Project) -> None:
    type_page(typed, "how-to/paper.md")
    lines = (typed.root / "results/theirs/theirs/duel.csv").read_text().splitlines()
    assert len(lines) == 5 and any("12.5" in line for line in lines)
    runs = [entry for entry in typed.journal() if entry["decision"] == "executed" and entry["stage"] == "pretrain"]
    assert len({entry["node"].split("/")[1] for entry in runs}) == 6, "both tables share the runs at lr 0.05"


def with_one_paper(typed: Project, scale: str, more: str) -> None:
    """Withdraw all papers but the mini one, and have its scale stand for another one."""
    add_mini(typed).alone()
    (typed.root / "params/scales/mini.yaml").unlink()
    (typed.root / f"params/scales/{scale}.yaml").write_text(MINI_SCALE + more)


def commit(typed: Project) -> None:
    """Commit what has changed, as somebody."""
    for setting in ("user.name a", "user.email a@b.c"):
        typed.call("git", "config", *setting.split())
    typed.call("git", "commit", "-q", "-a", "-m", "one paper")


@pytest.mark.slow
def test_a_night_on_a_laptop(typed: Project) -> None:
    """A paper of two runs that are trained in seconds stands for the five, and its settings for those of the scale."""
    with_one_paper(typed, "laptop", "tracked: true\n")
    (typed.root / "params/papers/mini.yaml").unlink()
    paper = MINI.replace("paper: mini", "paper: directpred").replace("duel:", "table8:")
    (typed.root / "params/papers/directpred.yaml").write_text(paper)
    for folder in ("results/laptop", "receipts", "checkpoints", "measurements", "data", "simulations"):
        shutil.rmtree(typed.root / folder, ignore_errors=True)
    commit(typed)
    type_page(typed, "how-to/laptop.md")
    made = Counter((e["stage"], e["decision"]) for e in typed.journal())
    assert made["pretrain", "executed"] == 4, "two milestones of two methods"
    reader = Project(typed.root.parent / "reader", typed.environ)
    assert {entry["decision"] for entry in reader.journal()} == {"restored"}, "nothing is executed"
    assert [*reader.root.glob("checkpoints/*/seed0/epoch0002/model.safetensors")]


@pytest.mark.slow
def test_dvc_here(typed: Project) -> None:
    """One paper of two runs stands for the five, and its settings for those of scale gpu."""
    with_one_paper(typed, "gpu", "tracked: true\nseeds: 1\n")
    paper = typed.root / "params/papers/mini.yaml"
    paper.write_text(MINI.replace("seeds: 1", "seeds: 2"))
    (typed.root / "dvc.yaml").write_text(pipeline_of_dvc.text(typed.root / "params"))
    commit(typed)
    type_page(typed, "how-to/dvc.md")
    made = Counter((e["stage"], e["decision"]) for e in typed.journal())
    assert made["pretrain", "executed"] == 8, "four milestones of the first seed, four of the second"
    colleague = Project(typed.root.parent / "colleague", typed.environ)
    assert colleague.journal() == [] and list(colleague.root.glob("checkpoints/*/seed0/epoch0002/model.safetensors"))


def test_every_page_that_shows_commands_is_typed_or_says_why_not() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    with_commands = {page for page in pages if any(language == "bash" for language, _ in blocks(page))}
    assert with_commands == {
        "tutorial.md",
        "how-to/paper.md",
        "how-to/dvc.md",
        "how-to/laptop.md",
        *(f"how-to/{page}.md" for page in HOW_TO),
    }
