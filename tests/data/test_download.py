"""Raw files: found, verified, downloaded from a real HTTP server, unpacked; and every way to fail."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import socket
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.data import archives, raw
from pipeline.data.download import TransferError, transfer
from pipeline.errors import UserError

BODY = bytes(range(256)) * 4096  # 1 MiB
QUICK = {"timeout": 5.0, "tries": 2, "pause": 0.01}


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@dataclass
class Server:
    """One file on loopback, and how the server misbehaves.

    Attributes:
        body: What it serves.
        claims: Content-Length, if not that of the body.
        drops: For each request in turn, after how many bytes of its answer the connection is cut.
        ranges: Whether it answers ranges.
        statuses: For each request in turn, an error to answer with.
        tag: ETag.
        pause: Seconds to wait in the middle of an answer.
        asked: The requests: their Range header, or None.
    """

    body: bytes = BODY
    claims: int | None = None
    drops: list[int | None] = field(default_factory=list)
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    tag: str | None = '"v1"'
    pause: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if self.statuses and (status := self.statuses.pop(0)) >= 400:
            handler.send_error(status)
            return
        begin, status = 0, 200
        condition = handler.headers.get("If-Range")
        if wanted and self.ranges and condition in (None, self.tag):
            begin, status = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]), 206
            if begin >= len(self.body):
                handler.send_error(416)
                return
        rest = self.body[begin:]
        handler.send_response(status)
        handler.send_header("Content-Length", str(self.claims if self.claims is not None else len(rest)))
        if status == 206:
            handler.send_header("Content-Range", f"bytes {begin}-{len(self.body) - 1}/{len(self.body)}")
        if self.tag:
            handler.send_header("ETag", self.tag)
        handler.end_headers()
        cut = self.drops.pop(0) if self.drops else None
        handler.wfile.write(rest[: cut if cut is not None else len(rest) // 2])
        if cut is None:
            threading.Event().wait(self.pause)
            with contextlib.suppress(OSError):
                handler.wfile.write(rest[len(rest) // 2 :])


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/set.bin"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield state
        http.shutdown()


def declared(server: Server | None = None, body: bytes = BODY, **changes: object) -> dict:
    file = {"name": "set.bin", "url": server.url if server else None, "md5": md5(body), "bytes": len(body)}
    return {**file, **changes}


def get(folder: Path, *files: dict, raw_dir: Path | None = None, **network: object) -> dict[str, Path]:
    return raw.fetch("demo", files, raw_dir, folder, **{**QUICK, **network})


def refused(folder: Path, *files: dict, raw_dir: Path | None = None, **network: object) -> str:
    """The one line that the user reads."""
    with pytest.raises(UserError) as caught:
        get(folder, *files, raw_dir=raw_dir, **network)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("demo: ")
    assert files[0]["name"] in text
    assert "--config raw_dir=FOLDER" in text and "SSL_RAW_DIR=FOLDER" in text
    return text


def visible(folder: Path) -> set[str]:
    """Files that could be taken for data."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.endswith((".part", ".lock"))}


# ---- transfers that work


def test_a_download_arrives_and_is_not_repeated(server, tmp_path):
    assert get(tmp_path / "dl", declared(server)) == {"set.bin": tmp_path / "dl/set.bin"}
    assert (tmp_path / "dl/set.bin").read_bytes() == BODY
    assert visible(tmp_path) == {"dl/set.bin"}
    assert not list(tmp_path.rglob("*.part"))
    get(tmp_path / "dl", declared(server))
    assert server.asked == [None]


def test_sha256_is_compared_as_well(server, tmp_path):
    good = hashlib.sha256(BODY).hexdigest()
    bad = ("1" if good[0] == "0" else "0") + good[1:]
    get(tmp_path / "good", declared(server, md5=None, sha256=good))
    assert bad in refused(tmp_path / "bad", declared(server, md5=None, sha256=bad))
    assert visible(tmp_path) == {"good/set.bin"}


