"""Receipts and the store: what they vouch for, and what happens when somebody helps."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dvc.config import Config

from pipeline import files
from pipeline.errors import UserError
from pipeline.ledger import cache, receipt
from pipeline.ledger.cache import Cache
from pipeline.ledger.journal import Journal
from pipeline.ledger.keys import KeyFile, merged
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Node, checkpoint, measurement


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "project")


def stored(store: Store, folder: Path, **contents: bytes) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    outputs = {}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        outputs[name] = files.hashes(folder / name)
        store.put(folder / name, outputs[name])
    return outputs


def test_what_was_put_comes_back(store, tmp_path):
    outputs = stored(store, tmp_path / "a", x=b"one", y=b"two" * 1000)
    assert store.fetch(outputs, tmp_path / "b")
    assert (tmp_path / "b/x").read_bytes() == b"one"
    assert (tmp_path / "b/y").read_bytes() == b"two" * 1000


def test_objects_lie_where_dvc_looks_for_them(store, tmp_path):
    stored(store, tmp_path / "a", x=b"one")
    md5 = hashlib.md5(b"one").hexdigest()
    assert (tmp_path / f"project/.dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").read_bytes() == b"one"


def test_a_damaged_object_is_not_restored_and_not_kept(store, tmp_path):
    outputs = stored(store, tmp_path / "a", x=b"one")
    path = store.object(outputs["x"]["md5"])
    path.chmod(0o644)
    path.write_bytes(b"eno")
    assert not store.fetch(outputs, tmp_path / "b")
    assert not path.exists()


def test_a_missing_object_restores_nothing(store, tmp_path):
    outputs = stored(store, tmp_path / "a", x=b"one", y=b"two")
    store.object(outputs["y"]["md5"]).unlink()
    assert not store.has(outputs)
    assert not store.fetch(outputs, tmp_path / "b")
    assert not (tmp_path / "b").exists()


@dataclass(frozen=True)
class Configured:
    """DVC's configuration, file by file.

    Attributes:
        name: What it is called.
        files: Place -> content; ``{root}`` is the test's folder.
        environ: Variables.
        expected: The cache.
        shared: Whether a group shares it.
    """

    name: str
    files: dict[str, str]
    environ: dict[str, str] = field(default_factory=dict)
    expected: str = "{root}/project/.dvc/cache"
    shared: bool = False


def section(text: str) -> str:
    return f"[cache]\n    {text}\n"


HERE, LOCAL = "project/.dvc/config", "project/.dvc/config.local"
CONFIGURED = [
    Configured("nothing", {HERE: ""}),
    Configured("relative", {HERE: section("dir = ../elsewhere")}, expected="{root}/project/elsewhere"),
    Configured("local decides", {HERE: section("dir = ../x"), LOCAL: section("dir = /abs/cache")}, expected="/abs/cache"),
    Configured("other keys", {HERE: section('type = "reflink,copy"'), LOCAL: "[core]\n    remote = x\n"}),
    Configured("home", {HERE: section("dir = ~/x")}, expected="{root}/home/x"),
    Configured("quoted", {HERE: section("dir = '../with space'")}, expected="{root}/project/with space"),
    Configured("a comment", {HERE: section("dir = ../x  # the big disk")}, expected="{root}/project/x"),
    Configured("a hash in quotes", {HERE: section("dir = '../x#1'")}, expected="{root}/project/x#1"),
    Configured("capitals", {HERE: section("DIR = ../x")}, expected="{root}/project/x"),
    Configured("a group", {HERE: section("shared = group")}, shared=True),
    Configured("a group, far away", {HERE: section("dir = ../x\n    shared = Group")}, {}, "{root}/project/x", True),
    Configured("the user's", {HERE: "", "home/.config/dvc/config": section("dir = /mine")}, expected="/mine"),
    Configured("the user's, relative", {HERE: "", "home/.config/dvc/config": section("dir = y")}, expected="{root}/home/.config/dvc/y"),
    Configured("the user's, moved", {HERE: "", "conf/dvc/config": section("dir = /mine")}, {"XDG_CONFIG_HOME": "{root}/conf"}, "/mine"),
    Configured("the user's, named", {HERE: "", "named/config": section("dir = /mine")}, {"DVC_GLOBAL_CONFIG_DIR": "{root}/named"}, "/mine"),
    Configured("the system's", {HERE: "", "xdg/dvc/config": section("dir = /all")}, {"XDG_CONFIG_DIRS": "{root}/xdg"}, "/all"),
    Configured("the system's, named", {HERE: "", "named/config": section("dir = /all")}, {"DVC_SYSTEM_CONFIG_DIR": "{root}/named"}, "/all"),
    Configured("the project before the user", {HERE: section("dir = /p"), "home/.config/dvc/config": section("dir = /u")}, expected="/p"),
    Configured("the user before the system", {HERE: "", "xdg/dvc/config": section("dir = /s"), "home/.config/dvc/config": section("dir = /u")}, {"XDG_CONFIG_DIRS": "{root}/xdg"}, "/u"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), [("", False), ("    autostage = true\n", True), ("    autostage = false\n", False)]
)
def test_whether_files_are_staged_is_what_dvc_says(tmp_path, monkeypatch, text, expected):
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(f"[core]\n    analytics = false\n{text}")
    assert cache.cache(tmp_path).autostage is expected
    monkeypatch.setattr(cache, "_ask", None)
    assert cache.cache(tmp_path).autostage is expected, "the second time nobody asks DVC"


@pytest.mark.parametrize("case", CONFIGURED, ids=lambda case: case.name)
def test_the_cache_is_where_dvc_itself_says(tmp_path, monkeypatch, case):
    for name in [name for name in os.environ if name.startswith(("XDG_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "nobody"))
    if "XDG_CONFIG_DIRS" in case.environ:
        monkeypatch.delenv("DVC_SYSTEM_CONFIG_DIR")
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value.format(root=tmp_path))
    for name, content in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    root = tmp_path / "project"
    expected = Cache(Path(case.expected.format(root=tmp_path)), case.shared)
    assert cache.cache(root) == expected
    theirs = Config(str(root / ".dvc"))["cache"]
    assert theirs.get("dir", str(root / ".dvc/cache")) == str(expected.folder), "DVC says so too"
    monkeypatch.setattr(cache, "_ask", None)  # the second time nobody asks DVC
    assert cache.cache(root) == expected


@pytest.mark.parametrize("place", [HERE, LOCAL, "home/.config/dvc/config"])
def test_an_answer_of_dvc_holds_as_long_as_its_configuration(tmp_path, monkeypatch, place):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "project/.dvc").mkdir(parents=True)
    (tmp_path / HERE).write_text("")
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    for where in ("/one", "/two"):
        path.write_text(section(f"dir = {where}"))
        os.utime(path, (1, 1))  # same size, same time
        assert cache.cache(tmp_path / "project").folder == Path(where)
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "nobody"))
    expected = Path("/two") if place != "home/.config/dvc/config" else tmp_path / "project/.dvc/cache"
    assert cache.cache(tmp_path / "project").folder == expected


@pytest.mark.parametrize("place", [HERE, LOCAL, "home/.config/dvc/config"])
@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n[cache]\n=======\n", "[cache\n", "[cache]\n    dir\n"])
def test_a_configuration_that_dvc_does_not_read_is_one_line(tmp_path, monkeypatch, place, text):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in (HERE, place):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text if name == place else "")
    with pytest.raises(UserError, match=f"{Path(place).name}: not what DVC reads .*; correct it"):
        Store(tmp_path / "project")


def test_a_cache_that_a_group_shares_is_the_groups(tmp_path):
    (tmp_path / "project/.dvc").mkdir(parents=True)
    (tmp_path / HERE).write_text(section("dir = ../../shared\n    shared = group"))
    store = Store(tmp_path / "project")
    outputs = stored(store, tmp_path / "a", x=b"one")
    path = store.object(outputs["x"]["md5"])
    assert [oct(folder.stat().st_mode & 0o7777) for folder in (path.parent, path.parent.parent)] == ["0o2775"] * 2
    store.write(store.receipt("ab" * 32), "{}")
    assert oct(store.receipt("ab" * 32).parent.stat().st_mode & 0o7777) == "0o2775"


def test_a_file_system_without_permissions_keeps_objects_all_the_same(store, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    assert store.fetch(stored(store, tmp_path / "a", x=b"one"), tmp_path / "b")


PARTS = {
    "stage": "knn",
    "node": "measurements/a/seed0/epoch0001/knn-1",
    "code": {"pipeline/a.py": "1"},
    "params": {"k": 200, "t": 0.1},
    "inputs": {"data": {"node": "data/x", "content": "c", "files": ["arrays.safetensors"]}},
    "seed": 0,
    "epoch": 1,
}


def made() -> dict:
    key = receipt.key_of("knn", PARTS["code"], PARTS["params"], {"data": "c"}, 0, 1)
    return receipt.make(key, PARTS, {"scores.json": {"md5": "a" * 32, "sha256": "b" * 64, "size": 3}})


def test_a_key_is_the_same_everywhere():
    """Changes only with the format: every receipt ever written would be void."""
    assert made()["key"] == "cd801abe301806125fe783a0cba490dcf0dad5464e063e75064ae8ebcb3be370"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("stage",), "probe"),
        (("code", "pipeline/a.py"), "2"),
        (("params", "k"), 100),
        (("inputs", "data", "content"), "d"),
        (("seed",), 1),
        (("epoch",), 2),
        (("version",), 0),
        (("outputs", "scores.json", "size"), "three"),
        (("inputs",), None),
    ],
)
def test_an_edited_receipt_is_none(tmp_path, place, value):
    path = tmp_path / "r.json"
    path.write_text(files.dumps(made()))
    assert receipt.read(path) == made()
    edited = json.loads(files.dumps(made()))
    inner = edited
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    path.write_text(json.dumps(edited))
    assert receipt.read(path) is None


def test_what_is_no_receipt_is_none(tmp_path):
    for text in ("", "{", "[]", "null", '{"version": 1}'):
        (tmp_path / "r.json").write_text(text)
        assert receipt.read(tmp_path / "r.json") is None
    assert receipt.read(tmp_path / "none.json") is None


def test_content_is_of_the_files_that_are_read():
    outputs = {"a": {"sha256": "1"}, "b": {"sha256": "2"}}
    changed = {"a": {"sha256": "1"}, "b": {"sha256": "3"}}
    assert receipt.content(outputs, ["a"]) == receipt.content(changed, ["a"])
    assert receipt.content(outputs) != receipt.content(changed)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write(path, "first")

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, "second")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "first"


def test_names_of_nodes_and_files_belong_together():
    node = checkpoint("shapes-x", 1, 20)
    assert (node.name, node.config, node.seed, node.epoch) == (
        "checkpoints/shapes-x/seed1/epoch0020",
        "shapes-x",
        1,
        20,
    )
    assert node.key == "keys/pretrain/shapes-x.json"
    probe = measurement("shapes-x", 1, 20, "knn-1")
    assert probe.key == "keys/measure/knn-1/shapes-x.json"
    table = Node("results/quick/directpred/table8")
    assert table.key == "keys/artifact/quick/directpred/table8.json"
    for one in (node, probe, table, Node("data/local-shapes-1")):
        assert Node.of_receipt(one.receipt) == one


def test_a_key_file_survives_and_what_is_none_says_so(tmp_path):
    key = KeyFile("knn", "m.py", {"a": "1"}, {"measure": {"k": 1}}, omitted_defaults={"measure": {"later": 2}})
    (tmp_path / "k.json").write_text(key.text())
    assert KeyFile.load(tmp_path / "k.json") == key
    assert key.spec() == {"measure": {"k": 1, "later": 2}}
    assert merged({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(UserError, match=r"none.json: no readable key file; type: snakemake"):
        KeyFile.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    "changes",
    [{"params": []}, {"params": {"a": float("nan")}}, {"inputs": {"data": True}}, {"inputs": {"data": "elsewhere/x"}},
     {"accepted": ["x"]}, {"reads": {"data": "x"}}, {"code": {"a": 1}}, {"more": 1}, {"stage": None},
     {"paths": {"source.root": "/x"}}, {"tracked": "no"}],
)  # fmt: skip
def test_a_key_file_of_another_form_says_so(tmp_path, changes):
    whole = {"stage": "knn", "module": "m.py", "code": {"a": "1"}, "params": {}}
    (tmp_path / "k.json").write_text(json.dumps(whole | changes))
    with pytest.raises(UserError, match=r"k.json: no readable key file; type: snakemake"):
        KeyFile.load(tmp_path / "k.json")


def test_the_journal_only_grows(tmp_path):
    journal = Journal(tmp_path / "logs/journal.jsonl")
    journal.note("knn", "a", "executed", 1.0)
    journal.note("knn", "b", "restored", 0.1, key="k")
    assert [entry["decision"] for entry in journal.entries()] == ["executed", "restored"]
    with journal.path.open("a") as file:
        file.write('{"time": 17\n')  # cut short by a full disk
    assert len(journal.entries()) == 2
    assert journal.entries(since=journal.entries()[1]["time"] + 1) == []
