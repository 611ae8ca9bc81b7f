"""Audit: everything holds, or the file that does not is named."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import pytest
from conftest import DUEL, Project

from pipeline import files
from pipeline.engine.state import States
from pipeline.ledger import naming, receipt, sources
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import audit, chain, identify, views
from pipeline.provenance.findings import CHANGED, FOREIGN, FORGED, MISSING, STALE
from pipeline.site import audit_page

TABLE, FIGURE = "results/mini/mini/duel", "results/mini/mini/bars"


def audited(root: Path, node: str, **more) -> audit.Audit:
    """Audit of an artifact in this process, against what the copy's own params declare."""
    workspace = Workspace(root)
    catalogue = Catalogue(Options(scale="mini"), root / "params")
    states = States(Plan(catalogue, [catalogue.request(f"{node}.csv")]), workspace)
    path = root / f"{node}.csv"
    origin = identify.by_place(workspace, path)
    return audit.audit(workspace, str(path), origin, states, **more)


@pytest.fixture
def here(drawn: Project, monkeypatch) -> Path:
    """The copy's root; fingerprints are those of its own package, which is byte for byte that of the tests."""
    monkeypatch.chdir(drawn.root)
    monkeypatch.setattr("pipeline.components.PACKAGE", drawn.root / "pipeline")
    monkeypatch.setattr("pipeline.ledger.fingerprint.PACKAGE", drawn.root / "pipeline")
    return drawn.root


def test_a_built_table_and_figure_hold(drawn):
    done = drawn.pipeline("audit", DUEL, "--config", "scale=mini")
    assert "everything holds: 10 receipts" in done.stdout
    assert re.search(r"root hash: [0-9a-f]{64}", done.stdout)
    assert "4 linear_probe" in done.stdout and "4 pretrain" in done.stdout
    assert "no raw file: source shapes makes it" in done.stdout
    for name in ("bars.png", "bars.pdf", "bars.json", "bars.receipt.json"):
        assert drawn.pipeline("audit", f"results/mini/mini/{name}", "--config", "scale=mini").returncode == 0
    probe = next((drawn.root / "measurements").rglob("scores.json")).relative_to(drawn.root)
    told = drawn.pipeline("audit", str(probe), "--config", "scale=mini").stdout
    assert "everything holds: 3 receipts" in told


def test_json_names_every_node_with_its_hashes(drawn):
    found = json.loads(drawn.pipeline("audit", DUEL, "--json", "--config", "scale=mini").stdout)
    assert found["holds"] and found["findings"] == []
    assert len(found["nodes"]) == 10
    for name, entry in found["nodes"].items():
        assert receipt.key_of(
            entry["stage"], entry["code"], entry["params"], {r: e["content"] for r, e in entry["inputs"].items()},
            entry["seed"], entry["epoch"],
        ) == entry["key"]  # fmt: skip
        assert entry["execution"]["seconds"] >= 0
        for output, hashes in entry["outputs"].items():
            folder = drawn.root / (Path(name).parent if name.startswith("results/") else name)
            assert files.hashes(folder / output) == hashes


def test_one_cell_is_followed_down_to_its_data(drawn):
    told = drawn.pipeline("audit", DUEL, "--where", "method=direct", "epochs=300", "--config", "scale=mini").stdout
    assert "cell dataset=cifar10, epochs=300, method=direct" in told or "method=direct" in told
    lines = [line.strip().split("  ")[0] for line in told.splitlines() if re.match(r"\s+(measure|check|data)", line)]
    assert [line.split("/")[0] for line in lines] == ["measurements", "checkpoints", "data"]
    assert "epoch0002" in lines[0] and "directpred" in lines[0]
    wrong = drawn.pipeline("audit", DUEL, "--where", "method=dirct", "--config", "scale=mini", check=False)
    assert wrong.returncode == 1
    assert wrong.stderr == "error: --where method=dirct: no such cell; method is one of: direct, plain\n"
    wrong = drawn.pipeline("audit", DUEL, "--where", "lr=1", "--config", "scale=mini", check=False)
    assert "expected AXIS=VALUE with one of:" in wrong.stderr and wrong.stderr.count("\n") == 1


def test_a_graph_for_mermaid_has_every_box_once(here):
    text = views.mermaid(chain.walk(sources.Folder(here), [TABLE]))
    boxes = re.findall(r'^    (n\d+)\["(.*)"\]$', text, re.MULTILINE)
    assert len(boxes) == 1 + 2 + 2 + 1
    assert len({name for name, _ in boxes}) == 6
    arrows = re.findall(r"^    (n\d+) --> (n\d+)$", text, re.MULTILINE)
    assert len(arrows) == len(set(arrows)) == 2 + 2 + 2 + 2