def test_a_dropped_connection_is_resumed(server, tmp_path):
    server.drops = [300_000, 200_000]
    get(tmp_path, declared(server))
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_transfer_is_resumed_by_a_later_call(server, tmp_path):
    server.drops = [300_000, 0, 0]
    assert "connection closed after 300,000 of 1,048,576 bytes" in refused(tmp_path, declared(server))
    assert visible(tmp_path) == set()
    assert (tmp_path / "set.bin.part").stat().st_size == 300_000
    server.asked.clear()
    get(tmp_path, declared(server))
    assert server.asked == ["bytes=300000-"]
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.drops = False, [300_000]
    get(tmp_path, declared(server))
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-"]


def test_a_wrong_beginning_is_thrown_away(server, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(b"another version" * 100)
    get(tmp_path, declared(server))
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert server.asked == ["bytes=1500-", None]


@pytest.mark.parametrize("extra", [0, 1000])
def test_a_part_of_full_length_or_longer_is_sorted_out(server, tmp_path, extra):
    (tmp_path / "set.bin.part").write_bytes(BODY + b"x" * extra)
    get(tmp_path, declared(server))
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert server.asked == ([] if extra == 0 else [None])
    # Without a known size the server is asked, and says that there is no such range.
    (tmp_path / "b").mkdir()
    (tmp_path / "b/set.bin.part").write_bytes(BODY + b"x" * extra)
    server.asked.clear()
    get(tmp_path / "b", declared(server, bytes=None))
    assert (tmp_path / "b/set.bin").read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY) + extra}-", None]


def test_a_file_that_changes_on_the_server_is_not_mixed(server, tmp_path):
    """Without a checksum only If-Range protects."""
    server.drops = [300_000]
    answer, new = server.answer, b"new" * 300_000

    def changing(handler: BaseHTTPRequestHandler) -> None:
        answer(handler)
        server.body, server.tag = new, '"v2"'

    server.answer = changing
    get(tmp_path, declared(server, md5=None, bytes=None, checksum="unpublished"))
    assert (tmp_path / "set.bin").read_bytes() == new
    assert server.asked == [None, "bytes=300000-"]


