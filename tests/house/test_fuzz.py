"""Anything in the place of what the project reads: one line for the user or nothing, no traceback, no hang, no flood.

Every case is drawn from its number, so one that fails is tried again by its number. A few of each kind run in
``make test``, ten thousand in ``make test-all``.
"""

from __future__ import annotations

import copy
import io
import json
import random
import resource
import shutil
import signal
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import forging
import pytest
import yaml
from conftest import DUEL, MINI, MINI_SCALE, ROOT, Project

from pipeline import user_files
from pipeline.data import archives, raw
from pipeline.engine import jobs
from pipeline.engine.executor import Executor
from pipeline.errors import UserError
from pipeline.ledger import machine, receipt
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.key_files import key_files
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import audit
from pipeline.provenance.identify import Origin
from pipeline.sharing.verify import verify

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 10**400, -(10**18), 0.0, -0.5, 1e308, float("inf"), float("-inf"), float("nan"), 2**63,
    "", " ", "x", "x" * 300, "a b", "a;b", "$(reboot)", "../../etc", "/etc/passwd", "a\nb", "a\tb", "\x1b[31mred\x1b[0m",
    "\ud800", "\x00", "=1+1", "<b>", "ü", "\u202eabc", "{x}", "{", "%s", ".inf", "1e5", "kind", "none", "100", "0100",
    [], [[]], {}, {"kind": "none"}, {"kind": "x" * 300}, {"kind": None}, {"kind": []}, [None], [1, 2], ["a", "a"], {"": 1},
    {1: 2}, {None: None}, {True: 1}, [{}], {"kind": "mlp", "hidden": -1}, {"like": "plain"}, [[[[[[[[[[1]]]]]]]]]],
]  # fmt: skip
"""What stands where something else was expected."""

SNIPPETS = ["&a [*a]", "!!python/object:os.system", "\t", "- ", ": ", "{", "}", "[", "]", "#", "---\n", "...\n", "*a", "&a ",
            "<<: ", "? ", "| ", "> ", "'", '"', "\x00", "\x7f", "\ufeff", "\u2028", "\x85", "!!binary x", "0o17", "1_000", "0x",
            "2026-01-01", "NaN", ",", ";", "=", "\r", "\n\n", "'" * 50, "[" * 2000, "{a: " * 500, "\\u0000", "yes"]  # fmt: skip
WORKS, WAITS = 30, 300
"""Seconds of work, and by the clock, after which a case hangs."""


class Hang(BaseException):
    """A case did not end."""


@contextmanager
def watched(what: str, *allowed: type[BaseException]) -> Iterator[None]:
    """Let only errors of the user pass, each one line that a terminal can show; and nothing that does not end."""

    def hang(*_: object) -> None:
        raise Hang(what)

    before = [signal.signal(which, hang) for which in (signal.SIGALRM, signal.SIGPROF)]
    signal.setitimer(signal.ITIMER_REAL, WAITS)
    signal.setitimer(signal.ITIMER_PROF, WORKS)
    try:
        yield
    except allowed as error:
        line = str(error)
        assert "\n" not in line and line.isprintable(), (what, line)
    except UserError as error:
        line = str(error)
        assert "\n" not in line and line.isprintable() and len(line) < 5000, (what, line)
    except BaseException as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}"[:2000]) from error
    finally:
        for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        for which, handler in zip((signal.SIGALRM, signal.SIGPROF), before, strict=True):
            signal.signal(which, handler)


@pytest.fixture(autouse=True)
def _no_flood() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20, "more than 1 GB (in kB)"


# -- mutations


def places(tree: Any, path: tuple = ()) -> list[tuple]:
    """Paths of all values of a tree."""
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in items:
        found += places(value, (*path, name))
    return found


def mutated(draw: random.Random, tree: Any) -> Any:
    """A tree in which up to three values, keys or entries are others."""
    tree = copy.deepcopy(tree)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        known = places(tree)
        if not known:
            return draw.choice(ODD)
        *above, last = draw.choice(known)
        holder = tree
        for part in above:
            holder = holder[part]
        how = draw.choice(("value", "value", "value", "gone", "key", "twice", "swap", "root"))
        if how == "value":
            holder[last] = copy.deepcopy(draw.choice(ODD))
        elif how == "gone":
            del holder[last]
        elif how == "key" and isinstance(holder, dict):
            odd = draw.choice([one for one in ODD if not isinstance(one, list | dict)])
            holder[odd] = holder.pop(last) if draw.random() < 0.5 else holder[last]
        elif how == "twice":
            holder[last] = [holder[last]] * 2
        elif how == "swap":
            other = tree
            for part in draw.choice(known)[:-1]:
                with suppress(KeyError, IndexError, TypeError):
                    other = other[part]
            holder[last] = copy.deepcopy(other)
        elif how == "root" and draw.random() < 0.1:
            return copy.deepcopy(draw.choice(ODD))
    return tree


