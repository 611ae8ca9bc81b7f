"""Jobs that fork from a process with torch loaded look and end like those that do not."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Project, add_mini, copy_project

JOB = """
import json, os, resource, signal, sys, time
import yaml
if "fail" in sys.argv:
    sys.exit(7)
if "wait" in sys.argv:
    print(os.getpid(), os.getppid(), flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)
print(json.dumps({
    "argv": sys.argv[1:], "cwd": os.getcwd(), "umask": os.umask(0), "nice": os.nice(0), "stdin": sys.stdin.read(),
    "environ": {name: value for name, value in os.environ.items() if name not in ("SSL_FORKSERVER", "LC_CTYPE", "_")},
    "limit": resource.getrlimit(resource.RLIMIT_FSIZE), "affinity": sorted(os.sched_getaffinity(0)),
    "hup": signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, "int": str(signal.getsignal(signal.SIGINT))[:24],
    "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "path": sys.path[0], "main": __name__, "file": __file__,
    "zone": time.tzname, "buffered": sys.stdout.line_buffering,
}))
print("told", file=sys.stderr)
"""

CALL = """
import os, sys
sys.path.insert(0, {root!r})
from pipeline.engine.forkserver import client
for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
    del sys.modules[name]
sys.path[0] = os.getcwd()
client.MODULES, client.IDLE = {modules!r}, {idle!r}
try:
    status = client.run(sys.argv[1:])
except client.Ended:
    status = 99
sys.exit(98 if status is None else status if status >= 0 else 128 - status)
"""


class Caller:
    """A folder with a package called ``pipeline`` that says how it looks to it, and a client that runs it there."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder / "project"
        (self.folder / "pipeline").mkdir(parents=True)
        (self.folder / "pipeline/__init__.py").touch()
        (self.folder / "pipeline/__main__.py").write_text(JOB)
        self.runtime = runtime
        self.modules: tuple[str, ...] = ("yaml",)
        self.idle = 3.0
        self.environ = os.environ | {"XDG_RUNTIME_DIR": str(self.runtime)}

    def command(self, *arguments: str) -> list[str]:
        """What runs the job through a server."""
        text = CALL.format(root=str(ROOT), modules=self.modules, idle=self.idle)
        return [sys.executable, "-c", text, *arguments]

    def call(self, *command: str, **more) -> subprocess.CompletedProcess:
        """Run a command in the folder."""
        environ = self.environ | more.pop("environ", {})
        return subprocess.run(
            command, cwd=self.folder, env=environ, text=True, capture_output=True, check=False, timeout=60, **more
        )

    def forked(self, *arguments: str, **more) -> subprocess.CompletedProcess:
        """Run the job through a server."""
        return self.call(*self.command(*arguments), **more)

    def begin(self, *arguments: str, before: Callable[[], None] | None = None, **more):
        """Begin a job that waits; the client, the job's process and its parent's."""
        client = subprocess.Popen(
            self.command("wait", *arguments),
            cwd=self.folder,
            env=self.environ | more,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=before or _listening,
        )
        assert client.stdout is not None
        job, server = map(int, client.stdout.readline().split())
        return client, job, server

    def sockets(self) -> list[Path]:
        """Of the servers that are there."""
        return sorted(self.runtime.rglob("*.sock"))


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder with a short path: a socket's is bounded."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def caller(tmp_path: Path, runtime: Path) -> Caller:
    """See :class:`Caller`."""
    return Caller(tmp_path, runtime)


def _state(pid: int) -> str:
    """A letter, as /proc has it; ``Z`` for what is gone, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def _lives(pid: int) -> bool:
    return _state(pid) != "Z"


def _gone(pid: int, within: float = 10) -> bool:
    until = time.monotonic() + within
    while _lives(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not _lives(pid)


def _listening() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would what these tests start if one runs them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _limited() -> None:
    os.umask(0o027)
    os.nice(3)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12345678, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize("before", [None, _limited])
def test_a_forked_job_looks_like_one_that_was_started(caller, before):
    environ = {"TZ": "Asia/Tokyo", "MINE": "a b"}
    options = {"input": "typed\n", "environ": environ, "preexec_fn": before}
    started = caller.call(sys.executable, "-m", "pipeline", "probe", "x y", **options)
    caller.forked("probe")  # a server that another call has started, with other limits
    forked = caller.forked("probe", "x y", **options)
    assert started.returncode == forked.returncode == 0, forked.stderr
    assert json.loads(forked.stdout) == json.loads(started.stdout)
    assert forked.stderr == started.stderr == "told\n"


def test_its_exit_status_is_the_callers(caller):
    assert caller.forked("fail").returncode == 7


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_reaches_the_job(caller, number, status):
    client, job, _ = caller.begin()
    client.send_signal(number)
    assert client.wait(20) == status
    assert _gone(job)


def test_a_stopped_job_stands_still_and_goes_on(caller):
    client, job, _ = caller.begin()
    client.send_signal(signal.SIGTSTP)
    until = time.monotonic() + 10
    while (_state(job), _state(client.pid)) != ("T", "T") and time.monotonic() < until:
        time.sleep(0.02)
    assert (_state(job), _state(client.pid)) == ("T", "T")
    client.send_signal(signal.SIGCONT)
    while _state(job) == "T" and time.monotonic() < until:
        time.sleep(0.02)
    assert _state(job) not in "TZ"
    client.terminate()
    client.wait(20)


def test_a_job_ends_with_its_client(caller):
    client, job, server = caller.begin()
    client.kill()
    client.wait(20)
    assert _gone(job)
    assert _lives(server)
    assert caller.forked("fail").returncode == 7


def test_a_job_ends_with_its_server_and_the_client_says_so(caller):
    client, job, server = caller.begin()
    os.kill(server, signal.SIGKILL)
    assert client.wait(20) == 99
    assert _gone(job)
    assert caller.forked("fail").returncode == 7  # where the socket of the dead one still lies


def test_calls_that_begin_together_share_one_server(caller):
    begun = [caller.begin(SSL_X=str(number)) for number in range(3)]
    assert len({server for _, _, server in begun}) == 1
    for client, *_ in begun:
        client.terminate()
        client.wait(20)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "LD_LIBRARY_PATH", "PYTHONHASHSEED", "LANG"])
def test_what_a_library_may_have_read_makes_another_server(caller, name):
    begun = [caller.begin(**{name: value}) for value in ("1", "2")]
    assert len({server for _, _, server in begun}) == 2
    for client, *_ in begun:
        client.terminate()
        client.wait(20)


def _nicer() -> None:
    _listening()
    os.nice(2)


def _confined() -> None:
    _listening()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.mark.parametrize("before", [_nicer, _confined])
def test_what_a_process_cannot_take_back_makes_another_server(caller, before):
    """A server that was started with less could not give a later job what its caller has."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 and before is _confined:
        pytest.skip("confined already")
    first, _, one = caller.begin(before=before)
    second, _, other = caller.begin()
    assert one != other
    for client in (first, second):
        client.terminate()
        client.wait(20)