def test_without_checksum_nothing_old_is_continued(server, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(BODY[:1000])
    get(tmp_path, declared(server, md5=None, checksum="unpublished"))
    assert server.asked == [None]
    # Nor is there anything to go by when the server does not identify what it sends.
    server.tag, server.drops = None, [300_000]
    server.asked.clear()
    get(tmp_path / "b", declared(server, md5=None, checksum="unpublished"))
    assert server.asked == [None, None]
    assert (tmp_path / "b/set.bin").read_bytes() == BODY


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.statuses = [503, 200]
    get(tmp_path, declared(server))
    assert len(server.asked) == 2


def test_two_at_once_download_once(server, tmp_path):
    server.pause = 0.3
    threads = [threading.Thread(target=get, args=(tmp_path, declared(server))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [None]
    assert (tmp_path / "set.bin").read_bytes() == BODY


# ---- transfers that do not


def test_corrupt_bytes_are_refused_and_removed(server, tmp_path):
    server.body = BODY[:-1] + b"?"
    text = refused(tmp_path, declared(server))
    assert md5(BODY) in text and md5(server.body) in text and server.url in text
    assert f"{len(BODY):,} bytes" in text
    assert visible(tmp_path) == set()
    assert not list(tmp_path.glob("*.part"))
    assert len(server.asked) == 1


def test_a_body_shorter_than_its_length_is_not_a_file(server, tmp_path):
    server.body, server.claims, server.ranges = BODY[:700_000], len(BODY), False
    text = refused(tmp_path, declared(server))
    assert "connection closed after 700,000 of 1,048,576 bytes" in text
    assert visible(tmp_path) == set()
    # The same when nothing is known about the file.
    refused(tmp_path / "b", declared(server, md5=None, bytes=None, checksum="unpublished"))
    assert visible(tmp_path) == set()


def test_another_size_is_not_even_read(server, tmp_path):
    server.body = b"<html>moved</html>"
    assert "has 18 bytes under this name, expected 1,048,576" in refused(tmp_path, declared(server))
    assert len(server.asked) == 1
    assert visible(tmp_path) == set()


def test_not_found_is_final(server, tmp_path):
    server.statuses = [404, 404]
    assert "404 Not Found" in refused(tmp_path, declared(server))
    assert len(server.asked) == 1
    assert visible(tmp_path) == set()


def test_a_server_that_stays_busy(server, tmp_path):
    server.statuses = [503] * 9
    assert "503" in refused(tmp_path, declared(server), tries=3)
    assert len(server.asked) == 3


def test_no_network(tmp_path, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        port = http.server_port
    file = declared(url=f"http://127.0.0.1:{port}/set.bin")
    text = refused(tmp_path / "dl", file)
    assert "Connection refused" in text
    assert "put it at FOLDER/set.bin, and type --config raw_dir=FOLDER" in text
    assert visible(tmp_path) == set()

    def no_names(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    assert "Name or service not known" in refused(tmp_path / "dl", declared(url="http://raw.invalid/set.bin"))


def test_a_server_that_falls_silent(server, tmp_path):
    server.pause = 1.0
    text = refused(tmp_path, declared(server), timeout=0.2, tries=1)
    assert "stopped answering" in text
    assert visible(tmp_path) == set()


def test_only_http_addresses_are_fetched(tmp_path):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(TransferError, match="not an http address"):
        transfer((tmp_path / "secret").as_uri(), tmp_path / "x.part")
    assert not (tmp_path / "x.part").exists()


def test_a_full_disk(server, tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    # a link to the device is not followed any more
    monkeypatch.setattr("pipeline.data.download._opened", lambda part, begin: Path("/dev/full").open("wb"))  # noqa: SIM115
    assert "the disk is full" in refused(tmp_path, declared(server))
    assert visible(tmp_path) == set()


@contextlib.contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of its own, used as an ordinary user: root may write anywhere."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "sealed").mkdir()
        (folder / "sealed").chmod(0o555)
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            (folder / "sealed").chmod(0o755)


def test_a_read_only_folder(server):
    with unprivileged() as folder:
        text = refused(folder / "sealed", declared(server))
        assert "Permission denied" in text and str(folder / "sealed") in text
        assert "Permission denied" in refused(folder / "sealed/deeper", declared(server))
        assert list((folder / "sealed").iterdir()) == []
    assert server.asked == []


def test_an_unreadable_file():
    with unprivileged() as folder, tempfile.TemporaryDirectory() as mine:
        (Path(mine) / "set.bin").write_bytes(BODY)
        (Path(mine) / "set.bin").chmod(0)
        text = refused(folder / "sealed", declared(), raw_dir=Path(mine))
    assert f"{Path(mine) / 'set.bin'}: Permission denied" in text


# ---- the user's folder


@pytest.mark.parametrize("place", ["set.bin", "sub/set.bin"])
def test_the_users_copy_is_used(server, tmp_path, place):
    path = tmp_path / "mine" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    found = get(tmp_path / "dl", declared(server, folder="sub"), raw_dir=tmp_path / "mine")
    assert found == {"set.bin": path}
    assert server.asked == []
    assert not (tmp_path / "dl").exists()


def test_what_the_folder_lacks_is_downloaded(server, tmp_path):
    (tmp_path / "mine").mkdir()
    found = get(tmp_path / "dl", declared(server, folder="sub"), raw_dir=tmp_path / "mine")
    assert found == {"set.bin": tmp_path / "dl/sub/set.bin"}
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_wrong_checksum_is_never_passed_over(server, tmp_path):
    wrong = BODY[:-1] + b"?"
    (tmp_path / "set.bin").write_bytes(wrong)
    text = refused(tmp_path / "dl", declared(server), raw_dir=tmp_path)
    assert md5(BODY) in text and md5(wrong) in text and str(tmp_path / "set.bin") in text
    assert server.asked == []
    assert (tmp_path / "set.bin").read_bytes() == wrong


def test_a_truncated_copy(tmp_path):
    (tmp_path / "set.bin").write_bytes(BODY[:-5])
    text = refused(tmp_path / "dl", declared(), raw_dir=tmp_path)
    assert "has 1,048,571 bytes, expected 1,048,576: it is incomplete" in text


def test_a_damaged_download_is_found_later(server, tmp_path):
    get(tmp_path, declared(server))
    (tmp_path / "set.bin").write_bytes(BODY[:-1] + b"?")
    assert str(tmp_path / "set.bin") in refused(tmp_path, declared(server))


def test_a_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"demo: the raw folder .*nowhere does not exist; type --config raw_dir="):
        get(tmp_path / "dl", declared(), raw_dir=tmp_path / "nowhere")


def test_what_cannot_be_downloaded_says_where_its_terms_are(tmp_path):
    file = declared(
        name="photos.tar",
        folder="photos",
        contents={"train/": None},
        unpack=False,
        page="https://example.org/terms",
        layout="one folder per class",
    )
    text = refused(tmp_path / "dl", file, raw_dir=tmp_path)
    assert "not openly downloadable: see https://example.org/terms" in text
    assert "put it at FOLDER/photos/photos.tar (or, unpacked, FOLDER/photos/train/: one folder per class)" in text
    assert f"photos.tar ({len(BODY):,} bytes, md5 {md5(BODY)}) is not in {tmp_path} or {tmp_path / 'dl'}" in text


def test_optional_files_may_be_absent(tmp_path):
    assert get(tmp_path, declared(optional=True)) == {}


COPY = b"the same in another format"


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize("folder", ["", "sub"])
def test_a_copy_in_another_format_stands_in_for_the_file(server, tmp_path, algorithm, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "set.npz").write_bytes(COPY)
    sums = {"set.npz": hashlib.new(algorithm, COPY).hexdigest(), "set.csv": md5(b"nowhere")}
    file = declared(server, folder=folder, instead=sums)
    assert get(tmp_path / "dl", file, raw_dir=tmp_path) == {"set.bin": tmp_path / folder / "set.npz"}
    assert server.asked == []
    (tmp_path / "set.bin").write_bytes(BODY)  # the file itself comes first
    assert get(tmp_path / "dl", declared(server, instead=sums), raw_dir=tmp_path) == {"set.bin": tmp_path / "set.bin"}


def test_a_damaged_copy_is_never_passed_over(server, tmp_path):
    (tmp_path / "set.npz").write_bytes(COPY + b"?")
    text = refused(tmp_path / "dl", declared(server, instead={"set.npz": md5(COPY)}), raw_dir=tmp_path)
    assert f"{tmp_path / 'set.npz'} has md5 {md5(COPY + b'?')}, expected {md5(COPY)}" in text
    assert server.asked == []


def test_what_is_nowhere_is_downloaded_as_its_authors_publish_it(server, tmp_path):
    file = declared(server, instead={"set.npz": md5(COPY)})
    assert get(tmp_path, file) == {"set.bin": tmp_path / "set.bin"}
    (tmp_path / "empty").mkdir()
    file = declared(folder="sub", instead={"set.npz": md5(COPY)})
    text = refused(tmp_path / "dl", file, raw_dir=tmp_path / "empty")
    assert "put it at FOLDER/sub/set.bin or FOLDER/sub/set.npz, and type" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instead": {"set.npz": "123"}}, "instead: set.npz: expected an md5 or a sha256, found '123'"),
        ({"instead": {"../set.npz": "0" * 32}}, "expected a file name, found '../set.npz'"),
        ({"md5": None}, "expected md5, sha256 or, if none is known, checksum: unpublished"),
        ({"md5": "123"}, "md5: expected 32 hexadecimal digits"),
        ({"folder": "../elsewhere"}, "expected a path below the raw folder"),
        ({"contents": {"/etc/passwd": None}}, "expected a path below the raw folder"),
        ({"name": "../set.bin"}, "expected a file name"),
        ({"sha1": "abc"}, "sha1: there is no such key"),
    ],
)
def test_declarations_are_checked(tmp_path, change, message):
    with pytest.raises(UserError, match=r"params/datasets\.yaml: demo: files") as caught:
        get(tmp_path, declared(**change))
    assert message in str(caught.value)


# ---- archives

CONTENTS = {"set/a.bin": b"a" * 100_000, "set/b/c.bin": b"c" * 5}


def packed(suffix: str, members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=data, mode="w" if suffix == ".tar" else "w:gz") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def archive_of(server: Server | None, suffix: str, members: dict[str, bytes], **changes: object) -> tuple[dict, bytes]:
    data = packed(suffix, members)
    changes.setdefault("contents", {name: md5(content) for name, content in members.items()})
    if server:
        server.body = data
    return declared(server, data, name=f"set{suffix}", **changes), data


@pytest.mark.parametrize("suffix", archives.SUFFIXES)
def test_an_archive_is_downloaded_and_unpacked_once(server, tmp_path, suffix):
    file, _ = archive_of(server, suffix, CONTENTS)
    assert get(tmp_path, file) == {f"set{suffix}": tmp_path}
    for name, content in CONTENTS.items():
        assert (tmp_path / name).read_bytes() == content
    before = (tmp_path / "set/a.bin").stat().st_mtime_ns
    get(tmp_path, file)
    assert (tmp_path / "set/a.bin").stat().st_mtime_ns == before
    assert len(server.asked) == 1
    assert visible(tmp_path) == {f"set{suffix}", *CONTENTS}


def test_an_archive_in_the_users_folder_is_unpacked_elsewhere(tmp_path):
    file, data = archive_of(None, ".tgz", CONTENTS, folder="sub")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/set.tgz").write_bytes(data)
    assert get(tmp_path / "dl", file, raw_dir=tmp_path / "mine") == {"set.tgz": tmp_path / "dl/sub"}
    assert visible(tmp_path / "mine") == {"set.tgz"}
    assert (tmp_path / "dl/sub/set/a.bin").read_bytes() == CONTENTS["set/a.bin"]


@pytest.mark.parametrize("named", [".", "sub", "set"])
def test_unpacked_files_are_accepted_in_place_of_the_archive(tmp_path, named):
    file, _ = archive_of(None, ".tgz", CONTENTS, folder="sub")
    base = tmp_path / "sub" if named == "sub" else tmp_path
    for name, content in CONTENTS.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(content)
    mine = tmp_path / "set" if named == "set" else tmp_path
    assert get(tmp_path / "dl", file, raw_dir=mine) == {"set.tgz": base}
    assert not (tmp_path / "dl").exists()


def test_unpacked_files_are_verified(server, tmp_path):
    file, _ = archive_of(server, ".tgz", CONTENTS)
    (tmp_path / "set/b").mkdir(parents=True)
    (tmp_path / "set/a.bin").write_bytes(CONTENTS["set/a.bin"][:-1])
    text = refused(tmp_path / "dl", file, raw_dir=tmp_path)
    assert f"{tmp_path / 'set/b/c.bin'} is missing" in text
    (tmp_path / "set/b/c.bin").write_bytes(CONTENTS["set/b/c.bin"])
    text = refused(tmp_path / "dl", file, raw_dir=tmp_path)
    assert f"{tmp_path / 'set/a.bin'} has md5" in text and md5(CONTENTS["set/a.bin"]) in text
    assert server.asked == []


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "ABSOLUTE/evil", "C:/evil", "..\\evil"])
def test_members_cannot_leave_the_folder(tmp_path, suffix, name):
    name = name.replace("ABSOLUTE", str(tmp_path))
    file, data = archive_of(None, suffix, {"set/a.bin": b"a", name: b"evil"}, contents={"set/a.bin": md5(b"a")})
    (tmp_path / "mine").mkdir()
    (tmp_path / f"mine/set{suffix}").write_bytes(data)
    text = refused(tmp_path / "dl/deep", file, raw_dir=tmp_path / "mine")
    assert "points outside the folder" in text
    assert visible(tmp_path) == {f"mine/set{suffix}"}
    assert not (tmp_path / "dl/deep/set").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_tar_archives_hold_plain_files_only(tmp_path, kind):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("set/out")
        link.type, link.linkname = kind, str(tmp_path / "victim")
        archive.addfile(link)
        through = tarfile.TarInfo("set/out/written")
        through.size = 4
        archive.addfile(through, io.BytesIO(b"evil"))
    (tmp_path / "victim").mkdir()
    (tmp_path / "x.tar").write_bytes(data.getvalue())
    with pytest.raises(archives.ArchiveError, match="link or a device"):
        archives.unpack(tmp_path / "x.tar", tmp_path / "out")
    assert list((tmp_path / "victim").iterdir()) == []


def test_zip_links_are_refused(tmp_path):
    info = zipfile.ZipInfo("set/out")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(archives.ArchiveError, match="is a link"):
        archives.unpack(tmp_path / "x.zip", tmp_path / "out")


def test_a_member_is_not_written_twice(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for content in (b"first", b"again"):
            info = tarfile.TarInfo("set/a")
            info.size = 5
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(archives.ArchiveError, match="twice"):
        archives.unpack(tmp_path / "x.tar", tmp_path / "out")


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".zip"])
@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_damaged_archive_leaves_nothing(tmp_path, suffix, damage):
    random = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))
    members = {"set/a.bin": random, "set/b.bin": random[::-1]}
    data = packed(suffix, members)
    half = len(data) // 2
    data = data[:half] if damage == "cut" else data[:half] + b"noise" * 40 + data[half + 200 :]
    # The checksum of the archive is not known; those of its contents are.
    file = {
        "name": f"set{suffix}",
        "url": None,
        "checksum": "unpublished",
        "contents": {name: md5(content) for name, content in members.items()},
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / f"mine/set{suffix}").write_bytes(data)
    with pytest.raises(UserError) as caught:
        get(tmp_path / "dl", file, raw_dir=tmp_path / "mine")
    assert str(caught.value).startswith("demo: ") and "\n" not in str(caught.value)
    assert f"set{suffix}" in str(caught.value)
    assert visible(tmp_path) == {f"mine/set{suffix}"}


