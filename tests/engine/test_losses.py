"""Nothing of anybody's is deleted or written over, whatever lies where, and on whichever disk."""

from __future__ import annotations

import errno
import functools
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import DUEL, Project

from pipeline import components, files
from pipeline.__main__ import _Plain
from pipeline.artifacts import formats
from pipeline.commands import _theirs
from pipeline.engine.workflow import Command, Workflow
from pipeline.errors import UserError
from pipeline.kit import harvest
from pipeline.kit.parts import ABOUT
from pipeline.ledger import remote, sources
from pipeline.ledger.store import Store
from pipeline.planning.catalogue import Catalogue

CONFIG = ("--config", "scale=mini")


# -- short names


@pytest.fixture
def reading(built: Project, monkeypatch) -> Path:
    """The copy's root, as the folder in which the Snakefile is read."""
    monkeypatch.chdir(built.root)
    monkeypatch.setattr("pipeline.components.PACKAGE", built.root / "pipeline")
    monkeypatch.setattr("pipeline.ledger.fingerprint.PACKAGE", built.root / "pipeline")
    own = functools.partial(Catalogue, folder=built.root / "params")
    monkeypatch.setattr("pipeline.engine.workflow.Catalogue", own)
    return built.root


def test_a_file_of_the_users_own_beside_short_names_stays(reading):
    others = ["duel.xlsx", "duel.notes.csv", "duel.csv.bak", "duel.tex", "duelling.csv"]
    for name in others:
        (reading / "results" / name).write_text("mine")
    (reading / "results/duel.csv").unlink(missing_ok=True)
    (reading / "results/duel.csv").write_text("edited by hand")
    Workflow({"scale": "mini"}, Command((DUEL,)), Path())
    assert (reading / "results/duel.csv").read_text() == "edited by hand", "a dry run touches nothing"
    for number in (1, 2):
        (reading / "results/duel.csv").write_text(f"edit {number}")
        workflow = Workflow({"scale": "mini"}, Command((DUEL,), builds=True), Path())
        assert not (reading / "results/duel.csv").exists()
        assert (reading / f"results/duel.csv.edited-{number}").read_text() == f"edit {number}"
        assert any(f"duel.csv.edited-{number}" in notice for notice in workflow.remarks)
    assert all((reading / "results" / name).read_text() == "mine" for name in others)
    assert workflow.link("duel.png") == "mini/mini/duel.png", "asked for of tables too, which have none"


# -- gc