def test_a_server_that_nobody_asks_ends(caller):
    caller.idle = 0.2
    client, _, server = caller.begin()
    time.sleep(0.6)
    assert _lives(server)  # it has a job
    client.terminate()
    client.wait(20)
    assert _gone(server)
    assert caller.sockets() == []
    assert caller.forked("fail").returncode == 7


def _shadow(caller: Caller) -> None:
    (caller.folder / "yaml.py").touch()


def _missing(caller: Caller) -> None:
    caller.modules = ("yaml", "nowhere_to_be_found")


def _broken(caller: Caller) -> None:
    caller.modules = ("yaml", "yaml.nothing")


def _open_to_all(caller: Caller) -> None:
    folder = caller.runtime / f"ssl-pipeline-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)


def _a_file(caller: Caller) -> None:
    (caller.runtime / f"ssl-pipeline-{os.getuid()}").touch()


def _customised(caller: Caller) -> None:
    (caller.folder / "sitecustomize.py").touch()
    caller.environ["PYTHONPATH"] = str(caller.folder)


def _warnings(caller: Caller) -> None:
    caller.environ["PYTHONWARNINGS"] = "error"


def _long_path(caller: Caller) -> None:
    caller.runtime = caller.runtime / ("x" * 120)
    caller.runtime.mkdir()
    caller.environ["XDG_RUNTIME_DIR"] = str(caller.runtime)


@pytest.mark.parametrize(
    "spoil", [_shadow, _missing, _broken, _open_to_all, _a_file, _customised, _warnings, _long_path]
)
def test_where_no_server_can_be_trusted_the_caller_does_it_itself(caller, spoil):
    spoil(caller)
    found = caller.forked("fail")
    assert found.returncode == 98, found.stderr
    assert found.stderr == ""


def test_a_changed_library_has_another_server(caller, tmp_path, monkeypatch):
    from pipeline.engine.forkserver import client

    site = tmp_path / "site-packages"
    site.mkdir()
    (site / "mine.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    monkeypatch.setattr(sys, "_xoptions", {})
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(client, "MODULES", ("mine",))
    before = client._key()
    assert client._key() == before
    os.utime(site, (1, 1))
    assert client._key() != before


def _built(root: Path, switch: str, runtime: Path) -> Project:
    project = add_mini(copy_project(root))
    for path in (project.root / "params/papers").glob("*.yaml"):
        if path.stem not in ("mini", "isoloss"):
            path.unlink()
    project.environ |= {"SSL_FORKSERVER": switch, "XDG_RUNTIME_DIR": str(runtime)}
    project.snakemake("results/tiny/mini/bars.csv", "results/tiny/isoloss/fig1.csv", "--config", "scale=tiny")
    return project


@pytest.mark.slow
def test_receipts_are_the_same(tmp_path, runtime):
    receipts = []
    for switch in "01":
        project = _built(tmp_path / f"project{switch}", switch, runtime)
        assert bool([*runtime.rglob("*.sock")]) == (switch == "1")
        paths = [*(project.root / "receipts").rglob("*.json"), *(project.root / "results").rglob("*.receipt.json")]
        found = {
            path.relative_to(project.root).as_posix(): json.loads(path.read_text())["outputs"]
            for path in paths
            if not path.name.endswith(".execution.json")
        }
        receipts.append(found)
    assert {name.split("/")[1] for name in receipts[0]} == {
        "data",
        "checkpoints",
        "measurements",
        "simulations",
        "tiny",
    }
    assert receipts[0] == receipts[1]
