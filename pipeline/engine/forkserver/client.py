"""What a job calls to be executed in a process that has large libraries loaded."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.machinery
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

SWITCH = "SSL_FORKSERVER"
"""``1`` where jobs may fork from a server: the Snakefile says so; ``0``, set by the user, keeps every job to itself."""

MODULES = (
    *("numpy", "torch", "safetensors.torch", "yaml", "pydantic", "scipy.integrate", "scipy.optimize", "scipy.stats"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"),
)
"""What the server has loaded: what trainings, simulations and figures import, and nothing of the package."""

IDLE = 60
"""Seconds after which a server ends that nobody asks."""

_OWN = ("PWD", "OLDPWD", "SHLVL", "_", "PYTHONPATH", "COLUMNS", "LINES", "RAW_DIR", SWITCH)
_PREFIXES = ("SSL_", "SNAKEMAKE_", "PYTEST_", "GIT_")
"""Variables that no library reads while it is loaded; with any other that differs, a job has another server."""

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "RSS", "STACK")


class Ended(Exception):
    """The server ended while a job of its was running."""


def wanted() -> bool:
    """Whether jobs are to fork from a server here."""
    return os.environ.get(SWITCH) == "1" and sys.platform == "linux"


def run(arguments: Sequence[str]) -> int | None:
    """Run ``python -m pipeline`` with these arguments in a fork of the server.

    Returns:
        Its exit status; minus a signal's number where that ended it. None if there is no server to trust: the caller
        does it itself.

    Raises:
        Ended: The server was killed; so was its job.
    """
    try:
        path = _folder() / f"{_key()}.sock"
        server = _connect(path)
    except (OSError, ValueError, TimeoutError):
        return None
    if server is None:
        return None
    with server:
        waiting: list[int] = []
        child: list[int] = []

        def forward(number: int, _: object = None) -> None:
            if not child:
                waiting.append(number)
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child[0], signal.SIGSTOP if number == signal.SIGTSTP else number)
            if number == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)  # until somebody lets it go on, and its job with it
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child[0], signal.SIGCONT)

        before = {number: signal.getsignal(number) for number in (*_FORWARDED, signal.SIGTSTP)}
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, forward)
            return _asked(server, request(arguments), child, waiting, forward)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _asked(server: socket.socket, text: bytes, child: list[int], waiting: list[int], forward: Any) -> int | None:
    """Send a request and wait for the end of its job."""
    try:
        socket.send_fds(server, [len(text).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(text)
    except OSError:
        return None  # the server was about to end
    answers = server.makefile("rb")
    answer = _line(answers)
    if not answer:
        return None
    child.append(json.loads(answer)["pid"])
    for number in waiting:
        forward(number)
    answer = _line(answers)
    if not answer:
        raise Ended
    return os.waitstatus_to_exitcode(json.loads(answer)["status"])


def _line(answers: BinaryIO) -> bytes:
    """Read an answer; empty where the server has ended."""
    try:
        return answers.readline()
    except ConnectionResetError:
        return b""


def request(arguments: Sequence[str]) -> bytes:
    """Say all that a child would have inherited from this process, but for its streams."""
    numbers = (*_FORWARDED, signal.SIGTSTP, signal.SIGPIPE, signal.SIGXFSZ)
    says = {
        "module": "pipeline",
        "argv": [sys.argv[0], *arguments],
        "path": sys.path,
        "cwd": str(Path.cwd()),
        "environ": dict(os.environ) | {SWITCH: "0"},
        "umask": _umask(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "affinity": sorted(os.sched_getaffinity(0)),
        "limits": [[limit, resource.getrlimit(limit)] for limit in _limits()],
        "ignored": [int(number) for number in numbers if signal.getsignal(number) is signal.SIG_IGN],
    }
    return json.dumps(says).encode()


def _limits() -> list[int]:
    return [getattr(resource, f"RLIMIT_{name}") for name in _LIMITS]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _folder() -> Path:
    """A folder of the user's alone.

    Raises:
        PermissionError: Somebody else may write there.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"ssl-pipeline-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder}: not a folder that is this user's alone")
    return folder


def _key() -> str:
    """Name the server that this process may fork from: it was loaded as this process would load.

    Raises:
        ValueError: None can be: the user's own modules come before the libraries, or Python has options of its own.
    """
    if sys.flags.optimize or sys.flags.dev_mode or sys.flags.no_site or sys._xoptions or sys.warnoptions:
        raise ValueError("Python was called with options")
    for name in ("sitecustomize", "usercustomize"):
        origin = getattr(sys.modules.get(name), "__file__", None)
        if origin and not Path(origin).is_relative_to(sys.base_prefix):
            raise ValueError(f"{origin} changes how Python starts")
    installed = [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    origins = []
    for name in MODULES:
        found = importlib.machinery.PathFinder.find_spec(name.partition(".")[0])
        if found is None or not found.origin or not any(Path(found.origin).is_relative_to(one) for one in installed):
            raise ValueError(f"{name} is not the installed one")
        origins.append(found.origin)
    environ = {name: value for name, value in os.environ.items() if name not in _OWN and not name.startswith(_PREFIXES)}
    spaces = [Path(f"/proc/self/ns/{name}") for name in ("mnt", "pid", "net", "user", "ipc", "uts", "cgroup")]
    parts = (
        sys.executable,
        sys.version,
        origins,
        [[str(folder), folder.stat().st_mtime_ns] for folder in installed],
        sorted(environ.items()),
        [str(space.readlink()) for space in spaces if space.is_symlink()],
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
        [resource.getrlimit(limit)[1] for limit in _limits()],  # what has been given up is not had back
        os.getpriority(os.PRIO_PROCESS, 0),
        os.getuid(),
        os.getgid(),
        sorted(os.getgroups()),
        MODULES,
        _script().read_text(encoding="utf-8"),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _script() -> Path:
    return Path(__file__).with_name("server.py")


def _connect(path: Path) -> socket.socket | None:
    """Return a connection to the server, which is started where there is none; None if it can't be."""
    with path.with_name("start.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # of several jobs that begin together, one starts it
        server = _connected(path)
        if server is not None:
            return server
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        started = subprocess.Popen(
            [sys.executable, "-P", str(_script()), str(path), str(IDLE), *MODULES],
            cwd="/",
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 20
        while time.monotonic() < until and started.poll() is None:
            server = _connected(path)
            if server is not None:
                return server
            time.sleep(0.01)
    return None


def _connected(path: Path) -> socket.socket | None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(str(path))
    except OSError:
        server.close()
        return None
    return server