def test_an_archive_without_what_it_should_hold(tmp_path):
    file, data = archive_of(None, ".tgz", {"other/a.bin": b"a"}, contents={"set/a.bin": md5(b"a")})
    (tmp_path / "set.tgz").write_bytes(data)
    assert "does not hold set/a.bin" in refused(tmp_path / "dl", file, raw_dir=tmp_path)
    assert visible(tmp_path / "dl") == set()


def test_leftovers_of_a_killed_unpacking_do_not_count(tmp_path):
    file, data = archive_of(None, ".tgz", CONTENTS)
    (tmp_path / "set.tgz").write_bytes(data)
    (tmp_path / "dl/.set.tgz.unpacking/set").mkdir(parents=True)
    (tmp_path / "dl/.set.tgz.unpacking/set/a.bin").write_bytes(b"half")
    (tmp_path / "dl/set").mkdir()
    (tmp_path / "dl/set/a.bin").write_bytes(CONTENTS["set/a.bin"])
    get(tmp_path / "dl", file, raw_dir=tmp_path)
    assert visible(tmp_path / "dl") == set(CONTENTS)


def test_gzip_that_is_no_tar(tmp_path):
    (tmp_path / "x.tgz").write_bytes(gzip.compress(b"not a tar archive" * 100))
    with pytest.raises(archives.ArchiveError, match="damaged"):
        archives.unpack(tmp_path / "x.tgz", tmp_path / "out")