def test_gc_leaves_a_cache_alone_that_others_may_use(built: Project, tmp_path):
    cache = tmp_path / "shared"
    (built.alone().root / ".dvc/cache").rename(cache)
    (built.root / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n")
    theirs = cache / "files/md5/ab/cdef"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("of another checkout")
    told = built.pipeline("gc", "--delete", *CONFIG).stdout
    assert str(cache) in told and "--shared-cache" in told and theirs.exists()
    told = built.pipeline("gc", "--delete", "--shared-cache", *CONFIG).stdout
    assert "deleted" in told and not theirs.exists() and cache.is_dir()


def test_gc_stops_where_git_does_not_answer(built: Project):
    receipts = sorted((built.root / "receipts").rglob("*.json"))
    (built.alone().root / "params/papers/mini.yaml").unlink()  # nothing declares them: only Git could hold them
    (built.root / ".git").write_text("gitdir: /no/such/folder\n")
    done = built.pipeline("gc", "--delete", *CONFIG, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "git status" in done.stderr
    assert all(path.exists() for path in receipts)


def test_an_answer_that_git_could_not_give_is_none(tmp_path):
    assert sources.asked(tmp_path, "ls-files") == ""
    (tmp_path / ".git").mkdir()
    with pytest.raises(UserError, match="nothing was touched"):
        sources.asked(tmp_path, "ls-files")


def test_gc_keeps_what_any_file_of_dvc_names(built: Project):
    store = Store(built.alone().root)
    named = {}
    for name in ("root", "staged", "lock", "listed"):
        path = built.root / f"{name}.bin"
        path.write_text(name)
        entry = files.hashes(path)
        store.put(path, entry)
        named[name] = entry["md5"]
        path.unlink()
    folder, _, _ = store.put_folder([("x", {"md5": named["listed"], "size": 1})])
    outs = "outs:\n- md5: {}\n  path: x\n"
    (built.root / "root.dvc").write_text(outs.format(named["root"]))
    (built.root / "dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: y\n      md5: {named['lock']}\n"
        f"    - path: z\n      md5: {folder}\n"
    )
    (built.root / "staged.dvc").write_text(outs.format(named["staged"]))
    built.call("git", "init", "-q")
    built.call("git", "add", "-f", "staged.dvc")
    (built.root / "staged.dvc").unlink()
    built.pipeline("gc", "--delete", *CONFIG)
    for name, md5 in named.items():
        assert store.object(md5).is_file(), name


# -- the store


def test_a_receipt_that_is_wrong_deletes_nobodys_object(tmp_path):
    store = Store(tmp_path / "project")
    path = tmp_path / "x"
    path.write_bytes(b"of another run")
    good = files.hashes(path)
    store.put(path, good)
    wrong = {"x": good | {"sha256": "0" * 64}}  # a bad merge: the md5 is another run's
    assert not store.fetch(wrong, tmp_path / "out")
    assert store.object(good["md5"]).read_bytes() == b"of another run"


def test_a_damaged_object_is_mended_when_the_good_file_is_at_hand(tmp_path):
    store = Store(tmp_path / "project")
    path = tmp_path / "x"
    path.write_bytes(b"good")
    entry = files.hashes(path)
    store.put(path, entry)
    kept = store.object(entry["md5"])
    kept.chmod(0o644)
    kept.write_bytes(b"doog")
    store.put(path, entry)
    assert kept.read_bytes() == b"good" and not kept.stat().st_mode & 0o222


# -- outputs


@pytest.mark.parametrize("command", [("bundle", DUEL, "-o"), ("audit", DUEL, "--html")], ids=["bundle", "audit"])
def test_only_files_of_its_own_kind_are_written_over(built: Project, command):
    mine = built.root / "thesis.tex"
    for content in (b"mine", b"", b"PK\3\4 another archive", b"<!doctype html><title>mine</title>"):
        mine.write_bytes(content)
        done = built.pipeline(*command, "thesis.tex", *CONFIG, check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and "not written over" in done.stderr
        assert mine.read_bytes() == content
    done = built.pipeline(*command, "pipeline", *CONFIG, check=False)
    assert done.returncode == 1 and "a folder" in done.stderr and done.stderr.count("\n") == 1
    for _ in range(2):
        assert built.pipeline(*command, "own.out", *CONFIG).returncode == 0


def test_kit_run_writes_over_its_own_files_only(tmp_path):
    out = tmp_path / "back.tar"
    out.write_bytes(b"my backup")
    with pytest.raises(UserError, match="not written over"):
        harvest.check(out, 1)
    harvest._write(out, [(ABOUT, b"{}")])
    harvest.check(out, 1)
    assert harvest._is_own(out) and not harvest._is_own(tmp_path / "none.tar")


# -- other disks


def elsewhere(monkeypatch) -> None:
    """Every rename from one folder to another fails as it does between file systems."""
    real = os.replace, os.rename

    def crossing(rename):
        def tried(source, target, **more):
            if Path(source).parent != Path(target).parent:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
            return rename(source, target, **more)

        return tried

    monkeypatch.setattr(os, "replace", crossing(real[0]))
    monkeypatch.setattr(os, "rename", crossing(real[1]))


def test_what_cannot_be_renamed_is_copied_beside_and_renamed(tmp_path, monkeypatch):
    elsewhere(monkeypatch)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/file").write_text("new")
    (tmp_path / "b/file").write_text("old")
    files.move(tmp_path / "a/file", tmp_path / "b/file")
    assert (tmp_path / "b/file").read_text() == "new" and not (tmp_path / "a/file").exists()
    (tmp_path / "a/folder/below").mkdir(parents=True)
    (tmp_path / "a/folder/below/x").write_text("x")
    files.move(tmp_path / "a/folder", tmp_path / "b/folder")
    assert (tmp_path / "b/folder/below/x").read_text() == "x" and not (tmp_path / "a/folder").exists()
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["file", "folder"], "nothing half-copied is left"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) for n in (".scratch", "results", "data", "checkpoints", "measurements")],
)
def test_a_folder_on_another_disk(built: Project, tmp_path, name):
    """A link to a folder of another file system: every stage ends as it does elsewhere."""
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as disk:
        for folder in ("results", "data", "checkpoints", "measurements", "receipts", "keys", ".dvc/cache", ".scratch"):
            shutil.rmtree(built.root / folder, ignore_errors=True)
        (built.root / name).symlink_to(disk)
        assert built.build(DUEL) == {"prepare": 1, "pretrain": 4, "linear_probe": 4, "table": 1}
        assert "everything holds" in built.pipeline("audit", DUEL, *CONFIG).stdout


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        files.writable(tmp_path / "file/below")


