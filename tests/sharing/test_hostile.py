"""Bundles that were made to do harm: refused in one line, nothing run, nothing written, no memory eaten."""

from __future__ import annotations

import io
import json
import pickle
import random
import stat
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import forging
import pytest
from conftest import DUEL, Project

from pipeline.sharing import member_checks, names, sandbox, writer
from pipeline.sharing.archive import Archive, Refused
from pipeline.sharing.sources import fingerprint
from pipeline.sharing.verify import verify


@pytest.fixture(scope="session")
def packed(built_once: Project, tmp_path_factory) -> Path:
    """A real bundle, with weights."""
    path = tmp_path_factory.mktemp("packed") / "duel.zip"
    built_once.pipeline("bundle", DUEL, "-o", str(path), "--weights")
    return path


@pytest.fixture(scope="session")
def small(built_once: Project, tmp_path_factory) -> Path:
    """A real bundle without weights."""
    path = tmp_path_factory.mktemp("small") / "duel.zip"
    built_once.pipeline("bundle", DUEL, "-o", str(path))
    return path


def some(count: int, quick: int) -> list:
    """Numbers of cases; those from ``quick`` on take part in the long run only."""
    return [pytest.param(k, marks=pytest.mark.slow) if k >= quick else k for k in range(count)]


def refused(path: Path) -> str:
    """The one line with which a bundle is refused."""
    with pytest.raises(Refused) as found:
        verify(path)
    line = str(found.value)
    assert "\n" not in line and line.isprintable() and "refused: " in line and len(line) < 600
    return line


class Harm:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def zipped(path: Path, source: Path, *more: tuple[zipfile.ZipInfo | str, bytes], **options) -> Path:
    """The members of a bundle and some more, written by a careless zip program."""
    members = forging.read(source)
    with zipfile.ZipFile(path, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        for name, data in more:
            archive.writestr(name, data)
    return path


def test_what_a_zip_program_makes_of_a_bundle_is_the_same_bundle(small: Path, tmp_path):
    """Unpacked and zipped again it still verifies: what counts is the content."""
    verdict, _ = verify(zipped(tmp_path / "again.zip", small))
    assert verdict.holds


NAMES = {
    "../evil.json": "leads elsewhere",
    "receipts/../../evil.json": "leads elsewhere",
    "/etc/evil.json": "absolute",
    "C:/evil.json": "absolute",
    "c:evil.json": "absolute",
    "receipts\\..\\evil.json": "backslash",
    "receipts/./a.json": "leads elsewhere",
    "receipts//a.json": "leads elsewhere",
    "receipts/a.json/": "leads elsewhere",
    "receipts/con.json": "some systems",
    "receipts/a .json ": "some systems",
    "receipts/a:b.json": "a character",
    "receipts/\x1b[2Ja.json": "a character",
    "receipts/\u202eabc.json": "a character",
    "receipts/u\u0308.json": "NFC",
    "Receipts/a.json": "lies there",
    "setup.py": "called so",
    "bin/run.json": "lies there",
    "receipts/run.sh": "lies there",
    "pipeline/x.so": "lies there",
    "-rf.json": "some systems",
    "receipts/-rf.json": "some systems",
    "measurements/a.pkl": "pickle",
    "checkpoints/a.pt": "pickle",
    "receipts/" + "a" * 300 + ".json": "too long",
    "receipts/" + "a/" * 20 + "b.json": "leads elsewhere",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_do_harm(small: Path, tmp_path, name: str):
    line = refused(zipped(tmp_path / "bad.zip", small, (name, b"{}")))
    assert NAMES[name] in line, line


def test_a_name_with_a_nul(small: Path, tmp_path):
    path = zipped(tmp_path / "bad.zip", small, ("receipts/abXcd.json", b"{}"))
    path.write_bytes(path.read_bytes().replace(b"abXcd", b"ab\0cd"))
    assert "NUL" in refused(path)


@pytest.mark.parametrize("second", ["SNAKEFILE", "Snakefile", "receipts/\ufb01.json|receipts/fi.json"])
def test_two_members_of_one_name(small: Path, tmp_path, second: str):
    added = second.split("|") if "|" in second else [second]
    with pytest.warns(UserWarning) if second == "Snakefile" else _nothing():
        path = zipped(tmp_path / "bad.zip", small, *[(name, b"{}") for name in added])
    assert "its name is that of" in refused(path) or second == "SNAKEFILE"


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return False


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR, stat.S_IFSOCK])
def test_what_is_no_plain_file(small: Path, tmp_path, kind: int):
    info = zipfile.ZipInfo("receipts/link.json")
    info.external_attr = (kind | 0o777) << 16
    assert "not a file" in refused(zipped(tmp_path / "bad.zip", small, (info, b"/etc/passwd")))