# -- answers that end wrongly, or never


@dataclass
class Raw:
    """A server that says what it is told, byte by byte.

    Attributes:
        head: Status line and headers.
        pieces: What follows; an endless generator is fine.
    """

    head: bytes
    pieces: object
    asked: int = 0


@contextlib.contextmanager
def saying(raw: Raw) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    continue
                raw.asked += 1
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(raw.head)
                    for piece in raw.pieces():
                        if over.is_set():
                            break
                        connection.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/set.bin"
        over.set()
        thread.join()


def test_an_answer_without_a_length_that_breaks_off_is_not_the_file(tmp_path):
    with saying(Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", lambda: iter([BODY[:1000]]))) as url:
        with pytest.raises(TransferError, match="broke after 1,000 bytes"):
            transfer(url, tmp_path / "set.bin.part", **QUICK)
        assert transfer(url, tmp_path / "known.part", size=1000, **QUICK) is False


def test_an_answer_in_chunks_ends_where_it_says(tmp_path):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with saying(Raw(head, lambda: iter([b"5\r\nhello\r\n", b"0\r\n\r\n"]))) as url:
        transfer(url, tmp_path / "a.part", **QUICK)
    assert (tmp_path / "a.part").read_bytes() == b"hello"
    with saying(Raw(head, lambda: iter([b"5\r\nhello\r\n"]))) as url, pytest.raises(TransferError):
        transfer(url, tmp_path / "b.part", **QUICK)


@pytest.mark.parametrize("head", [b"Connection: close", b"Transfer-Encoding: chunked"])
def test_an_answer_without_end_is_cut(tmp_path, monkeypatch, head):
    def endless():
        while True:
            yield (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") if b"chunked" in head else b"x" * 0x8000

    part = tmp_path / "a.part"
    with saying(Raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", endless)) as url:
        with pytest.raises(TransferError, match="more than the 100,000 bytes"):
            transfer(url, part, size=100_000, **QUICK)
        assert part.stat().st_size <= 100_000
        monkeypatch.setattr("pipeline.data.download.LARGEST", 200_000)
        with pytest.raises(TransferError, match="more than the 200,000 bytes"):
            transfer(url, tmp_path / "b.part", **QUICK)
        assert (tmp_path / "b.part").stat().st_size <= 200_000


def test_two_bytes_a_second_are_no_download(tmp_path):
    def dripping():
        while True:
            yield b"x"
            threading.Event().wait(0.05)

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with saying(Raw(head, dripping)) as url, pytest.raises(TransferError, match="too slowly"):
        transfer(url, tmp_path / "a.part", timeout=0.3, tries=1, pause=0.01, resume=False)


def test_a_planted_link_is_not_followed(server, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for planted in ("a.part", "dangling.part"):
        (tmp_path / planted).symlink_to(victim if planted[0] == "a" else tmp_path / "nowhere")
        with pytest.raises(TransferError, match="a link or no plain file"):
            transfer(server.url, tmp_path / planted, **QUICK)
    assert victim.read_bytes() == b"precious" and not (tmp_path / "nowhere").exists()
    os.mkfifo(tmp_path / "pipe.part")
    with pytest.raises(TransferError, match="no plain file"):
        transfer(server.url, tmp_path / "pipe.part", **QUICK)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_bomb_is_not_unpacked(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(archives, "RATIO", 10)
    path, content = tmp_path / f"bomb{suffix}", b"\0" * (4 << 20)
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x", content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo("x")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(archives.ArchiveError, match="bomb"):
        archives.unpack(path, tmp_path / "out")
    monkeypatch.setattr(archives, "RATIO", 1100)
    archives.unpack(path, tmp_path / "whole")
    monkeypatch.setattr(archives, "MEMBERS", 0)
    with pytest.raises(archives.ArchiveError, match="more than 0 files"):
        archives.unpack(path, tmp_path / "many")


def test_a_server_that_refuses_the_whole_of_a_file_is_asked_once(server: Server, tmp_path: Path):
    server.statuses = [416] * 2000
    assert "the server answered 416" in refused(tmp_path, declared(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "-1", "x"])
@pytest.mark.usefixtures("unchecked")
def test_a_length_that_is_none_is_no_length(server: Server, tmp_path: Path, length: str):
    server.claims = length  # type: ignore[assignment]
    assert visible(tmp_path) == set()
    with contextlib.suppress(UserError):
        get(tmp_path, declared(server))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_damaged_archive_is_half_a_sentence(tmp_path: Path, name: str):
    out = io.BytesIO()
    if name == "a.zip":
        with zipfile.ZipFile(out, "w") as zipped:
            zipped.writestr("a", BODY)
    else:
        with tarfile.open(fileobj=out, mode="w:gz" if name.endswith("gz") else "w") as tarred:
            info = tarfile.TarInfo("a")
            info.size = len(BODY)
            tarred.addfile(info, io.BytesIO(BODY))
    whole = bytearray(out.getvalue())
    for at in (*range(40), *range(len(whole) - 60, len(whole))):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        (tmp_path / name).write_bytes(broken)
        try:
            archives.unpack(tmp_path / name, tmp_path / f"to{at}")
        except archives.ArchiveError as error:
            assert "\n" not in str(error) and len(str(error)) < 300