def scratched(draw: random.Random, content: bytes, snippets: bool = True) -> bytes:
    """Bytes of which some are others, gone, there twice, or something else."""
    content = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(content) + 1) if content else 0
        end = min(at + draw.choice((1, 2, 8, 100)), len(content))
        how = draw.randrange(6)
        if how == 0 and at < len(content):
            content[at] ^= 1 << draw.randrange(8)
        elif how == 1:
            del content[at:end]
        elif how == 2:
            content[at:at] = content[at:end]
        elif how == 3:
            content[at:end] = draw.randbytes(end - at)
        elif how == 4 and draw.random() < 0.3:
            del content[at:]
        elif snippets:
            content[at:at] = draw.choice(SNIPPETS).encode("utf-8", "surrogatepass")
    return bytes(content)


def as_yaml(tree: Any) -> bytes:
    return yaml.dump(tree, allow_unicode=False, sort_keys=False).encode("utf-8", "surrogatepass")


def as_json(tree: Any) -> bytes:
    return json.dumps(tree, skipkeys=True).encode()


# -- params

PUBLISHED = "method,epochs,value,std,unit,source,note\nplain,100,12.5,0.5,%,text,\ndirect,300,40,,%,Table 1,x\n"
SIMULATED = """
paper: sums
title: A simulation, for tests
authors: nobody
year: 2026
artifacts:
  curve:
    title: A curve
    kind: table
    simulation: {kind: stepwise/fig1ab}
    rows: {quantity: [a]}
"""