def test_a_mode_that_raises_rights(small: Path, tmp_path):
    info = zipfile.ZipInfo("receipts/a.json")
    info.external_attr = (stat.S_IFREG | stat.S_ISUID | 0o755) << 16
    assert "mode" in refused(zipped(tmp_path / "bad.zip", small, (info, b"{}")))


def test_encrypted_members_and_other_methods(small: Path, tmp_path):
    path = zipped(tmp_path / "bad.zip", small)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "method" in refused(zipped(tmp_path / "bad.zip", small, compression=method))
    data = bytearray(small.read_bytes())
    at = data.rindex(b"PK\1\2")
    data[at + 10 : at + 12] = struct.pack("<H", 99)
    path.write_bytes(data)
    assert "method" in refused(path)


def test_a_file_of_zeros(small: Path, tmp_path):
    began = time.perf_counter()
    line = refused(zipped(tmp_path / "bomb.zip", small, ("params/zeros.csv", bytes(100 << 20))))
    assert "bomb" in line and time.perf_counter() - began < 5


def test_a_bomb_that_says_it_is_small(small: Path, tmp_path):
    """The list of members says 1,000 bytes, a hundred million come out."""
    zeros = bytes(100 << 20)
    path = zipped(tmp_path / "bomb.zip", small, ("params/zeros.csv", zeros))
    data = path.read_bytes().replace(struct.pack("<I", len(zeros)), struct.pack("<I", 1000))
    path.write_bytes(data)
    assert "more than it says" in refused(path)
    # and with the checksum of the part that was declared
    data = data.replace(struct.pack("<I", zlib.crc32(zeros)), struct.pack("<I", zlib.crc32(bytes(1000))))
    path.write_bytes(data)
    assert "more than it says" in refused(path)


def test_members_that_share_their_bytes(small: Path, tmp_path):
    """Many entries in the list, one in the file."""
    path = zipped(tmp_path / "bomb.zip", small, ("params/aaaa.csv", b"a" * 5000))
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    start = struct.unpack("<I", data[end + 16 : end + 20])[0]
    last = data[data.rindex(b"PK\1\2") : end]
    more = b"".join(last.replace(b"params/aaaa.csv", b"params/a%03d.csv" % k) for k in range(500))
    count = struct.unpack("<H", data[end + 8 : end + 10])[0] + 500
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, end - start + len(more), start, 0)
    path.write_bytes(data[:end] + more + tail)
    assert "overlap" in refused(path)


def test_too_many_members(tmp_path, monkeypatch):
    from pipeline.sharing import archive

    monkeypatch.setattr(archive, "MEMBERS", 1000)
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(1001):
            made.writestr(f"params/{number}.csv", b"")
    assert "1,001 members" in refused(path)


