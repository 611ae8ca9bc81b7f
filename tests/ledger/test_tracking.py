"""``.dvc`` files as a function of receipts; and what Git does with them, with results and with acceptances."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import files
from pipeline.errors import UserError
from pipeline.ledger import accepted, receipt, staging
from pipeline.ledger.accepted import Acceptance
from pipeline.ledger.store import Store
from pipeline.ledger.tracking import Tracking, folder_of
from pipeline.ledger.workspace import Node, Workspace, checkpoint, measurement

ROOT = Path(__file__).resolve().parents[2]
RUN = "checkpoints/a/seed0"


def write(root: Path, node: Node, content: str = "", left: tuple[str, ...] = ()) -> dict:
    """A receipt of a node whose payload is nowhere; returns the entries of its outputs."""
    outputs = {}
    for name in ("model.safetensors", "history.csv"):
        text = f"{node.name} {name} {content}".encode()
        path = root / "made"
        path.write_bytes(text)
        outputs[name] = files.hashes(path)
    parts = {"stage": "s", "node": node.name, "code": {}, "params": {}, "inputs": {}, "seed": node.seed}
    parts["epoch"] = node.epoch
    made = receipt.make(receipt.key_of("s", {}, {}, {}, node.seed, node.epoch), parts, outputs)
    files.write(root / node.receipt, files.dumps(made))
    files.write(root / node.execution, files.dumps({"seconds": 1.0, **({"left": list(left)} if left else {})}))
    return outputs


def listed(root: Path, folder: str = RUN) -> dict[str, str]:
    """md5 of what a ``.dvc`` file lists, by place."""
    text = (root / f"{folder}.dvc").read_text()
    md5 = text.split("md5: ", 1)[1].split("\n", 1)[0]
    return {entry["relpath"]: entry["md5"] for entry in json.loads(Store(root).object(md5).read_text())}


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    """Two milestones of a run, without payload."""
    for epoch in (1, 2):
        write(tmp_path, checkpoint("a", 0, epoch))
    found = Tracking(Workspace(tmp_path), Store(tmp_path))
    assert found.repair([RUN]) == [f"{RUN}.dvc: not there; written again from its receipts"]
    return found


def test_all_receipts_are_listed_whether_their_payload_is_here_or_not(tracking, tmp_path):
    expected = {f"epoch000{e}/{n}" for e in (1, 2) for n in ("model.safetensors", "history.csv")}
    assert listed(tmp_path).keys() == expected
    write(tmp_path, checkpoint("a", 0, 10000))
    assert tracking.write(RUN) is not None
    assert listed(tmp_path).keys() == expected | {"epoch10000/model.safetensors", "epoch10000/history.csv"}


def test_folders(tmp_path):
    found = Tracking(Workspace(tmp_path), Store(tmp_path))
    nodes = [Node("data/x-1"), Node("data/x-12"), Node("simulations/t-1"), measurement("a", 1, 3, "knn-1")]
    for node in nodes:
        write(tmp_path, node)
        folder = folder_of(node)
        assert folder is not None
        found.write(folder)
        assert len(listed(tmp_path, folder)) == 2
    assert folder_of(Node("results/mini/mini/duel")) is None
    assert folder_of(nodes[3]) == "measurements/a/seed1"


def test_what_stayed_on_another_machine_is_not_listed(tmp_path):
    write(tmp_path, checkpoint("a", 0, 1), left=("model.safetensors",))
    Tracking(Workspace(tmp_path), Store(tmp_path)).write(RUN)
    assert listed(tmp_path).keys() == {"epoch0001/history.csv"}


@pytest.mark.parametrize("listing", [True, False], ids=["its list is here", "its list is elsewhere"])
def test_what_stayed_there_may_be_listed_by_who_has_it(tmp_path, listing):
    outputs = write(tmp_path, checkpoint("a", 0, 1), left=("model.safetensors",))
    store = Store(tmp_path)
    md5, size, count = store.put_folder((f"epoch0001/{name}", entry) for name, entry in outputs.items())
    if not listing:
        store.object(md5).unlink()
    text = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: seed0\n"
    files.write(tmp_path / f"{RUN}.dvc", text)
    assert Tracking(Workspace(tmp_path), store).repair([RUN]) == []
    assert (tmp_path / f"{RUN}.dvc").read_text() == text


def test_a_receipt_that_contradicts_itself_lists_nothing(tracking, tmp_path):
    path = tmp_path / checkpoint("a", 0, 2).receipt
    path.write_text(path.read_text().replace('"stage": "s"', '"stage": "t"'))
    assert len(tracking.repair([RUN])) == 1
    assert all(place.startswith("epoch0001") for place in listed(tmp_path))


def test_lost_receipts_are_no_reason_to_forget_payload(tracking, tmp_path):
    before = (tmp_path / f"{RUN}.dvc").read_text()
    shutil.rmtree(tmp_path / "receipts")
    assert tracking.repair([RUN]) == []
    assert (tmp_path / f"{RUN}.dvc").read_text() == before


DAMAGES: dict[str, Callable[[str], str | None]] = {
    "deleted": lambda text: None,
    "empty": lambda text: "",
    "cut short": lambda text: text[:30],
    "another md5": lambda text: text.replace("md5: ", "md5: 0", 1),
    "another count": lambda text: text.replace("nfiles: 4", "nfiles: 3"),
    "another path": lambda text: text.replace("path: seed0", "path: seed1"),
    "another hash": lambda text: text.replace("hash: md5", "hash: etag"),
    "two outputs": lambda text: text + text.partition("outs:\n")[2],
    "no output": lambda text: "outs: []\n",
    "a list": lambda text: "- 1\n",
    "a number": lambda text: "3\n",
    "no YAML": lambda text: "outs: [\n",
    "conflict markers": lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n",
    "markers of three": lambda text: f"<<<<<<< HEAD\n{text}||||||| base\n{text}=======\n{text}>>>>>>> theirs\n",
    "NUL bytes": lambda text: "\0" * len(text),
    "a tab": lambda text: text.replace("  size", "\tsize"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_dvc_file_that_is_damaged_is_written_again(tracking, tmp_path, damage):
    path = tmp_path / f"{RUN}.dvc"
    good = path.read_text()
    changed = DAMAGES[damage](good)
    path.unlink() if changed is None else path.write_text(changed)
    (line,) = tracking.repair([RUN])
    assert line.startswith(f"{RUN}.dvc: ") and line.endswith("; written again from its receipts")
    assert path.read_text() == good
    assert tracking.repair([RUN]) == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "desc: mine\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("outs:", "# mine\nouts:"),
        lambda text: text.replace("  nfiles: 4\n", ""),
    ],
)
def test_what_a_user_adds_stays(tracking, tmp_path, edit):
    path = tmp_path / f"{RUN}.dvc"
    path.write_bytes(edit(path.read_text()).encode())
    before = path.read_bytes()
    assert tracking.repair([RUN]) == [] and path.read_bytes() == before


def test_receipts_are_read_only_where_they_changed(tracking, tmp_path, monkeypatch):
    tracking.repair([RUN])
    with monkeypatch.context() as patch:
        patch.setattr(receipt, "read", None)
        assert tracking.repair([RUN]) == []
    path = tmp_path / checkpoint("a", 0, 2).receipt
    write(tmp_path, checkpoint("a", 0, 2), "other")  # same size
    import os

    os.utime(path, (1, 1))
    assert len(tracking.repair([RUN])) == 1


# -- Git


def git(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", root, *identity, *arguments], check=check, capture_output=True, text=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    shutil.copy(ROOT / ".gitattributes", root)
    write(root, checkpoint("a", 0, 1))
    (root / "made").unlink()
    Tracking(Workspace(root), Store(root)).write(RUN)
    files.write(root / "results/gpu/a/b.csv", "x,y\n1,2\n")
    files.write(root / "params/accepted.yaml", "")
    (root / ".gitignore").write_text(".scratch\n.dvc\njobs\nmade\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    return root


@pytest.mark.parametrize("option", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_what_hashes_vouch_for_keeps_its_bytes_in_every_clone(repository, tmp_path, option):
    git(tmp_path, "clone", "-q", "-c", option, str(repository), "clone")
    for name in (f"{RUN}.dvc", "results/gpu/a/b.csv", checkpoint("a", 0, 1).receipt):
        assert (tmp_path / "clone" / name).read_bytes() == (repository / name).read_bytes()
    assert git(tmp_path / "clone", "status", "--porcelain").stdout == ""


def test_two_branches_that_extended_one_run_lose_nothing(repository):
    """Without DVC's merge driver: Git leaves a conflict in the ``.dvc`` file, and receipts settle it."""
    for branch, epoch in (("left", 2), ("right", 3)):
        git(repository, "checkout", "-q", "-b", branch, "main")
        write(repository, checkpoint("a", 0, epoch))
        Tracking(Workspace(repository), Store(repository)).write(RUN)
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", branch)
    assert git(repository, "merge", "left", check=False).returncode != 0
    assert "<<<<<<<" in (repository / f"{RUN}.dvc").read_text()
    (line,) = Tracking(Workspace(repository), Store(repository)).repair([RUN])
    assert "conflict markers" in line
    assert {place.split("/")[0] for place in listed(repository)} == {"epoch0001", "epoch0002", "epoch0003"}
    git(repository, "checkout", "--ours", f"{RUN}.dvc")
    assert len(Tracking(Workspace(repository), Store(repository)).repair([RUN])) == 1
    assert {place.split("/")[0] for place in listed(repository)} == {"epoch0001", "epoch0002", "epoch0003"}


