"""Verification: what holds is verified anywhere, what does not is found and named."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import forging
import pytest
import tampering
from conftest import BARS, DUEL, ROOT, Project

from pipeline.commands.verify import UNANCHORED
from pipeline.errors import UserError
from pipeline.ledger.sources import Revision
from pipeline.sharing import signature, tolerances
from pipeline.sharing.verify import Verdict, verify

SSH = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture(scope="session")
def packed(drawn_once: Project, tmp_path_factory) -> Path:
    """A bundle of the mini paper's table."""
    path = tmp_path_factory.mktemp("packed") / "duel.zip"
    drawn_once.pipeline("bundle", DUEL, "-o", str(path))
    return path


@pytest.fixture(scope="session")
def pictured(drawn_once: Project, tmp_path_factory) -> Path:
    """A bundle of the mini paper's figure."""
    path = tmp_path_factory.mktemp("pictured") / "bars.zip"
    drawn_once.pipeline("bundle", BARS, "-o", str(path))
    return path


def root_of(path: Path) -> str:
    return forging.followed(forging.read(path)).root()


def look(path: Path, **known) -> Verdict:
    verdict, contents = verify(path, **known)
    contents.close()
    return verdict


def test_what_holds_is_verified(packed: Path):
    verdict = look(packed)
    assert verdict.holds and verdict.findings == [] and not verdict.anchored
    lines = list(verdict.lines())
    assert verdict.word == "unanchored" and not any("verified" in line for line in lines)
    assert lines[-1].startswith("UNANCHORED") and "--expect" in lines[-1]
    assert any("computed again from 4 measurements, the same bytes (csv, json, md)" in line for line in lines)
    anchored = look(packed, expect=root_of(packed))
    lines = list(anchored.lines())
    assert (
        anchored.word == "verified" and "verified" in lines and lines[-1].startswith("anchored by --expect, the root")
    )
    for known in (packed.read_bytes(), forging.read(packed)["manifest.json"]):  # each binds more than the root hash
        anchored = look(packed, expect=hashlib.sha256(known).hexdigest())
        assert anchored.word == "verified" and "every byte" in anchored.anchored[0]


def test_audit_and_bundle_have_one_root_hash(packed: Path, drawn: Project):
    told = drawn.pipeline("audit", DUEL, "--config", "scale=mini").stdout
    (root,) = re.findall(r"root hash: ([0-9a-f]{64})", told)
    made = drawn.pipeline("bundle", DUEL, "-o", "duel.zip").stdout
    digest = hashlib.sha256((drawn.root / "duel.zip").read_bytes()).hexdigest()
    assert f"root hash {root}\n" in made and f"sha256 of the file {digest}\n" in made
    assert "verified" in drawn.pipeline("verify", "duel.zip", "--expect", root).stdout
    told = drawn.pipeline("audit", DUEL, "--expect", digest, "--config", "scale=mini", check=False)
    assert told.returncode == 1 and "sha256 of a bundle's file" in told.stdout


def test_a_bundle_that_was_unpacked_is_verified_too(packed: Path, tmp_path):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    assert look(folder, expect=root_of(packed)).word == "verified"
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt"):
        look(folder)
    (folder / "notes.txt").unlink()
    (folder / "params/link.yaml").symlink_to(folder / "params/datasets.yaml")
    with pytest.raises(UserError, match=r"link\.yaml: it is a link"):
        look(folder)
    (folder / "params/link.yaml").unlink()
    table = folder / DUEL
    table.write_text(re.sub(r"\d\d\.\d\d", "99.99", table.read_text(), count=1))
    assert {finding.path for finding in look(folder, expect=root_of(packed)).findings} == {DUEL}
    os.mkfifo(tmp_path / "fifo.zip")
    with pytest.raises(UserError, match="a pipe"):
        look(tmp_path / "fifo.zip")
    os.mkfifo(folder / "params/fifo.yaml")
    with pytest.raises(UserError, match=r"fifo\.yaml"):
        look(folder)