def test_the_page_needs_nothing_from_elsewhere(here):
    html = audit_page.html(audited(here, TABLE))
    assert "Everything holds." in html
    assert "<svg" in html and "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)
    for link in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{link}"' in html
    (here / f"{TABLE}.csv").write_text("<b>&")
    assert "not what results/mini/mini/duel.receipt.json says" in audit_page.html(audited(here, TABLE))


# -- copies that were mailed around


@pytest.mark.parametrize("name", ["bars.png", "bars.pdf", "bars.json", "bars.csv", "duel.csv", "duel.json"])
def test_a_copy_finds_its_receipt_and_a_changed_copy_is_named(here, tmp_path, name):
    copy = tmp_path / f"from_a_mail{Path(name).suffix}"
    shutil.copy(here / "results/mini/mini" / name, copy)
    workspace = Workspace(here)
    origin = identify.by_content(workspace, copy)
    assert (origin.node, origin.name) == (f"results/mini/mini/{Path(name).stem}", name)
    assert audit.audit(workspace, str(copy), origin, None).holds
    content = bytearray(copy.read_bytes())
    content[-3] ^= 1
    copy.write_bytes(content)
    origin = identify.by_content(workspace, copy)
    found = audit.audit(workspace, str(copy), origin, None).findings
    assert [(f.kind, f.path) for f in found] == [(CHANGED, str(copy))]


