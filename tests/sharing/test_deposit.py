"""What archives are told, and a draft in an archive: a server on this machine that answers as Zenodo does, or badly."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from pipeline import __main__
from pipeline.errors import UserError
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.sharing import deposit

TOKEN = "secret-of-a-test"


@pytest.fixture(scope="module")
def papers() -> list:
    return list(Catalogue(Options()).papers.values())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with what describes a project."""
    for name in ("CITATION.cff", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_what_archives_are_told_is_what_the_project_says(root: Path, papers: list) -> None:
    made = deposit.described(root, papers)
    zenodo, codemeta = made[deposit.ZENODO], made[deposit.CODEMETA]
    assert zenodo["title"].startswith("Every table and figure") and zenodo["license"] == "mit"
    assert (
        zenodo["creators"] == [{"name": "The authors of this repository"}] and zenodo["version"] == codemeta["version"]
    )
    assert {
        "identifier": "arXiv:2102.06810",
        "relation": "references",
        "resource_type": "publication-article",
    } in zenodo["related_identifiers"]
    printed = [paper for paper in papers if "arXiv" in (paper.citation or "")]
    assert len(codemeta["referencePublication"]) == len(printed) >= 5 and codemeta["license"].endswith("/MIT")
    assert any(one.startswith("torch") for one in codemeta["softwareRequirements"])


def test_people_are_named_by_family_name_and_orcid(root: Path) -> None:
    text = (root / "CITATION.cff").read_text()
    person = '  - {family-names: Curie, given-names: Marie, orcid: "https://orcid.org/0000-0001-2345-6789"}\n'
    (root / "CITATION.cff").write_text(text.replace('  - name: "The authors of this repository"\n', person))
    made = deposit.described(root, [])
    assert made[deposit.ZENODO]["creators"] == [{"name": "Curie, Marie", "orcid": "0000-0001-2345-6789"}]
    assert made[deposit.CODEMETA]["author"][0]["type"] == "Person"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 0.2.0", "version: 9.9.9", "write the same into both"),
        ("license: MIT\n", "", "license: this key is needed"),
        ('- name: "The authors of this repository"', "- {email: a@b.c}", "expected name"),
    ],
)
def test_what_is_lacking_is_said(root: Path, old: str, new: str, told: str) -> None:
    path = root / "CITATION.cff"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=told):
        deposit.described(root, [])


class Archive:
    """An archive that takes drafts.

    Attributes:
        asked: Method, path, token and body of every request.
        fault: What it does wrong.
    """

    def __init__(self) -> None:
        self.asked: list[SimpleNamespace] = []
        self.fault = ""
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_) -> None:
                pass

            def do_POST(self) -> None:
                body = self._body()
                if archive.fault == "refuses":
                    return self._answer(401, {"message": "who are you?"})
                if archive.fault == "redirects":
                    self.send_response(302)
                    self.send_header("Location", f"{archive.url}/elsewhere")
                    self.end_headers()
                    return None
                if archive.fault == "nonsense":
                    return self._answer(201, ["?"])
                bucket = "http://127.0.0.1:1/files/b" if archive.fault == "elsewhere" else f"{archive.url}/files/b"
                links = {"bucket": bucket, "html": f"{archive.url}/deposit/7"}
                assert json.loads(body)["metadata"]["title"]
                return self._answer(201, {"id": 7, "links": links})

            def do_PUT(self) -> None:
                body = self._body()
                md5 = hashlib.md5(body + b"x" * (archive.fault == "damages")).hexdigest()
                self._answer(201, {"checksum": f"md5:{md5}"})

            def do_GET(self) -> None:
                self._body()
                self._answer(200, {})

            def _body(self) -> bytes:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                token = self.headers.get("Authorization", "")
                archive.asked.append(SimpleNamespace(method=self.command, path=self.path, token=token, body=body))
                return body

            def _answer(self, status: int, content) -> None:
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="module")
def running() -> Iterator[Archive]:
    archive = Archive()
    yield archive
    archive.server.shutdown()
    archive.server.server_close()


@pytest.fixture
def archive(running: Archive) -> Archive:
    running.asked.clear()
    running.fault = ""
    return running


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "table 8.zip"
    path.write_bytes(b"bundle" * 1000)
    return path


def test_a_draft_has_the_files_and_is_not_published(archive: Archive, upload: Path) -> None:
    place = deposit.draft(archive.url, TOKEN, {"title": "t"}, [upload])
    assert place == f"{archive.url}/deposit/7"
    assert [(one.method, one.path) for one in archive.asked] == [
        ("POST", "/api/deposit/depositions"),
        ("PUT", "/files/b/table%208.zip"),
    ], "and no request publishes"
    assert archive.asked[1].body == upload.read_bytes()
    assert {one.token for one in archive.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("fault", "told", "requests"),
    [
        ("refuses", r"401 who are you\?; is ZENODO_TOKEN right\?", 1),
        ("redirects", "302", 1),
        ("nonsense", "no JSON object", 1),
        ("elsewhere", "another host .*; draft 7 is there without all its files", 1),
        ("damages", "other bytes arrived .*; draft 7 is there without all its files", 2),
    ],
)
def test_what_goes_wrong_is_one_line_and_the_token_stays_here(
    archive: Archive, upload: Path, fault: str, told: str, requests: int
) -> None:
    archive.fault = fault
    with pytest.raises(UserError, match=told) as error:
        deposit.draft(archive.url, TOKEN, {"title": "t"}, [upload])
    assert TOKEN not in str(error.value) and len(archive.asked) == requests


def test_a_token_goes_over_https_alone(upload: Path) -> None:
    for url in ("http://example.org", "ftp://127.0.0.1", "example.org", "https://"):
        with pytest.raises(UserError, match="expected https"):
            deposit.draft(url, TOKEN, {}, [upload])


def test_files_are_looked_at_before_anything_is_sent(archive: Archive, upload: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    shutil.copy(upload, tmp_path / "b" / upload.name)
    for uploads, told in (
        ([tmp_path / "none.zip"], "no such file"),
        ([upload, tmp_path / "b" / upload.name], "two files"),
    ):
        with pytest.raises(UserError, match=told):
            deposit.draft(archive.url, TOKEN, {"title": "t"}, uploads)
    assert not archive.asked


def test_the_command(root: Path, archive: Archive, upload: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(root)
    monkeypatch.delenv(deposit.TOKEN, raising=False)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pipeline", "deposit", *arguments])
        code = __main__.main()
        found = capsys.readouterr()
        return code, found.out + found.err

    code, said = call("--draft", str(upload), "--url", archive.url)
    assert code == 1 and "export ZENODO_TOKEN" in said and not archive.asked and not deposit.ZENODO.exists()
    assert call()[0] == 0 and call()[0] == 0, "what was written may be written again"
    metadata = json.loads(deposit.ZENODO.read_text())
    deposit.ZENODO.write_text(json.dumps({**metadata, "title": "My own title"}))
    code, said = call()
    assert code == 1 and "says something else about title" in said and "My own" in deposit.ZENODO.read_text()
    monkeypatch.setenv(deposit.TOKEN, TOKEN)
    code, said = call("--draft", str(upload), "--url", archive.url)
    assert code == 0 and f"{archive.url}/deposit/7" in said and TOKEN not in said
    assert json.loads(archive.asked[0].body)["metadata"]["title"] == "My own title"
