"""Audit: everything holds, or the file that does not is named."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import tampering
from conftest import DUEL, Project

from pipeline import components, files
from pipeline.artifacts import figure, table
from pipeline.engine.state import States
from pipeline.ledger import naming, receipt, sources
from pipeline.ledger.families import PREPARE
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import audit, chain, identify, recorded, views
from pipeline.provenance.findings import CHANGED, FOREIGN, FORGED, MISSING, STALE
from pipeline.site import audit_page
from pipeline.work import Work

TABLE, FIGURE = "results/mini/mini/duel", "results/mini/mini/bars"


@pytest.mark.parametrize("milestone", ["epoch0002", "step000120"])
def test_a_file_is_known_by_its_place(milestone: str, tmp_path: Path):
    for node, file in (("checkpoints/r-12345678/seed0/", "model.safetensors"), ("measurements/r-12345678/seed0/", "")):
        node += milestone if file else f"{milestone}/knn-1a2b3c4d"
        found = identify.by_place(Workspace(tmp_path), tmp_path / node / file)
        assert (found.node, found.name) == (node, file)
    assert identify.by_place(Workspace(tmp_path), tmp_path / "checkpoints/r-12345678/seed0/steps") is None


def audited(root: Path, node: str, **more) -> audit.Audit:
    """Audit of an artifact in this process, against what the copy's own params declare."""
    workspace = Workspace(root)
    catalogue = Catalogue(Options(scale="mini"), root / "params")
    states = States(Plan(catalogue, [catalogue.request(f"{node}.csv")]), workspace)
    path = root / f"{node}.csv"
    origin = identify.by_place(workspace, path)
    return audit.audit(workspace, str(path), origin, states, **more)