def test_a_file_of_nobody_is_foreign(drawn, tmp_path):
    stray = tmp_path / "stray.csv"
    stray.write_text("a,b\n1,2\n")
    done = drawn.pipeline("audit", str(stray), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: foreign: {stray}:") and done.stderr.count("\n") == 1


def test_an_earlier_version_is_called_so(here, tmp_path):
    workspace = Workspace(here)
    old = json.loads((here / f"{TABLE}.receipt.json").read_text())
    copy = tmp_path / "duel.csv"
    shutil.copy(here / f"{TABLE}.csv", copy)
    # another receipt has come into the ledger since
    new = receipt.make(old["key"], {k: old[k] for k in ("stage", "node", "code", "inputs", "seed", "epoch")}, {})
    new |= {"params": old["params"] | {"title": "another"}, "outputs": old["outputs"]}
    inputs = {role: entry["content"] for role, entry in new["inputs"].items()}
    new["key"] = receipt.key_of(new["stage"], new["code"], new["params"], inputs, None, None)
    entry = dict(old["outputs"]["duel.csv"], sha256="0" * 64)
    new["outputs"] = old["outputs"] | {"duel.csv": entry}
    (here / f"{TABLE}.receipt.json").write_text(files.dumps(new))
    origin = identify.by_content(workspace, copy)
    assert origin.receipt["key"] == old["key"]
    found = audit.audit(workspace, str(copy), origin, None).findings
    assert any(f.kind == STALE and "an earlier version" in f.text for f in found)


# -- what is declared now


def test_a_changed_param_makes_it_stale_and_names_the_param(drawn):
    drawn.edit("params/papers/mini.yaml", "rho: 0.3", "rho: 0.4")
    done = drawn.pipeline("audit", DUEL, "--config", "scale=mini", check=False)
    assert done.returncode == 1
    assert "stale:" in done.stdout and "predictor.rho" in done.stdout and "0.3" in done.stdout


def test_changed_code_makes_it_stale_and_accept_says_why_it_does_not(drawn):
    path = drawn.root / "pipeline/training/collapse_metrics.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    done = drawn.pipeline("audit", DUEL, "--config", "scale=mini", check=False)
    assert done.returncode == 1 and "pipeline/training/collapse_metrics.py" in done.stdout
    drawn.pipeline("accept", "pretrain", "--reason", "An unused constant.", "--config", "scale=mini")
    done = drawn.pipeline("audit", DUEL, "--config", "scale=mini")
    assert "4 pretrain ran with earlier code, accepted as equivalent: An unused constant." in done.stdout


def test_raw_files_that_are_at_hand_are_compared(here, monkeypatch):
    link = chain.walk(sources.Folder(here), [TABLE]).family("prepare")[0]
    right = here / "raw.tar.gz"
    right.write_bytes(b"raw")
    link.receipt["params"]["files"] = [{"name": "raw.tar.gz", "sha256": files.sha256(right)}]
    whole = chain.Chain({link.node.name: link})
    assert list(audit._raw(whole, str(here))) == []
    right.write_bytes(b"war")
    assert [f.kind for f in audit._raw(whole, str(here))] == [CHANGED]


# -- tampering


def _everything(root: Path) -> dict[Path, bytes]:
    """All files on the way of the table and the figure."""
    found = {}
    for link in chain.walk(sources.Folder(root), [TABLE, FIGURE]):
        paths = [root / link.node.receipt]
        paths += [Workspace(root).payload(link.node) / name for name in link.receipt["outputs"]]
        found |= {path: path.read_bytes() for path in paths}
    return found


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _forge(path: Path, root: Path, change) -> str:
    """Edit a receipt and give it the key that its parts then have."""
    found = json.loads(path.read_text())
    change(found)
    inputs = {role: entry["content"] for role, entry in found["inputs"].items()}
    found["key"] = receipt.key_of(found["stage"], found["code"], found["params"], inputs, found["seed"], found["epoch"])
    path.write_text(files.dumps(found))
    return path.relative_to(root).as_posix()


@pytest.mark.parametrize("times", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_tampering_is_found_every_time(here, times):
    """A byte flipped anywhere, files swapped, receipts forged to match: found, and the file named."""
    rng = random.Random(20261121)
    whole = _everything(here)
    payload = sorted(path for path in whole if "receipt" not in path.relative_to(here).as_posix())
    ledger = sorted(set(whole) - set(payload))
    assert len(payload) > 25 and len(ledger) == 11
    alike = [(a, b) for a in whole for b in whole if a.suffix == b.suffix and (a in ledger) == (b in ledger)]
    pairs = [(a, b) for a, b in alike if whole[a] != whole[b]]
    counts = dict.fromkeys(("flip", "swap", "match", "edit", "lose"), 0)
    for number in range(times):
        kind = list(counts)[number % 5]
        touched: list[Path] = []
        if kind == "flip":
            touched = [rng.choice(payload if number % 2 else ledger)]
            _flip(touched[0], rng)
        elif kind == "swap":  # the same file of two nodes
            first, second = rng.choice(pairs)
            first.write_bytes(whole[second])
            second.write_bytes(whole[first])
            touched = [first, second]
        elif kind == "match":  # a file is changed and its receipt made to match; who has read it knows better
            node = Node(rng.choice([link for link in _nodes(here) if not link.startswith("results/")]))
            found = json.loads((here / node.receipt).read_text())
            read = ("arrays.safetensors", "model.safetensors", "summary.json", "scores.json")
            name = rng.choice([name for name in found["outputs"] if name in read])
            path = here / node.name / name
            _flip(path, rng)

            def agree(value, name=name, path=path):
                value["outputs"][name] = files.hashes(path)

            _forge(here / node.receipt, here, agree)
            touched = [here / node.receipt, path]
        elif kind == "edit":  # parameters or code in a receipt are made to look otherwise, with the key that fits
            path = rng.choice([p for p in ledger if "results" not in p.parts])

            def lie(value, rng=rng):
                if rng.random() < 0.5 and value["code"]:
                    value["code"][rng.choice(sorted(value["code"]))] = "0" * 16
                else:
                    value["params"]["threads" if "threads" in value["params"] else "classes"] = 7

            _forge(path, here, lie)
            touched = [path]
        else:
            touched = [rng.choice(sorted(set(ledger) | {p for p in payload if "results" in p.parts}))]
            touched[0].unlink()
        findings = [f for node in (TABLE, FIGURE) for f in audited(here, node).findings]
        named = {f.path for f in findings}
        names = {path.relative_to(here).as_posix() for path in touched}
        assert named & names or any(str(n) in f.text for n in names for f in findings), (number, kind, names, findings)
        counts[kind] += 1
        for path, content in whole.items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)
    assert set(counts.values()) == {times // 5}
    assert audited(here, TABLE).holds and audited(here, FIGURE).holds


def _nodes(root: Path) -> list[str]:
    return list(chain.walk(sources.Folder(root), [TABLE]).links)


def test_a_measurement_that_says_it_reads_another_checkpoint(here):
    """The place of a checkpoint is no part of a key; but a measurement's own place says which one it reads."""
    name = next(name for name in _nodes(here) if name.startswith("measurements/"))
    own = f"checkpoints/{Node(name).config}/{Node(name).milestone}"
    other = next(found for found in _nodes(here) if found.startswith("checkpoints/") and found != own)

    def elsewhere(value):
        value["inputs"]["checkpoint"]["node"] = other

    path = _forge(here / Node(name).receipt, here, elsewhere)
    findings = audited(here, TABLE).findings
    assert [f.text for f in findings if f.path == path] == [f"it reads {other}, where its name says {own}"]

    def nowhere(value):
        value["inputs"]["data"]["node"] = "data/no-such-thing"
        value["inputs"]["checkpoint"]["node"] = own

    _forge(here / Node(name).receipt, here, nowhere)
    assert any(path in finding.text for finding in audited(here, TABLE).findings)


def test_a_chain_forged_as_a_whole_is_found_from_outside_only(here):
    """Scores, measurement, table and all receipts agree with each other: a hash known from elsewhere does not."""
    known = audited(here, TABLE).root
    name = next(name for name in _nodes(here) if name.startswith("measurements/"))
    scores = here / name / "scores.json"
    scores.write_text(re.sub(r'("top1_last": )[\d.]+', r"\g<1>99.5", scores.read_text()))
    path = here / Node(name).receipt

    def agree(value):
        value["outputs"]["scores.json"] = files.hashes(scores)

    _forge(path, here, agree)
    content = receipt.content(json.loads(path.read_text())["outputs"])

    def read(value):
        value["inputs"][name]["content"] = content

    _forge(here / f"{TABLE}.receipt.json", here, read)
    assert audited(here, TABLE).findings == [], "the forgery is perfect"
    findings = audited(here, TABLE, expect=known).findings
    assert [f.kind for f in findings] == [FORGED]
    assert known in findings[0].text and findings[0].path == f"{TABLE}.receipt.json"


def test_a_committed_revision_is_an_anchor(here, drawn):
    def git(*arguments):
        drawn.call("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments)

    git("init", "-q", "-b", "main")
    git("add", "-A", "-f", "receipts", "results")
    git("commit", "-q", "-m", "results")
    revision = sources.Revision(here, "main")
    assert audited(here, TABLE, revision=revision).holds
    path = here / Node(next(name for name in _nodes(here) if name.startswith("checkpoints/"))).receipt

    def lie(value):
        value["outputs"]["state.safetensors"]["size"] += 1

    shown = _forge(path, here, lie)
    findings = audited(here, TABLE, revision=revision).findings
    assert any(f.kind == FORGED and f.path == shown and "revision main" in f.text for f in findings)
    git("rm", "-q", "--cached", f"{TABLE}.receipt.json")
    git("commit", "-q", "-m", "less")
    findings = audited(here, TABLE, revision=sources.Revision(here, "HEAD")).findings
    assert any(f.path == f"{TABLE}.receipt.json" and "not in revision HEAD" in f.text for f in findings)


def test_an_unknown_revision_is_one_line(drawn):
    drawn.call("git", "init", "-q")
    done = drawn.pipeline("audit", DUEL, "--revision", "nowhere", "--config", "scale=mini", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: nowhere: Git knows no such revision here; type: git log --oneline\n"


def test_foreign_and_missing_files_are_told(here):
    node = next(name for name in _nodes(here) if name.startswith("checkpoints/"))
    (here / node / "notes.txt").write_text("mine")
    (here / f"{TABLE}.xlsx").write_text("mine")
    found = {f.path: f.kind for f in audited(here, TABLE).findings}
    assert found == {f"{node}/notes.txt": FOREIGN, f"{TABLE}.xlsx": FOREIGN}
    (here / node / "notes.txt").unlink()
    (here / f"{TABLE}.xlsx").unlink()
    shutil.rmtree(here / node)
    assert audited(here, TABLE).holds, "the store has it"
    shutil.rmtree(here / ".dvc/cache/files")
    found = {f.kind for f in audited(here, TABLE).findings}
    assert found == {MISSING}


def test_receipts_that_read_each_other_end_the_walk(tmp_path):
    def write(name, below):
        node = Node(name)
        inputs = {"data": {"node": below, "content": "0" * 64, "files": []}}
        params = {"name": "x", "classes": 2, "files": [], "source": {}}
        key = receipt.key_of("prepare", {}, params, {"data": "0" * 64})
        parts = {"stage": "prepare", "node": name, "code": {}, "params": params, "inputs": inputs}
        (tmp_path / node.receipt).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / node.receipt).write_text(files.dumps(receipt.make(key, parts | {"seed": None, "epoch": None}, {})))

    params = {"name": "x", "classes": 2, "files": [], "source": {}}
    name = f"data/{naming.dataset(params, True)}"
    other = f"data/{naming.dataset(params, False)}"
    write(name, other)
    write(other, name)
    found = chain.walk(sources.Folder(tmp_path), [name])
    assert any("which is made from it" in f.text for f in found.findings)