def test_something_before_after_and_between(small: Path, tmp_path):
    data = small.read_bytes()
    path = tmp_path / "bad.zip"
    for changed in (
        b"#!/bin/sh\nexit\n" + data,
        data + b"more",
        data[:-2] + b"\x04\0more",
        data[:-1],
        data[: len(data) // 2],
    ):
        path.write_bytes(changed)
        refused(path)
    end = data.rindex(b"PK\5\6")
    size, start = struct.unpack("<II", data[end + 12 : end + 20])
    hidden = b"hidden bytes"
    tail = data[end : end + 12] + struct.pack("<II", size, start + len(hidden)) + data[end + 20 :]
    path.write_bytes(data[:start] + hidden + data[start:end] + tail)
    assert "between" in refused(path)
    info = zipfile.ZipInfo("receipts/a.json")
    info.extra = b"\x99\x99\4\0evil"
    assert "beside its content" in refused(zipped(path, small, (info, b"{}")))
    info = zipfile.ZipInfo("receipts/a.json")
    info.comment = b"hello"
    assert "beside its content" in refused(zipped(path, small, (info, b"{}")))


def test_two_stories_about_one_member(small: Path, tmp_path):
    """The local header has another name than the list: unzip programs differ in which they believe."""
    path = zipped(tmp_path / "bad.zip", small, ("receipts/abcd.json", b"{}"))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"receipts/abcd.json", b"receipts/efgh.json", 1))
    assert "told twice" in refused(path)


@pytest.mark.parametrize(
    "junk", [b"", b"PK", b"PK\5\6" + bytes(18), b"PK\3\4" + bytes(100), b"x" * 5000, b"PK\5\6" * 500]
)
def test_no_zip_at_all(tmp_path, junk: bytes):
    path = tmp_path / "junk.zip"
    path.write_bytes(junk)
    refused(path)


