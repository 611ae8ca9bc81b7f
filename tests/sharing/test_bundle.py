"""What goes into a bundle, what does not, and how other people's tools see it."""

from __future__ import annotations

import hashlib
import html.parser
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import forging
import pytest
from conftest import DUEL, Project

from pipeline.errors import UserError
from pipeline.sharing import collect, writer
from pipeline.site import tables

CITATION = "cff-version: 1.2.0\ntitle: t\nlicense: MIT\nauthors: [{name: somebody}]\n"


def bundle(
    project: Project, *arguments: str, name: str = "duel.zip", check: bool = True
) -> subprocess.CompletedProcess:
    (project.root / "CITATION.cff").write_text(CITATION)
    return project.pipeline("bundle", DUEL, "-o", name, *arguments, check=check)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_holds_the_closure_and_prints_its_root(built: Project):
    done = bundle(built)
    found = members(built.root / "duel.zip")
    manifest = json.loads(found["manifest.json"])
    files = {name for name in found if not name.endswith("/")}
    assert manifest["files"].keys() == files - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry == {"sha256": hashlib.sha256(found[name]).hexdigest(), "size": len(found[name])}, name
    root = forging.followed(found).root()
    assert f"root hash {root}" in done.stdout and f"--expect {root}" in done.stdout
    assert manifest["artifacts"] == ["results/mini/mini/duel"]
    receipts = [n for n in files if n.startswith("receipts/") and not n.endswith(".execution.json")]
    assert len(receipts) == 9
    for suffix in ("csv", "json", "md", "receipt.json", "execution.json"):
        assert (
            found[f"results/mini/mini/duel.{suffix}"] == (built.root / f"results/mini/mini/duel.{suffix}").read_bytes()
        )
    assert sum(name.endswith("/scores.json") for name in files) == 4
    assert sum(name.startswith("keys/") for name in files) == 6
    assert {"Snakefile", "rules/tables.smk", "params/papers/mini.yaml", "pipeline/engine/executor.py"} <= files
    assert not any(name.endswith((".safetensors", ".pyc")) for name in files)