@pytest.mark.parametrize(
    ("variable", "autostage", "expected"),
    [("", "false", "??"), ("", "true", "A "), (staging.IN_EXPERIMENT, "false", "A ")],
    ids=["neither", "core.autostage", "an experiment"],
)
def test_dvc_files_are_staged_where_dvc_says_so(repository, monkeypatch, variable, autostage, expected):
    monkeypatch.delenv(staging.IN_EXPERIMENT, raising=False)
    if variable:
        monkeypatch.setenv(variable, "0" * 40)
    files.write(repository / ".dvc/config", f"[core]\n    autostage = {autostage}\n")
    write(repository, checkpoint("b", 0, 1))
    Tracking(Workspace(repository), Store(repository)).write("checkpoints/b/seed0")
    said = git(repository, "status", "--porcelain", "--untracked-files=all", "checkpoints/b").stdout
    assert said == f"{expected} checkpoints/b/seed0.dvc\n"


def test_a_dvc_file_that_cannot_be_staged_is_named_and_written(repository, monkeypatch, capsys):
    monkeypatch.setenv(staging.IN_EXPERIMENT, "0" * 40)
    monkeypatch.setattr(staging, "PAUSE", 0.0)
    (repository / ".git/index.lock").touch()
    write(repository, checkpoint("b", 0, 1))
    Tracking(Workspace(repository), Store(repository)).write("checkpoints/b/seed0")
    path = repository / "checkpoints/b/seed0.dvc"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: not staged (") and line.endswith(f"); type: git add {path}")
    assert len(listed(repository, "checkpoints/b/seed0")) == 2