def test_a_zip_that_is_no_bundle(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.md", "hello")
    assert "manifest.json" in refused(path)


# -- pickles


def _pickles(harm: Path) -> dict[str, bytes]:
    found = {
        f"protocol {protocol}": pickle.dumps(Harm(harm), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", found["protocol 2"])
    return found | {
        "torch": buffer.getvalue(),
        "numpy": b"\x93NUMPY\1\0" + found["protocol 2"],
        "padded": found["protocol 0"] + b"\n\n",
    }


@pytest.mark.parametrize("kind", _pickles(Path("harm")))
@pytest.mark.parametrize(
    "name", ["measurements/a/b.json", "params/a.csv", "data/a/arrays.safetensors", "results/a/b/c.md"]
)
def test_pickles_under_other_names(small: Path, tmp_path, name: str, kind: str):
    harm = tmp_path / "harm"
    members = forging.read(small)
    members[name] = _pickles(harm)[kind]
    assert "pickle" in refused(forging.write(tmp_path / "bad.zip", members))
    assert not harm.exists()


def test_plain_text_is_no_pickle():
    for text in (b"a.", b"Note that it is so.", b"epoch,loss\n1,2.", b"N.", b"# K1.\n", b"I am.\n."):
        assert member_checks.check("params/a.csv", text, len(text)) is None


# -- what is in files

ABSURD = {
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "a little too deep": b"[" * 60 + b"]" * 60,
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a float that overflows": b'{"a": 1e999}',
    "a huge integer": b'{"a": ' + b"9" * 5000 + b"}",
    "a long integer": b'{"a": ' + b"9" * 60 + b"}",
    "two keys": b'{"a": 1, "a": 2}',
    "half a character": b'{"a": "\\ud800"}',
    "half a character as a key": b'{"\\udfff": 1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "NUL": b'{"a": 1}\0',
    "nothing": b"",
    "two values": b"{} {}",
    "single quotes": b"{'a': 1}",
    "a comment": b"{} // hello",
}


@pytest.mark.parametrize("kind", ABSURD)
@pytest.mark.parametrize("place", ["manifest.json", "receipt", "scores"])
def test_absurd_json(small: Path, tmp_path, kind: str, place: str):
    members = forging.read(small)
    name = {"receipt": forging.receipts(members)[0], "scores": forging.scores(members)[0]}.get(place, place)
    members[name] = ABSURD[kind]
    assert name in refused(forging.write(tmp_path / "bad.zip", members, matching=False))


VALUES = [None, True, 0, -1, 1.5, "", "x", [], ["x"], {}, {"x": 1}, [[]], {"": []}, "../../x", "results", 10**30]


def _paths(value, place=()):
    """All places in a value."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in items:
        yield from _paths(below, (*place, name))


def _set(value, place, new):
    if not place:
        return new
    value[place[0]] = _set(value[place[0]], place[1:], new)
    return value


@pytest.mark.parametrize("number", some(80, 40))
def test_wrong_types_everywhere(small: Path, tmp_path, number: int):
    """Any value of any JSON file exchanged for one of another kind, the manifest matching: a verdict, no traceback."""
    rng = random.Random(number)
    members = forging.read(small)
    kinds = [
        forging.receipts(members), forging.scores(members), [n for n in members if n.endswith(".execution.json")],
        [n for n in members if n.startswith("keys/")], [f"{forging.TOP}.receipt.json"], ["manifest.json"],
    ]  # fmt: skip
    name = rng.choice(rng.choice(kinds))
    value = json.loads(members[name])
    place = rng.choice(list(_paths(value)))
    members[name] = json.dumps(_set(value, place, rng.choice(VALUES)), indent=1, sort_keys=True).encode()
    same = json.loads(members[name]) == json.loads(forging.read(small)[name])
    path = forging.write(tmp_path / "bad.zip", members, matching=name != "manifest.json")
    try:
        verdict, _ = verify(path)
    except Refused as error:
        assert "\n" not in str(error)
        return
    assert all(line.isprintable() for line in verdict.lines())
    bound = not name.endswith(".execution.json") and not same
    unread = "outputs" in place and "state.safetensors" in place  # not inside, read by nobody: the root hash binds it
    loose = (
        name.startswith("keys/")
        and place
        and place[0] in ("omitted_defaults", "reads", "tracked", "components", "accepted", "module")
    )
    assert not (verdict.holds and bound and not unread and not loose), f"{name} {place}"


HEADERS = {
    "too long": struct.pack("<Q", 1 << 40) + b"{}",
    "longer than the file": struct.pack("<Q", 5000) + b"{}",
    "no JSON": struct.pack("<Q", 8) + b"[[[[[[[[",
    "a list": struct.pack("<Q", 2) + b"[]",
    "two keys": struct.pack("<Q", 120) + b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'.ljust(120),
    "unknown type": struct.pack("<Q", 60) + b'{"a":{"dtype":"OBJ","shape":[1],"data_offsets":[0,1]}}'.ljust(60) + b"x",
    "a size that overflows": struct.pack("<Q", 90)
    + b'{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]}}'.ljust(90) + b"x",
    "outside": struct.pack("<Q", 60) + b'{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}'.ljust(60) + b"x",
    "a gap": struct.pack("<Q", 60) + b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}'.ljust(60) + b"xy",
    "short": b"\2",
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_absurd_weights(packed: Path, tmp_path, kind: str):
    members = forging.read(packed)
    name = next(n for n in sorted(members) if n.endswith("/model.safetensors"))
    members[name] = HEADERS[kind]
    assert name in refused(forging.write(tmp_path / "bad.zip", members))


def test_weights_that_were_exchanged_are_found(packed: Path, tmp_path):
    members = forging.read(packed)
    first, second = [n for n in sorted(members) if n.endswith("/model.safetensors")][:2]
    members[first] = members[second]
    verdict, _ = verify(forging.write(tmp_path / "bad.zip", members))
    assert [finding.path for finding in verdict.findings] == [first]


@pytest.mark.parametrize(
    "source",
    [
        b"(" * 50_000,
        b"x = " + b"-" * 100_000 + b"1",
        b"\0",
        b"def f(:",
        b"x = " + b"9" * 10_000,
        b"# coding: nonsense\n",
        b"\xff\xfe",
    ],
)
def test_absurd_source(small: Path, tmp_path, source: bytes):
    """Parsed in a child: what breaks Python's own parser breaks no verification."""
    members = forging.read(small)
    members["pipeline/artifacts/table.py"] = source
    path = forging.write(tmp_path / "bad.zip", members)
    try:
        verdict, _ = verify(path)
    except Refused:
        return
    assert not verdict.holds and any("pipeline/" in finding.path for finding in verdict.findings)


def test_source_is_read_as_it_runs(small: Path):
    for name, source in forging.read(small).items():
        if name.endswith(".py"):
            assert fingerprint(source) is not None, name


def test_a_table_that_never_ends(small: Path, tmp_path):
    """Params that ask for an endless table, everything else consistent: the child is stopped."""
    members = forging.read(small)

    def change(value: dict) -> None:
        axes = [f"axis{k}" for k in range(40)]
        value["params"]["rows"] += axes
        for number, cell in enumerate(value["params"]["cells"]):
            cell["axes"].update(dict.fromkeys(axes, number))

    forging.edit(members, f"{forging.TOP}.receipt.json", change)
    forging.rekey(members, f"{forging.TOP}.receipt.json")
    params = json.loads(members[f"{forging.TOP}.receipt.json"])["params"]
    forging.edit(members, "keys/artifact/mini/mini/duel.json", lambda value: value.update(params=params))
    key = json.loads(members[f"{forging.TOP}.receipt.json"])["key"]
    forging.edit(members, f"{forging.TOP}.json", lambda value: value.update({"pipeline:key": key}))
    outputs = {"duel.json": forging.entry(members[f"{forging.TOP}.json"])}
    forging.edit(members, f"{forging.TOP}.receipt.json", lambda value: value["outputs"].update(outputs))
    path = forging.write(tmp_path / "bad.zip", members)
    began = time.perf_counter()
    code = (
        "import sys; from pathlib import Path; from pipeline.sharing import sandbox; sandbox.SECONDS = 3; "
        "sandbox.call.__defaults__ = (3,); sandbox.MEMORY = 300 << 20; "
        "from pipeline.sharing.verify import verify; print(*verify(Path(sys.argv[1]))[0].lines(), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "memory than it may" in done.stdout and "NOT verified" in done.stdout, done.stdout
    assert time.perf_counter() - began < 20


def _spin() -> None:
    while True:
        pass


def _eat() -> int:
    return len(bytes(8 << 40))


def _die() -> None:
    import os

    os._exit(3)


def _sleep() -> None:
    time.sleep(60)


@pytest.mark.parametrize("work", [_spin, _sleep, _eat, _die], ids=["spins", "sleeps", "eats", "dies"])
def test_a_child_of_few_means(work: Callable):
    began = time.perf_counter()
    with pytest.raises(sandbox.Failed):
        sandbox.call(work, seconds=1)
    assert time.perf_counter() - began < 5
    assert sandbox.call(lambda: [1, "a"]) == [1, "a"]


def test_names_within_the_rules_pass():
    for name in (
        "receipts/data/a-b_c.json",
        "results/quick/directpred/table8.receipt.json",
        "params/papers/über.yaml",
        "Snakefile",
    ):
        assert names.fault(name) is None, name


# -- anything


def _mutate(rng: random.Random, path: Path, data: bytes) -> bytes:
    """A bundle changed at random: in its bytes, or in its members."""
    how = rng.randrange(7)
    if how < 2:  # bytes of the zip
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 3, 20])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)
    if how == 2:  # the end of the zip, where its list of members is
        changed = bytearray(data)
        for _ in range(rng.choice([1, 2, 5])):
            changed[-rng.randrange(1, min(len(changed), 4000))] = rng.randrange(256)
        return bytes(changed)
    if how == 3:  # a piece is cut out, doubled, or moved
        first, second = sorted(rng.randrange(len(data)) for _ in range(2))
        second = min(second, first + 5000)
        return rng.choice([data[:first] + data[second:], data[:second] + data[first:], data[:first]])
    members = forging.read(path)
    chosen = sorted(members)
    name, other = rng.sample(chosen, 2)
    if how == 4:
        piece = bytearray(members[name] or b" ")
        piece[rng.randrange(len(piece))] = rng.randrange(256)
        members[name] = bytes(piece)
    elif how == 5:
        members[name], members[other] = members[other], members[name]
    elif rng.random() < 0.5:
        del members[name]
    else:
        members[rng.choice([f"{name}x", f"receipts/{rng.random()}.json", other.upper()])] = members.pop(name)
    out = path.with_name("members.zip")
    forging.write(out, members, matching=False)
    return out.read_bytes()


@pytest.mark.parametrize("part", some(10, 1))
def test_anything_ends_in_a_verdict(small: Path, tmp_path, part: int):
    """Three hundred mutations of a real bundle: a verdict or one line; verified only where every member is as it was."""
    data, path = small.read_bytes(), tmp_path / "fuzz.zip"
    whole = forging.read(small)
    counts = {"refused": 0, "found": 0, "same": 0}
    for number in range(30):
        rng = random.Random(part * 1000 + number)
        path.write_bytes(_mutate(rng, small, data))
        try:
            verdict, contents = verify(path)
        except Refused as error:
            assert str(error).isprintable()
            counts["refused"] += 1
            continue
        contents.close()
        assert all(line.isprintable() for line in verdict.lines())
        if verdict.holds:
            assert forging.read(path) == whole
        counts["same" if verdict.holds else "found"] += 1
    assert counts["refused"] > 5 and counts["found"] > 0, counts


def test_the_command_line_refuses_in_one_line(small: Path, tmp_path):
    path = zipped(tmp_path / "bad.zip", small, ("../evil.json", b"{}"))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "verify", str(path)],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1 and "refused" in done.stderr
    assert not (tmp_path.parent / "evil.json").exists() and not list(tmp_path.glob("evil*"))