@pytest.fixture
def here(drawn: Project, monkeypatch) -> Iterator[Path]:
    """The copy's root; fingerprints are those of its own package, which is byte for byte that of the tests."""
    monkeypatch.chdir(drawn.root)
    monkeypatch.setattr("pipeline.components.PACKAGE", drawn.root / "pipeline")
    monkeypatch.setattr("pipeline.ledger.fingerprint.PACKAGE", drawn.root / "pipeline")
    name = "pipeline.papers.mini.figures.bars"  # which the package of the tests lacks
    spec = importlib.util.spec_from_file_location(name, drawn.root / "pipeline/papers/mini/figures/bars.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, name, module)
    for known in (components.papers, components._ours):
        known.cache_clear()
    yield drawn.root
    for known in (components.papers, components._ours):
        known.cache_clear()


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


@pytest.mark.parametrize("name", ["model.safetensors", "history.csv", "scores.json", "arrays.safetensors"])
def test_a_file_of_payload_finds_its_receipt(here, tmp_path, name):
    """As ``dvc get`` lays it down: somewhere, under any name."""
    own = next(path for family in ("data", "checkpoints", "measurements") for path in (here / family).rglob(name))
    copy = tmp_path / "fetched"
    shutil.copy(own, copy)
    workspace = Workspace(here)
    origin = identify.by_content(workspace, copy)
    assert origin.name == name
    assert (here / origin.node / name).read_bytes() == copy.read_bytes()
    assert audit.audit(workspace, str(copy), origin, None).holds
    copy.write_bytes(copy.read_bytes() + b" ")
    assert identify.by_content(workspace, copy) is None


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
    link = chain.walk(sources.Folder(here), [TABLE]).family(PREPARE)[0]
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


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_tampering_is_found(here, times):
    """Drawn from a generator that knows the kinds: found, and a file that was touched is named."""
    rng = random.Random(20261127)
    shutil.copytree(here / ".dvc/cache/receipts", here.parent / "kept")
    whole = {path.relative_to(here).as_posix(): content for path, content in _everything(here).items()}
    whole = {name: content for name, content in whole.items() if "/bars." not in name}
    kinds, missed = Counter(), []
    for number in range(times):
        members = dict(whole)
        done = tampering.KINDS[number % len(tampering.KINDS)](rng, members)
        kinds[done.kind] += 1
        for name in whole.keys() | members.keys():
            if name not in members:
                (here / name).unlink()
            elif members[name] != whole.get(name):
                (here / name).write_bytes(members[name])
        findings = audited(here, TABLE).findings
        if not any(name == f.path or name in f.text for name in done.touched for f in findings):
            missed.append((number, done, findings))
        for name in whole.keys() | members.keys():
            if name not in whole:
                (here / name).unlink()
            elif members.get(name) != whole[name]:
                (here / name).write_bytes(whole[name])
        shutil.rmtree(here / ".dvc/cache/receipts")  # where a forged one was kept by its own, new key
        shutil.copytree(here.parent / "kept", here / ".dvc/cache/receipts")
    assert len(kinds) >= 5 and len(missed) <= times // 20, missed
    assert audited(here, TABLE).holds


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


def _again(here: Path, node: str) -> None:
    """Forge a table to follow from what its measurements say now, and its receipt with it."""
    path = here / f"{node}.receipt.json"
    found = json.loads(path.read_text())
    for entry in found["inputs"].values():
        below = json.loads((here / Node(entry["node"]).receipt).read_text())
        entry["content"] = receipt.content(below["outputs"], entry["files"])
    path.write_text(files.dumps(found))
    _forge(path, here, lambda value: None)
    found = json.loads(path.read_text())
    out = here / "forged"
    out.mkdir()
    inputs = {role: here / role for role in found["inputs"]}
    list(table.execute([Work(name=node, spec=found["params"], out=out, inputs=inputs, key=found["key"])]))
    for made in out.iterdir():
        found["outputs"][made.name] = files.hashes(made)
        made.replace(here / node.rpartition("/")[0] / made.name)
    out.rmdir()
    path.write_text(files.dumps(found))


def test_a_chain_forged_as_a_whole_is_found_from_outside_only(here):
    """Scores, measurement, table, the store and all receipts agree with each other: a hash known from elsewhere does
    not. Each that is left out tells."""
    known = audited(here, TABLE).root
    name = next(name for name in _nodes(here) if name.startswith("measurements/"))
    scores = here / name / "scores.json"
    scores.write_text(re.sub(r'("top1_last": )[\d.]+', r"\g<1>99.5", scores.read_text()))
    path = here / Node(name).receipt

    def agree(value):
        value["outputs"]["scores.json"] = files.hashes(scores)

    _forge(path, here, agree)
    assert {f.path for f in audited(here, TABLE).findings} >= {Node(name).receipt}
    content = receipt.content(json.loads(path.read_text())["outputs"])

    def read(value):
        value["inputs"][name]["content"] = content

    _forge(here / f"{TABLE}.receipt.json", here, read)
    shutil.rmtree(here / ".dvc/cache/receipts")  # else the table is not even looked at
    (found,) = (f for f in audited(here, TABLE).findings if f.path == f"{TABLE}.csv")
    assert re.search(r"(plain|direct), cifar10|shapes", found.text) and "100 epochs" in found.text
    assert "the measurements give 99.50" in found.text
    _again(here, TABLE)
    shutil.rmtree(here / ".dvc/cache/receipts")
    assert audited(here, TABLE).findings == [], "the forgery is perfect"
    findings = audited(here, TABLE, expect=known).findings
    assert [f.kind for f in findings] == [FORGED]
    assert known in findings[0].text and findings[0].path == f"{TABLE}.receipt.json"


@pytest.mark.parametrize("suffix", ["csv", "json", "md"])
@pytest.mark.parametrize("stored", [True, False])
def test_a_table_that_is_edited_with_its_own_receipt_is_found(here, suffix, stored):
    """Nobody reads a table, so no key binds it: the store's receipt does, and the measurements."""
    path = here / f"{TABLE}.{suffix}"
    path.write_bytes(
        re.sub(rb"(\d)(\d\.\d)", lambda m: b"9" + m[2] if m[1] != b"9" else b"1" + m[2], path.read_bytes())
    )

    def agree(value):
        value["outputs"][path.name] = files.hashes(path)

    _forge(here / f"{TABLE}.receipt.json", here, agree)
    if not stored:
        shutil.rmtree(here / ".dvc/cache/receipts")
    found = {f.path for f in audited(here, TABLE).findings}
    assert found == ({f"{TABLE}.receipt.json"} if stored else {f"{TABLE}.{suffix}"})


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_picture_that_is_edited_with_its_own_receipt_is_found(here, suffix):
    """Its pixels are looked at, not only its hash: here the bars of another figure, with this one's key in it."""
    path = here / f"{FIGURE}.{suffix}"
    other, key = pictured(here, suffix), json.loads((here / f"{FIGURE}.receipt.json").read_text())["key"]
    assert key.encode() in other
    path.write_bytes(other)

    def agree(value):
        value["outputs"][path.name] = files.hashes(path)

    _forge(here / f"{FIGURE}.receipt.json", here, agree)
    shutil.rmtree(here / ".dvc/cache/receipts")
    (found,) = audited(here, FIGURE).findings
    assert found.path == f"{FIGURE}.{suffix}" and "drawn" in found.text


def pictured(here: Path, suffix: str) -> bytes:
    """The figure as it is drawn from other scores, with the same key inside."""
    found = json.loads((here / f"{FIGURE}.receipt.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        out, inputs = Path(folder, "out"), {}
        out.mkdir()
        for number, role in enumerate(found["inputs"]):
            inputs[role] = Path(folder, str(number))
            shutil.copytree(here / role, inputs[role])
            scores = json.loads((inputs[role] / "scores.json").read_text())
            (inputs[role] / "scores.json").write_text(json.dumps(scores | {"top1_last": 20.0 + number}))
        parts = {"figure": components.find("figure", "mini/bars")}
        work = Work(
            name=found["node"], spec=found["params"], out=out, inputs=inputs, key=found["key"], components=parts
        )
        list(figure.execute([work]))
        return (out / f"bars.{suffix}").read_bytes()


def test_inputs_that_were_emptied_are_found(here):
    """A measurement that says it has read nothing agrees with every checkpoint."""
    name = next(name for name in _nodes(here) if name.startswith("measurements/"))

    def empty(value):
        value["inputs"]["checkpoint"] |= {"files": [], "content": receipt.content({})}

    def fewer(value):
        value["inputs"]["checkpoint"] |= {
            "files": ["summary.json"],
            "content": receipt.content(below, ["summary.json"]),
        }

    checkpoint = f"checkpoints/{Node(name).config}/{Node(name).milestone}"
    below = json.loads((here / Node(checkpoint).receipt).read_text())["outputs"]
    whole = (here / Node(name).receipt).read_text()
    for change in (empty, fewer):
        path = _forge(here / Node(name).receipt, here, change)
        assert path in {f.path for f in audited(here, TABLE).findings}
        (here / path).write_text(whole)


def test_a_receipt_that_lacks_a_file_is_found(here):
    """Its key does not hold its outputs: one less changes nothing in it."""
    for node in (TABLE, *_nodes(here)):
        path = here / Node(node).receipt
        whole = json.loads(path.read_text())
        for name in sorted(whole["outputs"]):
            left = {other: entry for other, entry in whole["outputs"].items() if other != name}
            path.write_text(files.dumps(whole | {"outputs": left}))
            told = [f for f in audited(here, TABLE).findings if f.path == Node(node).receipt]
            assert any(name in f.text for f in told) or not left, (node, name, told)
        path.write_text(files.dumps(whole))
    assert audited(here, TABLE).holds


def test_a_store_that_others_may_write_into_is_remarked_on(here):
    cache = here / ".dvc/cache"
    assert not any("others may write" in remark for remark in audited(here, TABLE).remarks)
    for mode in (0o775, 0o757):
        cache.chmod(mode)
        found = audited(here, TABLE)
        assert found.holds and any(str(cache) in remark and "--revision" in remark for remark in found.remarks)


def tracked(here: Path) -> tuple[Workspace, chain.Chain, Path]:
    """A run of a tracked scale, and the ``.dvc`` file that the executor writes for it."""
    store, config = Store(here), "shapes-x-0123456789"
    entries = {}
    for epoch in (1, 2):
        node = Node(f"checkpoints/{config}/seed0/epoch{epoch:04d}")
        folder = here / node.name
        folder.mkdir(parents=True)
        outputs = {}
        for name in ("model.safetensors", "summary.json"):
            (folder / name).write_text(f"{name} {epoch}")
            outputs[name] = files.hashes(folder / name)
            store.put(folder / name, outputs[name])
            entries[f"epoch{epoch:04d}/{name}"] = outputs[name]
        parts = {
            "stage": "pretrain",
            "node": node.name,
            "code": {},
            "params": {},
            "inputs": {},
            "seed": 0,
            "epoch": epoch,
        }
        made = receipt.make(receipt.key_of("pretrain", {}, {}, {}, 0, epoch), parts, outputs)
        files.write(here / node.receipt, files.dumps(made))
    md5, size, count = store.put_folder(entries.items())
    path = here / f"checkpoints/{config}/seed0.dvc"
    path.write_text(f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: seed0\n")
    return Workspace(here), chain.Chain({node.name: chain.Link(node, made, "")}), path


def test_a_dvc_file_that_was_altered_is_named(tmp_path):
    workspace, links, path = tracked(tmp_path)
    whole, store = path.read_text(), Store(tmp_path)
    assert list(recorded.against_dvc(workspace, links)) == []
    md5 = re.search(r"[0-9a-f]{32}\.dir", whole)[0]
    listed = files.read_json(store.object(md5))
    others = [
        [*listed, {"md5": "0" * 32, "relpath": "epoch0001/more"}],
        [entry | {"md5": "0" * 32} if entry is listed[0] else entry for entry in listed],
        listed[1:],
    ]
    texts = [
        whole.replace("size: ", "size: 1"), whole.replace("nfiles: 4", "nfiles: 3"), whole.replace("seed0", "seed1"),
        whole.replace("hash: md5", "hash: sha"), whole.replace(md5, "0" * 32 + ".dir"), whole.replace(".dir", ""), "",
        "outs: 1", "- x", whole + whole.replace("outs:\n", ""), "\x00",
    ]  # fmt: skip
    for other in others:
        content = json.dumps(other)
        name = hashlib.md5(content.encode()).hexdigest() + ".dir"
        files.write(store.object(name), content)
        texts.append(whole.replace(md5, name))
    for text in texts:
        path.write_text(text)
        (found,) = recorded.against_dvc(workspace, links)
        assert found.path == path.relative_to(tmp_path).as_posix() and found.kind == CHANGED, text
    path.write_text(whole)
    shutil.rmtree(tmp_path / ".dvc")  # nothing but receipts: what the list was can still be told
    assert list(recorded.against_dvc(workspace, links)) == []
    path.write_text(whole.replace(md5, "0" * 32 + ".dir"))
    assert len(list(recorded.against_dvc(workspace, links))) == 1


def test_a_sidecar_vouches_for_nothing(here, tmp_path):
    """A changed table is mailed with a receipt that was changed to match."""
    workspace = Workspace(here)
    copy, sidecar = tmp_path / "duel.csv", tmp_path / "duel.receipt.json"
    text = (here / f"{TABLE}.csv").read_text()
    for change in (str.upper, lambda text: re.sub(r"\d\d\.\d\d", "99.99", text)):
        copy.write_text(change(text))
        found = json.loads((here / f"{TABLE}.receipt.json").read_text())
        found["outputs"]["duel.csv"] = files.hashes(copy)
        sidecar.write_text(files.dumps(found))
        origin = identify.by_content(workspace, copy)
        assert origin.node == TABLE
        findings = audit.audit(workspace, str(copy), origin, None).findings
        assert [(f.kind, f.path) for f in findings] == [(CHANGED, str(copy))]
    found["node"] = "results/mini/mini/nobody"
    sidecar.write_text(files.dumps(found | {"key": "0" * 64}))
    copy.write_text("a,b\n")
    assert identify.by_content(workspace, copy) is None


def test_records_of_any_kind_do_no_harm(here):
    """When and where something ran is in no hash: anybody may have written anything."""
    strange = [
        "[]", '"text"', '{"seconds": "text"}', '{"versions": ["a"]}', '{"versions": {"torch": 1}}',
        '{"finished": 3, "commit": {}, "gpu": []}', '{"finished": "\\u001b[2J\\ud800", "seconds": 1e999}',
        '{"seconds": -1, "left": 3}', "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "\x00\xff", "",
    ]  # fmt: skip
    for number, text in enumerate(strange):
        for shift, name in enumerate(_nodes(here)):  # each node another one
            (here / Node(name).execution).write_text(strange[(number + shift) % len(strange)])
        found = audited(here, TABLE)
        assert found.holds, (text, found.findings)
        for shown in (views.text(found), audit_page.html(found), json.dumps(views.data(found))):
            assert "\x1b" not in shown
            shown.encode()


@pytest.mark.slow
def test_receipts_of_any_kind_do_no_harm(here):
    path = here / Node(next(name for name in _nodes(here) if name.startswith("measurements/"))).receipt
    whole = path.read_text()
    found = json.loads(whole)
    strange = ["[]", "1", "", "{" * 5000, "[" * 100_000, whole.replace('"version": 1', '"version": "1"')]
    for part in found:
        for value in (None, "\ud800", {"a": {"b": []}}, [[]] * 3):
            strange.append(json.dumps(found | {part: value}))
    deep: dict = {}
    for _ in range(400):
        deep = {"a": deep}
    for params in (found["params"] | {"deep": deep}, found["params"] | {"half": "\ud800"}):
        inputs = {role: entry["content"] for role, entry in found["inputs"].items()}
        key = receipt.key_of(found["stage"], found["code"], params, inputs, found["seed"], found["epoch"])
        strange.append(json.dumps(found | {"params": params, "key": key}))
    for text in strange:
        path.write_text(text)
        told = audited(here, TABLE)
        if files.parse(text.encode()) != found:
            assert path.relative_to(here).as_posix() in {f.path for f in told.findings}, text[:200]
        views.text(told).encode()


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
