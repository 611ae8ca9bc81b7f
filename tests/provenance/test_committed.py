"""Results that are committed, as a clone has them: with receipts and ``.dvc`` files, and without payload."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.commands import _targets
from pipeline.commands import plan as command
from pipeline.engine.state import IN_PLACE, States
from pipeline.ledger.workspace import Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import audit, identify, views
from pipeline.provenance.findings import FORGED, MISSING

SCALE = "laptop"
TABLES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / f"results/{SCALE}").glob("*/*.csv"))


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Git has of them."""
    root = tmp_path_factory.mktemp("cloned")
    shutil.copytree(ROOT / "receipts", root / "receipts", ignore=shutil.ignore_patterns("local-*"))
    shutil.copytree(ROOT / f"results/{SCALE}", root / f"results/{SCALE}")
    for path in ROOT.glob("*/**/*.dvc"):
        place = root / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return root


def audited(root: Path, path: str) -> audit.Audit:
    """As the command says it; whether today's declarations still ask for it is another question."""
    workspace = Workspace(root)
    origin = identify.by_place(workspace, root / path)
    assert origin is not None
    return audit.audit(workspace, path, origin, None)


def test_table_8_and_others_are_committed():
    assert f"results/{SCALE}/directpred/table8.csv" in TABLES


@pytest.mark.parametrize("path", TABLES)
def test_it_holds_in_a_clone_which_is_told_what_was_not_hashed(cloned: Path, path: str):
    found = audited(cloned, path)
    assert [finding.line() for finding in found.findings] == []
    payload = [link for link in found.chain if not link.node.name.startswith("results/")]
    assert found.absent and len(found.absent) == sum(len(link.receipt["outputs"]) for link in payload)
    told = views.text(found)
    assert f"{len(found.absent)} files of payload are not here and were not hashed (" in told
    assert f"restore {path}" in told and "was not computed again" in told
    assert told.splitlines()[-1].startswith("everything here holds: ")
    assert views.data(found)["absent"] == found.absent
    raw = [entry for link in payload for entry in link.receipt["params"].get("files", [])]
    assert raw and all(entry.get("md5") or entry.get("contents") for entry in raw), "down to checksums of raw files"


def test_a_plan_knows_what_payload_is_elsewhere(cloned: Path, monkeypatch, capsys):
    monkeypatch.chdir(cloned)
    target = f"results/{SCALE}/directpred/table8.csv"
    catalogue = Catalogue(Options(scale=SCALE))
    states = States(Plan(catalogue, [catalogue.request(target)]), Workspace(cloned))
    names = {state.node.name for state in states.elsewhere()}
    found = audited(cloned, target)
    assert names == {link.node.name for link in found.chain if states.by_name[link.node.name].status == IN_PLACE} - {
        found.node
    }
    assert names, "the committed results are not those of today's declarations and code"
    planned = _targets.Planned(states.plan, states, catalogue.scale(SCALE))
    monkeypatch.setattr(_targets, "planned", lambda *given: planned)
    parser = argparse.ArgumentParser()
    command.add(parser)
    command.run(parser.parse_args([target]))
    assert f"payload of {len(names)} nodes in place is not here (" in capsys.readouterr().out


def test_what_lacks_its_dvc_file_or_a_part_or_is_forged_does_not_hold(cloned: Path, tmp_path: Path):
    root, path = tmp_path / "other", f"results/{SCALE}/directpred/table8.csv"
    shutil.copytree(cloned, root)
    (scores, *_) = (one for one in audited(root, path).absent if one.endswith("scores.json"))
    listing = root.joinpath(*Path(scores).parts[:3]).with_suffix(".dvc")
    kept = listing.read_text()
    listing.unlink()
    assert (MISSING, scores) in {(finding.kind, finding.path) for finding in audited(root, path).findings}
    listing.write_text(kept)
    weights = next(one for one in audited(root, path).absent if one.endswith("model.safetensors"))
    (root / weights).parent.mkdir(parents=True)
    damaged = {finding.path for finding in audited(root, path).findings if finding.kind == MISSING}
    assert weights in damaged and scores not in damaged
    shutil.rmtree((root / weights).parent)
    receipt = root / f"receipts/{Path(scores).parent}.json"
    edited = json.loads(receipt.read_text())
    edited["outputs"]["scores.json"]["sha256"] = "0" * 64
    receipt.write_text(json.dumps(edited, indent=1, sort_keys=True) + "\n")
    assert FORGED in {finding.kind for finding in audited(root, path).findings}
