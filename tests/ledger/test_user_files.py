"""The user's own files: what a folder of pictures or a checkpoint holds is in keys, where it lies is in none."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from conftest import Project
from theirs import PAPER

from pipeline import components, user_files
from pipeline.engine import opened
from pipeline.engine.executor import Executor
from pipeline.engine.state import EXECUTE, IN_PLACE, States
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.errors import UserError
from pipeline.ledger.workspace import Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import audit, why
from pipeline.provenance.identify import Origin

SOURCE = '''
"""Pictures in a folder, one file each: eight grey levels of 8x8 pixels."""

from pathlib import Path

import numpy as np


def build(files, writer, *, root: Path, weights: Path | None = None, also: str = "", train: int = 96, test: int = 64):
    """Write what the folder holds.

    Args:
        files: None are needed.
        writer: Where the arrays go.
        root: The folder.
        weights: A file that is read too.
        also: A file that is read and is not declared.
        train: Number of training images.
        test: Number of test images.
    """
    assert isinstance(root, Path) and (weights is None or isinstance(weights, Path))
    seeds = [int(path.read_text()) for path in sorted(root.rglob("*.txt"))]
    if also:
        seeds.append(len(Path(also).read_text()))
    if weights is not None:
        seeds.append(len(weights.read_bytes()))
    counts = {"train": train, "test": test}
    writer.declare(
        ["dark", "bright"],
        {f"{split}_images": ("uint8", (count, 3, 8, 8)) for split, count in counts.items()}
        | {f"{split}_labels": ("int64", (count,)) for split, count in counts.items()},
    )
    for number, (split, count) in enumerate(counts.items()):
        labels = np.arange(count) % 2
        grey = np.random.default_rng([number, *seeds]).integers(0, 128, (count, 3, 8, 8)) + 100 * labels[:, None, None, None]
        writer.append(f"{split}_images", grey.astype(np.uint8))
        writer.append(f"{split}_labels", labels)
'''

DATASETS = """
marks: {title: Small shapes, source: {kind: album, root: photos}, classes: 2, licence: MIT}
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A user's own folder: a data set whose source reads the folder ``photos`` beside it."""
    folder = tmp_path / "theirs"
    for name, text in {
        "papers/theirs.yaml": PAPER.replace("repel, strength: 0.5", "cosine").replace("repel, strength: 2.0", "infonce")
        .replace("    published: {file: theirs_ablation.csv}\n", ""),
        "scales/theirs.yaml": "title: theirs\n",
        "datasets.yaml": DATASETS,
        "sources/album.py": SOURCE,
        "photos/a.txt": "1",
        "photos/inner/b.txt": "2",
    }.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class Checkout:
    """A folder to build in, within this process.

    Args:
        root: The folder, which is the working directory.
        extend: The user's own.
    """

    def __init__(self, root: Path, extend: Path) -> None:
        self.workspace = Workspace(root)
        self.extend = extend

    def states(self) -> States:
        options = Options.parse({"scale": "theirs", "extend": str(self.extend)}, {})
        catalogue = Catalogue(options)
        request = catalogue.request("results/ablation.csv")
        assert request is not None
        return States(Plan(catalogue, [request]), self.workspace)

    def data(self, states: States):
        (state,) = (state for state in states if state.node.name.startswith("data/"))
        return state

    def prepare(self) -> str:
        """Execute the data set as a job would; returns its node."""
        states = self.states()
        state = self.data(states)
        sync_key_files(states, [])
        path = self.workspace.path(state.node.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(state.key_file.text())
        Executor(self.workspace).run([state.node])
        return state.node.name


@pytest.fixture
def checkout(tmp_path: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    root = tmp_path / "checkout"
    (root / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.delitem(sys.modules, f"{components.EXTENSION}.sources.album", raising=False)
    monkeypatch.setattr(user_files, "_memory", lambda: user_files._Memory(user_files.MEMORY))
    return Checkout(root, theirs)


def test_what_a_folder_holds_is_in_the_key_and_told_by_file(checkout: Checkout, theirs: Path):
    node = checkout.prepare()
    states = checkout.states()
    state = checkout.data(states)
    assert (state.node.name, state.status) == (node, IN_PLACE)
    kept = json.loads(checkout.workspace.path(state.node.receipt).read_text())["params"]["source"]["root"]
    assert kept.keys() == {"content", "files"} and kept["files"] == 2
    (theirs / "photos/c.txt").write_text("3")
    (theirs / "photos/a.txt").write_text("7")
    states = checkout.states()
    state = checkout.data(states)
    assert state.status == EXECUTE
    assert [line.split("  (")[0] for line in why.lines(states, state)] == [
        "param: source.root: a.txt changed; c.txt is new"
    ]
    assert checkout.prepare() != node
    (theirs / "photos/c.txt").unlink()
    (theirs / "photos/a.txt").write_text("1")
    state = checkout.data(checkout.states())
    assert (state.node.name, state.status) == (node, IN_PLACE), "changing back costs nothing"


def test_what_file_managers_leave_in_a_folder_is_no_content(checkout: Checkout, theirs: Path):
    node = checkout.prepare()
    for name in (".DS_Store", "inner/.DS_Store", "inner/._b.txt", "Thumbs.db", "inner/Desktop.ini", ".cache/d/e.txt"):
        path = theirs / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left behind")
    state = checkout.data(checkout.states())
    assert (state.node.name, state.status) == (node, IN_PLACE)
    # of its own accord nothing else is left out, and a hidden folder that was named is one like any other
    (theirs / "photos/thumbs.db.txt").write_text("3")
    assert checkout.data(checkout.states()).status == EXECUTE
    assert user_files.listing(theirs / "photos/.cache").keys() == {"d/e.txt"}
    assert user_files.listing(theirs / "photos/.DS_Store").keys() == {""}


def test_audit_names_the_file_that_changed(checkout: Checkout, theirs: Path):
    node = checkout.prepare()
    origin = Origin(node)
    found = audit.audit(checkout.workspace, node, origin, checkout.states())
    assert found.holds, [finding.line() for finding in found.findings]
    (theirs / "photos/inner/b.txt").unlink()
    states = checkout.states()
    texts = [finding.text for finding in audit._stale(states, found.chain, True, set())]
    assert any("source.root: inner/b.txt is gone" in text for text in texts)


def test_where_a_folder_lies_is_in_no_key(checkout: Checkout, theirs: Path, tmp_path: Path):
    node = checkout.prepare()
    shutil.move(theirs / "photos", tmp_path / "elsewhere")
    datasets = theirs / "datasets.yaml"
    datasets.write_text(DATASETS.replace("root: photos", f"root: {tmp_path}/elsewhere"))
    state = checkout.data(checkout.states())
    assert (state.node.name, state.status) == (node, IN_PLACE)


def test_a_path_that_is_not_there_is_one_line_at_plan_time(checkout: Checkout, theirs: Path):
    shutil.rmtree(theirs / "photos")
    # the file that declares it stands first, not the source that asks for it
    told = rf"^{theirs}/datasets\.yaml: marks: source\.root: 'photos': there is no file or folder .*theirs/photos or "
    with pytest.raises(UserError, match=told):
        checkout.states()


@pytest.mark.parametrize(
    ("value", "words"),
    [("3", "expected the path of a file or folder"), ('""', "expected the path"), ("[a]", "expected the path"),
     ('"a\\0b"', "there is no file or folder"), ("~nobody-of-this-name/x", "there is no file or folder")],
)  # fmt: skip
def test_a_path_that_is_none_is_one_line(checkout: Checkout, theirs: Path, value: str, words: str):
    (theirs / "datasets.yaml").write_text(DATASETS.replace("root: photos", f"root: {value}"))
    with pytest.raises(UserError, match=words):
        checkout.states()


def test_a_file_that_changes_while_a_stage_runs_enters_no_store(checkout: Checkout, theirs: Path):
    source = theirs / "sources/album.py"
    source.write_text(SOURCE.replace("    counts =", '    (root / "a.txt").write_text("11")\n    counts ='))
    with pytest.raises(UserError, match=r"photos: changed since it was read for source\.root"):
        checkout.prepare()
    assert not list(checkout.workspace.path("receipts").rglob("*.json"))
    assert not list(checkout.workspace.path(".dvc/cache/receipts").rglob("*.json"))


def test_a_file_changed_after_the_plan_is_not_read(checkout: Checkout, theirs: Path):
    states = checkout.states()
    state = checkout.data(states)
    path = checkout.workspace.path(state.node.key)
    path.parent.mkdir(parents=True)
    path.write_text(state.key_file.text())
    (theirs / "photos/a.txt").write_text("11")
    with pytest.raises(UserError, match="changed since it was read"):
        Executor(checkout.workspace).run([state.node])


def test_a_second_plan_reads_no_file(checkout: Checkout, theirs: Path, monkeypatch: pytest.MonkeyPatch):
    for path in theirs.rglob("*.txt"):
        os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(user_files, "_FRESH", -(10**18))
    name = checkout.data(checkout.states()).node.name
    read: list[Path] = []
    whole = user_files.files.sha256
    monkeypatch.setattr(user_files.files, "sha256", lambda path: read.append(path) or whole(path))
    assert checkout.data(checkout.states()).node.name == name
    assert read == []
    (theirs / "photos/a.txt").write_text("2")  # as long as before
    os.utime(theirs / "photos/a.txt", (1e9, 1e9))
    assert checkout.data(checkout.states()).node.name != name, "same size and time, another inode time"
    assert [path.name for path in read] == ["a.txt"]


def test_a_file_of_this_moment_is_read_again(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text("1")
    memory = user_files._Memory(tmp_path / "memory.json")
    memory.sha256(path)
    memory.save()
    assert not (tmp_path / "memory.json").exists(), "it may be written again within the same tick of its clock"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 3}', "\\x00"])
def test_a_broken_memory_is_none(tmp_path: Path, text: str):
    (tmp_path / "memory.json").write_text(text)
    (tmp_path / "a").write_text("1")
    found = user_files._Memory(tmp_path / "memory.json").sha256(tmp_path / "a")
    assert found == user_files.files.sha256(tmp_path / "a")


def test_what_is_no_file_is_one_line(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: neither a file nor a folder"):
        user_files.described(str(tmp_path), "here", ())


def test_a_folder_within_itself_and_names_of_any_bytes(tmp_path: Path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / os.fsdecode(b"\xff\n")).write_text("1")
    found = user_files.listing(tmp_path)
    assert set(found) == {"\\xff\n"}
    json.dumps(found).encode()


def test_a_path_can_stand_in_a_list(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "objectives").mkdir()
    source = tmp_path / "objectives/mine.py"
    source.write_text("from pathlib import Path\ndef loss(p, t, *, banks: list[Path]):\n    return banks\n")
    found = components.resolve("objective", {"kind": "mine", "banks": ["a", "b"]}, "here", tmp_path)
    spec = {"objective": user_files.without_places(found)}
    assert all(entry.keys() == {"content", "files"} for entry in spec["objective"]["banks"])
    places = user_files.places({"objective": found})
    assert places == {"objective.banks.0": str(tmp_path / "a"), "objective.banks.1": str(tmp_path / "b")}
    put = user_files.put(spec, places)["objective"]["banks"]
    assert components.load(source).loss(None, None, banks=put) == [tmp_path / "a", tmp_path / "b"]
    assert components.resolve("objective", found, "here", tmp_path) == found, "what was resolved may be resolved again"


def test_a_figure_reads_no_files(tmp_path: Path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/mine.py").write_text("def draw(rows, params, *, logo: Path):\n    pass\n")
    with pytest.raises(UserError, match="a figure draws measurements alone"):
        components.resolve("figure", {"kind": "mine", "logo": "figures/mine.py"}, "here", tmp_path)


# -- what is opened and not declared


def test_audit_tells_what_was_opened_and_not_declared(checkout: Checkout, theirs: Path):
    (theirs / "secret.csv").write_text("abc")
    (theirs / "datasets.yaml").write_text(DATASETS.replace("photos}", f"photos, also: {theirs}/secret.csv}}"))
    node = checkout.prepare()
    found = audit.audit(checkout.workspace, node, Origin(node), checkout.states())
    (line,) = [finding.line() for finding in found.findings]
    assert line.startswith("foreign: ") and "theirs/secret.csv" in line and "type Path" in line


def test_what_is_declared_is_not_told(checkout: Checkout, theirs: Path):
    (theirs / "weights.bin").write_bytes(b"abc")
    (theirs / "datasets.yaml").write_text(DATASETS.replace("photos}", "photos, weights: weights.bin}"))
    node = checkout.prepare()
    assert "opened" not in json.loads(checkout.workspace.path(f"receipts/{node}.execution.json").read_text())


def test_only_reading_the_users_files_is_noted(tmp_path: Path):
    root, extend = tmp_path / "root", tmp_path / "extend"
    for path in ("root/mine.csv", "root/.cache/x", "root/data/other/x", "root/pipeline/font.ttf", "extend/a.txt",
                 "extend/part.py", "elsewhere"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    watch = opened.Opened()
    with watch.watching():
        for path in sorted(tmp_path.rglob("*")):
            if path.is_file():
                path.read_text()
        (root / "written").write_text("x")
        json.loads(Path(json.__file__).with_name("decoder.py").read_text() and "1")
        os.close(os.open(root / "low", os.O_CREAT | os.O_WRONLY))
        os.close(os.open(extend / "a.txt", os.O_RDONLY))
    (root / "after").write_text("x")
    (root / "after").read_text()
    found = watch.undeclared(root, str(extend), [])
    assert found == sorted([str(extend / "a.txt"), "data/other/x", "mine.csv"])
    assert watch.undeclared(root, str(extend), [extend, root / "data/other"]) == ["mine.csv"]


def test_libraries_of_another_environment_are_nobodys_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    library = tmp_path / "module/lib/python3.11/site-packages"
    (library / "sets").mkdir(parents=True)
    (library / "sets/digits.csv").write_text("1")
    watch = opened.Opened()
    with watch.watching():
        (library / "sets/digits.csv").read_text()
    assert len(watch.undeclared(tmp_path, None, [])) == 1
    monkeypatch.syspath_prepend(str(library))
    assert watch.undeclared(tmp_path, None, []) == []


def test_the_package_is_nobodys_file_wherever_it_is_run_from(tmp_path: Path):
    watch = opened.Opened()
    fonts = sorted((components.PACKAGE / "artifacts/fonts").glob("*.ttf"))
    with watch.watching():
        for font in fonts:
            font.read_bytes()
    assert set(map(str, fonts)) <= watch.paths and watch.undeclared(tmp_path, None, []) == []


def test_watching_costs_little(tmp_path: Path):
    (tmp_path / "a").write_text("x")

    def opens() -> float:
        started = time.perf_counter()
        for _ in range(2000):
            os.close(os.open(tmp_path / "a", os.O_RDONLY))
        return (time.perf_counter() - started) / 2000

    with opened.Opened().watching():
        assert min(opens() for _ in range(3)) < 2e-4


@pytest.mark.slow
def test_a_folder_of_pictures_from_end_to_end(project: Project, theirs: Path):
    config = ("--config", f"extend={theirs}", "scale=theirs")
    assert project.build("results/ablation.csv", *config)["pretrain"] == 2
    assert project.build("results/ablation.csv", *config) == {}
    (theirs / "photos/c.txt").write_text("3")
    assert "1 to execute" in project.snakemake("results/ablation.csv", "-n", *config).stdout
    done = project.pipeline("audit", "results/ablation.csv", *config, check=False)
    assert done.returncode == 1 and "source.root: c.txt is new" in done.stdout
    assert project.build("results/ablation.csv", *config)["pretrain"] == 2
    done = project.pipeline("audit", "results/ablation.csv", *config)
    shutil.rmtree(theirs / "photos")
    done = project.snakemake("results/ablation.csv", *config, check=False)
    assert done.returncode == 1 and "there is no file or folder" in done.stderr and "Traceback" not in done.stderr