def entry(name: str) -> Acceptance:
    return Acceptance("pretrain", f"because of {name}", {"pipeline/a.py": f"{name}0"}, {"pipeline/a.py": f"{name}1"})


@pytest.mark.parametrize("attributes", [True, False], ids=["merge=union", "keep both by hand"])
def test_acceptances_of_two_branches_merge_as_wholes(repository, attributes):
    path = repository / "params/accepted.yaml"
    if not attributes:
        (repository / ".gitattributes").unlink()
    accepted.save(path, [entry("common")])
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "common")
    for branch in ("left", "right"):
        git(repository, "checkout", "-q", "-b", branch, "main")
        accepted.save(path, [entry("common"), entry(branch)])
        git(repository, "commit", "-q", "-a", "-m", branch)
    assert (git(repository, "merge", "left", check=False).returncode == 0) is attributes
    if not attributes:
        kept = [line for line in path.read_text().splitlines() if line[:7] not in ("<<<<<<<", "=======", ">>>>>>>")]
        path.write_text("\n".join(kept) + "\n")
    assert {found.reason for found in accepted.load(path)} == {f"because of {n}" for n in ("common", "left", "right")}


@pytest.mark.parametrize(
    "text",
    [
        "- stage: pretrain\n  reason: a\n  was: {m: '1'}\n  now: {m: '2'}\n  reason: b\n",
        "- stage: pretrain\n  reason: a\n  was: {m: '1', m: '3'}\n  now: {m: '2'}\n",
        '- {"stage": "s", "reason": "a", "was": {}, "now": {"m": "1", "m": "2"}}\n',
    ],
)
def test_a_key_that_stands_twice_in_an_acceptance_is_refused(tmp_path, text):
    path = tmp_path / "accepted.yaml"
    path.write_text(text)
    with pytest.raises(
        UserError, match=r"^params/accepted.yaml:\d: '\w+' stands here twice; .*; correct it, or type: "
    ):
        accepted.load(path)


def test_acceptances_are_read_as_they_were_written_before(tmp_path):
    import yaml

    path = tmp_path / "accepted.yaml"
    odd = Acceptance("s", 'a "quote", ümlaut: # no comment', {}, {"m": "1"})
    path.write_text(yaml.safe_dump([{"stage": "s", "reason": odd.reason, "was": {}, "now": {"m": "1"}}], width=110))
    (old,) = accepted.load(path)
    accepted.save(path, [odd])
    (new,) = accepted.load(path)
    assert (old.reason, old.now) == (new.reason, new.now) == (odd.reason, odd.now)
