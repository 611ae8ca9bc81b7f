"""Receipts and the store: what they vouch for, and what happens when somebody helps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipeline import files
from pipeline.errors import UserError
from pipeline.ledger import receipt
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


@pytest.mark.parametrize(
    ("local", "shared", "expected"),
    [
        ("", "", ".dvc/cache"),
        ("", "[cache]\n    dir = ../elsewhere\n", "elsewhere"),
        ("[cache]\n    dir = /abs/cache\n", "[cache]\n    dir = ../elsewhere\n", "/abs/cache"),
        ("[core]\n    remote = x\n", "[cache]\n    type = \"reflink,copy\"\n", ".dvc/cache"),
    ],
)  # fmt: skip
def test_the_cache_is_where_dvcs_configuration_says(tmp_path, monkeypatch, local, shared, expected):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config.local").write_text(local)
    (tmp_path / ".dvc/config").write_text(shared)
    assert Store(tmp_path).folder == tmp_path / expected


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
    assert made()["key"] == "049a88a8c4151b13b37d0a59708d771504a03a1658db606e6eb8a3a3ed62ad3f"


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


def test_the_journal_only_grows(tmp_path):
    journal = Journal(tmp_path / "logs/journal.jsonl")
    journal.note("knn", "a", "executed", 1.0)
    journal.note("knn", "b", "restored", 0.1, key="k")
    assert [entry["decision"] for entry in journal.entries()] == ["executed", "restored"]
    with journal.path.open("a") as file:
        file.write('{"time": 17\n')  # cut short by a full disk
    assert len(journal.entries()) == 2
    assert journal.entries(since=journal.entries()[1]["time"] + 1) == []
