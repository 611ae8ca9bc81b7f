"""What tests share: a copy of the project to build in, and real snakemake on it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import shape_checks  # noqa: E402
import warm  # noqa: E402

from pipeline import bytecode  # noqa: E402
from pipeline.ledger import accepted  # noqa: E402

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what tests start would compile the package each time
shape_checks.install()

PARTS = (
    "Snakefile",
    "pipeline",
    "rules",
    "params",
    "profiles",
    "dvc.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
    ".gitattributes",
)


LONG = ("sharing", "house", "engine", "provenance", "kit", "kernels", "training", "papers", "planning")
"""Folders of tests that build or train, longest first: the many short ones come last, and workers end together."""


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once, before workers start: every copy of the project takes the bytecode along."""
    if not hasattr(config, "workerinput"):
        sys.dont_write_bytecode = False
        for path in (ROOT / "pipeline").rglob("*.py"):
            bytecode.Loader("pipeline", str(path)).get_code("pipeline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that take long before the others."""
    order = {folder: place for place, folder in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(LONG)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@dataclass
class Project:
    """A checkout in a folder of its own.

    Attributes:
        root: Its folder.
        environ: Environment of everything that is called in it.
    """

    root: Path
    environ: dict[str, str]

    def call(self, *command: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess:
        """Run a command in the checkout; its output is text."""
        if warm.can_run(command, self.root, self.environ):
            done = warm.run(command, self.root, self.environ, timeout)
        else:
            done = subprocess.run(
                command, cwd=self.root, env=self.environ, text=True, capture_output=True, timeout=timeout, check=False
            )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def snakemake(self, *arguments: str, check: bool = True, **more) -> subprocess.CompletedProcess:
        """Run snakemake on two cores at scale tiny, or as the arguments say."""
        config = [] if "--config" in arguments else ["--config", "scale=tiny"]
        return self.call(sys.executable, "-m", "snakemake", *arguments, "--cores", "2", *config, check=check, **more)

    def pipeline(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run the project's own command line."""
        return self.call(sys.executable, "-m", "pipeline", *arguments, check=check)

    def journal(self) -> list[dict]:
        """All decisions of the executor so far."""
        path = self.root / "logs/journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def build(self, *targets: str, **more) -> Counter:
        """Run snakemake; returns how many stages of each kind it executed."""
        before = len(self.journal())
        self.snakemake(*targets, **more)
        return Counter(entry["stage"] for entry in self.journal()[before:] if entry["decision"] == "executed")

    def copy(self, root: Path) -> Project:
        """The same checkout in another folder, times and Snakemake's own notes included."""
        assert not root.exists()
        copy_files(root, self.root)
        return Project(root, self.environ | {"PYTHONPATH": str(root)})

    def alone(self) -> Project:
        """Withdraw all papers but the mini one: what plans everything takes a tenth of the time."""
        for path in (self.root / "params/papers").glob("*.yaml"):
            if path.stem != "mini":
                path.unlink()
        return self

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path}: {old!r} stands {text.count(old)} times"
        file.write_text(text.replace(old, new))


def copy_files(target: Path, *sources: Path) -> None:
    """Copy files and folders as they are, times and links included: a thousand small ones, which Python takes longer for."""
    subprocess.run(["cp", "-a", *map(str, sources), str(target)], check=True)


def copy_project(root: Path) -> Project:
    """The project's own files, as a clone has them, in ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    copy_files(root, *(ROOT / part for part in PARTS))
    (root / accepted.FILE).unlink(missing_ok=True)  # what is declared of results that are not copied
    (root / ".dvc").mkdir(exist_ok=True)
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, root / ".dvc" / name)
    return Project(root, environment(root))


def environment(root: Path) -> dict[str, str]:
    """Variables of what is called in a copy of the project: none of the user's that this project or Snakemake reads."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SSL_", "SNAKEMAKE"))}
    return environ | {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def load_yaml(text: str) -> Any:
    """Plain data of YAML, read by libyaml: ten times as fast as in Python."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def dump_yaml(data: Any) -> str:
    """Plain data as YAML, in its own order."""
    return yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)


@functools.cache
def _theirs() -> dict[str, str]:
    """A paper that is right, and a scale: name -> text."""
    paper = load_yaml((ROOT / "params/papers/directpred.yaml").read_text().replace("paper: directpred", "paper: mine"))
    paper["artifacts"] = {"t": paper["artifacts"]["table8"]}
    scale = load_yaml((ROOT / "params/scales/tiny.yaml").read_text())
    return {"papers/mine.yaml": dump_yaml(paper), "scales/small.yaml": dump_yaml(scale)}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A user's own folder with a paper that is right."""
    for name, text in _theirs().items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Annotations are not checked: the test is about what a function says to bad arguments."""
    with shape_checks.switched_off():
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy of the project."""
    return copy_project(tmp_path / "project")


MINI = """
paper: mini
title: Two methods, for tests
authors: nobody
year: 2026
defaults:
  encoder: {kind: tiny_conv}
  projector: {kind: mlp, hidden: 16, out: 8}
  target: {kind: ema, momentum: 0.9}
  objective: {kind: cosine}
  optimizer: {kind: sgd, lr: 0.1, momentum: 0.9, weight_decay: 4.0e-4}
methods:
  plain: {predictor: {kind: linear}}
  direct: {predictor: {kind: directpred, epsilon: 0.1, rho: 0.3}}
measures:
  probe: {measure: {kind: linear_probe}, value: top1_last, unit: "%"}
axes:
  lr: optimizer.lr
artifacts:
  duel:
    title: One against the other
    rows: {method: [plain, direct]}
    columns: {epochs: [100, 300]}
    fixed: {dataset: cifar10}
    measure: probe
    seeds: 1
    baselines: false
  early:
    title: The first column only
    rows: {method: [plain, direct]}
    fixed: {dataset: cifar10, epochs: 100}
    measure: probe
    seeds: 1
    baselines: false
  bars:
    title: The first column as bars
    kind: figure
    draw: mini/bars
    rows: {method: [plain, direct]}
    fixed: {dataset: cifar10, epochs: 100}
    measure: probe
    seeds: 1
    baselines: false
"""

MINI_SCALE = """
title: tests
datasets: {cifar10: {name: shapes, train: 96, test: 64, size: 8}}
epochs: {100: 1, 300: 2}
every_run:
  views: {kind: simclr, scale_min: 0.5}
  encoder: {kind: tiny_conv, channels: [4, 8], strides: [1, 2]}
  batch_size: 32
measures: {linear_probe: {epochs: 2}}
estimate: {measurement: 0.1}
"""

PICTURE = '''
"""Bars, one per cell."""

from matplotlib.figure import Figure

from pipeline.artifacts.drawing import Drawing


def draw(rows, params, *, width: float = 3.0):
    """One bar per cell."""
    figure = Figure(figsize=(width, 2.0))
    axes = figure.subplots()
    axes.bar([row.axes["method"] for row in rows], [row.mean for row in rows])
    axes.set_ylabel("top-1 in %")
    records = [{"method": row.axes["method"], "quantity": "top1", "value": row.mean} for row in rows]
    return Drawing(figure, ["method"], records, "One bar per method.")
'''

DUEL = "results/mini/mini/duel.csv"
BARS = "results/mini/mini/bars.csv"


def add_mini(project: Project) -> Project:
    """Declare a paper of two runs, and a scale of its own that no edit of ours will change."""
    (project.root / "params/papers/mini.yaml").write_text(MINI)
    (project.root / "params/scales/mini.yaml").write_text(MINI_SCALE)
    figures = project.root / "pipeline/papers/mini/figures"
    figures.mkdir(parents=True)
    (figures.parent / "__init__.py").write_text("")
    (figures / "bars.py").write_text(PICTURE)
    return project


def withdraw(params: Path, paper: str, name: str) -> Path:
    """Take an artifact out of a paper's declarations: registered, and not declared."""
    path = params / f"papers/{paper}.yaml"
    declared = json.loads(json.dumps(load_yaml(path.read_text())))
    declared["artifacts"].pop(name)
    path.write_text(dump_yaml(declared))
    return params


@pytest.fixture(scope="session")
def built_once(tmp_path_factory) -> Project:
    """The mini paper's table, built by the worker that is first; copied by every test that starts from it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    folder.mkdir(exist_ok=True)
    with filelock.FileLock(folder / "lock"):
        if not (folder / "whole").exists():
            project = add_mini(copy_project(folder / "project"))
            assert project.build(DUEL) == {"prepare": 1, "pretrain": 4, "linear_probe": 4, "table": 1}
            (folder / "whole").touch()
    return Project(folder / "project", environment(folder / "project"))


@pytest.fixture(scope="session")
def drawn_once(built_once: Project, tmp_path_factory) -> Project:
    """The mini paper's table and its figure."""
    project = built_once.copy(tmp_path_factory.mktemp("drawn") / "project")
    assert project.build(BARS) == {"figure": 1}
    return project


@pytest.fixture
def drawn(drawn_once: Project, tmp_path: Path) -> Project:
    """A copy of the project with a table and a figure."""
    return drawn_once.copy(tmp_path / "project")


@pytest.fixture
def built(built_once: Project, tmp_path: Path) -> Project:
    """A copy of the built project, times and Snakemake's own notes included."""
    return built_once.copy(tmp_path / "project")
