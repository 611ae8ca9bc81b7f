"""Files by which archives and catalogues of software know this project, and a draft in an archive like Zenodo.

Everything follows from ``CITATION.cff``, ``pyproject.toml`` and the declarations of the papers. A draft is never
published here: that is a click of a person's, who has looked at it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError, brief, plain
from pipeline.planning import yaml_files
from pipeline.planning.spec import Paper

ZENODO, CODEMETA = Path(".zenodo.json"), Path("codemeta.json")
TOKEN = "ZENODO_TOKEN"
"""Variable of the environment that holds the right to make drafts; it is in no file and no message."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ARXIV = re.compile(r"arXiv[ :](\d{4}\.\d{4,5})")
_CHUNK = 1 << 20


def described(root: Path, papers: Iterable[Paper]) -> dict[Path, dict[str, Any]]:
    """Content of ``.zenodo.json`` and ``codemeta.json``.

    Args:
        root: The project's folder.
        papers: Whose results it rebuilds.

    Raises:
        UserError: ``CITATION.cff`` or ``pyproject.toml`` lacks something that is needed.
    """
    citation = yaml_files.load(root / "CITATION.cff")
    if not isinstance(citation, dict):
        raise UserError(f"{root / 'CITATION.cff'}: expected keys: title, version, license, authors")
    for key in ("title", "version", "license", "authors"):
        if not citation.get(key):
            raise UserError(f"{root / 'CITATION.cff'}: {key}: this key is needed")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    if str(project.get("version")) != str(citation["version"]):
        raise UserError(
            f"CITATION.cff: version: {citation['version']}, where pyproject.toml has {project.get('version')}; "
            "write the same into both"
        )
    authors = [_author(entry, root) for entry in citation["authors"]]
    arxiv = [(paper, match[1]) for paper in papers if (match := _ARXIV.search(paper.citation or ""))]
    summary = str(project.get("description") or citation["title"])
    zenodo = {
        "title": citation["title"],
        "upload_type": "software",
        "description": summary,
        "creators": [_without_none({"name": name, "orcid": orcid}) for name, orcid in authors],
        "version": str(citation["version"]),
        "license": str(citation["license"]).lower(),
        "access_right": "open",
        "keywords": list(citation.get("keywords") or ["self-supervised learning", "reproducibility"]),
        "related_identifiers": [
            {"identifier": f"arXiv:{number}", "relation": "references", "resource_type": "publication-article"}
            for _, number in arxiv
        ],
    }
    codemeta = {
        "@context": "https://w3id.org/codemeta/3.0",
        "type": "SoftwareSourceCode",
        "name": project.get("name", citation["title"]),
        "description": summary,
        "version": str(citation["version"]),
        "license": f"https://spdx.org/licenses/{citation['license']}",
        "programmingLanguage": f"Python {project.get('requires-python', '')}".strip(),
        "author": [
            _without_none({"type": "Person" if "," in name else "Organization", "id": orcid, "name": name})
            for name, orcid in authors
        ],
        "softwareRequirements": list(project.get("dependencies", [])),
        "referencePublication": [
            {"type": "ScholarlyArticle", "name": paper.title, "identifier": f"arXiv:{number}"}
            for paper, number in arxiv
        ],
    }
    return {ZENODO: zenodo, CODEMETA: codemeta}


def _author(entry: Any, root: Path) -> tuple[str, str | None]:
    """Name, family name first, and ORCID if there is one."""
    if isinstance(entry, Mapping):
        parts = [str(entry[key]) for key in ("family-names", "given-names") if entry.get(key)]
        name = str(entry.get("name") or ", ".join(parts))
        if name:
            orcid = str(entry.get("orcid") or "").rstrip("/").rpartition("/")[2]
            return name, orcid or None
    raise UserError(f"{root / 'CITATION.cff'}: authors: expected name, or family-names and given-names: {brief(entry)}")


def _without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def check(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse to write over a file that says something else: it is somebody's.

    Raises:
        UserError: It is there and differs.
    """
    if not path.exists():
        return
    found = files.read_object(path)
    differs = [key for key in {**content, **found} if found.get(key) != content.get(key)]
    if differs or not found:
        raise UserError(
            f"{path}: says something else about {differs[0] if differs else 'everything'}, and is not written over; "
            "keep it, or remove it and type the same command again"
        )


# -- a draft


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that sends us elsewhere is an error: the token is for the host that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def draft(url: str, token: str, metadata: Mapping[str, Any], uploads: Sequence[Path]) -> str:
    """Make a draft with files; returns where to look at it.

    Args:
        url: The archive, ``https://...`` (``http`` on this machine alone).
        token: The right to do so.
        metadata: Content of ``.zenodo.json``.
        uploads: Files of the draft.

    Raises:
        UserError: The archive refuses, or has received other bytes than were sent. What it has kept is named.
    """
    check_address(url)
    names = [path.name for path in uploads]
    for path in uploads:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; type: python -m pipeline bundle ARTIFACT")
        if names.count(path.name) > 1:
            raise UserError(f"{path}: two files are called {path.name}; rename one of them")
    made = _ask(url, "POST", f"{url.rstrip('/')}/api/deposit/depositions", token, {"metadata": dict(metadata)})
    links = made.get("links") if isinstance(made.get("links"), dict) else {}
    number, bucket = plain(made.get("id", "?")), str((links or {}).get("bucket", ""))
    place = plain((links or {}).get("html") or f"{url.rstrip('/')}/deposit/{number}")
    try:
        if _host(bucket) != _host(url):
            raise UserError(f"{url}: files would have to go to another host ({plain(bucket) or 'none'})")
        for path in uploads:
            target = f"{bucket.rstrip('/')}/{urllib.parse.quote(path.name)}"
            answer = _ask(url, "PUT", target, token, path)
            wanted = f"md5:{_md5(path)}"
            if answer.get("checksum") not in (wanted, wanted.removeprefix("md5:")):
                raise UserError(f"{url}: {path.name}: other bytes arrived than were sent")
    except UserError as error:
        raise UserError(f"{error}; draft {number} is there without all its files, remove it: {place}") from None
    return place


def check_address(url: str) -> None:
    """Refuse an address to which a token must not be sent.

    Raises:
        UserError: It is neither https nor on this machine.
    """
    parts = urllib.parse.urlsplit(url)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise UserError(f"--url {plain(url)}: expected https://HOST; a token goes over no other way")


def _host(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _ask(url: str, method: str, target: str, token: str, content: Any) -> dict[str, Any]:
    """One request, of JSON or of a file; returns the JSON object of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    try:
        if isinstance(content, Path):
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(content.stat().st_size)}
            with content.open("rb") as file:
                return _answer(urllib.request.Request(target, _pieces(file), headers, method=method))
        body = json.dumps(content).encode()
        headers["Content-Type"] = "application/json"
        return _answer(urllib.request.Request(target, body, headers, method=method))
    except urllib.error.HTTPError as error:
        why = files.parse(error.read(1 << 16)) if error.fp else None
        told = why.get("message") if isinstance(why, dict) else None
        hint = f"; is {TOKEN} right?" if error.code in (401, 403) else ""
        raise UserError(f"{plain(url)}: {method}: {error.code} {plain(told or error.reason)}{hint}") from None
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"{plain(url)}: {method}: {plain(getattr(error, 'reason', None) or error)}") from None


def _answer(request: urllib.request.Request) -> dict[str, Any]:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=60) as response:
        found = files.parse(response.read(1 << 22))
    if not isinstance(found, dict):
        raise ValueError("its answer is no JSON object")
    return found


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