def test_a_changed_number_is_named_by_cell(packed: Path, tmp_path):
    """The file, the receipt and the manifest agree: the measurements do not."""
    for suffix in ("csv", "json"):
        members = forging.read(packed)
        name = f"{forging.TOP}.{suffix}"
        (row,) = (
            r
            for r in csv.DictReader(members[DUEL].decode().splitlines())
            if r["method"] == "direct" and r["epochs"] == "100"
        )
        was, now = row["mean"], f"{float(row['mean']) + 10:.2f}"
        if suffix == "csv":
            lines = members[name].decode().splitlines(keepends=True)
            changed = [
                re.sub(rf"\b{was}\b", now, line) if "direct" in line and ",100," in line else line for line in lines
            ]
            members[name] = "".join(changed).encode()
        else:
            report = json.loads(members[name])
            (cell,) = (c for c in report["cells"] if c["axes"]["method"] == "direct" and c["axes"]["epochs"] == 100)
            cell["mean"] += 10
            members[name] = (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()
        outputs = {Path(name).name: forging.entry(members[name])}
        forging.edit(members, f"{forging.TOP}.receipt.json", lambda value, o=outputs: value["outputs"].update(o))
        forging.repage(members)
        (finding,) = look(forging.write(tmp_path / "forged.zip", members)).findings
        assert finding.path == name
        for part in ("direct", "shapes", "100 epochs", f"the file says {now}, the measurements give {was}"):
            assert part in finding.text


@pytest.mark.slow
def test_a_receipt_that_lacks_a_file_of_its_stage_is_found(packed: Path, tmp_path):
    members = forging.read(packed)
    for name in [f"{forging.TOP}.receipt.json", *forging.receipts(members)]:
        for output in json.loads(members[name])["outputs"]:
            forged = dict(members)
            forging.edit(forged, name, lambda value, output=output: value["outputs"].pop(output))
            forged.pop(f"results/mini/mini/{output}", None)
            told = [f for f in look(forging.write(tmp_path / "forged.zip", forged)).findings if f.path == name]
            assert told, (name, output)


@pytest.mark.slow
def test_inputs_that_were_emptied_are_found(packed: Path, tmp_path):
    members = forging.read(packed)
    for name in forging.receipts(members, "receipts/measurements/"):
        for role in ("checkpoint", "data"):
            for left in ([], ["summary.json", "meta.json"]):
                forged = dict(members)
                forging.edit(
                    forged,
                    name,
                    lambda v, r=role, k=left: v["inputs"][r].update(
                        files=[f for f in v["inputs"][r]["files"] if f in k]
                    ),
                )
                forging.rekey(forged, name)
                told = look(forging.write(tmp_path / "forged.zip", forged)).findings
                assert any(name in f.line() for f in told), (name, role, left)


def test_files_of_the_project_that_differ_from_here_are_listed(packed: Path, tmp_path):
    """Also code that no receipt names, and declarations; a comment is no difference in code."""
    known = set(look(packed).differing)
    members = forging.read(packed)
    members["pipeline/site/charts.py"] += b"\nLATER = 1\n"
    members["pipeline/site/graph_boxes.py"] += b"# a comment\n"
    members["Snakefile"] += b"\n"
    verdict = look(forging.write(tmp_path / "other.zip", members))
    assert set(verdict.differing) - known == {"pipeline/site/charts.py", "Snakefile"}
    assert any("files of the project differ" in remark for remark in verdict.remarks)


def test_the_command_says_so_in_its_exit_status(packed: Path, drawn: Project, tmp_path):
    done = drawn.pipeline("verify", str(packed), "--json", check=False)
    assert done.returncode == UNANCHORED == 3 and json.loads(done.stdout)["verdict"] == "unanchored"
    done = drawn.pipeline("verify", str(packed), "--json", "--expect", root_of(packed))
    assert json.loads(done.stdout)["verdict"] == "verified"
    done = drawn.pipeline("verify", str(packed), "--expect", "0" * 64, check=False)
    assert done.returncode == 1 and "NOT verified" in done.stdout and "expected 000" in done.stdout
    assert "anchored by" not in done.stdout
    done = drawn.pipeline("verify", str(packed), "--expect", "nonsense", check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: --expect") and done.stderr.count("\n") == 1
    done = drawn.pipeline("verify", str(tmp_path / "none.zip"), check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and not done.stdout


def test_it_runs_with_the_standard_library_alone(packed: Path, pictured: Path, drawn: Project, tmp_path):
    """A virtual environment without a single package, a bundle from elsewhere."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = str(tmp_path / "bare/bin/python")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for module in ("torch", "numpy", "yaml", "pydantic", "matplotlib"):
        probe = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False, env=environ)
        assert probe.returncode != 0, f"{module} is there: this tests nothing"
    for path, note in ((packed, "(csv, json, md)"), (pictured, "without matplotlib")):
        done = subprocess.run(
            [python, "-m", "pipeline", "verify", str(path), "--expect", root_of(path)],
            cwd=drawn.root, env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "\nverified\n" in done.stdout and note in done.stdout
    done = subprocess.run(
        [python, "-m", "pipeline", "verify", str(packed), "--rerun", "1"],
        cwd=drawn.root, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "torch is not installed" in done.stderr and done.stderr.count("\n") == 1


def test_a_figure_is_drawn_again(pictured: Path, drawn: Project):
    done = drawn.pipeline("verify", str(pictured), "--expect", root_of(pictured))
    assert "the same bytes (csv, json, md, pdf, png)" in done.stdout


def test_a_picture_with_another_key_is_found(pictured: Path, tmp_path):
    """The key that a picture carries is exchanged, its receipt vouches for the file."""
    members = forging.read(pictured)
    top = "results/mini/mini/bars"
    key = json.loads(members[f"{top}.receipt.json"])["key"].encode()
    for suffix in ("png", "pdf"):
        found = dict(members)
        assert key in found[f"{top}.{suffix}"]
        found[f"{top}.{suffix}"] = found[f"{top}.{suffix}"].replace(key, b"0" * 64)
        outputs = {f"bars.{suffix}": forging.entry(found[f"{top}.{suffix}"])}
        forging.edit(found, f"{top}.receipt.json", lambda value, outputs=outputs: value["outputs"].update(outputs))
        verdict = look(forging.write(tmp_path / "forged.zip", found))
        assert f"{top}.{suffix}" in {finding.path for finding in verdict.findings}
        assert "carries the key of another" in "\n".join(verdict.lines())


# -- forgeries


@pytest.mark.parametrize("number", [*range(28), *(pytest.param(k, marks=pytest.mark.slow) for k in range(28, 100))])
def test_a_forgery_is_found(packed: Path, tmp_path, number: int):
    """The manifest always matches: what is inside has to tell, or the root hash."""
    rng = random.Random(number)
    case = (*forging.INSIDE, *forging.OUTSIDE)[number % 14]
    members = forging.read(packed)
    touched = case(rng, members)
    path = forging.write(tmp_path / "forged.zip", members)
    # the root hash binds receipts and what they list; what lies beside them only the hash of the file
    known = root_of(packed) if case is forging.everything else hashlib.sha256(packed.read_bytes()).hexdigest()
    verdict = look(path, expect=known)
    assert not verdict.holds and "NOT verified" in list(verdict.lines())
    from_outside = [finding for finding in verdict.findings if "the root hash is" in finding.text]
    assert len(from_outside) == 1
    inside = [finding.line() for finding in verdict.findings if finding is not from_outside[0]]
    if case in forging.INSIDE:
        assert any(name in line for name in touched for line in inside), f"{case.__name__}: {touched} not in {inside}"
    else:
        assert inside == []


@pytest.mark.parametrize("times", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_tampering_is_found(packed: Path, tmp_path, times: int):
    """The manifest and the page match: what is inside tells, but for weights forged with all that have read them."""
    rng = random.Random(20261127)
    whole, known = forging.read(packed), root_of(packed)
    missed = []
    for number in range(times):
        members = dict(whole)
        done = tampering.KINDS[number % len(tampering.KINDS)](rng, members)
        path = forging.write(tmp_path / "forged.zip", members)
        try:
            verdict, contents = verify(path, expect=known)
        except UserError as error:
            named = [str(error)]
        else:
            contents.close()
            named = [f.line() for f in verdict.findings if f.path not in ("manifest.json", "index.html")]
            assert not verdict.holds, (number, done, "the root hash tells at least")
        if not any(name in line for name in done.touched for line in named):
            missed.append((number, done, named))
    assert all(done.loose for _, done, _ in missed), missed
    assert len(missed) <= max(times // 10, 1), "the root hash finds these, and names no file"


@pytest.mark.parametrize("number", range(20))
def test_a_change_that_the_manifest_does_not_know_is_found(packed: Path, tmp_path, number: int):
    rng = random.Random(1000 + number)
    members = forging.read(packed)
    name = rng.choice(sorted(members.keys() - {"manifest.json"}))
    content = members[name] or b"x"
    at = rng.randrange(len(content))
    members[name] = content[:at] + bytes([content[at] ^ rng.choice([1, 2, 4, 8, 16])]) + content[at + 1 :]
    path = forging.write(tmp_path / "forged.zip", members, matching=False)
    try:
        verdict = look(path)
    except Exception as error:
        assert type(error).__name__ == "Refused" and name in str(error)
        return
    assert name in {finding.path for finding in verdict.findings}


def test_the_page_must_show_what_the_results_say(packed: Path, tmp_path):
    members = forging.read(packed)
    members["index.html"] = members["index.html"].replace(b"One against the other", b"One beats the other")
    verdict = look(forging.write(tmp_path / "forged.zip", members))
    assert [finding.path for finding in verdict.findings] == ["index.html"] and look(packed).holds


def test_a_param_cannot_be_slipped_in_beside_the_receipt(packed: Path, tmp_path):
    """What is in no key must not override what is."""
    members = forging.read(packed)
    forging.edit(
        members, "keys/artifact/mini/mini/duel.json", lambda v: v.update(omitted_defaults={"title": "Another title"})
    )
    verdict = look(forging.write(tmp_path / "forged.zip", members))
    assert [finding.path for finding in verdict.findings] == ["keys/artifact/mini/mini/duel.json"]


def test_code_that_was_declared_equivalent_is_a_remark(packed: Path, tmp_path):
    members = forging.read(packed)
    name = next(n for n in sorted(members) if n.startswith("keys/pretrain/"))
    was = json.loads(members[name])["code"]
    module = next(path for path in was if path.endswith("training/history.py"))
    members[module] += b"\nLATER = 1\n"
    from pipeline.sharing.sources import fingerprint

    now = fingerprint(members[module])
    for other in [n for n in members if n.startswith("keys/pretrain/")]:

        def change(value: dict) -> None:
            before = dict(value["code"])
            value["code"][module] = now
            value["accepted"] = [{"code": before, "reasons": ["only the progress line"]}]

        forging.edit(members, other, change)
    verdict = look(forging.write(tmp_path / "accepted.zip", members))
    assert verdict.holds, list(verdict.lines())
    assert any("declared equivalent: only the progress line" in remark for remark in verdict.remarks)


def test_other_code_here_is_told(packed: Path, drawn: Project):
    path = drawn.root / "pipeline/artifacts/formats.py"
    path.write_text(path.read_text() + "\nLATER = 1\n")
    done = drawn.pipeline("verify", str(packed), "--expect", root_of(packed))
    assert "this checkout's code of the stage is not that of the receipt" in done.stdout
    path.write_text(path.read_text().replace("digits: int = 2", "digits: int = 3"))
    done = drawn.pipeline("verify", str(packed), check=False)
    assert done.returncode == 1 and "git checkout" in done.stdout and "duel.csv" in done.stdout


# -- anchors


def test_a_revision_anchors(packed: Path, drawn: Project, tmp_path):
    def git(*arguments: str) -> None:
        drawn.call("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments)

    git("init", "-q")
    git("add", "-f", "results/mini", "receipts")
    git("commit", "-qm", "results")
    done = drawn.pipeline("verify", str(packed), "--revision", "HEAD")
    assert "anchored by revision HEAD" in done.stdout and "UNANCHORED" not in done.stdout

    rng, members = random.Random(0), forging.read(packed)
    forging.everything(rng, members)
    path = forging.write(tmp_path / "forged.zip", members)
    assert look(path).holds
    verdict = look(path, revision=Revision(drawn.root, "HEAD"))
    told = {finding.path for finding in verdict.findings}
    assert f"{forging.TOP}.receipt.json" in told and not verdict.anchored

    git("rm", "-q", "--cached", f"{forging.TOP}.receipt.json")
    git("commit", "-qm", "without")
    done = drawn.pipeline("verify", str(packed), "--revision", "HEAD", check=False)
    assert done.returncode == 1 and f"{forging.TOP}.receipt.json: not in revision HEAD" in done.stdout
    done = drawn.pipeline("verify", str(packed), "--revision", "nonsense", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no such revision" in done.stderr


def key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


@SSH
def test_a_signature_anchors(drawn: Project, tmp_path):
    mine, other = key(tmp_path, "mine"), key(tmp_path, "other")
    path = drawn.root / "signed.zip"
    assert "signed" in drawn.pipeline("bundle", DUEL, "-o", "signed.zip", "--sign", str(mine)).stdout
    fingerprint = subprocess.run(["ssh-keygen", "-lf", f"{mine}.pub"], capture_output=True, text=True).stdout.split()[1]

    verdict = look(path)
    assert verdict.holds and not verdict.anchored and any(fingerprint in remark for remark in verdict.remarks)
    verdict = look(path, signer=Path(f"{mine}.pub"))
    assert verdict.holds and fingerprint in verdict.anchored[0]
    allowed = tmp_path / "allowed"
    allowed.write_text(f'jane@example.org namespaces="{signature.NAMESPACE}" {Path(f"{mine}.pub").read_text()}')
    assert "jane@example.org" in look(path, signer=allowed).anchored[0]
    allowed.write_text(f'jane@example.org namespaces="file" {Path(f"{mine}.pub").read_text()}')
    assert not look(path, signer=allowed).holds

    verdict = look(path, signer=Path(f"{other}.pub"))
    assert not verdict.holds and verdict.findings[0].path == "signature.sshsig" and not verdict.anchored

    # a signature of another bundle, and none
    members = forging.read(path)
    forging.beside(random.Random(0), members)
    verdict = look(forging.write(tmp_path / "forged.zip", members), signer=Path(f"{mine}.pub"))
    assert not verdict.holds and "no signature of this bundle" in verdict.findings[0].text
    del members["signature.sshsig"]
    assert not look(forging.write(tmp_path / "forged.zip", members), signer=Path(f"{mine}.pub")).holds


@SSH
def test_a_key_that_is_none_is_one_line(drawn: Project, tmp_path):
    (tmp_path / "nokey").write_text("hello\n")
    for name in ("nokey", "absent"):
        done = drawn.pipeline("bundle", DUEL, "-o", "signed.zip", "--sign", str(tmp_path / name), check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and name in done.stderr
        assert not (drawn.root / "signed.zip").exists()


# -- stages again


def test_stages_executed_again_are_identical(packed: Path, drawn: Project):
    done = drawn.pipeline("verify", str(packed), "--rerun", "3", "--seed", "1", "--expect", root_of(packed))
    told = [line for line in done.stdout.splitlines() if line.startswith("rerun: ") and line.endswith(": identical")]
    assert len(told) == 3 and "s left" in done.stderr and "seed 1" in done.stdout and "tolerances" in done.stdout


def test_weights_that_are_inside_are_not_trained_again(drawn: Project):
    drawn.pipeline("bundle", DUEL, "-o", "full.zip", "--weights")
    done = drawn.pipeline("verify", "full.zip", "--rerun", "99", "--seed", "1", check=False)
    assert done.returncode == UNANCHORED, done.stdout + done.stderr
    assert done.stdout.count(": identical") == 9 and done.stderr.count("left") == 9


def test_a_score_that_no_training_gives_is_found(packed: Path, drawn: Project, tmp_path):
    """A forgery that is consistent throughout: computing again finds it."""
    members = forging.read(packed)
    for name in forging.scores(members):
        forging.edit(members, name, lambda value: value.update(top1_last=99.0))
        outputs = {"scores.json": forging.entry(members[name])}
        forging.edit(members, forging.of(name), lambda value, outputs=outputs: value["outputs"].update(outputs))
    forging.rebind(members)
    path = forging.write(tmp_path / "forged.zip", members)
    assert look(path).holds
    done = drawn.pipeline("verify", str(path), "--rerun", "99", check=False)
    assert done.returncode == 1 and "NOT verified" in done.stdout
    assert done.stdout.count("executed again: top1_last is") == 4


def test_a_component_of_theirs_is_not_executed(packed: Path, drawn: Project, tmp_path):
    """A bundle names a component that only it has: its source is inside, and stays unread."""
    members = forging.read(packed)
    harm = tmp_path / "harm"
    source = members["pipeline/objectives/cosine.py"] + f"\nopen({str(harm)!r}, 'w')\n".encode()
    members["extend/objectives/cosine.py"] = source
    forging.repage(members)
    path = forging.write(tmp_path / "forged.zip", members)
    done = drawn.pipeline("verify", str(path), "--rerun", "99", check=False)
    assert done.stdout.count(": identical") == 9 and not harm.exists()


def test_tolerances_let_pass_what_rounding_does_and_no_more():
    recorded = {"top1_last": 60.0, "train_loss": 0.5, "best_epoch": 3, "spectrum": [1.0, 0.5]}
    near = {"top1_last": 60.4, "train_loss": 0.501, "best_epoch": 9, "spectrum": [1.0001, 0.5]}
    assert list(tolerances.scores(recorded, near, None)) == []
    for change in (
        {"top1_last": 62.0},
        {"train_loss": 0.6},
        {"spectrum": [1.0]},
        {"spectrum": [1.0, 0.6]},
        {"top1_last": float("nan")},
    ):
        assert len(list(tolerances.scores(recorded, near | change, None))) == 1, change
    seeds = [{"top1_last": value} for value in (50.0, 60.0, 70.0)]
    assert list(tolerances.scores({"top1_last": 60.0}, {"top1_last": 79.0}, seeds)) == []
    assert len(list(tolerances.scores({"top1_last": 60.0}, {"top1_last": 81.0}, seeds))) == 1
    assert len(list(tolerances.scores({"top1_last": 60.0}, {"top1_last": 64.0}, seeds[:1]))) == 1

    history = "epoch,loss,embedding_std,effective_rank\n1,-0.5,0.2,1.5\n2,-0.9,0.3,2.0\n"
    assert list(tolerances.training(history, history.replace("-0.9", "-0.91"))) == []
    assert len(list(tolerances.training(history, history.replace("-0.9", "-0.8")))) == 1
    assert len(list(tolerances.training(history, history.replace("2.0", "nan")))) == 1
    assert len(list(tolerances.training(history, history.splitlines(True)[0]))) == 1


def test_every_finding_says_what_to_do(packed: Path, tmp_path):
    for number, case in enumerate(forging.INSIDE):
        members = forging.read(packed)
        case(random.Random(number), members)
        for finding in look(forging.write(tmp_path / "forged.zip", members)).findings:
            assert finding.fix and dataclasses.asdict(finding)["kind"] in ("changed", "missing", "foreign", "forged")


@pytest.mark.slow
def test_the_real_table_is_small_and_quick():
    """Where scale quick has been built: under 5 MB, verified in under 5 s."""
    if not (ROOT / "results/quick/directpred/table8.csv").is_file():
        pytest.skip("results/table8.csv has not been built here")
    import tempfile
    import time

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table8.zip")
        command = [sys.executable, "-m", "pipeline"]
        done = subprocess.run(
            [*command, "bundle", "results/quick/directpred/table8.csv", "-o", str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if "stale" in done.stderr:
            pytest.skip("results/table8.csv is not up to date")
        assert done.returncode == 0 and path.stat().st_size < 5e6
        started = time.perf_counter()
        subprocess.run([*command, "verify", str(path)], cwd=ROOT, check=True, capture_output=True)
        assert time.perf_counter() - started < 5