@pytest.fixture(scope="module")
def declared(tmp_path_factory) -> Path:
    """Declarations of two papers, as a folder of params."""
    folder = tmp_path_factory.mktemp("declared")
    mini = yaml.safe_load(MINI)
    del mini["artifacts"]["bars"]
    mini["artifacts"]["duel"]["published"] = {"file": "mini_duel.csv"}
    mini["artifacts"]["duel"]["claims"] = []
    for name, text in {
        "papers/mini.yaml": yaml.safe_dump(mini, sort_keys=False),
        "scales/mini.yaml": MINI_SCALE,
        "published/mini_duel.csv": PUBLISHED,
        "datasets.yaml": (ROOT / "params/datasets.yaml").read_text(),
        "artifacts.csv": (ROOT / "params/artifacts.csv").read_text(),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def plan(folder: Path, fingerprints: Fingerprints) -> None:
    """What the Snakefile reads, without looking at what was built."""
    catalogue = Catalogue(Options.parse({"scale": "mini"}, {}), folder)
    request = catalogue.request("results/mini/mini/duel.csv")
    if request is not None:
        for key_file in key_files(Plan(catalogue, [request]), fingerprints).values():
            key_file.text().encode()


def fuzz_params(declared: Path, case: int, fingerprints: Fingerprints) -> None:
    draw = random.Random(f"params {case}")
    name = draw.choice(
        ("papers/mini.yaml", "papers/mini.yaml", "scales/mini.yaml", "datasets.yaml", "published/mini_duel.csv")
    )
    path = declared / name
    whole = path.read_bytes()
    try:
        if name.endswith(".yaml") and draw.random() < 0.7:
            tree = yaml.safe_load(whole)
            if name == "datasets.yaml":
                tree = {"shapes": tree["shapes"], "cifar10": tree["cifar10"]}
            path.write_bytes(as_yaml(mutated(draw, tree)))
        else:
            path.write_bytes(scratched(draw, whole))
        with watched(f"params {case}"):
            plan(declared, fingerprints)
    finally:
        path.write_bytes(whole)


# -- receipts, key files, and what else lies about as JSON


def json_files(project: Project, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in project.root.glob(pattern) if path.is_file())


def change(draw: random.Random, whole: bytes) -> bytes:
    return as_json(mutated(draw, json.loads(whole))) if draw.random() < 0.7 else scratched(draw, whole)


def fuzz_receipts(project: Project, case: int) -> None:
    draw = random.Random(f"receipts {case}")
    path = draw.choice(json_files(project, "receipts/**/*.json", "results/mini/mini/duel*.json"))
    whole = path.read_bytes()
    try:
        path.write_bytes(change(draw, whole))
        with watched(f"receipts {case}: {path.name}"):
            receipt.read(path)
            machine.read(path)
            if case % 10 == 0:
                found = audit.audit(Workspace(project.root), DUEL, Origin(DUEL.removesuffix(".csv")), None)
                for finding in found.findings:
                    assert finding.line().isprintable()
    finally:
        path.write_bytes(whole)


def fuzz_key_files(project: Project, case: int) -> None:
    draw = random.Random(f"keys {case}")
    path = draw.choice(json_files(project, "keys/**/*.json", "jobs/**/*.json"))
    whole = path.read_bytes()
    inside = path.relative_to(project.root)
    try:
        path.write_bytes(change(draw, whole))
        with watched(f"key files {case}: {inside}"):
            if inside.parts[0] == "jobs":
                jobs.load(Workspace(project.root), inside.parts[1], "/".join(inside.with_suffix("").parts[2:]))
            elif path.name.startswith("."):
                Fingerprints(path)
                user_files._Memory(path)
            else:
                key_file = KeyFile.load(path)
                key_file.spec()
                key_file.keys_of({}, 0, 0)
                nodes = [Node(str(p.relative_to(project.root)).removesuffix(".json")) for p in ()]
                nodes += [node for node in every_node(project) if project.root / node.key == path]
                for node in nodes[:1]:
                    Executor(Workspace(project.root))._task(node)
    finally:
        path.write_bytes(whole)


def every_node(project: Project) -> list[Node]:
    found = []
    for path in json_files(project, "receipts/**/*.json", "results/mini/mini/duel.receipt.json"):
        if not path.name.endswith(".execution.json"):
            found.append(Node.of_receipt(path.relative_to(project.root)))
    return found


# -- bundles


@pytest.fixture(scope="module")
def packed(built_once: Project, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "duel.zip"
    built_once.pipeline("bundle", DUEL, "-o", str(path))
    return path


def fuzz_bundles(packed: Path, folder: Path, case: int) -> None:
    draw = random.Random(f"bundles {case}")
    path = folder / "other.zip"
    if draw.random() < 0.4:
        path.write_bytes(scratched(draw, packed.read_bytes(), snippets=False))
    else:
        members = forging.read(packed)
        name = draw.choice(sorted(members))
        with suppress(ValueError):
            if name.endswith(".json") and draw.random() < 0.7:
                members[name] = as_json(mutated(draw, json.loads(members[name])))
            else:
                members[name] = scratched(draw, members[name])
        with suppress(ValueError, KeyError, TypeError):
            forging.write(path, members, matching=name != "manifest.json" and draw.random() < 0.8)
    with watched(f"bundles {case}"):
        verdict, contents = verify(path)
        contents.close()
        for line in verdict.lines():
            assert line.isprintable(), line


# -- downloads and archives

BODY = bytes(range(256)) * 8
HEADS = [
    "Content-Length: {n}", "Content-Length: 5", "Content-Length: -1", "Content-Length: x", "Content-Length: 99999999999999999",
    "Content-Length: {n}\r\nContent-Length: 1", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Content-Encoding: gzip",
    "Content-Range: bytes 5-{n}/{n}", "Content-Range: x", "ETag: \x1b[31m", "Location: /again", "Location: file:///etc/passwd",
    "X: " + "y" * 70000, "Connection: close", "\x00: \x00", "", "Set-Cookie: a=b",
]  # fmt: skip
STATUSES = ["200 OK", "200 OK", "200 OK", "206 Partial Content", "301 Moved", "304 x", "404 \x1b[2J", "416 x", "500 x", "200", "99 x",
            "abc", "", "100 Continue", "204 No Content"]  # fmt: skip


def answer(draw: random.Random) -> bytes:
    """What a server says, more or less."""
    body = draw.choice((BODY, b"", BODY[:100], BODY * 2, b"ffffffffff\r\nabc\r\n", b"3\r\nabc\r\n0\r\n\r\n"))
    if draw.random() < 0.1:
        return draw.randbytes(draw.randrange(300))
    head = f"{draw.choice(('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/9', 'ICY', ''))} {draw.choice(STATUSES)}"
    lines = [head, *(draw.choice(HEADS).replace("{n}", str(len(BODY))) for _ in range(draw.randrange(4)))]
    return "\r\n".join(lines).encode("latin-1") + draw.choice((b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"")) + body


@pytest.fixture(scope="module")
def speaker() -> Iterator[tuple[str, list[bytes]]]:
    """A server that says what it is told to, once per request, and hangs up."""
    listening, says = socket.create_server(("127.0.0.1", 0)), []
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(1)
                    connection.recv(65536)
                    connection.sendall(says[0] if says else b"")

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/set.bin", says
    ended.set()
    listening.close()


def fuzz_downloads(speaker: tuple[str, list[bytes]], folder: Path, case: int) -> None:
    draw = random.Random(f"downloads {case}")
    url, says = speaker
    says[:] = [answer(draw)]
    declared: dict[str, Any] = {"name": "set.bin", "url": url, "checksum": "unpublished"}
    if draw.random() < 0.5:
        declared |= {"bytes": len(BODY)}
    place = folder / "raw"
    with watched(f"downloads {case}: {says[0][:100]!r}"):
        raw.fetch("demo", [declared], None, place, timeout=2.0, tries=1, pause=0.0)
        assert (place / "set.bin").stat().st_size < 1 << 20
    shutil.rmtree(place, ignore_errors=True)


def archive(draw: random.Random) -> tuple[str, bytes]:
    """A small archive of one of the kinds that are unpacked."""
    out = io.BytesIO()
    name = draw.choice(("a.zip", "a.tar", "a.tar.gz"))
    if name == "a.zip":
        with zipfile.ZipFile(out, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as zipped:
            for number in range(3):
                zipped.writestr(f"set/{number}.txt", BODY)
    else:
        with tarfile.open(fileobj=out, mode="w:gz" if name.endswith("gz") else "w") as tarred:
            for number in range(3):
                info = tarfile.TarInfo(f"set/{number}.txt")
                info.size = len(BODY)
                tarred.addfile(info, io.BytesIO(BODY))
    return name, out.getvalue()


def fuzz_archives(folder: Path, case: int) -> None:
    draw = random.Random(f"archives {case}")
    name, whole = archive(draw)
    path, place = folder / name, folder / "unpacked"
    path.write_bytes(scratched(draw, whole, snippets=False))
    place.mkdir(exist_ok=True)
    with watched(f"archives {case}: {name}", archives.ArchiveError):
        archives.unpack(path, place)
    assert {found.name for found in folder.iterdir()} <= {"a.zip", "a.tar", "a.tar.gz", "unpacked"}, (
        "it left its folder"
    )
    shutil.rmtree(place)


def cases(whole: int, few: int) -> list:
    """Ranges of numbers: a few for ``make test``, all of them for ``make test-all``."""
    return [pytest.param(range(few), id="few"), pytest.param(range(few, whole), id="all", marks=pytest.mark.slow)]


def every(numbers: range, one: Callable[[int], None]) -> None:
    """Try all cases, and tell all that fail."""
    failed = []
    for number in numbers:
        try:
            one(number)
        except AssertionError as error:
            failed.append(str(error))
    assert failed == [], f"{len(failed)} of {len(numbers)}:\n" + "\n".join(failed[:40])


@pytest.mark.parametrize("numbers", cases(3500, 30))
@pytest.mark.usefixtures("unchecked")
def test_params(declared: Path, numbers: range) -> None:
    fingerprints = Fingerprints()
    every(numbers, lambda case: fuzz_params(declared, case, fingerprints))


@pytest.mark.parametrize("numbers", cases(2500, 20))
@pytest.mark.usefixtures("unchecked")
def test_receipts(built: Project, numbers: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built.root)
    every(numbers, lambda case: fuzz_receipts(built, case))


@pytest.mark.parametrize("numbers", cases(1000, 20))
@pytest.mark.usefixtures("unchecked")
def test_key_files(built: Project, numbers: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built.root)
    every(numbers, lambda case: fuzz_key_files(built, case))


@pytest.mark.parametrize("numbers", cases(1000, 10))
def test_bundles(packed: Path, tmp_path: Path, numbers: range) -> None:
    every(numbers, lambda case: fuzz_bundles(packed, tmp_path, case))


@pytest.mark.parametrize("numbers", cases(800, 10))
def test_downloads(speaker: tuple[str, list[bytes]], tmp_path: Path, numbers: range) -> None:
    every(numbers, lambda case: fuzz_downloads(speaker, tmp_path, case))


@pytest.mark.parametrize("numbers", cases(1200, 10))
def test_archives(tmp_path: Path, numbers: range) -> None:
    every(numbers, lambda case: fuzz_archives(tmp_path, case))