# -- remotes


def test_a_remote_that_is_away_is_not_one_that_lacks_something(built: Project, tmp_path):
    built.call("git", "init", "-q")
    (built.root / ".dvc/config.local").write_text(
        f"[core]\n    remote = disk\n['remote \"disk\"']\n    url = {tmp_path / 'not-mounted'}\n"
    )
    with pytest.raises(UserError, match="not mounted, or nothing was ever pushed"):
        remote.fetch(built.root, ["0" * 32])


def test_a_plugin_that_is_missing_is_one_line(built: Project):
    built.call("git", "init", "-q")
    (built.root / ".dvc/config.local").write_text(
        "[core]\n    remote = cloud\n['remote \"cloud\"']\n    url = s3://bucket/path\n"
    )
    with pytest.raises(UserError) as raised:
        remote.fetch(built.root, ["0" * 32])
    assert "pip install" in str(raised.value) and "\n" not in str(raised.value)


# -- what comes from elsewhere


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("-cmd|x", "'-cmd|x"), ("@SUM(A1)", "'@SUM(A1)"), ("\tx", "'\tx"),
        ("-1.5", "-1.5"), ("+2e-3", "+2e-3"), ("plain", "plain"), (-1.5, -1.5), ("", ""), (None, None),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(value, written):
    assert formats.cell(value) == written


def test_html_in_a_page_is_text(tmp_path):
    formats.write_text(tmp_path / "x.md", "a <script>alert(1)</script> <!-- b --> 1 < 2, x<y")
    assert (tmp_path / "x.md").read_text() == "a \\<script>alert(1)\\</script> \\<!-- b --> 1 < 2, x\\<y\n"


def test_nothing_moves_the_cursor():
    assert str(UserError("a\x1b[2Jb\x9b\nc")) == "a?[2Jb? c"
    out = io.StringIO()
    print("a\x1b[31m\r\x9bb\tc\udc80\nd", file=_Plain(out))
    assert out.getvalue() == "a?[31m??b\tc?\nd\n"


def test_an_import_that_is_missing_is_one_line(tmp_path):
    path = tmp_path / "encoders/timmed.py"
    path.parent.mkdir()
    path.write_text("import no_such_library.models\n")
    for _ in range(2):  # also when asked again
        with pytest.raises(UserError, match="imports no_such_library, which is not installed here"):
            components.load(path)


def test_an_error_in_a_users_component_names_their_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "objectives/bent.py"
    path.parent.mkdir()
    path.write_text("def loss(x):\n    y = x\n    return y / 0\n")
    try:
        components.load(path).loss(1)
    except ZeroDivisionError as error:
        head, line, where = _theirs.told(error).splitlines()
    assert head == f"error: {path}:3: in loss: ZeroDivisionError: division by zero"
    assert line.strip() == "return y / 0" and "Traceback" in Path(where.split(": ")[1]).read_text()
    try:
        int("x")
    except ValueError as error:
        assert _theirs.told(error) is None
    sys.modules.pop("pipeline_extension.objectives.bent")