def told_twice(path: Path, **changes: int) -> None:
    """Give a zip the end that large ones have, which repeats what the short one says; some of it changed."""
    content = path.read_bytes()
    at, end = len(content) - 22, list(struct.unpack("<4s4H2IH", content[-22:]))
    told = {"disk": 0, "first": 0, "here": end[3], "all": end[4], "size": end[5], "start": end[6]} | {
        name: value for name, value in changes.items() if name not in ("place", "disks", "length")
    }
    full = struct.pack("<4sQ2H2I4Q", b"PK\6\6", changes.get("length", 44), 45, 45, *told.values())
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, changes.get("place", at), changes.get("disks", 1))
    path.write_bytes(content[:at] + full + locator + content[at:])


@pytest.mark.parametrize(
    "changes",
    [
        {"disk": 1}, {"first": 1}, {"here": 1}, {"all": 1}, {"here": 1, "all": 1}, {"size": 0}, {"start": 1},
        {"place": 0}, {"disks": 2}, {"length": 45},
    ],
)  # fmt: skip
def test_an_archive_whose_end_tells_two_stories_is_refused(tmp_path, changes):
    path = tmp_path / "two.zip"
    members = {"manifest.json": b"{}\n", "README.md": b"text\n", "params/a.yaml": b"a: 1\n"}
    writer.write(path, members)
    whole = path.read_bytes()
    told_twice(path)
    assert sorted(Archive(path)) == sorted(members), "told twice alike is no harm"
    path.write_bytes(whole)
    told_twice(path, **changes)
    with pytest.raises(Refused):
        Archive(path)


def test_a_member_whose_sizes_tell_two_stories_is_refused(tmp_path):
    """The list has one size, the member's own header says that the true one is in an extra field with another."""
    path = tmp_path / "two.zip"
    writer.write(path, {"manifest.json": b"{}\n"})
    content = bytearray(path.read_bytes())
    _, _, _, _, _, _, _, packed, size, length, extra = struct.unpack("<4s5H3I2H", content[:30])
    assert not extra
    for told in (packed, packed + 1):
        own = struct.pack("<2H2Q", 1, 16, size, told)
        head = content[:18] + struct.pack("<2I2H", 0xFFFFFFFF, 0xFFFFFFFF, length, len(own)) + content[30 : 30 + length]
        rest = bytearray(content[30 + length :])
        start = struct.unpack("<I", rest[-6:-2])[0] + len(own)
        rest[-6:-2] = struct.pack("<I", start)
        path.write_bytes(bytes(head) + own + bytes(rest))
        if told == packed:
            assert list(Archive(path)) == ["manifest.json"]
        else:
            with pytest.raises(Refused, match="two sizes"):
                Archive(path)