def test_the_same_content_gives_the_same_bytes(built: Project):
    bundle(built)
    first = (built.root / "duel.zip").read_bytes()
    for path in (built.root / "results/mini/mini").iterdir():
        path.touch()
    bundle(built, name="elsewhere/another name.zip")
    assert (built.root / "elsewhere/another name.zip").read_bytes() == first
    with zipfile.ZipFile(built.root / "duel.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


def test_nothing_tells_whose_machine_it_was(built: Project, tmp_path):
    home = tmp_path / "home" / "zaphodbeeble"
    home.mkdir(parents=True)
    names = {"HOME": str(home), "USER": "zaphodbeeble", "LOGNAME": "zaphodbeeble", "HOSTNAME": "milliways"}
    project = Project(built.root, built.environ | names)
    bundle(project)
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
    private = [str(built.root), str(tmp_path), str(home), "zaphodbeeble", "milliways"]
    private += [host] if len(host) > 3 else []
    for name, content in members(built.root / "duel.zip").items():
        for text in private:
            assert text.encode() not in content and text not in name, f"{name}: {text}"
        key = json.loads(content) if name.startswith("keys/") and name.endswith(".json") else {}
        assert not key.keys() & {"context", "invalidated_at"}


def test_a_file_that_tells_is_refused(built: Project):
    (built.root / "params/papers/note.yaml").write_text(f"# from {built.root}/notes\n")
    (built.root / "params/papers/note.yaml").rename(built.root / "rules/note.smk")
    done = bundle(built, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "rules/note.smk: names a folder of yours" in done.stderr
    assert not (built.root / "duel.zip").exists()


def test_what_does_not_hold_is_refused_by_name(built: Project):
    scores = sorted(built.root.glob("measurements/*/seed0/epoch*/*/scores.json"))
    inside = scores[0].relative_to(built.root).as_posix()

    content = scores[0].read_bytes()
    scores[0].write_bytes(content.replace(b"top5", b"top6"))
    done = bundle(built, check=False)
    assert done.returncode == 1 and f"changed: {inside}" in done.stderr and "restore" in done.stderr
    scores[0].unlink()
    bundle(built)  # the store has it
    assert members(built.root / "duel.zip")[inside] == content
    (built.root / "duel.zip").unlink()
    entry = json.loads((built.root / "receipts" / f"{Path(inside).parent}.json").read_text())["outputs"]["scores.json"]
    (built.root / ".dvc/cache/files/md5" / entry["md5"][:2] / entry["md5"][2:]).unlink()
    done = bundle(built, check=False)
    assert done.returncode == 1 and f"missing: {inside}" in done.stderr
    assert not (built.root / "duel.zip").exists()


def test_an_edited_table_or_receipt_is_refused(built: Project):
    table = built.root / DUEL
    text = table.read_text()
    table.write_text(text.replace("plain", "plane"))
    done = bundle(built, check=False)
    assert done.returncode == 1 and f"changed: {DUEL}" in done.stderr
    table.write_text(text)
    path = next(built.root.glob("receipts/checkpoints/*/seed0/epoch0001.json"))
    path.write_text(path.read_text().replace('"lr": 0.1', '"lr": 0.2'))
    done = bundle(built, check=False)
    assert done.returncode == 1 and path.relative_to(built.root).as_posix() in done.stderr and "forged" in done.stderr


def test_a_stale_result_is_refused(built: Project):
    built.edit("params/papers/mini.yaml", "momentum: 0.9}", "momentum: 0.8}")
    done = bundle(built, check=False)
    assert done.returncode == 1 and "stale" in done.stderr and "snakemake results/mini/mini/duel.csv" in done.stderr


def test_weights_go_along_on_request(built: Project):
    bundle(built, "--weights")
    found = members(built.root / "duel.zip")
    assert sum(name.endswith("/model.safetensors") for name in found) == 4
    assert sum(name.startswith("data/") and name.endswith("arrays.safetensors") for name in found) == 1
    assert not any(name.endswith("state.safetensors") for name in found)


@pytest.mark.slow
def test_a_folder_of_theirs_goes_along(built: Project, tmp_path):
    theirs = tmp_path / "theirs"
    (theirs / "objectives").mkdir(parents=True)
    shutil.copy(built.root / "pipeline/objectives/cosine.py", theirs / "objectives/bend.py")
    (theirs / "papers").mkdir()
    mini = (built.root / "params/papers/mini.yaml").read_text()
    text = mini.replace("paper: mini", "paper: bent").replace("objective: {kind: cosine}", "objective: {kind: bend}")
    (theirs / "papers/bent.yaml").write_text(text)
    config = ("--config", f"extend={theirs}", "scale=mini")
    built.snakemake("results/mini/bent/early.csv", *config)
    built.pipeline("bundle", "bent/early", *config)
    found = members(built.root / "early.zip")
    assert found["extend/objectives/bend.py"] == (theirs / "objectives/bend.py").read_bytes()
    assert "extend/papers/bent.yaml" in found
    keys = [json.loads(c) for n, c in found.items() if n.startswith("keys/pretrain/") and n.endswith(".json")]
    assert {key["components"]["objective"] for key in keys} == {"extend/objectives/bend.py"}
    assert not any(str(theirs).encode() in content for content in found.values())
    digest = hashlib.sha256((built.root / "early.zip").read_bytes()).hexdigest()
    done = built.pipeline("verify", "early.zip", "--expect", digest)
    assert "verified\n" in done.stdout and "NOT" not in done.stdout


@pytest.mark.slow
def test_several_artifacts_in_one_bundle(built: Project):
    built.build("results/mini/mini/early.csv")
    built.pipeline("bundle", DUEL, "mini/early", "-o", "both.zip", "--config", "scale=mini")
    manifest = json.loads(members(built.root / "both.zip")["manifest.json"])
    assert manifest["artifacts"] == ["results/mini/mini/duel", "results/mini/mini/early"]
    told = built.pipeline("verify", "both.zip", check=False)
    assert told.returncode == 3 and told.stdout.count("computed again") == 2
    audited = json.loads(built.pipeline("audit", DUEL, "--json", "--config", "scale=mini").stdout)
    told = built.pipeline("verify", "both.zip", "--expect", audited["root"], check=False)
    assert told.returncode == 3 and "results/mini/mini/duel, which it anchors, and of nothing else" in told.stdout


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_for_people_needs_nothing_else(built: Project):
    bundle(built)
    page = _Page()
    page.feed(members(built.root / "duel.zip")["index.html"].decode())
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object"})
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "One against the other" in page.text and "python -m pipeline verify" in page.text and "direct" in page.text
    report = json.loads((built.root / DUEL).with_suffix(".json").read_text())
    grid = tables.grid(report)
    shown = [cell.text for _, cells in grid.lines for cell in cells]
    assert len(shown) == 4 and all(text in page.text for text in shown), "as the site shows it"


def test_a_name_that_some_systems_cannot_have_is_refused(built: Project):
    (built.root / "rules/a:b.smk").write_text("\n")
    done = bundle(built, check=False)
    assert done.returncode == 1 and "rules/a:b.smk" in done.stderr and "rename it" in done.stderr


def test_folders_with_dots_above_are_no_hidden_files(tmp_path):
    root = tmp_path / ".cache" / "project"
    for name in ("params/papers/mini.yaml", "params/papers/.mini.yaml", "pipeline/.ipynb_checkpoints/executor.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("#")
    assert dict(collect._project(root, None)) == {"params/papers/mini.yaml": b"#"}


# -- the crate


def _contexts(monkeypatch) -> None:
    """Let the validator read the JSON-LD context of RO-Crate 1.1 without a network.

    The rocrate library brings that of 1.3, which differs in the addresses of Bioschemas' terms.
    """
    import rocrate
    from rdflib.plugins.shared.jsonld.context import Context
    from rocrate_validator.utils.http import HttpRequester

    text = (Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text()
    for term in ("ComputationalWorkflow", "FormalParameter"):
        text = text.replace(f"https://bioschemas.org/terms/{term}", f"https://bioschemas.org/{term}")
    context = json.loads(text.replace("https://bioschemas.org/terms/", "https://bioschemas.org/ComputationalWorkflow#"))

    class Answer:
        status_code, headers, ok, text = 200, {"Content-Type": "application/ld+json"}, True, json.dumps(context)

        @staticmethod
        def json():
            return context

        @staticmethod
        def raise_for_status():
            return None

    def fetch(self, source, base, referenced):
        assert source == "https://w3id.org/ro/crate/1.1/context"
        return context

    def get(self, url, *arguments, **options):
        assert url == "https://w3id.org/ro/crate/1.1/context"
        return Answer()

    monkeypatch.setattr(Context, "_fetch_context", fetch)
    monkeypatch.setattr(HttpRequester, "get", get, raising=False)


PROFILES = ("provenance-run-crate-0.5",)
"""It is built on those of workflow and process runs, of workflows, and on RO-Crate itself, which are checked with it."""


def test_an_ro_crate_validator_finds_no_errors(built: Project, monkeypatch):
    services = pytest.importorskip("rocrate_validator.services", reason="roc-validator is not installed")
    from rocrate_validator.models import Severity

    _contexts(monkeypatch)
    bundle(built)

    def issues(path: Path, profile: str) -> list[str]:
        settings = services.ValidationSettings(
            rocrate_uri=str(path), profile_identifier=profile, requirement_severity=Severity.REQUIRED
        )
        result = services.validate(settings)
        return [issue.message for issue in result.get_issues(Severity.REQUIRED)]

    for profile in PROFILES:
        assert issues(built.root / "duel.zip", profile) == [], profile

    # the validator looks: without a licence or its main workflow the crate is none
    found = members(built.root / "duel.zip")
    crate = json.loads(found["ro-crate-metadata.json"])
    root = next(entity for entity in crate["@graph"] if entity["@id"] == "./")
    del root["license"], root["mainEntity"]
    with zipfile.ZipFile(built.root / "worse.zip", "w") as archive:
        for name, content in (found | {"ro-crate-metadata.json": json.dumps(crate).encode()}).items():
            archive.writestr(name, content)
    assert issues(built.root / "worse.zip", "workflow-ro-crate-1.0")


def test_the_crate_tells_what_ran(built: Project):
    bundle(built)
    crate = json.loads(members(built.root / "duel.zip")["ro-crate-metadata.json"])
    by_id = {entity["@id"]: entity for entity in crate["@graph"]}
    root = by_id["./"]
    assert root["mainEntity"] == {"@id": "Snakefile"} and root["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert {entry["@id"] for entry in root["conformsTo"]} >= {"https://w3id.org/ro/wfrun/workflow/0.5"}
    assert {"@id": "results/mini/mini/duel.csv"} in by_id["#run"]["result"]
    assert by_id["#run"]["instrument"] == {"@id": "Snakefile"}
    assert "4 executed" in by_id["#action-pretrain"]["name"] and "torch" in by_id["#action-pretrain"]["description"]


def test_a_bundle_of_many_members_is_known_as_one(tmp_path):
    """Its list of members is longer than the ends of the file that are looked at."""
    path = tmp_path / "many.zip"
    members = {f"{folder}/{'x' * 60}/{n}.json": b"{}" for folder in ("keys", "receipts") for n in range(2000)}
    writer.write(path, {**members, "manifest.json": b"{}"})
    writer.check(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="no earlier bundle"):
        writer.check(path)
